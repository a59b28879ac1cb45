package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tributary/connector"
	"tributary/connector/rest/network"
)

const (
	maxExcerpt = 300     // characters of an API's own error in ours
	maxError   = 4 << 10 // bytes of it that are read
)

// refuse counts a body that is refused and makes its error. Why it is wrong is
// nothing that a wait mends by itself, but most often it was the network's.
func (s *Source) refuse(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	s.m.Refused.WithLabelValues(r.reason).Inc()
	return &connector.RetryError{Reason: connector.RetryBody, Err: fmt.Errorf("%s: the body of the answer is refused: %s", s.name, s.scrub.text(r.text))}
}

// unanswered names what went wrong below HTTP. The caller's own end comes first: a
// request that was called off has not failed.
func (s *Source) unanswered(caller, limited context.Context, err error) error {
	if caller.Err() != nil {
		return caller.Err()
	}
	retry := func(r connector.RetryReason, format string, args ...any) error {
		return &connector.RetryError{Reason: r, Err: errors.New(s.name + ": " + fmt.Sprintf(format, args...))}
	}
	cause := unwrapURL(err)
	text := s.scrub.excerpt(network.Explain(cause, s.cfg.Base.Host), false, maxExcerpt)
	var timeout net.Error
	var dns *net.DNSError
	var again *connector.RetryError
	switch {
	case errors.As(cause, &again): // there is no credential to send
		return &connector.RetryError{Reason: again.Reason, After: again.After, Err: errors.New(s.name + ": " + s.scrub.text(again.Error()))}
	case errors.Is(cause, errOrigin):
		return retry(connector.RetryRefused, "%s", s.scrub.text(cause.Error()))
	case limited.Err() != nil:
		return retry(connector.RetryTimeout, "no whole answer within %v: %s", s.cfg.Timeout, s.words.tooSlow)
	case errors.As(cause, &timeout) && timeout.Timeout() && !errors.As(cause, &dns):
		return retry(connector.RetryTimeout, "%s", text)
	}
	return retry(connector.RetryNetwork, "%s", text)
}

// unwrapURL takes the address off an error of net/http, for its query may hold a key.
func unwrapURL(err error) error {
	var u *url.Error
	for errors.As(err, &u) && u.Err != nil {
		err = u.Err
	}
	return err
}

// failed makes the error of an answer that is not 200.
func (s *Source) failed(caller context.Context, resp *http.Response, date time.Time) error {
	said, body := s.said(resp)
	if caller.Err() != nil {
		return caller.Err()
	}
	if err := s.judge(resp.StatusCode, resp.Header, date, body); err != nil {
		return err
	}
	after, asked := retryAfter(resp.Header.Get("Retry-After"), date)
	if resp.StatusCode == http.StatusForbidden && !asked {
		// GitHub's primary limit: forbidden, with nothing left and when there is more.
		after, asked = s.client.budget.spent(resp.Header, date)
	}
	reason, advice := s.words.classify(resp.StatusCode, asked)
	atMost := time.Duration(0)
	if resp.StatusCode == http.StatusTooManyRequests && !asked {
		atMost = restOfMinute(date)
	}
	if 300 <= resp.StatusCode && resp.StatusCode < 400 {
		advice = s.redirected(resp)
	}
	text := fmt.Sprintf("%s: the %s answered %d %s", s.name, s.words.who, resp.StatusCode, http.StatusText(resp.StatusCode))
	if said != "" {
		text += " (" + said + ")"
	}
	return &connector.RetryError{Reason: reason, After: after, AtMost: atMost, Err: errors.New(text + ": " + advice)}
}

// wording is what errors call the other side, and what they advise.
type wording struct {
	who               string
	tooLarge, tooSlow string
	moved             string // what is set where a redirect is not followed
	classify          func(status int, asked bool) (connector.RetryReason, string)
}

var ofAnAPI = wording{
	who: "API", classify: classify,
	tooLarge: "ask for smaller pages, or raise request.max_body and request.max_compressed",
	tooSlow:  "ask for smaller pages, or raise request.timeout",
	moved:    "url to the API's final address",
}

// classify says for a status other than 200 how it is tried again, and what a person
// can do.
func classify(status int, asked bool) (connector.RetryReason, string) {
	switch {
	case status == http.StatusTooManyRequests, asked && status == http.StatusServiceUnavailable,
		asked && status == http.StatusForbidden: // GitHub's secondary limit, for one
		return connector.RetryThrottled, "the request is sent again later; if this stays, lower the budget or raise the interval"
	case status >= 500:
		return connector.RetryServer, "the request is sent again"
	case status == http.StatusProxyAuthRequired:
		return connector.RetryRefused, "a proxy in between wants a credential: put name and password into HTTP_PROXY or HTTPS_PROXY"
	case status == http.StatusUnauthorized:
		return connector.RetryUnauthorized, "the credential is missing, wrong, revoked or expired: renew auth"
	case status == http.StatusForbidden:
		return connector.RetryRefused, "the credential may not read this collection: give it the scope, or leave the collection out"
	case status == http.StatusNotFound, status == http.StatusGone:
		return connector.RetryRefused, "check url and path of the collection; some APIs answer so where the credential lacks the right"
	case status == http.StatusRequestTimeout:
		return connector.RetryTimeout, "the request is sent again"
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return connector.RetryRefused, "the API does not take the query: check cursor.format and order; if it takes no fraction of a second in a bound, set cursor.tick to its precision"
	case status < 300:
		return connector.RetryRefused, "only 200 comes with a page: check url, path and request.params"
	}
	return connector.RetryRefused, "a person has to look at the url, the credential and request.params"
}

// redirected says where an answer points that was not followed, without the part that
// may hold a key.
func (s *Source) redirected(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil {
		return "it points nowhere that can be followed: check url"
	}
	return s.scrub.excerpt(fmt.Sprintf("it points to %s://%s, which is not followed: a request stays on the url's scheme, host and port, with the same query, over at most %d redirects; set %s",
		to.Scheme, to.Host, maxRedirects, s.words.moved), false, maxExcerpt)
}

// said reads what the API says about its error: the texts of a JSON document where
// it is one, else its beginning, with the body as far as it was read. The status counts
// even if this cannot be read.
func (s *Source) said(resp *http.Response) (said string, body []byte) {
	var b bodyReader
	r, done, err := b.decoder(resp, &counter{r: resp.Body, left: 4 * maxError})
	if err != nil {
		return "", nil
	}
	defer done()
	text, err := io.ReadAll(io.LimitReader(r, maxError))
	cut := err != nil || len(text) == maxError
	var doc any
	if !cut && json.Unmarshal(text, &doc) == nil {
		if t := spoken(doc); t != "" {
			return s.scrub.excerpt(t, false, maxExcerpt), text
		}
	}
	return s.scrub.excerpt(string(text), cut, maxExcerpt), text
}

// spoken returns the message of the common forms {"error": "…"}, {"message": "…"},
// {"error": {"message": "…"}} and problem details; "" for others.
func spoken(doc any) string {
	m, _ := doc.(map[string]any)
	var parts []string
	for _, key := range []string{"title", "error", "error_description", "message", "detail"} {
		switch v := m[key].(type) {
		case string:
			parts = append(parts, v)
		case map[string]any:
			if t := spoken(v); t != "" {
				parts = append(parts, t)
			}
		}
	}
	return strings.Join(parts, "; ")
}
