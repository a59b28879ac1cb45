package main

import (
	"os"
	"strings"
	"testing"
)

// connectConfig is a config with further lines at its top level.
func connectConfig(lines string) string {
	return lines + `
group: crm
kafka: {brokers: [k:9092]}
sources:
  - {name: shop, preset: shop, auth: {bearer: "${env:TOKEN}"}, collections: [orders]}
`
}

func TestWhereKafkaConnectsAPIIsIsSaidInTheConfig(t *testing.T) {
	if cfg := mustParse(t, connectConfig("")); cfg.ConnectListen != "" {
		t.Errorf("it is at %s although nobody asked for it", cfg.ConnectListen)
	}
	for _, lines := range []string{
		"connect_listen: 127.0.0.1:8083", "connect_listen: localhost:8083",
		"connect_listen: :8083\ncontrol: {token: 0123456789abcdef-secret}",
	} {
		if cfg := mustParse(t, connectConfig(lines)); !strings.HasSuffix(cfg.ConnectListen, ":8083") {
			t.Errorf("%s: it is at %q", lines, cfg.ConnectListen)
		}
	}
}

func TestKafkaConnectsAPIIsRefusedWhereItWouldAnswerNobody(t *testing.T) {
	// Their topics differ, their names as connectors do not.
	const two = `
group: crm
kafka: {brokers: [k:9092]}
topics: {name: "{source}__{collection}"}
sources:
  - {name: shop.orders, preset: shop, auth: {bearer: "${env:TOKEN}"}, collections: [{name: a, path: a}]}
  - {name: shop, preset: shop, auth: {bearer: "${env:TOKEN}"}, collections: [{name: orders.a, path: b}]}
`
	for _, c := range []struct{ config, says string }{
		{connectConfig("connect_listen: 8083"), "t.yaml:1:17: connect_listen wants HOST:PORT"},
		{connectConfig("connect_listen: 127.0.0.1:8080"), "t.yaml:1:17: connect_listen is the address of `listen`"},
		{connectConfig("connect_listen: :8083"), "t.yaml:1:17: connect_listen is reached from other hosts, and `control.token` is not set"},
		{connectConfig("connect_listens: :8083"), `did you mean "connect_listen"?`},
	} {
		if _, err := parseTest(c.config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %s", err, c.says)
		}
	}
	_, err := parseTest("connect_listen: 127.0.0.1:8083\n" + two)
	if want := "t.yaml:8:78: sources[1].collections[0] is called shop.orders.a, and so is the collection in line 7, column 85: for `connect_listen`"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	mustParse(t, two)
}

func TestTheExamplesOfKafkaConnectsAPIAreConfigs(t *testing.T) {
	text, err := os.ReadFile("../../docs/connect.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := yamlBlock.FindAllStringSubmatch(string(text), -1)
	for _, example := range examples {
		lines := strings.ReplaceAll(example[1], "${env:TRIBUTARY_CONTROL_TOKEN}", "0123456789abcdef-secret")
		mustParse(t, connectConfig(lines))
	}
	if len(examples) < 2 {
		t.Errorf("%d examples", len(examples))
	}
}
