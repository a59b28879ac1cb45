package rest

import "net/url"

// validateRequest checks the texts of the request, and that what they name is there to
// be written in.
func (c *Config) validateRequest(bad func(bool, string, ...any), path func(what, p string)) {
	if c.Base == nil {
		return
	}
	f, err := newForm(c)
	if err != nil {
		badEach(bad, err)
		return
	}
	bad(!c.Unordered && !f.needs.has(valueFrom), "cursor.from is empty, and no text of the request names {from}: without a lower bound nothing but the first page can be asked for")
	bad(c.SizeParam != "" && c.Size < 1, "page.size is %d: it must be at least 1", c.Size)
	bad(c.SizeParam == "" && f.needs.has(valueSize) && c.Size < 1, "page.size is missing: the request names {size}")
	c.validateProbe(bad, path, f.needs)
	c.validateRules(bad, path)
	c.validatePaging(bad, f.needs)
	c.validateParent(bad, f.needs)
	bad(c.Exclusive < 0, "cursor.operator sends the lower bound %v later", -c.Exclusive)
}

// badEach reports errors that were joined.
func badEach(bad func(bool, string, ...any), err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		bad(true, "%w", err)
		return
	}
	for _, e := range joined.Unwrap() {
		bad(true, "%w", e)
	}
}

// validatePaging checks that there is one way from a page to the next, and the whole of it.
func (c *Config) validatePaging(bad func(bool, string, ...any), n needs) {
	ways := c.pagings(n)
	names := []string{byNumber: "by number (param)", byOffset: "by offset (offset_param)", byToken: "by token (token_param)", byURL: "by address (next_url)", byLink: "by Link header (link)"}
	if len(ways) > 1 {
		bad(true, "page says %s and %s: an API pages in one way, set what a preset says to null", names[ways[0]], names[ways[1]])
		return
	}
	asks := c.TokenParam != "" || n.has(valueToken)
	bad(asks && c.Token == "" && !c.LastID, "page.token is missing: where an answer has the token of the next page (or page.last_id: true)")
	bad(!asks && (c.Token != "" || c.LastID), "page.token_param is missing, and no text of the request names {token}")
	bad(c.FirstToken != "" && !asks, "page.first_token is for an API that pages by token")
	bad(c.Next != "" && c.End != "", "page.next and page.end exclude each other")
	bad(c.Token != "" && c.LastID, "page.token and page.last_id exclude each other")
	bad(c.LastID && len(c.IDMore) > 0, "page.last_id is there, and id is composed of several fields, which no API takes for one")
	bad(c.PageFromZero && (len(ways) == 0 || ways[0] != byNumber), "page.first is for pages by number")
	bad(c.MaxOffset < 0, "page.max_offset is %d", c.MaxOffset)
	bad(c.MaxOffset > 0 && len(ways) == 0, "page.max_offset is for an API that can page")
	bad(c.Link != "" && !isToken(c.Link), "page.link is the name of a relation, such as next")
}

// validateParams looks for a query parameter that two settings want to set.
func (c *Config) validateParams(bad func(bool, string, ...any)) {
	by := map[string]string{}
	take := func(name, what string) {
		if name == "" {
			return
		}
		bad(by[name] != "", "query parameter %q is set by %s and by %s", name, by[name], what)
		by[name] = what
	}
	if c.Auth != nil {
		take(c.Auth.QueryName, "auth.query")
	}
	take(c.From, "cursor.from")
	take(c.To, "cursor.to")
	take(c.SizeParam, "page.size_param")
	take(c.PageParam, "page.param")
	take(c.OffsetParam, "page.offset_param")
	take(c.TokenParam, "page.token_param")
	take(c.ProbeParam, "probe.param")
	for _, set := range []struct {
		what   string
		params url.Values
	}{{"request.params", c.Params}, {"order", c.Order}, {"page.count_params", c.CountParams}} {
		for _, name := range sorted(set.params) {
			bad(name == "", "%s has a parameter without a name", set.what)
			take(name, set.what)
		}
	}
	for _, name := range sorted(c.Clauses) {
		take(name, "request.params")
	}
}
