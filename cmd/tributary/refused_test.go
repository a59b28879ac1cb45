package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestConfigsThatWouldBreakAPromiseLater(t *testing.T) {
	for says, text := range map[string]string{
		"replication wants a whole number": "offsets: {replication: [1]}\n" + onePerson(""),
		"transaction_timeout of 5s":        "kafka: {brokers: [\"k:9092\"], transaction_timeout: 5s}\n" + onePerson(""),
		"is in the future":                 onePerson("start: 2999-01-01T00:00:00Z"),
		"writes whole 1s":                  onePerson("cursor: {format: rfc3339, tick: 1500ms}"),
		"max_compressed":                   onePerson("request: {max_compressed: 9223372036854775807B}"),
	} {
		if !strings.Contains(text, "kafka:") {
			text = "kafka: {brokers: [\"k:9092\"]}\n" + text
		}
		if _, err := parseTest("group: g\n" + text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got %v", says, err)
		}
	}
	for _, auth := range []string{"{bearer " + canary + "x}", "{" + canary + "x}"} {
		_, err := parseTest("group: g\nkafka: {brokers: [\"k:9092\"]}\n" + strings.Replace(onePerson(""), "records:", "auth: "+auth+"\n    records:", 1))
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("auth: %s: %v", auth, err)
		}
	}
}

func onePerson(more string) string {
	if more != "" {
		more = ", " + more
	}
	return "sources:\n  - name: s\n    url: https://x/v1\n    cursor: {field: updated_at, from: gte}\n    records: data\n    collections: [{name: people" + more + "}]\n"
}

func TestCheckSeesABoundThatIsExclusive(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var rows []string
		for i := range 9 {
			if at := fmt.Sprintf("2026-01-02T03:04:0%d.000000Z", i); at > r.URL.Query().Get("after") {
				rows = append(rows, fmt.Sprintf(`{"id":%d,"updated_at":%q}`, i+1, at))
			}
		}
		fmt.Fprintf(w, `{"data":[%s],"metadata":{"next":null}}`, strings.Join(rows, ","))
	}))
	defer srv.Close()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	c := &cli{t: t, config: filepath.Join(t.TempDir(), "t.yaml")}
	text := fmt.Sprintf("group: g\nkafka: {brokers: [%q]}\nsources:\n  - name: s\n    url: %s\n    cursor: {field: updated_at, from: after}\n    page: {next: metadata.next}\n    records: data\n    collections: [people]\n", kafka.ListenAddrs()[0], srv.URL)
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := c.run("check", "--wait", "0"); code != exitCheck || !strings.Contains(out, "exclusive") {
		t.Errorf("check ended with %d:\n%s", code, out)
	}
	if code, _, _ := c.run("preview", "people", "-n", "-1"); code != exitUsage {
		t.Errorf("preview -n -1 ended with %d", code)
	}
}

func TestATokenEndpointsAnswerIsNotRepeated(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		w.WriteHeader(500)
		fmt.Fprintf(w, "your secret is %s", secret)
	}))
	defer srv.Close()
	s := &SASLConfig{Mechanism: "OAUTHBEARER", TokenURL: srv.URL, ClientID: "id", ClientSecret: canary + "x"}
	m, err := s.mechanism()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = m.Authenticate(context.Background(), "h"); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v", err)
	}
}
