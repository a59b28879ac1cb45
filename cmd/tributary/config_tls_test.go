package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASourceTrustsItsOwnAuthority(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":1,"updated_at":"2026-01-02T03:04:05Z"}]}`)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &cli{t: t, config: filepath.Join(dir, "t.yaml")}
	for tls, says := range map[string]string{
		"": "set tls.ca", "tls: {ca: ca.pem}": "1 records on the page", "tls: {ca: ca.pem, server_name: other.test}": "for another name",
	} {
		text := fmt.Sprintf("group: g\nkafka: {brokers: [\"k:1\"]}\nsources:\n  - name: s\n    url: %s\n    %s\n    cursor: {field: updated_at, from: gte}\n    records: data\n    collections: [people]\n", srv.URL, tls)
		if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, stderr := c.run("preview", "people"); !strings.Contains(stderr, says) {
			t.Errorf("%q: want %q in %s", tls, says, stderr)
		}
	}
}

func TestWhatIsWrongWithTLSOfASource(t *testing.T) {
	for tls, says := range map[string]string{
		"tls: true": "wants a map", "tls: {ca: missing.pem}": "cannot be read", "tls: {cert: a.pem}": `needs "cert" and "key" together`,
		"tls: {cas: a.pem}": `did you mean "ca"`, "url: \"http://x\"\n    tls: {server_name: x}": "has no meaning for a url that is not https",
	} {
		if !strings.Contains(tls, "url") {
			tls += "\n    url: \"https://x\""
		}
		_, err := parseTest(head + "sources:\n  - name: s\n    " + tls + "\n    cursor: {field: u, from: f}\n    collections: [people]\n")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: want %q, got %v", tls, says, err)
		}
	}
	cfg := mustParse(t, head+"sources: [{name: s, url: \"https://x\", tls: {server_name: "+canary+"}, cursor: {field: u, from: f}, collections: [people]}]\n")
	if text := fmt.Sprintf("%v %+v %#v %d", cfg.Sources[0].TLS, cfg, cfg.Sources[0].TLS, cfg.Sources[0].Collections[0]); strings.Contains(text, canary) {
		t.Errorf("what is behind a pointer shows: %s", text)
	}
	if _, err := parseTest(strings.Replace(head, "k:9092", "k:9092", 1) + "sources: [{name: s, url: \"https://x\", cursor: {field: u, from: f}, collections: [{name: p, tls: {}}]}]\n"); err == nil || !strings.Contains(err.Error(), "belongs to the source") {
		t.Errorf("tls of a collection: %v", err)
	}
}
