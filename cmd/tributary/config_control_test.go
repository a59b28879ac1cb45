package main

import (
	"fmt"
	"strings"
	"testing"
)

func controlConfig(control string) string {
	return "control: " + control + `
group: crm
kafka: {brokers: [k:9092]}
sources:
  - {name: shop, preset: shop, auth: {bearer: "${env:TOKEN}"}, collections: [orders]}
`
}

func TestWhoMayOperateIsSaidInTheConfig(t *testing.T) {
	cfg := mustParse(t, controlConfig(`{token: "${env:TOKEN}-long-enough", hosts: [tributary.example.com, "[::1]:8080"]}`))
	if got := cfg.Control.Token.Reveal(); !strings.HasSuffix(got, "-long-enough") || len(got) < minToken {
		t.Errorf("the token is %q", got)
	}
	if got := cfg.Control.Hosts; len(got) != 2 || got[1] != "[::1]:8080" {
		t.Errorf("the hosts are %q", got)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg.Control, cfg.Control.Token); strings.Contains(shown, "long-enough") {
		t.Errorf("the token is shown: %s", shown)
	}
}

func TestATokenThatIsNoneIsRefusedUnseen(t *testing.T) {
	for _, c := range []struct{ control, says string }{
		{`{token: short-but-secret}`, ""}, // 16 bytes
		{`{token: short-secret}`, "control.token is too short: a token has at least 16 bytes"},
		{`{token: "a secret of many words"}`, "control.token has characters that a header cannot carry"},
		{`{token: "gehörnter-secret-longer"}`, "control.token has characters that a header cannot carry"},
		{`{token: ""}`, "control.token is empty"},
		{`{tokn: abcdefghijklmnop-secret}`, `did you mean "token"?`},
		{`{hosts: ["https://tributary.example.com"]}`, "control.hosts[0] wants the name of a host"},
		{`{hosts: ["*"]}`, "control.hosts[0] wants the name of a host"},
		{`{hosts: tributary.example.com}`, "control.hosts wants a list"},
	} {
		_, err := parseTest(controlConfig(c.control))
		switch {
		case c.says == "" && err == nil:
		case err == nil || !strings.Contains(err.Error(), c.says) || c.says == "":
			t.Errorf("%s: %v, want %q", c.control, err, c.says)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the token is shown: %v", c.control, err)
		}
	}
}

func TestWhatIsTheLoopback(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:1": true, "localhost:8080": true, "[::1]:8080": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "10.0.0.1:8080": false, "localhost.example.com:1": false, "": false,
	} {
		if got := onLoopback(listen); got != want {
			t.Errorf("onLoopback(%q) is %t", listen, got)
		}
	}
}
