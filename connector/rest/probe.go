package rest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// Probe is how records are asked for by their ids in another way than by the collection's
// own request.
type Probe struct {
	// Get is the path of one record, with {id}: each is asked for alone, and 404 and 410
	// say that it is not there. Path is that of an endpoint that takes several; with
	// neither, it is the collection's.
	Get, Path string
	// Request is what is sent there; nil: what the collection sends, and with Get only those
	// of its headers that name no value.
	Request *Request
	// Records is the path of the array of records in an answer to Path, Record that of the
	// record in one to Get; empty: the whole.
	Records, Record string
	// Gone says of an answer to Get that there is no such record, for an API that says so
	// with 200.
	Gone *Match
}

func (p *Probe) get() string {
	if p == nil {
		return ""
	}
	return p.Get
}

// prober asks for records by id.
type prober struct {
	form  *form
	pages *pageDecoder
	gone  *matcher
	alone bool // each by itself
	other bool // at another endpoint than the collection's
}

func newProber(c *Config, main *form, pages *pageDecoder) (prober, error) {
	p := c.Probe
	if p == nil {
		return prober{form: main, pages: pages}, nil
	}
	f, err := newProbeForm(c)
	if err != nil {
		return prober{}, err
	}
	as := *c
	as.Records = p.Records
	if p.Get != "" {
		as.Records, as.Unwrap = "", p.Record
	}
	as.Next, as.Total, as.Token, as.NextURL, as.EchoFrom, as.EchoOrder = "", "", "", "", "", nil
	return prober{form: f, pages: newPageDecoder(&as, c.stamps()), gone: newMatcher(p.Gone), alone: p.Get != "", other: p.Path != ""}, nil
}

// newProbeForm writes the request of probes that have one of their own.
func newProbeForm(c *Config) (*form, error) {
	p := c.Probe
	b := formBuilder{form: &form{}}
	path, where := p.Get, "probe.get"
	if path == "" {
		path, where = p.Path, "probe.path"
	}
	if path == "" {
		path, where = c.Path, "path"
	}
	b.path(where, c.Base, path)
	request := p.Request
	switch {
	case request == nil && p.Get != "":
		request = c.fixed()
	case request == nil:
		request = c.main()
	}
	b.request("probe.request", request)
	if c.ProbeParam != "" {
		b.probeParam(c)
	}
	if p.Request == nil && p.Get == "" && c.SizeParam != "" {
		b.param("page.size_param", c.SizeParam, "{size}", false, false)
	}
	b.join()
	return b.form, b.err()
}

// fixed returns what of the collection's request is sent for a single record: the headers
// that name no value. Parameters are about lists.
func (c *Config) fixed() *Request {
	out := &Request{Headers: http.Header{}}
	for name, values := range c.Headers {
		for _, v := range values {
			if t, err := parseText(v); err == nil && t.needs == 0 {
				out.Headers[name] = append(out.Headers[name], v)
			}
		}
	}
	return out
}

// probeParam adds the parameter of the ids: repeated for each, or once with all of them.
func (b *formBuilder) probeParam(c *Config) {
	template := "{id}"
	if c.ProbeJoin != "" {
		template = "{ids}"
	}
	b.param("probe.param", c.ProbeParam, template, false, false)
}

// probe asks for records by their ids.
func (s *Source) probe(ctx context.Context, q connector.Query) (connector.Page, error) {
	switch {
	case s.cfg.ProbeMax == 0:
		return connector.Page{}, fmt.Errorf("%s: the collection has no probes", s.name)
	case len(q.IDs) > s.cfg.ProbeMax:
		return connector.Page{}, fmt.Errorf("%s: a probe asks for %d ids, at most %d fit", s.name, len(q.IDs), s.cfg.ProbeMax)
	case s.prober.alone:
		return s.getEach(ctx, q)
	}
	p := &s.prober
	s.below = nil
	a, err := s.ask(ctx, q, call{
		request: func(ctx context.Context) (*http.Request, error) { return p.form.fill(ctx, s.values(q, mark{}), false) },
		takes: func(status int) bool {
			return status == http.StatusOK || p.other && status == http.StatusMultiStatus // some of them were not found
		},
	})
	if err != nil {
		return connector.Page{}, err
	}
	defer p.pages.release()
	page, err := p.pages.decode(a.body)
	if err != nil {
		return connector.Page{}, s.refuse(err)
	}
	page.Date = connector.InstantOf(a.date)
	if p.pages == s.pages {
		page.Last = s.ends(&a, &page)
	}
	return page, s.checked(q, p.pages, page.Records)
}

