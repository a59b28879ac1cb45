package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tributary/connector"
)

// address returns the collection's URL with the parameters of every request.
func (s *Source) address() string {
	u := s.cfg.Base.JoinPath(s.cfg.Path)
	params := url.Values{}
	for name, values := range s.cfg.Params {
		params[name] = values
	}
	if s.cfg.SizeParam != "" {
		params.Set(s.cfg.SizeParam, strconv.Itoa(s.cfg.Size))
	}
	u.RawQuery = params.Encode()
	return u.String()
}

// query is a URL under construction.
type query struct{ strings.Builder }

func (b *query) add(name, value string) {
	b.addEncoded(url.QueryEscape(name) + "=" + url.QueryEscape(value))
}

func (b *query) addEncoded(params string) {
	if params == "" {
		return
	}
	if strings.Contains(b.String(), "?") {
		b.WriteByte('&')
	} else {
		b.WriteByte('?')
	}
	b.WriteString(params)
}

// request writes a query as the API wants it.
func (s *Source) request(ctx context.Context, q connector.Query) (*http.Request, error) {
	var b query
	b.WriteString(s.url)
	for _, id := range q.IDs {
		b.add(s.cfg.ProbeParam, id)
	}
	if len(q.IDs) == 0 {
		s.addReading(&b, q)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range s.cfg.Headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	// Set by us, so that net/http does not unpack the body before it is counted.
	req.Header.Set("Accept-Encoding", "gzip")
	return req, nil
}

// addReading adds bounds, order and page. Ids are asked for without all of them.
func (s *Source) addReading(b *query, q connector.Query) {
	if q.From != connector.Beginning {
		b.add(s.cfg.From, s.stamps.lower(q.From))
	}
	if q.To != connector.Forever && s.cfg.To != "" {
		b.add(s.cfg.To, s.stamps.upper(q.To))
	}
	b.addEncoded(s.order)
	if q.Page > 0 && s.cfg.PageParam != "" {
		b.add(s.cfg.PageParam, strconv.Itoa(q.Page))
	}
	if q.Count {
		b.addEncoded(s.count)
	}
}
