package main

import (
	"maps"

	"tributary/connector/rest"
)

// order decodes the parameters that ask for ascending instants, or the word that says that
// the API cannot.
func (c *collectionDecoder) order(n *node) {
	c.rest.Order, c.rest.Unordered = nil, false
	if n.isScalar() {
		if s, ok := c.scalar(n, "none, or parameters"); ok && s != "none" {
			c.fail(n, "wants none, or parameters such as {sort: updated_at}; found %s", shown(n))
		}
		c.rest.Unordered = true
		return
	}
	c.rest.Order = c.params(n)
}

// list decodes what says of a list of its own where it is, how it is asked for and where
// its records are: of parents, or of deletions. More are further keys of it.
func (c *collectionDecoder) list(n *node, more func(*collectionDecoder) keys) *collectionDecoder {
	l := newCollectionDecoder(c.decoder, nil)
	l.rest.Format = ""
	var own rest.Request
	known := keys{
		"path":    func(n *node) { l.rest.Path, _ = l.template(n) },
		"records": func(n *node) { l.rest.Records = l.path(n) },
		"unwrap":  func(n *node) { l.rest.Unwrap = l.path(n) },
		"id":      l.id,
		"page":    l.page,
		"request": func(n *node) { l.object(n, l.requestKeys(&own)) },
	}
	maps.Copy(known, more(l))
	l.object(n, known)
	if n.kind == mapNode {
		l.require(n, "path")
	}
	r := &l.rest
	r.Method, r.Params, r.Clauses, r.Headers, r.Body = own.Method, own.Params, own.Clauses, own.Headers, own.Body
	return l
}

// parent decodes the list of records below each of which a part of the collection lies. It
// has no cursor of its own.
func (c *collectionDecoder) parent(n *node) {
	p := &rest.Parent{}
	p.List = c.list(n, func(l *collectionDecoder) keys {
		return keys{
			"instant": func(n *node) { l.rest.Instant = l.name(n) },
			"skip": func(n *node) {
				if l.isKind(n, listNode) {
					for _, item := range n.items {
						p.Skip = append(p.Skip, l.int(item, 400, 499))
					}
				}
			},
		}
	}).rest
	c.rest.Parent = p
}
