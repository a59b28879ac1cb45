package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"tributary/connector"
)

func TestTroubleWithTheNetworkIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := &httptest.Server{URL: "http://" + l.Addr().String()}
	l.Close()
	asking(t, closed, NewTransport(nil)).retry(connector.RetryNetwork, "refused the connection", closed.URL[len("http://"):], "port")

	dials := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, c := range []struct {
		err    error
		reason connector.RetryReason
		says   []string
	}{
		{dials(&net.DNSError{Err: "no such host", Name: "api.exmaple.com", IsNotFound: true}), connector.RetryNetwork, []string{"DNS knows no host api.exmaple.com", "check url"}},
		{dials(&net.DNSError{Err: "i/o timeout", Name: "api.test", IsTimeout: true, IsTemporary: true}), connector.RetryNetwork, []string{"DNS server does not answer about api.test"}},
		{dials(&net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true}), connector.RetryNetwork, []string{"DNS failed for api.test (server misbehaving)"}},
		{dials(context.DeadlineExceeded), connector.RetryTimeout, []string{"no connection to api.test within 10s", "firewalls"}},
		{&net.OpError{Op: "proxyconnect", Err: dials(errors.New("connection refused"))}, connector.RetryNetwork, []string{"the proxy of HTTPS_PROXY", "NO_PROXY"}},
		{io.EOF, connector.RetryNetwork, []string{"without an answer"}},
		{errors.New("something new about " + canary), connector.RetryNetwork, []string{"something new about [hidden]"}},
	} {
		b := asking(t, &httptest.Server{URL: "https://api.test"}, failing{c.err})
		b.retry(c.reason, c.says...)
	}
}

// failing is a transport that brings nothing but an error.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestProxy runs itself in a process for each environment: net/http reads it once.
func TestProxy(t *testing.T) {
	if base := os.Getenv("TEST_THROUGH_PROXY"); base != "" {
		_, err := asking(t, &httptest.Server{URL: base}, NewTransport(nil)).Fetch(t.Context(), everything)
		t.Logf("the answer is: %v", err)
		return
	}
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(dated(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host)
		name, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		switch {
		case name != "u" || password != canary:
			w.WriteHeader(http.StatusProxyAuthRequired)
		case r.Method == http.MethodConnect:
			w.WriteHeader(http.StatusForbidden)
		default:
			write(`{"data":[]}`)(w, r)
		}
	}))
	t.Cleanup(proxy.Close)
	at := strings.TrimPrefix(proxy.URL, "http://")
	login := "http://" + url.UserPassword("u", canary).String() + "@" + at
	for _, c := range []struct{ name, proxy, base, says, asked string }{
		{"is used", login, "http://api.test", "<nil>", "GET api.test"},
		{"is used for TLS, and refuses", login, "https://api.test", "the proxy does not let us to api.test (403 Forbidden)", "CONNECT api.test:443"},
		{"wants a credential", proxy.URL, "http://api.test", "407", "GET api.test"},
		{"wants a credential for TLS", proxy.URL, "https://api.test", "wants a credential to let us to api.test (407)", "CONNECT api.test:443"},
		{"is not there", "http://127.0.0.1:1", "http://api.test", "the proxy of HTTPS_PROXY or HTTP_PROXY cannot be reached", ""},
		{"is not used for a host in NO_PROXY", login, "http://direct.invalid", "direct.invalid", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			mu.Lock()
			asked = nil
			mu.Unlock()
			cmd := exec.Command(os.Args[0], "-test.run=^TestProxy$", "-test.v")
			cmd.Env = append(os.Environ(), "TEST_THROUGH_PROXY="+c.base, "HTTP_PROXY="+c.proxy, "HTTPS_PROXY="+c.proxy, "NO_PROXY=direct.invalid")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "the answer is: ") || !strings.Contains(string(out), c.says) {
				t.Errorf("%v, and it does not say %q:\n%s", err, c.says, out)
			}
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(asked, ", "); got != c.asked {
				t.Errorf("the proxy was asked %q, want %q", got, c.asked)
			}
			noCanary(t, string(out))
		})
	}
}

func TestARequestLeavesForTheOriginAloneWhateverAsksForIt(t *testing.T) {
	t.Parallel()
	base, _ := url.Parse("https://api.test/v2")
	for _, auth := range []*Auth{{Bearer: canary}, {HeaderName: "X-Api-Key", Header: canary}, {Username: "u", Password: canary}} {
		for to, goes := range map[string]bool{
			"https://api.test/v2/people": true, "https://api.test:443/": true, "https://API.test/x": true,
			"http://api.test/v2/people": false, "https://api.test:8443/": false, "https://api.test.evil.test/": false, "https://evil.test/api.test": false,
			"https://api.test@evil.test/": false, "https://u:p@api.test/": false, "https://169.254.169.254/latest": false, "file:///etc/passwd": false,
		} {
			var seen *http.Request
			client := NewClient("test", Budget{}, transport(func(r *http.Request) (*http.Response, error) {
				seen = r
				return nil, io.EOF
			})).of(base, auth, newScrubber(&Config{Auth: auth}))
			req, err := http.NewRequest(http.MethodGet, to, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = client.Do(req); (seen != nil) != goes || !goes && !errors.Is(err, errOrigin) {
				t.Errorf("%s with %s: it went is %v, want %v: %v", to, auth.header(), seen != nil, goes, err)
			}
			if goes && seen.Header.Get(auth.header()) == "" {
				t.Errorf("%s: without a credential", to)
			}
			if req.Header.Get(auth.header()) != "" {
				t.Errorf("%s: the credential is in the request that net/http copies for a redirect", to)
			}
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhoAsks(t *testing.T) {
	t.Parallel()
	for own, want := range map[string]string{"": "tributary/test", "crm-sync/7": "crm-sync/7"} {
		got := ""
		b := setup(t, func(base string) Config {
			c := plain(base)
			if own != "" {
				c.Headers = http.Header{"User-Agent": {own}}
			}
			return c
		}, func(w http.ResponseWriter, r *http.Request) {
			got = r.UserAgent()
			write(`{"data":[]}`)(w, r)
		})
		if _, err := b.Fetch(t.Context(), everything); err != nil || got != want {
			t.Errorf("the API sees %q, want %q; %v", got, want, err)
		}
	}
}
