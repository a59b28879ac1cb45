package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

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
