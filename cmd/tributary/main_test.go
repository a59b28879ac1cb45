package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tributary/connector/rest"
)

// tributary runs the program and returns its exit code and what it printed.
func tributary(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(context.Background(), args, testEnv, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"bad.yaml": "group: [\n", "worse.yaml": "grup: a\nkafka: 1\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		says string // on either
	}{
		{"", 0, "tributary init"},
		{"help", 0, "Available Commands"},
		{"validate --help", 0, "exit code is 3"},
		{"version", 0, "built with go"},
		{"completion bash", 0, "bash completion"},
		{"valdate", 2, `unknown command "valdate"; did you mean validate?`},
		{"frobnicate", 2, `unknown command "frobnicate"`},
		{"validate --nope", 2, "unknown flag: --nope"},
		{"validate extra", 2, `unknown command "extra"`},
		{"validate -o yaml", 2, "there are table and json"},
		{"validate -c missing.yaml", 3, "missing.yaml: no such file or directory"},
		{"validate -c bad.yaml", 3, "bad.yaml:1:8: not YAML"},
		{"validate -c worse.yaml", 3, "3 problems\n"},
		{"validate -c bad.yaml -o json", 3, `"line": 1`},
		{"init a b", 2, "accepts at most 1 arg"},
		{"init --preset salesfloft -", 2, `there is no preset "salesfloft"; did you mean "salesloft"?`},
		{"init no/such/folder.yaml", 1, "no such file or directory"},
		{"healthcheck --url ftp://x", 2, "--url wants an address"},
		{"healthcheck --url http://127.0.0.1:1/ -c bad.yaml", 2, "[config url]"},
		{"healthcheck --url http://127.0.0.1:1/", 1, "connection refused"},
		{"healthcheck -c bad.yaml", 3, "bad.yaml:1:8"},
	} {
		code, stdout, stderr := tributary(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("tributary %s: exit code %d, want %d and %q in\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
		if code == 0 && stderr != "" || code != 0 && stdout != "" && !strings.Contains(c.args, "json") {
			t.Errorf("tributary %s: the wrong stream:\n%s\n%s", c.args, stdout, stderr)
		}
	}
}

func TestTheExitCodeOfACommandIsThatOfItsError(t *testing.T) {
	for want, err := range map[int]error{
		0:          nil,
		exitUsage:  errors.New("what cobra says"),
		exitFenced: &exitError{code: exitFenced, err: errors.New("another instance")},
		exitCheck:  &exitError{code: exitCheck},
		exitConfig: &exitError{code: exitConfig, err: &ConfigError{File: "f", Message: "m"}},
		exitFailed: &exitError{code: exitFailed, err: errors.New("no")},
	} {
		if got := report(&strings.Builder{}, err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
}

func TestWhatInitWritesIsValid(t *testing.T) {
	for _, preset := range append(rest.PresetNames(), noPreset) {
		path := filepath.Join(t.TempDir(), "tributary.yaml")
		if code, _, stderr := tributary(t, "init", path, "--preset", preset); code != 0 {
			t.Fatal(stderr)
		}
		code, stdout, stderr := tributary(t, "validate", "-c", path)
		if code != 0 || !strings.HasPrefix(stdout, "ok: 1 source, ") {
			t.Errorf("preset %s: exit code %d\n%s%s", preset, code, stdout, stderr)
		}
		if code, _, stderr := tributary(t, "init", path); code != 1 || !strings.Contains(stderr, "is there already; --force overwrites it") {
			t.Errorf("init over a file: exit code %d, %s", code, stderr)
		}
		if code, _, stderr := tributary(t, "init", path, "--force"); code != 0 {
			t.Errorf("init --force: exit code %d, %s", code, stderr)
		}
	}
}

// What the example shows as a comment must be right too: it is what people take the
// comment sign from.
func TestWhatTheExampleHasInCommentsIsValid(t *testing.T) {
	text, err := example(noPreset, testPresets())
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^( *)# ( *[a-z_]+:.*)$`)
	alternative := regexp.MustCompile(`(?m)^ *# auth: .*\n`)
	whole := commented.ReplaceAllString(alternative.ReplaceAllString(string(text), ""), "$1$2")
	env := func(name string) (string, bool) { return strings.Repeat("x", minToken), true }
	if _, err := parseConfig(newConfigText("example.yaml", []byte(whole)), ".", env, testPresets()); err != nil {
		t.Errorf("%v\n%s", err, whole)
	}
}

func TestValidateListsTheCollections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	text := head + "sources: [{name: api, url: \"https://a.test\", interval: 1m, cursor: {field: u, from: f}, collections: [people, {name: notes, interval: 1h30m}," +
		"{name: deals, triggers: {schedule: \"0 6 * * *\"}}, {name: logs, interval: none}, {name: calls, interval: 5m, triggers: {schedule: [\"0 6 * * *\", \"@daily\"]}}]}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := tributary(t, "validate", "-c", path)
	want := `ok: 1 source, 5 collections; the offsets topic is crm.offsets

SOURCE  COLLECTION  TOPIC       INTERVAL
api     people      api.people  1m
api     notes       api.notes   1h30m
api     deals       api.deals   1m; 0 6 * * *
api     logs        api.logs    when asked
api     calls       api.calls   5m; 0 6 * * *; @daily
`
	if stdout != want {
		t.Errorf("got\n%swant\n%s", stdout, want)
	}
	_, stdout, _ = tributary(t, "validate", "-c", path, "-o", "json")
	var v validation
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || !v.OK || len(v.Collections) != 5 || v.Collections[0].Topic != "api.people" {
		t.Errorf("%v in %s", err, stdout)
	}
}

func TestHealthcheckAsksWhereTheConfigListens(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/readyz", ":9000": "http://127.0.0.1:9000/readyz",
		"0.0.0.0:1": "http://127.0.0.1:1/readyz", "[::]:2": "http://[::1]:2/readyz", "host:3": "http://host:3/readyz",
	} {
		if got := localURL("http", listen) + "/readyz"; got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}

func TestHealthcheckBelievesOnlyA2xx(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			http.Error(w, "lane 2 is not acquired", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{
		"/ok": "", "/redirect": "302 Found", "/readyz": "503 Service Unavailable: lane 2 is not acquired", "/slow": "did not answer within",
	} {
		within := time.Minute
		if path == "/slow" {
			within = 100 * time.Millisecond
		}
		err := healthcheck(context.Background(), newDirectClient(&http.Transport{DisableKeepAlives: true}), server.URL+path, within)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}
