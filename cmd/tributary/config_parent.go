package main

import "tributary/connector/rest"

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

// parent decodes the list of records below each of which a part of the collection lies. It
// has no cursor of its own.
func (c *collectionDecoder) parent(n *node) {
	list := newCollectionDecoder(c.decoder, nil)
	list.rest.Format = ""
	var own rest.Request
	p := &rest.Parent{}
	c.object(n, keys{
		"path":    func(n *node) { list.rest.Path, _ = c.template(n) },
		"records": func(n *node) { list.rest.Records = c.path(n) },
		"unwrap":  func(n *node) { list.rest.Unwrap = c.path(n) },
		"id":      func(n *node) { list.rest.ID = c.name(n) },
		"instant": func(n *node) { list.rest.Instant = c.name(n) },
		"page":    list.page,
		"request": func(n *node) { c.object(n, c.requestKeys(&own)) },
		"skip": func(n *node) {
			if c.isKind(n, listNode) {
				for _, item := range n.items {
					p.Skip = append(p.Skip, c.int(item, 400, 499))
				}
			}
		},
	})
	if n.kind == mapNode {
		c.require(n, "path")
	}
	list.rest.Method, list.rest.Params, list.rest.Clauses, list.rest.Headers, list.rest.Body = own.Method, own.Params, own.Clauses, own.Headers, own.Body
	p.List = list.rest
	c.rest.Parent = p
}
