package control_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"tributary/connector/control"
)

const token = "correct-horse-battery"

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func bearer(token string) func(*http.Request) { return with("Authorization", "Bearer "+token) }

func basic(name, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

func TestWhoIsAnswered(t *testing.T) {
	open := control.Config{Loopback: true}
	named := control.Config{Loopback: true, Hosts: []string{"Tributary.example.com", "other.example.com:8443"}}
	beyond := control.Config{}
	locked := control.Config{Token: token}
	lockedNamed := control.Config{Token: token, Hosts: []string{"tributary.example.com"}}
	origin := func(o string) func(*http.Request) { return with("Origin", o) }
	site := func(s string) func(*http.Request) { return with("Sec-Fetch-Site", s) }
	dest := func(d string) func(*http.Request) { return with("Sec-Fetch-Dest", d) }
	for _, c := range []struct {
		name   string
		cfg    control.Config
		method string
		change []func(*http.Request)
		status int
		kind   string // of the problem
	}{
		{"over the loopback, by its address", open, "GET", nil, 200, ""},
		{"over the loopback, by its name", open, "POST", []func(*http.Request){host("localhost:9")}, 200, ""},
		{"over the loopback, by its name with a dot", open, "GET", []func(*http.Request){host("LOCALHOST.")}, 200, ""},
		{"over the loopback of IPv6", open, "GET", []func(*http.Request){host("[::1]:8080")}, 200, ""},
		{"a name that was made to point here", open, "GET", []func(*http.Request){host("evil.example")}, 403, "host"},
		{"a name that begins like ours", open, "POST", []func(*http.Request){host("localhost.evil.example:80")}, 403, "host"},
		{"an address that begins like ours", open, "GET", []func(*http.Request){host("127.0.0.1.evil.example")}, 403, "host"},
		{"another address of the loopback", open, "GET", []func(*http.Request){host("127.0.0.2")}, 403, "host"},
		{"a name that is said to be ours", named, "GET", []func(*http.Request){host("tributary.example.COM:80")}, 200, ""},
		{"such a name at its port", named, "GET", []func(*http.Request){host("other.example.com:8443")}, 200, ""},
		{"such a name at another port", named, "GET", []func(*http.Request){host("other.example.com:80")}, 403, "host"},
		{"the loopback beside such names", named, "GET", nil, 200, ""},
		{"from beyond without a token in the config", beyond, "GET", nil, 403, "no-token"},
		{"the same with one in the request", beyond, "GET", []func(*http.Request){bearer(token)}, 403, "no-token"},
		{"with the token", locked, "POST", []func(*http.Request){bearer(token)}, 200, ""},
		{"with the token by any name", locked, "GET", []func(*http.Request){bearer(token), host("10.0.0.1")}, 200, ""},
		{"with the token as a browser sends it", locked, "GET", []func(*http.Request){basic("me", token)}, 200, ""},
		{"with the scheme in lower case", locked, "GET", []func(*http.Request){with("Authorization", "bearer "+token)}, 200, ""},
		{"without a token", locked, "GET", nil, 401, "unauthorized"},
		{"with another token", locked, "GET", []func(*http.Request){bearer(token + "x")}, 401, "unauthorized"},
		{"with a part of the token", locked, "GET", []func(*http.Request){bearer(token[:5])}, 401, "unauthorized"},
		{"with an empty token", locked, "GET", []func(*http.Request){with("Authorization", "Bearer ")}, 401, "unauthorized"},
		{"with an empty password", locked, "GET", []func(*http.Request){basic("me", "")}, 401, "unauthorized"},
		{"with the token as the name", locked, "GET", []func(*http.Request){basic(token, "")}, 401, "unauthorized"},
		{"with the token and no scheme", locked, "GET", []func(*http.Request){with("Authorization", token)}, 401, "unauthorized"},
		{"with the token by a name that is not said", lockedNamed, "GET", []func(*http.Request){bearer(token)}, 200, ""},
		{"with the token and a name beside those said", lockedNamed, "GET", []func(*http.Request){bearer(token), host("evil.example")}, 403, "host"},
		{"a page of another site posts", open, "POST", []func(*http.Request){site("cross-site"), origin("https://evil.example")}, 403, "cross-origin"},
		{"a page of the same site but another origin posts", open, "POST", []func(*http.Request){site("same-site")}, 403, "cross-origin"},
		{"an old browser's page of another origin posts", open, "POST", []func(*http.Request){origin("http://evil.example")}, 403, "cross-origin"},
		{"a page of no origin posts", open, "POST", []func(*http.Request){origin("null")}, 403, "cross-origin"},
		{"a page of another port of this host posts", open, "POST", []func(*http.Request){origin("http://127.0.0.1:1")}, 403, "cross-origin"},
		{"a page of another site posts with the browser's password", locked, "POST", []func(*http.Request){basic("me", token), site("cross-site")}, 403, "cross-origin"},
		{"our own page posts", open, "POST", []func(*http.Request){site("same-origin")}, 200, ""},
		{"a person opens it from a link elsewhere", open, "GET", []func(*http.Request){site("cross-site")}, 200, ""},
		{"a person opens it from a link of a page", open, "GET", []func(*http.Request){site("cross-site"), dest("document")}, 200, ""},
		{"a person opens it from a bookmark", open, "GET", []func(*http.Request){site("none"), dest("document")}, 200, ""},
		{"our own page asks", open, "GET", []func(*http.Request){site("same-origin"), dest("empty")}, 200, ""},
		{"a page of another site has it loaded as an image", open, "GET", []func(*http.Request){site("cross-site"), dest("image")}, 403, "cross-origin"},
		{"a page of another site frames it", open, "GET", []func(*http.Request){site("cross-site"), dest("iframe")}, 403, "cross-origin"},
		{"a page of another site fetches it without looking", open, "GET", []func(*http.Request){site("cross-site"), dest("empty")}, 403, "cross-origin"},
		{"a page of another port of this host fetches it", open, "GET", []func(*http.Request){site("same-site"), dest("empty")}, 403, "cross-origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := c.cfg
			h := serve(t, three(), func(to *control.Config) { *to = cfg })
			path := "/v1/info"
			if c.method == "POST" {
				path = "/v1/sources/eu/collections/people/pause"
			}
			a := h.ask(c.method, path, "", c.change...)
			if c.kind == "" {
				a.is(c.status)
				return
			}
			a.problem(c.status, c.kind)
			if len(h.plane.Calls()) > 0 {
				t.Errorf("it was done all the same: %q", h.plane.Calls())
			}
			// The page is refused as the API is.
			h.ask(c.method, "/", "", c.change...).problem(c.status, c.kind)
		})
	}
}

