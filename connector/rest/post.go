package rest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// A Poster sends JSON documents to one address and returns what is answered, as a Source
// asks for pages: with the same credentials, limits and errors. It is for one goroutine.
type Poster struct{ s *Source }

// NewPoster returns a Poster to cfg's Base and Path. Of cfg it takes these, Auth, Timeout
// and the bounds of bodies.
func NewPoster(cfg Config, client *Client, m *connector.SourceMetrics) (*Poster, error) {
	cfg = cfg.OfHandler()
	cfg.ID = cmp.Or(cfg.ID, "id") // of nothing
	cfg.Method = http.MethodPost
	s, err := New(cfg, client, m)
	if err != nil {
		return nil, err
	}
	s.words = ofAHandler
	s.body.words = ofAHandler
	return &Poster{s}, nil
}

// OfHandler returns the config of a collection that is told of and not read: with what a
// Source would need beside ID, the fields of the hash and what is published.
func (c Config) OfHandler() Config {
	c.Undated, c.Unordered = true, true
	c.Format = cmp.Or(c.Format, FormatNames()[0])
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.MaxBody = cmp.Or(c.MaxBody, 64<<20)
	c.MaxCompressed = cmp.Or(c.MaxCompressed, c.MaxBody)
	c.MaxDepth = cmp.Or(c.MaxDepth, 64)
	if c.Base == nil {
		c.Base = &url.URL{Scheme: "http", Host: "handler"} // in Go, and never asked
	}
	return c
}

// Post sends a document and returns the one that is answered with 200. Its errors are
// those of connector.Source; an answer of 410 is a *connector.AnewError.
func (p *Poster) Post(ctx context.Context, document []byte) ([]byte, error) {
	status := 0
	a, err := p.s.ask(ctx, connector.Query{Page: 1}, call{undated: true, request: func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.s.cfg.Base.JoinPath(p.s.cfg.Path).String(), bytes.NewReader(document))
		if err != nil {
			return nil, err
		}
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(document)), nil }
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Accept-Encoding", "gzip")
		return req, nil
	}})
	if status = a.status; err != nil {
		if status == http.StatusGone && ctx.Err() == nil {
			return nil, &connector.AnewError{Err: err}
		}
		return nil, err
	}
	if err := canon.Check(a.body, p.s.cfg.MaxDepth); errors.Is(err, canon.ErrDeep) {
		return nil, p.s.refuse(&refusal{"too_deep", fmt.Sprintf("%s: more than %d levels, which no config allows: let the handler nest less", err, p.s.cfg.MaxDepth)})
	} else if err != nil {
		return nil, p.s.refuse(p.s.pages.refusal(err))
	}
	return a.body, nil
}

// Refuse counts a document that says what it must not say, and makes its error.
func (p *Poster) Refuse(err error) error {
	return p.s.refuse(&refusal{"contract", err.Error()})
}

var ofAHandler = wording{
	who: "handler", classify: classifyHandler,
	tooLarge: "let the handler return less at once and say `more`, or raise handler.max_body",
	tooSlow:  "let the handler return less at once and say `more`, or raise handler.timeout",
	moved:    "handler.url to the handler's final address",
}

// classifyHandler is classify for a program of one's own.
func classifyHandler(status int, asked bool) (connector.RetryReason, string) {
	switch {
	case status == http.StatusTooManyRequests, asked && status == http.StatusServiceUnavailable:
		return connector.RetryThrottled, "it is called again later"
	case status >= 500:
		return connector.RetryServer, "it is called again with the same state, for nothing was committed; its own log says more"
	case status == http.StatusRequestTimeout:
		return connector.RetryTimeout, "it is called again"
	case status == http.StatusUnauthorized:
		return connector.RetryUnauthorized, "the credential is missing or wrong: correct auth, or what the handler expects"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return connector.RetryRefused, "it takes no POST there: check handler.url and the paths that it serves"
	case status < 300:
		return connector.RetryRefused, "only 200 comes with a response"
	}
	return connector.RetryRefused, "it does not take the request: mend the handler"
}

// IDText returns the text of an id as JSON has it, a text or a number, or what is wrong
// with it.
func IDText(value []byte) (text string, err error) {
	id, bad := idText(nil, value)
	if bad != "" {
		return "", errors.New(bad)
	}
	return string(id), nil
}

// JoinID makes the id of a record whose id has several parts.
func JoinID(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	var id []byte
	for _, p := range parts {
		id = appendIDPart(id, p)
	}
	return string(id)
}
