package connect

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	client "github.com/cloudhut/connect-client"

	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

const token = "canary-0123456789abcdef"

// TestATokenIsAskedAsThePasswordOfBasic, which is what every client of Connect can send.
func TestATokenIsAskedAsThePasswordOfBasic(t *testing.T) {
	p := controltest.New(controltest.Collection("crm", "people"))
	s := httptest.NewServer(NewHandler(p, Config{Guard: control.NewGuard(control.Config{Token: token})}))
	defer s.Close()
	for _, c := range []struct {
		what string
		opts []client.ClientOption
		fine bool
	}{
		{"nothing", nil, false},
		{"another password", []client.ClientOption{client.WithBasicAuth("connect", "another")}, false},
		{"the token as the name", []client.ClientOption{client.WithBasicAuth(token, "")}, false},
		{"the token as the password", []client.ClientOption{client.WithBasicAuth("connect", token)}, true},
		{"the token as Bearer", []client.ClientOption{client.WithAuthToken(token)}, true},
	} {
		err := client.NewClient(append(c.opts, client.WithHost(s.URL))...).PauseConnector(t.Context(), "crm.people")
		if (err == nil) != c.fine {
			t.Errorf("%s: %v", c.what, err)
		}
		if err != nil && (strings.Contains(err.Error(), token) || !strings.HasSuffix(err.Error(), "(401)")) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if got := strings.Join(p.Calls(), ", "); got != "hold paused crm.people, hold paused crm.people" {
		t.Errorf("asked of the plane: %s", got)
	}
}

// TestNobodyIsAnsweredWhoMayNotAsk looks at the reasons and at their shape.
func TestNobodyIsAnsweredWhoMayNotAsk(t *testing.T) {
	p := controltest.New(controltest.Collection("crm", "people"))
	open := NewHandler(p, Config{Guard: loopback})
	for _, c := range []struct {
		what          string
		h             http.Handler
		host, headers string
		code          int
	}{
		{"no guard", NewHandler(p, Config{}), "localhost", "", 403},
		{"a listener beyond this host without a token", NewHandler(p, Config{Guard: control.NewGuard(control.Config{})}), "localhost", "", 403},
		{"another name", open, "evil.example", "", 403},
		{"a page of another origin", open, "localhost:8083", "Sec-Fetch-Site: cross-site", 403},
		{"no token", NewHandler(p, Config{Guard: control.NewGuard(control.Config{Token: token})}), "connect.example", "", 401},
		{"a tool", open, "localhost:8083", "", 202},
	} {
		r := httptest.NewRequest("PUT", "/connectors/crm.people/pause", nil)
		r.Host = c.host
		if name, value, ok := strings.Cut(c.headers, ": "); ok {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, r)
		if w.Code != c.code {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Body)
		}
		if c.code >= 400 && !strings.HasPrefix(w.Body.String(), `{"error_code":40`) {
			t.Errorf("%s: %s", c.what, w.Body)
		}
		if (c.code == 401) != strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: WWW-Authenticate: %q", c.what, w.Header().Get("WWW-Authenticate"))
		}
	}
	if got := strings.Join(p.Calls(), ", "); got != "hold paused crm.people" {
		t.Errorf("asked of the plane: %s", got)
	}
}

// TestTheLogSaysWhoWasRefused as that of the control API does: whoever tries tokens here is
// seen there too.
func TestTheLogSaysWhoWasRefused(t *testing.T) {
	var log bytes.Buffer
	p := controltest.New(controltest.Collection("crm", "people"))
	h := NewHandler(p, Config{Guard: control.NewGuard(control.Config{Token: token}), Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range []struct {
		method, path, password, want string
	}{
		{"PUT", "/connectors/crm.people/pause", "wrong-" + token, "level=WARN"},
		{"PUT", "/connectors/crm.people/pause", token, "level=INFO"},
		{"DELETE", "/connectors/crm.people", token, "level=WARN"},
		{"GET", "/connectors", token, ""},
	} {
		log.Reset()
		r := httptest.NewRequest(c.method, c.path, nil)
		r.SetBasicAuth("me", c.password)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		line := log.String()
		if (line == "") != (c.want == "") || !strings.Contains(line, c.want) || c.want != "" && !strings.Contains(line, "path="+c.path) {
			t.Errorf("%s %s: the log says %q, want %s", c.method, c.path, line, c.want)
		}
		if strings.Contains(line, token) {
			t.Errorf("the token is in the log: %s", line)
		}
		if w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s %s: browsers may do what they like with the answer: %v", c.method, c.path, w.Header())
		}
	}
}
