package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// Match says when a body says something: the value at Path is Equals, a JSON scalar, or,
// with none, is neither absent nor null, false, 0 or an empty text.
type Match struct{ Path, Equals string }

// The kinds of error that a rule makes of an answer.
const (
	AsRetry     = "retry"     // the request is sent again
	AsThrottled = "throttled" // it is sent again later, and counts against the budget
	AsStop      = "stop"      // the collection stops
)

// ErrorRule says what is an error although its status does not say so, or says another.
type ErrorRule struct {
	// Status is that of the answers it is for; 0: 200.
	Status int
	// When the body says this, the answer is an error; nil: whatever it says.
	When *Match
	// As is what kind, Message the path of what the API says about it.
	As, Message string
}

// rule is an ErrorRule, parsed.
type rule struct {
	status  int
	when    *matcher
	as      string
	message []string
}

type matcher struct {
	path []string
	says func([]byte) bool
}

func newMatcher(m *Match) *matcher {
	if m == nil {
		return nil
	}
	path, _ := canon.SplitPath(m.Path)
	says := isSet
	if m.Equals != "" {
		says = equals(m.Equals)
	}
	return &matcher{path, says}
}

// in says whether a body that has passed canon.Check says so.
func (m *matcher) in(body []byte) bool { return m.says(canon.Lookup(body, m.path)) }

func newRules(all []ErrorRule) (out []rule) {
	for _, r := range all {
		message, _ := canon.SplitPath(r.Message)
		if r.Message == "" {
			message = nil
		}
		out = append(out, rule{max(r.Status, 0), newMatcher(r.When), r.As, message})
		if r.Status == 0 {
			out[len(out)-1].status = http.StatusOK
		}
	}
	return out
}

// judge returns the error that a rule makes of an answer, nil: none does. A body that is
// no JSON is left to who reads it.
func (s *Source) judge(status int, header http.Header, date time.Time, body []byte) error {
	if !slices.ContainsFunc(s.rules, func(r rule) bool { return r.status == status }) {
		return nil
	}
	readable := canon.Check(body, s.cfg.MaxDepth) == nil
	for _, r := range s.rules {
		if r.status != status || r.when != nil && (!readable || !r.when.in(body)) {
			continue
		}
		said := ""
		if readable && r.message != nil {
			said = string(unquoted(canon.Lookup(body, r.message)))
		}
		return s.ruled(r, header, date, said)
	}
	return nil
}

func (s *Source) ruled(r rule, header http.Header, date time.Time, said string) error {
	text := fmt.Sprintf("%s: the API answered %d with an error (errors)", s.name, r.status)
	if said != "" {
		text += ": " + s.scrub.excerpt(said, false, maxExcerpt)
	}
	after, asked := retryAfter(header.Get("Retry-After"), date)
	switch r.as {
	case AsStop:
		return &connector.StopError{What: text, Remedy: "mend what the API says, or correct the request"}
	case AsThrottled:
		atMost := time.Duration(0)
		if !asked {
			atMost = restOfMinute(date)
		}
		return &connector.RetryError{Reason: connector.RetryThrottled, After: after, AtMost: atMost, Err: errors.New(text)}
	}
	return &connector.RetryError{Reason: connector.RetryServer, After: after, Err: errors.New(text)}
}

// validateRules checks the rules about errors.
func (c *Config) validateRules(bad func(bool, string, ...any), path func(what, p string)) {
	for i, r := range c.Errors {
		what := fmt.Sprintf("errors[%d]", i)
		bad(r.Status != 0 && (r.Status < 200 || r.Status > 599), "%s.status is %d: it is from 200 to 599", what, r.Status)
		bad(r.As != AsRetry && r.As != AsThrottled && r.As != AsStop, "%s.as is %q: it is retry, throttled or stop", what, r.As)
		bad(r.When == nil && (r.Status == 0 || r.Status == http.StatusOK), "%s.when is missing: every answer with 200 would be an error", what)
		path(what+".message", r.Message)
		c.validateMatch(bad, path, what+".when", r.When)
	}
}

func (c *Config) validateMatch(bad func(bool, string, ...any), path func(what, p string), what string, m *Match) {
	if m != nil {
		path(what+".path", m.Path)
		bad(m.Path == "", "%s.path is empty", what)
		bad(m.Equals != "" && !isScalar(m.Equals), "%s.equals is no text, number or truth value", what)
	}
}
