package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPreviewShowsTheRequestAndHidesTheCredential(t *testing.T) {
	c := newCLI(t, "[people, accounts]")
	code, text, stderr := c.run("preview", "people", "--request")
	for _, says := range []string{"> GET http://127.0.0.1", "> Authorization: [hidden]", "> User-Agent: tributary/", "< HTTP/1.1 200 OK", `{"data":[{"id":1`, "a new connection to 127.0.0.1:", "bytes received", "first byte"} {
		if !strings.Contains(text, says) {
			t.Errorf("it does not say %q", says)
		}
	}
	if code != 0 || strings.Contains(text+stderr, "canary") {
		t.Errorf("exit code %d\n%s%s", code, text, stderr)
	}

	code, text, stderr = c.run("preview", "accounts", "--request", "-o", "json") // 403
	var har struct {
		Log struct {
			Version string
			Entries []struct {
				Request  struct{ URL string }
				Response struct{ Status int }
				Time     float64
				Timings  map[string]float64
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &har); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	e := har.Log.Entries
	if code != exitFailed || har.Log.Version != "1.2" || len(e) != 1 || e[0].Response.Status != 403 || !strings.HasSuffix(e[0].Request.URL, "/v1/accounts") || e[0].Time <= 0 || e[0].Timings["dns"] != -1 {
		t.Errorf("exit code %d, %+v", code, har)
	}
	if strings.Contains(text+stderr, "canary") || !strings.Contains(stderr, "403") {
		t.Errorf("%s%s", text, stderr)
	}
}

func TestABodyCannotSteerATerminal(t *testing.T) {
	if got := excerptOf("a\x1b[31m\nb\xff" + strings.Repeat("x", 3000)); strings.ContainsAny(got, "\x1b") || !strings.HasPrefix(got, "a\uFFFD[31m\nb\uFFFD") || !strings.HasSuffix(got, "(3009 bytes; -o json shows more)") {
		t.Errorf("%.60q … %q", got, got[len(got)-40:])
	}
}
