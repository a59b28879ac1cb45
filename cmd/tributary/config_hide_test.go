package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAKeyInAnAddressIsShownNowhere: some APIs want it in the path, where no auth can put it.
func TestAKeyInAnAddressIsShownNowhere(t *testing.T) {
	const key = "canary/key-0123" // as it is, and escaped
	asked := ""
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		http.Error(w, `{"error": "no `+r.URL.Path+` here"}`, http.StatusNotFound)
	}))
	defer api.Close()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "key"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(`
group: crm
kafka: {brokers: [127.0.0.1:1]}
sources:
  - name: shop
    url: API/${file:key}/v1
    cursor: {field: updated_at, from: since}
    page: {next: next}
    collections: [{name: people, path: "of/${env:SHOP_TOKEN}/people"}, {name: plain, path: "in/${env:REGION}"}]
`, "API", api.URL)
	config := filepath.Join(folder, "t.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) {
		return map[string]string{"SHOP_TOKEN": "canary-token", "REGION": "eu-central-1"}[name], true
	}
	for _, args := range [][]string{{"people"}, {"people", "--request"}, {"people", "--request", "-o", "json"}, {"plain"}} {
		var out, errs lockedBuffer
		code := run(t.Context(), append([]string{"preview", "-c", config}, args...), env, strings.NewReader(""), &out, &errs)
		said := out.String() + errs.String()
		if code != exitFailed || strings.Contains(said, "canary") {
			t.Errorf("%q: %d\n%s", args, code, said)
		}
		if !strings.Contains(asked, "/"+key+"/v1/") {
			t.Errorf("%q: %s was asked for", args, asked)
		}
		if args[0] == "plain" && !strings.Contains(said, "in/eu-central-1") {
			t.Errorf("what is no secret is hidden: %s", said)
		}
	}
	cfg, err := LoadConfig(config, env)
	if err != nil {
		t.Fatal(err)
	}
	// The control API, the page and Connect's API show this, and it is asked nowhere.
	if shown := cfg.Sources[0].URL; shown != api.URL+"/"+redacted+"/v1" {
		t.Errorf("the address is shown as %s", shown)
	}
}
