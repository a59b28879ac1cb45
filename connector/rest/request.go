package rest

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"tributary/connector"
)

var errLoneID = errors.New("names {id} outside of a list, and a probe has many: use {ids}, or an item of a list with {id}")

// newForm writes the collection's request as far as it does not change. The error says
// all that is wrong with it.
func newForm(c *Config) (*form, error) {
	b := formBuilder{form: &form{}}
	b.path("path", c.Base, c.Path)
	b.request("request", c.main())
	short := func(where, name, template string) {
		if name != "" {
			b.param(where, name, template, false, false)
		}
	}
	short("page.size_param", c.SizeParam, "{size}")
	if c.ProbeParam != "" && c.Probe == nil {
		b.probeParam(c)
	}
	short("cursor.from", c.From, "{from}")
	short("cursor.to", c.To, "{to}")
	b.params("order", c.Order, true, false)
	short("page.param", c.PageParam, "{page}")
	short("page.offset_param", c.OffsetParam, "{offset}")
	short("page.token_param", c.TokenParam, "{token}")
	b.params("page.count_params", c.CountParams, true, true)
	b.join()
	return b.form, errors.Join(b.errs...)
}

// values returns what a query gives to its request, and what leads to its page.
func (s *Source) values(q connector.Query, m mark) *values {
	v := &values{size: s.cfg.Size, number: s.stamps.unit > 0, join: cmp.Or(s.cfg.ProbeJoin, ",")}
	put := func(p placeholder) { v.has = v.has.with(p) }
	if s.cfg.Size > 0 {
		put(valueSize)
	}
	if s.below != nil {
		v.parent = s.below
		put(valueParent)
		put(valueParentField)
	}
	if len(q.IDs) > 0 {
		v.ids, v.id = q.IDs, q.IDs[0]
		put(valueID)
		put(valueIDs)
		return v
	}
	switch {
	case q.From != connector.Beginning:
		v.from = s.stamps.lower(q.From)
		put(valueFrom)
	case s.cfg.BeginningText != "":
		v.from = s.cfg.BeginningText
		put(valueFrom)
	}
	if q.To != connector.Forever {
		v.to = s.stamps.upper(q.To)
		put(valueTo)
	}
	if q.Page > 0 {
		v.page, v.offset, v.token = q.Page, m.rows, m.token
		put(valuePage)
		put(valueOffset)
	}
	if s.cfg.PageFromZero {
		v.page--
	}
	if v.token == "" && q.Page == 1 {
		v.token = s.cfg.FirstToken
	}
	if v.token != "" {
		put(valueToken)
	}
	return v
}

// request writes a query as the API wants it. A page that the API gave an address has that.
func (s *Source) request(ctx context.Context, q connector.Query, m mark) (*http.Request, error) {
	v := s.values(q, m)
	if m.token != "" && (s.paging == byURL || s.paging == byLink) {
		return s.form.send(ctx, m.token, v)
	}
	return s.form.fill(ctx, v, q.Count)
}
