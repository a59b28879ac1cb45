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

// paging is how one asks for what follows. Of param, offset, url, link and token at most
// one is set.
type paging struct {
	next       guess      // a value that is set when something follows
	param      guess      // the number of a page
	zero       guess      // that of the first is 0
	offset     guess      // the number of records before it
	url        guess      // where the answer has the address of the next page
	link       guess      // the relation of that address in a Link header
	token      guess      // where the answer has a token
	tokenParam guess      // what takes the token
	notes      []string   // what the answer shows and this does not settle
	params     url.Values // those of a link to the next page
}

// settled says whether the way to the next page is known.
func (p *paging) settled() bool {
	return p.param.value+p.offset.value+p.url.value+p.link.value+p.token.value != ""
}

var (
	nextNames  = []string{"nexturl", "nextlink", "nextpageurl", "nextpage", "next", "nexthref", "nextpagelink", "nextpath"}
	tokenNames = []string{"nextcursor", "nextpagetoken", "nexttoken", "aftercursor", "endcursor", "after", "cursor", "continuation", "startingafter", "scrollid", "pageinfo"}
	moreNames  = []string{"hasmore", "hasnext", "hasnextpage", "more", "moreitemsincollection"}
	lastNames  = []string{"islast", "last", "endofstream", "done", "lastpage"}
)

// findPaging looks at the envelope, and then at the Link header and the address.
func findPaging(around []scalar, s Sample) paging {
	var p paging
	for _, kinds := range []struct {
		names []string
		take  func(*paging, scalar, *url.URL)
	}{{nextNames, (*paging).takeNext}, {tokenNames, (*paging).takeToken}, {moreNames, (*paging).takeMore}, {lastNames, (*paging).takeLast}} {
		for _, want := range kinds.names {
			for _, v := range around {
				if simple(leaf(v.path)) == want {
					kinds.take(&p, v, s.URL)
				}
			}
		}
	}
	if !p.settled() {
		p.header(s)
	}
	for _, name := range slices.Sorted(keys(s.URL.Query())) {
		if plain := simple(name); !p.settled() && nameable(name) && (plain == "page" || plain == "pagenumber") {
			p.param = guess{name, "the address has it"}
			p.counts(s.URL.Query().Get(name), "0")
		}
		if value := s.URL.Query().Get(name); !p.settled() && nameable(name) && isOffset(simple(name)) && (value == "0" || digits(value)) {
			p.offset = guess{name, "the address has it"}
		}
	}
	for _, v := range around {
		leaf := leaf(v.path)
		if n, ok := v.value.(json.Number); ok && !p.settled() && nameable(leaf) && slices.Contains(pageNames, simple(leaf)) {
			p.param = guess{leaf, "TODO: the answer says its number at " + v.path + "; is it asked for by the same name?"}
			p.counts(n.String(), "0")
		}
	}
	return p
}

// counts notes that pages are counted from 0, where a number says so.
func (p *paging) counts(number, fromZero string) {
	if number == fromZero {
		p.zero = guess{"0", "the first page is 0, for this answer's next one is 1"}
		if fromZero == "0" {
			p.zero.why = "the first page is 0, as this one is"
		}
	}
}

// isOffset is for the number of records before a page.
func isOffset(plain string) bool {
	switch plain {
	case "offset", "start", "startat", "skip", "$skip", "page[offset]":
		return true
	}
	return false
}

var pageNames = []string{"page", "pagenumber"}

// isLink tells an address from a token.
func isLink(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "?")
}

// takeNext reads a link to the next page, or its number.
func (p *paging) takeNext(v scalar, at *url.URL) {
	switch value := v.value.(type) {
	case json.Number:
		if !p.settled() {
			p.next = guess{v.path, "the number of the next page; null or absent when nothing follows"}
			p.param = guess{"page", "TODO: the answer says the next page's number and not how to ask for it"}
			p.counts(value.String(), "1")
		}
	case string:
		switch u, err := at.Parse(value); {
		case !isLink(value):
			p.takeToken(v, at)
		case err == nil && !p.settled():
			p.follow(u, at, guess{v.path, "a link to the next page; null or absent when nothing follows"})
		}
	case nil:
		if p.next.value == "" {
			p.next = guess{v.path, "null here, so nothing follows; is it set when something does?"}
		}
	case bool:
		p.takeMore(v, at)
	}
}