// getEach asks for each record alone. Its page has those that are there, and the Date of
// the earliest answer: no judgement is older than it.
func (s *Source) getEach(ctx context.Context, q connector.Query) (connector.Page, error) {
	page := connector.Page{Date: connector.Forever, Last: true, Total: -1}
	s.below = nil // that of the last reading
	defer func() { s.below = nil }()
	for _, id := range q.IDs {
		one := q
		one.IDs = []string{id}
		if k := s.prober.pages.fields.parentPart; k >= 0 {
			parts := splitID(id)
			if len(parts) != 2 {
				return connector.Page{}, fmt.Errorf("%s: the id %s is not composed of two parts", s.name, shown([]byte(id)))
			}
			s.below, one.IDs = &parent{id: parts[k]}, parts[1-k:2-k]
			s.prober.pages.parent = parts[k]
		}
		a, err := s.ask(ctx, one, call{
			request: func(ctx context.Context) (*http.Request, error) {
				return s.prober.form.fill(ctx, s.values(one, mark{}), false)
			},
			takes: func(status int) bool { return status == http.StatusOK || isGone(status) },
			kind:  kindGet,
		})
		if err != nil {
			return connector.Page{}, err
		}
		page.Date = min(page.Date, connector.InstantOf(a.date))
		if isGone(a.status) {
			continue
		}
		r, shown, err := s.prober.record(a.body)
		if err != nil {
			return connector.Page{}, s.refuse(err)
		}
		if shown && (r.ID == id || !a.moved) { // else it has moved away, and another is in its place
			page.Records = append(page.Records, r)
		}
	}
	return page, s.checked(q, s.prober.pages, page.Records)
}

func isGone(status int) bool { return status == http.StatusNotFound || status == http.StatusGone }

// record reads the one record of an answer.
func (p *prober) record(body []byte) (r connector.Record, shown bool, err error) {
	d := p.pages
	if err := canon.Check(body, d.depth); err != nil {
		return r, false, d.refusal(err)
	}
	if p.gone != nil && p.gone.in(body) {
		return r, false, nil
	}
	defer d.release()
	d.begin(body)
	at := len(body) - len(bytes.TrimLeft(body, " \t\r\n"))
	if _, err := d.add(at, 1); err != nil {
		return r, false, d.refusal(err)
	}
	d.setStamps()
	if r = d.records[0]; r.ID == "" {
		return r, false, &refusal{"no_records", "it should be one record, and " + r.Bad}
	}
	return r, true, nil
}

// validateProbe checks that ids are asked for in one way, and by all of it.
func (c *Config) validateProbe(bad func(bool, string, ...any), path func(what, p string), main needs) {
	asks, named := main&probeValues != 0, main
	if p := c.Probe; p != nil {
		f, err := newProbeForm(c)
		if err != nil {
			badEach(bad, err)
			return
		}
		asks, named = f.needs&probeValues != 0, f.needs
		bad(p.Get != "" && !f.needs.has(valueID), "probe.get names no {id}")
		bad(p.Get != "" && p.Path != "", "probe.get and probe.path exclude each other")
		bad(f.needs&(readingValues) != 0 && p.Request != nil, "probe.request names a value that only readings have")
		bad(c.Parent == nil && f.needs.has(valueParent), "probe names {parent}, and there is no parent")
		bad(p.Gone != nil && p.Get == "", "probe.gone is for probe.get")
		bad(f.needs.has(valueSize) && c.Size < 1, "page.size is missing: probe.request names {size}")
		if p.Request != nil {
			p.Request.validate(c, bad, "probe.request")
		}
		path("probe.records", p.Records)
		path("probe.record", p.Record)
		c.validateMatch(bad, path, "probe.gone", p.Gone)
		c.validateAddressPath(bad, "probe.get", p.Get)
		c.validateAddressPath(bad, "probe.path", p.Path)
	}
	bad(asks && c.ProbeMax < 1, "probe.max is missing: the request names {id} or {ids}")
	bad(!asks && c.ProbeMax != 0 && (c.Probe == nil || c.Probe.Get == ""), "probe.max is %d, and nothing asks for ids: set probe.param or probe.get, or name {id} or {ids} in the request", c.ProbeMax)
	bad(c.Probe == nil && c.Size > 0 && c.ProbeMax > c.Size, "probe.max is %d and page.size %d: a probe that does not fit a page shows too little", c.ProbeMax, c.Size)
	bad(c.ProbeJoin != "" && c.ProbeParam == "" && !main.has(valueIDs), "probe.join is for probe.param or {ids}")
	if c.Parent != nil && c.ProbeMax > 0 {
		part := c.ID == ParentPart || slices.Contains(c.IDMore, ParentPart)
		bad(named.has(valueParent) && !part, "probe names {parent}, and id does not tell of which parent a record is: add %s to it", ParentPart)
		bad(named.has(valueParentField), "probe names {parent.FIELD}: of the parent of a record that is asked for nothing is known but its id")
	}
	composed := len(c.IDMore) > 0
	if len(c.IDMore) == 1 && (c.ID == ParentPart || c.IDMore[0] == ParentPart) {
		t, err := parseText(cmp.Or(c.Probe.get(), "{id}"))
		composed = err != nil || !t.needs.has(valueParent)
	}
	bad(c.ProbeMax > 0 && composed, "probe asks for one id, and id is composed of several fields: take probe away (below a parent, probe.get can name {parent} and {id})")
}
