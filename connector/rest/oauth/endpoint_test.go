package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tributary/test/tokenserver"
)

// canary is what no error may hold.
const canary = "canary/0123456789+abcdef="

func endpointOf(url string) *Endpoint {
	return NewEndpoint(&Config{Source: "crm", Flow: RefreshToken, TokenURL: url + "/token", ClientID: "client", ClientSecret: canary, Style: InHeader}, nil)
}

func serve(t *testing.T, h http.HandlerFunc) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, requests
}

func TestWhatATokenEndpointMayAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		kind   string
		body   string
		class  class // of a failure
		says   string
		got    Answer
	}{
		{"a token", 200, "application/json", `{"access_token":"a","refresh_token":"r","expires_in":60,"token_type":"bearer"}`, 0, "", Answer{Access: "a", Refresh: "r", Life: time.Minute}},
		{"another status that is fine", 201, "application/json", `{"access_token":"a"}`, 0, "", Answer{Access: "a"}},
		{"a form", 200, "application/x-www-form-urlencoded", `access_token=a&refresh_token=r&expires_in=60`, 0, "", Answer{Access: "a", Refresh: "r", Life: time.Minute}},
		{"a form that is called text", 200, "text/plain", `access_token=a`, 0, "", Answer{Access: "a"}},
		{"JSON that is called text", 200, "text/plain", ` {"access_token":"a"}`, 0, "", Answer{Access: "a"}},
		{"JSON that is called HTML", 200, "text/html", `{"access_token":"a"}`, 0, "", Answer{Access: "a"}},
		{"a refresh token beside an access token that cannot be sent", 200, "application/json", `{"access_token":"a\r\nX: y","refresh_token":"r"}`, 0, "", Answer{Refresh: "r"}},
		{"rubbish beside tokens", 200, "application/json", `{"access_token":"a","refresh_token":"r","expires_in":[],"token_type":7,"scope":{}}`, 0, "", Answer{Access: "a", Refresh: "r"}},
		{"an error", 400, "application/json", `{"error":"invalid_grant","error_description":"` + canary + `"}`, refused, "invalid_grant", Answer{}},
		{"an error that says 200", 200, "application/json", `{"error":"bad_refresh_token","error_description":"` + canary + `"}`, refused, "bad_refresh_token", Answer{}},
		{"an error as a form", 400, "application/x-www-form-urlencoded", `error=invalid_grant`, refused, "invalid_grant", Answer{}},
		{"a client that is not known", 401, "application/json", `{"error":"invalid_client"}`, client, "check client_id", Answer{}},
		{"an error nobody knows", 400, "application/json", `{"error":"` + canary + `"}`, client, "check token_url", Answer{}},
		{"an error that is no text", 400, "application/json", `{"error":{"code":7}}`, client, "answered 400", Answer{}},
		{"no page", 404, "text/html", canary, client, "token_url", Answer{}},
		{"throttled", 429, "text/html", canary, later, "too many requests", Answer{}},
		{"an error of the server", 500, "application/json", `{"error":"invalid_grant"}`, unknown, "500", Answer{}},
		{"a proxy", 502, "text/html", canary, unknown, "502", Answer{}},
		{"a timeout", 408, "", "", unknown, "408", Answer{}},
		{"a login page", 200, "text/html", "<html>" + canary, unknown, "without a token", Answer{}},
		{"nothing", 200, "application/json", "", unknown, "without a token", Answer{}},
		{"null", 200, "application/json", "null", unknown, "without a token", Answer{}},
		{"a list", 200, "application/json", `["` + canary + `"]`, unknown, "without a token", Answer{}},
		{"an empty token", 200, "application/json", `{"access_token":""}`, unknown, "without a token", Answer{}},
		{"a token that is a number", 200, "application/json", `{"access_token":17}`, 0, "", Answer{Access: "17"}},
		{"half of one", 200, "application/json", `{"access_token":"` + canary, unknown, "without a token", Answer{}},
		{"too much", 200, "application/json", `{"access_token":"a","x":"` + strings.Repeat("x", maxAnswer) + `"}`, unknown, "no whole answer", Answer{}},
		{"a token as long as a book", 200, "application/json", `{"access_token":"` + strings.Repeat("x", maxToken+1) + `"}`, unknown, "without a token", Answer{}},
		{"moved", 307, "", "", client, "points elsewhere", Answer{}},
	} {
		url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			w.Header().Set("Location", "http://127.0.0.1:1/"+canary)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		got, err := endpointOf(url).Refresh(ctx, canary)
		cancel()
		var f *Failure
		switch {
		case c.says == "" && (err != nil || got != c.got):
			t.Errorf("%s: %+v, %v", c.name, got, err)
		case c.says != "" && (!errors.As(err, &f) || f.class != c.class || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v (%+v)", c.name, err, f)
		case err != nil && strings.Contains(err.Error(), "canary"):
			t.Errorf("%s: the error holds a secret: %v", c.name, err)
		}
		if n := requests.Load(); n != 1 {
			t.Errorf("%s: %d requests", c.name, n)
		}
	}
}

func TestTheNetworkOfATokenEndpointFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	hangs, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		<-r.Context().Done()
	})
	breaks, broken := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	half, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"access_token":"`+canary+`"`)
	})
	for name, c := range map[string]struct {
		url   string
		class class
	}{
		"nobody listens": {"http://" + l.Addr().String(), later}, "it hangs": {hangs, unknown}, "it hangs up": {breaks, unknown}, "it ends in the middle": {half, unknown},
	} {
		within := time.Minute
		if name == "it hangs" {
			within = 2 * time.Second // in which it is sent on a busy machine too
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		_, err := endpointOf(c.url).Refresh(ctx, canary)
		cancel()
		var f *Failure
		if !errors.As(err, &f) || f.class != c.class || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v (%+v)", name, err, f)
		}
	}
	if n := broken.Load(); n != 1 {
		t.Errorf("what was hung up on was sent %d times", n)
	}
}

func TestNoCredentialFollowsARedirect(t *testing.T) {
	elsewhere, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"access_token":"a"}`)
	})
	for _, status := range []int{301, 302, 303, 307, 308} {
		url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere+"/token", status) })
		if _, err := endpointOf(url).Refresh(t.Context(), canary); err == nil {
			t.Errorf("%d was followed", status)
		}
		if _, err := endpointOf(url).Device(t.Context(), func(string, string) {}); err == nil {
			t.Errorf("%d was followed for a device", status)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestTheClientStandsWhereTheServerWantsItAndNowhereElse(t *testing.T) {
	for _, want := range []string{"header", "body", "json_body"} {
		for _, style := range []Style{InHeader, InBody, JSONBody} {
			srv, err := tokenserver.Start(tokenserver.Config{Style: want, ClientID: "an id/with+marks", ClientSecret: "a secret:with%marks&=", Fixed: true})
			if err != nil {
				t.Fatal(err)
			}
			cfg := Config{
				Source: "crm", Flow: RefreshToken, TokenURL: srv.URL + "/token", ClientID: "an id/with+marks", ClientSecret: "a secret:with%marks&=",
				Style: style, Params: map[string]string{"audience": "a b"},
			}
			_, err = NewEndpoint(&cfg, nil).Refresh(t.Context(), srv.Server.Seed())
			if (err == nil) != (want == string(style)) {
				t.Errorf("a server that wants it in the %s, sent in the %s: %v", want, style, err)
			}
			cfg.Flow = ClientCredentials
			_, err = NewEndpoint(&cfg, nil).Credentials(t.Context())
			if (err == nil) != (want == string(style)) {
				t.Errorf("credentials, a server that wants it in the %s, sent in the %s: %v", want, style, err)
			}
			if n := len(srv.Server.Requests()); n != 2 {
				t.Errorf("%d requests for two", n)
			}
			srv.Close()
		}
	}
}

func TestParametersAreSent(t *testing.T) {
	for _, style := range []Style{InHeader, InBody, JSONBody} {
		var body string
		url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			body = string(text)
			io.WriteString(w, `{"access_token":"a"}`)
		})
		cfg := Config{TokenURL: url, ClientID: "client", ClientSecret: "s", Style: style, Params: map[string]string{"audience": "a b"}}
		if _, err := NewEndpoint(&cfg, nil).Refresh(t.Context(), "r"); err != nil || !strings.Contains(body, "audience") || !strings.Contains(body, "refresh_token") {
			t.Errorf("%s: %s, %v", style, body, err)
		}
	}
}

