package connect

import (
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
