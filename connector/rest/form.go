package rest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"tributary/connector"
)

// Request is what is sent, before the values of a single request are filled in. All
// texts are templates.
type Request struct {
	// Method is GET (also if empty) or POST.
	Method string
	Params url.Values
	// Clauses are query parameters that are made of clauses.
	Clauses map[string]Clauses
	Headers http.Header
	// Body is sent as JSON, by POST alone.
	Body *Tree
}

func (r *Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// A form is a request to be filled in. What does not change from one request to the next
// is written once.
type form struct {
	method  string
	origin  string // scheme, host and the escaped path of the base
	path    []segment
	query   []param
	headers []header
	body    *tree
	needs   needs // all that it can make use of
}

// A segment is one of a path's, between slashes.
type segment struct{ *text }

// A param is a query parameter, or several that do not change.
type param struct {
	fixed   string // encoded, with names
	name    string // encoded, with its =
	text    *text
	clauses *clauses
	where   string // in the config, for errors
	reading bool   // it is no part of a probe
	count   bool   // only where a count is asked for
}

type header struct {
	name  string
	text  *text
	where string
}

// query is a URL under construction.
type query struct {
	strings.Builder
	more bool
}

func (b *query) add(encoded string) {
	if encoded == "" {
		return
	}
	if b.more {
		b.WriteByte('&')
	} else {
		b.WriteByte('?')
		b.more = true
	}
	b.WriteString(encoded)
}

// fill writes the request for these values.
func (f *form) fill(ctx context.Context, v *values, count bool) (*http.Request, error) {
	var b query
	if err := f.address(&b, v); err != nil {
		return nil, err
	}
	for i := range f.query {
		p := &f.query[i]
		if p.count && !count || p.reading && v.has&probeValues != 0 {
			continue
		}
		if err := p.add(&b, v); err != nil {
			return nil, err
		}
	}
	return f.send(ctx, b.String(), v)
}

// send makes the request for a URL that is complete.
func (f *form) send(ctx context.Context, address string, v *values) (*http.Request, error) {
	var body io.Reader
	if f.body != nil {
		text, err := f.body.body(v)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, f.method, address, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := range f.headers {
		if err := f.headers[i].add(req.Header, v); err != nil {
			return nil, err
		}
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	// Set by us, so that net/http does not unpack the body before it is counted.
	req.Header.Set("Accept-Encoding", "gzip")
	return req, nil
}

// address writes the URL as far as its path. A value is one segment or a part of it,
// whatever it holds.
func (f *form) address(b *query, v *values) error {
	b.WriteString(f.origin)
	for _, s := range f.path {
		b.WriteByte('/')
		before := b.Len()
		for i := range s.pieces {
			p := &s.pieces[i]
			if p.value == 0 {
				b.WriteString(p.literal) // escaped already
				continue
			}
			value := v.of(*p)
			if value == "" {
				return &unfit{p.value.String(), value, "a path cannot have an empty name"}
			}
			if p.quote != 0 {
				var err error
				if value, err = QuoteNone.write(value, p); err != nil {
					return err
				}
			}
			b.WriteString(url.PathEscape(value))
		}
		if got := b.String()[before:]; s.needs != 0 && (got == "." || got == "..") {
			return &unfit{s.pieces[0].value.String(), got, "in a path it leads to another place"}
		}
	}
	return nil
}

// add adds the parameter, if the request has what it names: once for each id where it
// names {id}.
func (p *param) add(b *query, v *values) error {
	switch {
	case p.text == nil && p.clauses == nil:
		b.add(p.fixed)
		return nil
	case p.clauses != nil:
		text, ok, err := p.clauses.append(nil, v)
		if ok && err == nil {
			b.add(p.name + url.QueryEscape(string(text)))
		}
		return err
	case !p.text.ready(v):
		return nil
	case !p.text.needs.has(valueID):
		return p.addText(b, v)
	}
	one := *v
	for _, one.id = range v.ids {
		if err := p.addText(b, &one); err != nil {
			return err
		}
	}
	return nil
}

func (p *param) addText(b *query, v *values) error {
	text, err := p.text.append(nil, v)
	if err == nil {
		b.add(p.name + url.QueryEscape(string(text)))
	}
	return err
}

func (h *header) add(to http.Header, v *values) error {
	if !h.text.ready(v) {
		return nil
	}
	value, fixed := h.text.fixed()
	if !fixed {
		text, err := h.text.append(nil, v)
		if err != nil {
			return err
		}
		if value = string(text); hasControl(value) {
			return &unfit{h.where, value, "it holds a control character"}
		}
	}
	to[h.name] = append(to[h.name], value)
	return nil
}

// stopped makes the error of a request that cannot be written: to send it again would
// not mend it.
func (s *Source) stopped(err error) error {
	return &connector.StopError{
		What:   fmt.Sprintf("%s: %s", s.name, s.scrub.text(err.Error())),
		Remedy: "write the request in a way that takes such a value, or leave the record out at its source",
	}
}
