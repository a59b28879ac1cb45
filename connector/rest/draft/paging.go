package draft

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A scalar is a value of the envelope and where it is.
type scalar struct {
	path  string
	value any
}

// envelope returns the scalars outside of the records.
func envelope(doc any, except string) []scalar {
	var all []scalar
	var walk func(v any, path string, depth int)
	walk = func(v any, path string, depth int) {
		switch v := v.(type) {
		case map[string]any:
			if depth < maxDepth && (path != except || path == "") {
				for _, name := range sorted(v) {
					walk(v[name], below(path, name), depth+1)
				}
			}
		case []any:
		default:
			if usable(path) && path != "" {
				all = append(all, scalar{path, v})
			}
		}
	}
	walk(doc, "", 0)
	return all
}

// paging is how one asks for what follows.
type paging struct {
	next   guess      // a value that is set when something follows
	param  guess      // the number of a page
	notes  []string   // what the answer shows and this does not settle
	params url.Values // those of a link to the next page
}

var (
	nextNames  = []string{"nextpage", "next", "nexturl", "nextlink", "nexthref", "nextpageurl", "nextpagelink", "nextpath"}
	tokenNames = []string{"nextcursor", "nextpagetoken", "nexttoken", "aftercursor", "endcursor", "after", "cursor", "continuation", "startingafter", "scrollid", "pageinfo"}
	moreNames  = []string{"hasmore", "hasnext", "hasnextpage", "more", "moreitemsincollection"}
	lastNames  = []string{"islast", "last", "endofstream", "done", "lastpage"}
)

// findPaging looks at the envelope, and then at the Link header.
func findPaging(around []scalar, s Sample, fixed url.Values) paging {
	var p paging
	for _, kinds := range []struct {
		names []string
		take  func(*paging, scalar, *url.URL)
	}{{nextNames, (*paging).takeNext}, {tokenNames, (*paging).takeToken}, {moreNames, (*paging).takeMore}, {lastNames, (*paging).takeLast}} {
		for _, want := range kinds.names {
			for _, v := range around {
				if p.next.value == "" && simple(v.path[strings.LastIndexByte(v.path, '.')+1:]) == want {
					kinds.take(&p, v, s.URL)
				}
			}
		}
	}
	if p.next.value == "" && len(p.notes) == 0 {
		p.header(s)
	}
	if q := s.URL.Query(); p.param.value == "" {
		for name := range q {
			if plain := simple(name); nameable(name) && (plain == "page" || plain == "pagenumber") {
				p.param = guess{name, "the address has it"}
			}
		}
	}
	return p
}

// takeNext reads a link to the next page, or its number.
func (p *paging) takeNext(v scalar, at *url.URL) {
	switch value := v.value.(type) {
	case json.Number:
		p.next = guess{v.path, "the number of the next page; null or absent when nothing follows"}
		p.param = guess{"page", "TODO: the answer says the next page's number and not how to ask for it"}
	case string:
		p.next = guess{v.path, "a link to the next page; null or absent when nothing follows"}
		p.link(value, at)
	case nil:
		p.next = guess{v.path, "null here, so nothing follows; is it set when something does?"}
	case bool:
		p.takeMore(v, at)
	}
}

func (p *paging) takeToken(v scalar, _ *url.URL) {
	if text, ok := v.value.(string); ok && text != "" || v.value == nil {
		p.next = guess{v.path, "a token for the next page; null, empty or absent when nothing follows"}
		p.notes = append(p.notes, fmt.Sprintf("TODO: pages are asked for by a token (%s): look up the parameter that takes it", v.path))
	}
}

func (p *paging) takeMore(v scalar, _ *url.URL) {
	if _, ok := v.value.(bool); ok {
		p.next = guess{v.path, "true when something follows"}
	}
}

func (p *paging) takeLast(v scalar, _ *url.URL) {
	if _, ok := v.value.(bool); ok {
		p.notes = append(p.notes, fmt.Sprintf("%s says that nothing follows, and page.next wants the opposite: a page that is empty ends the reading", v.path))
	}
}

// link learns the names of parameters from a link to the next page.
func (p *paging) link(text string, at *url.URL) {
	u, err := at.Parse(text)
	if err != nil {
		return
	}
	p.params = u.Query()
	if u.Host != at.Host {
		p.notes = append(p.notes, fmt.Sprintf("TODO: the link leads to another host (%s), to which no request of this source goes", u.Host))
	}
	was := at.Query()
	for _, name := range slices.Sorted(keys(p.params)) {
		value := p.params.Get(name)
		if slices.Equal(was[name], p.params[name]) || !nameable(name) {
			continue
		}
		switch plain := simple(name); {
		case plain == "page" || plain == "pagenumber" || plain == "p" || strings.HasSuffix(plain, "[number]"):
			p.param = guess{name, fmt.Sprintf("the link to the next page has it (%s)", short(value))}
		case plain == "offset" || plain == "start" || plain == "startat" || plain == "skip" || plain == "$skip":
			p.notes = append(p.notes, fmt.Sprintf("the link to the next page counts records (%s=%s)", short(name), short(value)))
		case len(value) > 6 && !isSize(plain):
			p.notes = append(p.notes, fmt.Sprintf("the link to the next page has a token (%s)", short(name)))
		}
	}
}

var linkNext = regexp.MustCompile(`<([^>]*)>[^,]*;\s*(?i:rel)="?[^",]*\bnext\b`)

// header reads the Link header (RFC 8288), as far as it is needed to see it.
func (p *paging) header(s Sample) {
	for _, h := range s.Header.Values("Link") {
		if m := linkNext.FindStringSubmatch(h); m != nil {
			p.notes = append(p.notes, "the Link header leads to the next page (rel=next)")
			p.link(m[1], s.URL)
			return
		}
	}
}

func isSize(plain string) bool {
	switch plain {
	case "perpage", "limit", "pagesize", "maxresults", "maxrecords", "size", "pagelimit", "top", "$top", "maxitems", "page[size]", "perpagecount":
		return true
	}
	return false
}

// takeSize takes the parameter of a page's size out of those that are fixed, or from a
// link.
func takeSize(fixed, link url.Values) (size, name string) {
	for _, q := range []url.Values{fixed, link} {
		for _, n := range slices.Sorted(keys(q)) {
			if isSize(simple(n)) && nameable(n) && digits(q.Get(n)) {
				size, name = q.Get(n), n
				fixed.Del(n)
				return size, name
			}
		}
	}
	return "", ""
}

func digits(s string) bool {
	return s != "" && len(s) < 6 && strings.Trim(s, "0123456789") == "" && strings.Trim(s, "0") != "" && s[0] != '0'
}

var totals = []string{"totalcount", "total", "totalresults", "totalitems", "totalrecords", "totalsize", "totalentries", "recordcount", "count"}

// findTotal looks for the number of all records.
func findTotal(around []scalar, rows int) guess {
	for _, want := range totals {
		for _, v := range around {
			n, ok := v.value.(json.Number)
			if !ok || simple(v.path[strings.LastIndexByte(v.path, '.')+1:]) != want {
				continue
			}
			if i, err := n.Int64(); err == nil && (i > int64(rows) || i == int64(rows) && want != "count") {
				return guess{v.path, fmt.Sprintf("%d here, of which %d were shown", i, rows)}
			}
		}
	}
	return guess{}
}

func keys(q url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range q {
			if !yield(name) {
				return
			}
		}
	}
}
