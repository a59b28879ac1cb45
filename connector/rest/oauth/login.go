package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// Browser gets tokens for a person with a browser: by an authorization code with PKCE
// (RFC 7636), over a redirect to this host (RFC 8252 section 7.3). redirect is an address
// of the loopback that the client is registered with; port 0 takes a free one, which
// servers must allow. show is told the address that the person opens.
func (e *Endpoint) Browser(ctx context.Context, redirect string, show func(address string)) (Answer, error) {
	to, err := url.Parse(redirect)
	if err != nil || to.Scheme != "http" || !loopback(to.Hostname()) || to.RawQuery != "" || to.Fragment != "" {
		return Answer{}, errors.New("the redirect must be http:// on 127.0.0.1, ::1 or localhost: the code comes back to this machine")
	}
	port := to.Port()
	if port == "" {
		port = "80"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(to.Hostname(), port))
	if err != nil {
		return Answer{}, fmt.Errorf("listen for the redirect: %w", err)
	}
	if _, bound, err := net.SplitHostPort(l.Addr().String()); err == nil && port == "0" {
		to.Host = net.JoinHostPort(to.Hostname(), bound)
	}
	if to.Path == "" {
		to.Path = "/"
	}
	w := &waiter{path: to.Path, state: rand.Text(), got: make(chan string, 1), failed: make(chan error, 1)}
	srv := &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) // ends with Close
	defer func() {
		limited, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		srv.Shutdown(limited) // so that the person sees the last page
		srv.Close()
	}()
	o := e.cfg.OAuth2()
	o.RedirectURL = to.String()
	verifier := oauth2.GenerateVerifier()
	show(o.AuthCodeURL(w.state, oauth2.S256ChallengeOption(verifier)))
	select {
	case code := <-w.got:
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return e.Exchange(limited, code, verifier, o.RedirectURL)
	case err := <-w.failed:
		return Answer{}, err
	case <-ctx.Done():
		return Answer{}, errors.New("nobody came back from the login in time")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A waiter takes the one redirect that has the state that was given out; what comes
// without it is somebody else's, and changes nothing.
type waiter struct {
	path, state string
	got         chan string
	failed      chan error
}

func (w *waiter) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("Referrer-Policy", "no-referrer")
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q := r.URL.Query()
	switch {
	case r.URL.Path != w.path || r.Method != http.MethodGet:
		http.NotFound(rw, r)
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(w.state)) != 1:
		http.Error(rw, "This is not the login that was begun. Nothing was done.", http.StatusBadRequest)
	case q.Get("error") != "" || q.Get("code") == "":
		code := q.Get("error")
		if _, known := codes[code]; !known {
			code = "something else than a code"
		}
		select {
		case w.failed <- fmt.Errorf("the login was not allowed: the server answered %s", code):
		default:
		}
		fmt.Fprintln(rw, "The login was not allowed. You may close this page.")
	default:
		select {
		case w.got <- q.Get("code"):
		default:
		}
		fmt.Fprintln(rw, "Back to the terminal. You may close this page.")
	}
}

// within sends requests within a context: package oauth2 asks a device endpoint without one
// (v0.37.0), and so would wait for ever for one that does not answer.
type within struct {
	ctx  context.Context
	next http.RoundTripper
}

func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.next.RoundTrip(req.WithContext(w.ctx))
}

// Device gets tokens for a person with another device (RFC 8628). show is told the
// address to open there, and the code to enter.
func (e *Endpoint) Device(ctx context.Context, show func(address, code string)) (Answer, error) {
	o := e.cfg.OAuth2()
	sent := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
	hc := &http.Client{Transport: within{traced, e.next}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	d, err := o.DeviceAuth(context.WithValue(ctx, oauth2.HTTPClient, hc))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return Answer{}, fmt.Errorf("the device endpoint answered %d: check device_url, client_id and scopes", refused.Response.StatusCode)
	case err != nil && !sent:
		return Answer{}, errors.New("the device endpoint cannot be reached: " + below(err, e.cfg.DeviceURL))
	case err != nil || d.DeviceCode == "" || d.VerificationURI == "":
		return Answer{}, errors.New("the device endpoint gave no answer that can be used: check device_url")
	}
	show(d.VerificationURI, d.UserCode)
	got, err := e.call(ctx, func(ctx context.Context) error {
		_, err := o.DeviceAccessToken(ctx, d)
		return err
	})
	if ended := !d.Expiry.IsZero() && !time.Now().Before(d.Expiry); err != nil && (ended || ctx.Err() != nil) {
		return got, errors.New("nobody entered the code in time") // and not that it is still waited for, which was the last answer
	}
	return got, err
}
