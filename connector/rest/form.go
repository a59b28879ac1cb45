package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
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

// formBuilder collects what is wrong with a request, by where it stands.
type formBuilder struct {
	form *form
	errs []error
}

func (b *formBuilder) fail(where string, err error) {
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("%s %w", where, err))
	}
}

// text parses a template; one that is wrong is reported and nil.
func (b *formBuilder) text(where, template string) *text {
	t, err := parseText(template)
	if err != nil {
		b.fail(where, err)
		return nil
	}
	b.form.needs |= t.needs
	return t
}

// param adds a query parameter.
func (b *formBuilder) param(where, name, template string, reading, count bool) {
	if t := b.text(where, template); t != nil {
		p := param{name: url.QueryEscape(name) + "=", text: t, where: where, reading: reading, count: count}
		if fixed, ok := t.fixed(); ok {
			p.fixed, p.text = p.name+url.QueryEscape(fixed), nil
		}
		b.form.query = append(b.form.query, p)
	}
}

// params adds those of a map, in the order of their names.
func (b *formBuilder) params(where string, params url.Values, reading, count bool) {
	for _, name := range sorted(params) {
		for _, value := range params[name] {
			b.param(where+"."+name, name, value, reading, count)
		}
	}
}

// request adds what a Request says.
func (b *formBuilder) request(where string, r *Request) {
	b.form.method = r.method()
	b.params(where+".params", r.Params, false, false)
	for _, name := range sorted(r.Clauses) {
		clauses := r.Clauses[name]
		c, err := clauses.parse()
		if err != nil {
			b.fail(where+".params."+name, err)
			continue
		}
		b.form.needs |= c.needs()
		b.form.query = append(b.form.query, param{name: url.QueryEscape(name) + "=", clauses: c, where: where + ".params." + name})
	}
	for _, name := range sorted(r.Headers) {
		for _, value := range r.Headers[name] {
			if t := b.text(where+".headers."+name, value); t != nil {
				b.form.headers = append(b.form.headers, header{http.CanonicalHeaderKey(name), t, "header " + name})
			}
		}
	}
	if r.Body == nil {
		return
	}
	var err error
	if b.form.body, err = r.Body.parse(); err != nil {
		b.fail(where+".body", err)
		return
	}
	b.form.needs |= b.form.body.below
	if b.form.body.loneIDs() {
		b.fail(where+".body", errLoneID)
	}
}

// path sets the address: one without placeholders as package url joins it.
func (b *formBuilder) path(where string, base *url.URL, path string) {
	t := b.text(where, path)
	if t == nil {
		return
	}
	if fixed, ok := t.fixed(); ok {
		b.form.origin = base.JoinPath(fixed).String()
		return
	}
	b.form.origin = strings.TrimRight(base.JoinPath().String(), "/")
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		t := b.text(where, part)
		if t == nil {
			return
		}
		for i := range t.pieces {
			if p := &t.pieces[i]; p.value == 0 {
				plain, err := url.PathUnescape(p.literal)
				b.fail(where, err)
				p.literal = url.PathEscape(plain)
			}
		}
		b.form.path = append(b.form.path, segment{t})
	}
}

func (b *formBuilder) err() error { return errors.Join(b.errs...) }

// join writes the parameters that do not change and stand together as one.
func (b *formBuilder) join() {
	var out []param
	for _, p := range b.form.query {
		fixed := p.text == nil && p.clauses == nil
		if last := len(out) - 1; fixed && last >= 0 && out[last].fixed != "" && out[last].reading == p.reading && out[last].count == p.count {
			out[last].fixed += "&" + p.fixed
			continue
		}
		out = append(out, p)
	}
	b.form.query = out
}

// sorted returns the keys of a map in order: a request is written in one way.
func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
