package rest

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of every connection.
const (
	maxHeader    = 64 << 10
	maxRedirects = 5
	dialTimeout  = 10 * time.Second
)

// Client sends the requests of one source. Its collections share it, and with it the
// connections that are kept alive. It is safe for concurrent use.
type Client struct {
	next   http.RoundTripper
	agent  string
	budget *limiter
}

// NewClient returns a Client that introduces itself as tributary/version and keeps to
// the budget. A nil next is NewTransport(nil); another one must not add credentials.
func NewClient(version string, budget Budget, next http.RoundTripper) *Client {
	if next == nil {
		next = NewTransport(nil)
	}
	return &Client{next: next, agent: "tributary/" + version, budget: newLimiter(budget)}
}

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() {
	(&http.Client{Transport: c.next}).CloseIdleConnections()
}

// Held is for how much longer no request is sent, whose turn it may be, because the API has
// had too many; 0: nothing holds them.
func (c *Client) Held() time.Duration {
	c.budget.mu.Lock()
	defer c.budget.mu.Unlock()
	return max(0, c.budget.held-c.budget.now())
}

// of returns the client of one API, which can reach nothing else and applies auth.
// Scrub takes the secrets out of what is traced.
func (c *Client) of(base *url.URL, auth *Auth, scrub scrubber) *http.Client {
	return &http.Client{
		Transport:     &sender{next: c.next, base: base, auth: auth, agent: c.agent, scrub: scrub},
		CheckRedirect: func(req *http.Request, via []*http.Request) error { return checkRedirect(req, via, auth) },
	}
}

// checkRedirect follows what stays on one origin, a few times. All else is returned
// as the answer that it is, and named by status.go.
func checkRedirect(req *http.Request, via []*http.Request, auth *Auth) error {
	to, from := req.URL.Query(), via[0].URL.Query()
	if auth != nil && auth.QueryName != "" {
		to.Del(auth.QueryName) // it is put on below, and the API has seen it
		from.Del(auth.QueryName)
	}
	// One that loses the query, or the body with the method, asks for everything instead of
	// what was asked for.
	if !sameOrigin(req.URL, via[0].URL) || req.URL.User != nil || len(via) > maxRedirects || to.Encode() != from.Encode() || req.Method != via[0].Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// sender is the last place a request of ours passes. The credential is put on here
// and nowhere else, after a look at where the request goes: net/http takes headers
// along on redirects, and of its own knowledge strips but a few.
type sender struct {
	next  http.RoundTripper
	base  *url.URL
	auth  *Auth
	agent string
	scrub scrubber
}

var errOrigin = errors.New("the request would leave the scheme, host and port of the source's url")

func (s *sender) RoundTrip(req *http.Request) (*http.Response, error) {
	if !sameOrigin(req.URL, s.base) || req.URL.User != nil {
		return nil, errOrigin
	}
	req = req.Clone(req.Context()) // a RoundTripper must not change its request
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", s.agent)
	}
	switch {
	case s.auth == nil:
	case s.auth.OAuth != nil:
		return s.auth.Tokens.Send(req, s.traced)
	default:
		s.auth.apply(req)
	}
	return s.traced(req)
}

func (a *Auth) apply(req *http.Request) {
	switch {
	case a.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+a.Bearer)
	case a.HeaderName != "":
		req.Header.Set(a.HeaderName, a.Header)
	case a.QueryName != "":
		req.URL.RawQuery = withParam(req.URL.RawQuery, a.QueryName, a.Query)
	default:
		req.SetBasicAuth(a.Username, a.Password)
	}
}

// withParam returns an encoded query with one parameter of that name: a link of the API's
// may have it already.
func withParam(query, name, value string) string {
	kept := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		return pair == "" || err == nil && key == name
	})
	return strings.Join(append(kept, url.QueryEscape(name)+"="+url.QueryEscape(value)), "&")
}

// header names the header that holds the credential; empty: none does.
func (a *Auth) header() string {
	switch {
	case a.QueryName != "":
		return ""
	case a.HeaderName != "":
		return a.HeaderName
	}
	return "Authorization"
}

// secrets are the texts that must not be shown.
func (a *Auth) secrets() []string {
	if a == nil {
		return nil
	}
	if a.OAuth != nil {
		return []string{a.OAuth.ClientSecret, a.OAuth.Seed}
	}
	s := []string{a.Bearer, a.Header, a.Password, a.Query}
	if a.Password == "" {
		s = append(s, a.Username) // some APIs take a key as the name
	}
	if _, value, ok := strings.Cut(a.Header, " "); ok {
		s = append(s, value) // "Token abc"
	}
	if a.Username != "" || a.Password != "" {
		s = append(s, base64.StdEncoding.EncodeToString([]byte(a.Username+":"+a.Password)))
	}
	return s
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