// What was begun in time and comes too late is not written, though nothing has called it
// off yet: code goes on before timers fire.
func TestNothingIsWrittenAfterItsTime(t *testing.T) {
	url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"access_token":"a"}`) })
	send := func(until time.Time) error {
		ctx := context.WithValue(t.Context(), deadlineKey{}, until)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(canary))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := NewTransport(nil).RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := send(time.Now()); !errors.Is(err, errTooLate) {
		t.Error(err)
	}
	if err := send(time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests were written", n)
	}
}

func TestALoginTakesNothingButTheAnswerToItself(t *testing.T) {
	srv, err := tokenserver.Start(tokenserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	cfg := Config{Source: "crm", Flow: RefreshToken, TokenURL: srv.URL + "/token", AuthURL: srv.URL + "/authorize", ClientID: "client", ClientSecret: "client-secret-of-the-test", Style: InHeader}
	get := func(url string) int {
		resp, err := http.Get(url)
		if err != nil {
			t.Error(err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	got, err := NewEndpoint(&cfg, nil).Browser(t.Context(), "http://127.0.0.1:0/back", func(address string) {
		_, redirect, _ := strings.Cut(address, "redirect_uri=")
		redirect, _, _ = strings.Cut(redirect, "&")
		back := strings.NewReplacer("%3A", ":", "%2F", "/").Replace(redirect)
		for _, bad := range []string{"?code=evil", "?code=evil&state=", "?code=evil&state=guess", "?error=access_denied", "/other?code=evil"} {
			if status := get(back + bad); status != 400 && status != 404 {
				t.Errorf("%s: %d", bad, status)
			}
		}
		go get(address) // the person allows it
	})
	if err != nil || !srv.Server.Valid(got.Access) || got.Refresh == "" {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"https://127.0.0.1/x", "http://evil.test/x", "http://0.0.0.0/x", "", "http://127.0.0.1/x?y=1", "http://192.168.0.1:80/"} {
		if _, err := NewEndpoint(&cfg, nil).Browser(t.Context(), bad, func(string) { t.Errorf("%s: somebody is sent away", bad) }); err == nil {
			t.Errorf("%s is taken for this machine", bad)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := NewEndpoint(&cfg, nil).Browser(ctx, "http://127.0.0.1:0/back", func(string) {}); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("nobody came: %v", err)
	}
}

func TestAConfigDoesNotShowItsSecrets(t *testing.T) {
	c := Config{Flow: RefreshToken, TokenURL: "https://login.test/token", ClientSecret: canary, Seed: canary, Params: map[string]string{"assertion": canary}}
	for _, v := range []any{c, &c, []Config{c}, struct{ C *Config }{&c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") || strings.Contains(got, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add("application/json", []byte(`{"access_token":"a","refresh_token":"r","expires_in":"60"}`))
	f.Add("text/plain", []byte(`access_token=a&expires_in=-1`))
	f.Add("", []byte(`{"expires_in":1e400,"error":[[[]]]}`))
	f.Add(`application/json; charset="`, []byte("{\"access_token\":\"\\ud800\"}"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		a := parseAnswer(kind, body)
		if a.Life < 0 || a.Life > maxLife {
			t.Errorf("a life of %v", a.Life)
		}
		if a.Access != "" {
			req, err := http.NewRequest(http.MethodGet, "http://api.test/", nil)
			if err != nil {
				t.Fatal(err)
			}
			var wire strings.Builder
			if err := Bearing(req, a.Access).Write(&wire); err != nil || strings.Count(wire.String(), "\r\n") != 5 {
				t.Errorf("%q is written as %q, %v", a.Access, wire.String(), err)
			}
		}
		if len(a.Refresh) > maxToken {
			t.Error("a refresh token of any length")
		}
	})
}