func (p *paging) takeToken(v scalar, _ *url.URL) {
	text, ok := v.value.(string)
	if p.settled() || !ok || text == "" {
		return
	}
	leaf := leaf(v.path)
	name := leaf
	for _, prefix := range []string{"next_", "end_", "next", "end"} {
		if rest, ok := strings.CutPrefix(leaf, prefix); ok && rest != "" {
			name = strings.ToLower(rest[:1]) + rest[1:]
			break
		}
	}
	p.next = guess{}
	p.token = guess{v.path, "a token for the next page; null, empty or absent when nothing follows"}
	p.tokenParam = guess{name, "TODO: the parameter that takes the token; its name is a guess from that of the token"}
}

func (p *paging) takeMore(v scalar, _ *url.URL) {
	if _, ok := v.value.(bool); ok && p.next.value == "" && p.token.value+p.url.value == "" {
		p.next = guess{v.path, "true when something follows"}
	}
}

func (p *paging) takeLast(v scalar, _ *url.URL) {
	if _, ok := v.value.(bool); ok && p.next.value == "" && !p.settled() {
		p.notes = append(p.notes, fmt.Sprintf("%s says that nothing follows, and page.next wants the opposite: a page that is empty ends the reading", v.path))
	}
}

// follow learns from a link to the next page how one asks for it.
func (p *paging) follow(to, at *url.URL, where guess) {
	p.params = to.Query()
	if to.Host != at.Host || to.Scheme != at.Scheme {
		p.notes = append(p.notes, fmt.Sprintf("TODO: the link to the next page leads to %s://%s, to which no request of this source goes: set url to that, or find another way to page", to.Scheme, to.Host))
		p.next = where
		return
	}
	was := at.Query()
	for _, name := range slices.Sorted(keys(p.params)) {
		value := p.params.Get(name)
		if slices.Equal(was[name], p.params[name]) || !nameable(name) || !digits(value) {
			continue
		}
		switch plain := simple(name); {
		case slices.Contains([]string{"page", "pagenumber", "p", "page[number]"}, plain):
			p.next, p.param = where, guess{name, fmt.Sprintf("the link to the next page has it (%s)", value)}
			p.counts(value, "1")
			return
		case isOffset(plain):
			p.next, p.offset = where, guess{name, fmt.Sprintf("the link to the next page counts records with it (%s)", value)}
			return
		}
	}
	p.next, p.url = guess{}, where
}

var linkNext = regexp.MustCompile(`<([^>]*)>[^,]*;\s*(?i:rel)="?[^",]*\bnext\b`)

// header reads the Link header (RFC 8288), as far as it is needed to see it.
func (p *paging) header(s Sample) {
	for _, h := range s.Header.Values("Link") {
		m := linkNext.FindStringSubmatch(h)
		if m == nil {
			continue
		}
		if u, err := s.URL.Parse(m[1]); err == nil {
			next := p.next
			p.follow(u, s.URL, guess{"", ""})
			p.next = next // what says that something follows is not in the body
			if !p.settled() && u.Host == s.URL.Host && u.Scheme == s.URL.Scheme {
				p.link = guess{"next", "the Link header leads to the next page"}
			} else if p.settled() {
				p.notes = append(p.notes, "the Link header leads to the next page (link: next would do as well)")
			}
		}
		return
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
func takeSize(fixed, link url.Values, around []scalar) (size string, name guess) {
	for _, q := range []url.Values{fixed, link} {
		for _, n := range slices.Sorted(keys(q)) {
			if isSize(simple(n)) && nameable(n) && digits(q.Get(n)) {
				size = q.Get(n)
				fixed.Del(n)
				return size, guess{n, "as it was asked for; the largest that the API takes is best"}
			}
		}
	}
	for _, v := range around {
		leaf := leaf(v.path)
		if n, ok := v.value.(json.Number); ok && isSize(simple(leaf)) && nameable(leaf) && digits(n.String()) {
			return n.String(), guess{leaf, "TODO: the answer says it at " + v.path + "; is it asked for by the same name?"}
		}
	}
	return "", guess{}
}

func digits(s string) bool {
	return s != "" && len(s) < 6 && strings.Trim(s, "0123456789") == "" && strings.Trim(s, "0") != "" && s[0] != '0'
}

var totals = []string{"totalcount", "total", "totalresults", "totalitems", "totalrecords", "totalelements", "totalsize", "totalentries", "recordcount", "count"}

// findTotal looks for the number of all records.
func findTotal(around []scalar, rows int) guess {
	for _, want := range totals {
		for _, v := range around {
			n, ok := v.value.(json.Number)
			if !ok || simple(leaf(v.path)) != want {
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
