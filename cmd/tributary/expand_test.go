package main

import (
	"errors"
	"strings"
	"testing"
)

func TestReferencesAreExpanded(t *testing.T) {
	x := expander{env: testEnv, readFile: func(path string) ([]byte, error) {
		if path != "/run/secrets/s" {
			return nil, errors.New("no such file")
		}
		return []byte("from file\n\n"), nil
	}}
	for _, c := range []struct{ name, text, want string }{
		{"text without a reference stays", "a $b {c} $", "a $b {c} $"},
		{"a variable", "${env:N}", "3"},
		{"two variables within a text", "<${env:N}|${env:INTERVAL}>", "<3|7s>"},
		{"a set variable ignores its default", "${env:N:-4}", "3"},
		{"a variable that is not set has its default", "${env:NONE:-4}", "4"},
		{"an empty variable has its default", "${env:EMPTY:-x:y?z}", "x:y?z"},
		{"a default may be empty", "${env:NONE:-}", ""},
		{"an empty variable is empty without a default", "${env:EMPTY}", ""},
		{"a file loses the newlines at its end", "${file:/run/secrets/s}", "from file"},
		{"two dollars stand for one before a brace", "$${env:N} and $$x", "${env:N} and $$x"},
		{"a reference behind an escape", "$${${env:N}", "${3"},
		{"what a variable holds is not expanded again", "${env:NONE:-$}{env:N}", "${env:N}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := x.expand(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
	if _, err := x.expand("${env:EMPTY:?set it}"); err == nil || !strings.HasSuffix(err.Error(), "EMPTY is not set or empty: set it") {
		t.Errorf("an empty variable with a message: %v", err)
	}
}

func TestAValueCannotChangeTheStructure(t *testing.T) {
	_, err := parseTest("group: ${env:STRUCTURE}\nkafka: {brokers: [k:9092]}\nsources: [{name: shop, preset: shop}]\n")
	if err == nil || !strings.Contains(err.Error(), "t.yaml:1:8: group becomes part of a topic's name") {
		t.Errorf("got %v", err)
	}
}

func TestReferencesStandForNumbersAndTruthToo(t *testing.T) {
	cfg := mustParse(t, `
group: crm
kafka: {brokers: ["${env:HOST:-kafka}:9092"], tls: "${env:YES}"}
offsets: {lanes: "${env:N}"}
sources: [{name: shop, preset: shop, interval: "${env:INTERVAL}"}]
`)
	if cfg.Offsets.Lanes != 3 || cfg.Kafka.TLS == nil || cfg.Kafka.Brokers[0] != "kafka:9092" ||
		cfg.Sources[0].Collections[0].Settings.Interval.String() != "7s" {
		t.Errorf("got %+v", cfg)
	}
}