func TestWhoHasNoTokenIsToldHowToSendIt(t *testing.T) {
	h := serve(t, three(), func(c *control.Config) { c.Token = token })
	said := strings.Join(h.ask("GET", "/v1/collections", "").header.Values("WWW-Authenticate"), "; ")
	for _, scheme := range []string{"Bearer ", "Basic "} {
		if !strings.Contains(said, scheme) {
			t.Errorf("WWW-Authenticate is %q, without %s", said, scheme)
		}
	}
}

func TestBrowsersAreToldToKeepAnswersToThemselves(t *testing.T) {
	h := serve(t, three(), nil)
	for _, path := range []string{"/v1/info", "/v1/nothing", "/"} {
		a := h.ask("GET", path, "", with("Origin", "https://evil.example"))
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("GET %s: %s is %q, want %q", path, name, got, want)
			}
		}
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("GET %s: Content-Security-Policy is %q", path, csp)
		}
	}
}

// TestTheLogSaysWhoDidWhat and never with what token.
func TestTheLogSaysWhoDidWhat(t *testing.T) {
	var log bytes.Buffer
	h := serve(t, three(), func(c *control.Config) {
		c.Token = token
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	h.ask("GET", "/v1/info", "", bearer(token)).is(200)
	if log.Len() > 0 {
		t.Errorf("a look is logged: %s", &log)
	}
	const pause = "/v1/sources/eu/collections/people/pause"
	h.ask("POST", pause, "", bearer(token)).is(200)
	h.ask("POST", pause, "", basic("me", token)).is(200)
	h.ask("POST", pause, "", bearer("wrong-"+token)).is(401)
	h.handler.Close()
	h.server.Close() // every line is written
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("the log has %d lines, want 3:\n%s", len(lines), &log)
	}
	for i, want := range []string{"level=INFO", "level=INFO", "level=WARN"} {
		for _, part := range []string{want, "from=127.0.0.1:", "method=POST", "path=" + pause, "status="} {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d has no %s: %s", i+1, part, lines[i])
			}
		}
	}
	if strings.Contains(log.String(), token) || strings.Contains(log.String(), "Authorization") {
		t.Errorf("the log shows the token: %s", &log)
	}
}

func TestTheTokenIsInNoAnswer(t *testing.T) {
	h := serve(t, three(), func(c *control.Config) { c.Token = token })
	for _, pattern := range h.handler.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if path == "/v1/events" {
			continue // has no end
		}
		path = strings.NewReplacer("{source}", "eu", "{collection}", "people").Replace(path)
		a := h.ask(method, path, "", bearer(token))
		if bytes.Contains(a.body, []byte(token)) {
			t.Errorf("%s %s shows the token: %s", method, path, a.body)
		}
	}
}
