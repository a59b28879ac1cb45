package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"tributary/connector"
	"tributary/connector/rest/network"
)

// Endpoint asks a token endpoint. It makes one request for each call, follows no
// redirect, and its errors hold nothing of what was sent or answered.
type Endpoint struct {
	cfg  *Config
	next http.RoundTripper
}

// NewEndpoint returns one for cfg. A nil next is NewTransport(nil).
func NewEndpoint(cfg *Config, next http.RoundTripper) *Endpoint {
	if next == nil {
		next = NewTransport(nil)
	}
	return &Endpoint{cfg: cfg, next: next}
}

// A Failure is a request that brought no token.
type Failure struct {
	class  class
	status int           // 0: no answer
	after  time.Duration // what the server asked for
	text   string
}

func (f *Failure) Error() string { return f.text }

// Refused says that the refresh token, or the code of a login, is not good any more.
func (f *Failure) Refused() bool { return f.class == refused }

// Refresh exchanges a refresh token. Where it returns no error, one of the tokens of the
// answer is there. Its error is a *Failure.
func (e *Endpoint) Refresh(ctx context.Context, refresh string) (Answer, error) {
	return e.call(ctx, func(ctx context.Context) error {
		_, err := e.cfg.OAuth2().TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
		return err
	})
}

// Credentials asks for a token by the client's own id and secret.
func (e *Endpoint) Credentials(ctx context.Context) (Answer, error) {
	o := e.cfg.OAuth2()
	c := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: o.Endpoint.TokenURL, Scopes: o.Scopes, AuthStyle: o.Endpoint.AuthStyle}
	return e.call(ctx, func(ctx context.Context) error {
		_, err := c.Token(ctx)
		return err
	})
}

// Exchange turns the code of a login into tokens.
func (e *Endpoint) Exchange(ctx context.Context, code, verifier, redirect string) (Answer, error) {
	o := e.cfg.OAuth2()
	o.RedirectURL = redirect
	return e.call(ctx, func(ctx context.Context) error {
		_, err := o.Exchange(ctx, code, oauth2.VerifierOption(verifier))
		return err
	})
}

// call runs one exchange of package oauth2, and takes the answer from the wire: that
// package gives up a whole answer for one member that makes no sense to it.
func (e *Endpoint) call(ctx context.Context, ask func(context.Context) error) (Answer, error) {
	c := &call{cfg: e.cfg, next: e.next}
	if d, ok := ctx.Deadline(); ok {
		ctx = context.WithValue(ctx, deadlineKey{}, d)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.sent = true }})
	hc := &http.Client{Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	err := ask(context.WithValue(ctx, oauth2.HTTPClient, hc))
	if c.status/100 == 2 && c.answer.Code == "" && (c.answer.Access != "" || c.answer.Refresh != "") {
		return c.answer, nil
	}
	return Answer{}, c.failure(err)
}

// call is one request, seen from below package oauth2.
type call struct {
	cfg    *Config
	next   http.RoundTripper
	sent   bool
	status int
	after  time.Duration
	answer Answer
}

// RoundTrip sends the request in the style of the config, and hands up an answer that
// holds nothing but what is needed.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	req, err := c.styled(req)
	if err != nil {
		return nil, err
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	c.status = resp.StatusCode
	if seconds := life(resp.Header.Get("Retry-After")); seconds > 0 {
		c.after = min(seconds, maxWait)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		c.status = 0 // half of an answer says nothing
		return nil, err
	}
	c.answer = parseAnswer(resp.Header.Get("Content-Type"), body)
	plain, err := json.Marshal(map[string]any{"access_token": c.answer.Access, "token_type": "Bearer", "error": c.answer.Code})
	if err != nil {
		return nil, err
	}
	resp.Header = http.Header{"Content-Type": {"application/json"}}
	resp.Body = io.NopCloser(bytes.NewReader(plain))
	return resp, nil
}

// styled returns the request with the config's parameters, as a form or as JSON.
func (c *call) styled(req *http.Request) (*http.Request, error) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, errors.New("the form cannot be read")
	}
	for name, value := range c.cfg.Params {
		form.Set(name, value)
	}
	body, kind := []byte(form.Encode()), "application/x-www-form-urlencoded"
	if c.cfg.Style == JSONBody {
		object := map[string]string{}
		for name := range form {
			object[name] = form.Get(name)
		}
		if body, err = json.Marshal(object); err != nil {
			return nil, err
		}
		kind = "application/json"
	}
	out := req.Clone(req.Context())
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.GetBody = nil // it is sent once
	out.Header.Set("Content-Type", kind)
	out.Header.Set("Accept", "application/json")
	out.Header.Set("User-Agent", "tributary")
	return out, nil
}

// failure says what went wrong, in words of our own: what the server said may hold what
// it was sent.
func (c *call) failure(err error) *Failure {
	f := &Failure{status: c.status, after: c.after}
	known, isKnown := codes[c.answer.Code]
	code := ""
	if isKnown {
		code = " " + c.answer.Code
	}
	at := "the token endpoint "
	switch s := c.status; {
	case s == 0 && !c.sent:
		f.class, f.text = later, at+"cannot be reached: "+below(err, c.cfg.TokenURL)
	case s == 0:
		f.class, f.text = unknown, at+"gave no whole answer: "+below(err, c.cfg.TokenURL)
	case s/100 == 3:
		f.class, f.text = client, fmt.Sprintf("%sanswered %d and points elsewhere, where a credential is never sent: set token_url to its final address", at, s)
	case isKnown && (s/100 == 4 || s/100 == 2):
		if f.class, f.text = known, fmt.Sprintf("%sanswered %d%s", at, s, code); known == client {
			f.text += ": check client_id, client_secret, auth_style and scopes"
		}
	case s == http.StatusTooManyRequests:
		f.class, f.text = later, fmt.Sprintf("%sanswered %d: too many requests", at, s)
	case s == http.StatusRequestTimeout || s/100 == 5:
		f.class, f.text = unknown, fmt.Sprintf("%sanswered %d%s", at, s, code)
	case s/100 == 4:
		f.class, f.text = client, fmt.Sprintf("%sanswered %d: check token_url, client_id, client_secret and auth_style", at, s)
	default:
		f.class, f.text = unknown, fmt.Sprintf("%sanswered %d without a token that can be used", at, s)
	}
	return f
}

// below names what failed below HTTP, without the address, whose query is nobody's
// business.
func below(err error, address string) string {
	var u *url.Error
	for errors.As(err, &u) && u.Err != nil {
		err = u.Err
	}
	var timeout net.Error
	switch {
	case err == nil:
		return "nothing came"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errTooLate), errors.As(err, &timeout) && timeout.Timeout():
		return "not within the time there was"
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, network.Explain(err, host(address)))
	return text[:min(len(text), 300)]
}

// host returns the host of an address of the config.
func host(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return "its host"
}

// retry turns a failure into what a reader knows to wait for.
func (f *Failure) retry() *connector.RetryError {
	r := &connector.RetryError{Reason: connector.RetryServer, Err: f}
	switch {
	case f.class == refused || f.class == client:
		r.Reason = connector.RetryUnauthorized
	case f.status == 0:
		r.Reason = connector.RetryNetwork
	case f.status == http.StatusTooManyRequests:
		r.Reason = connector.RetryThrottled
	case f.status/100 == 2:
		r.Reason = connector.RetryBody
	}
	return r
}
