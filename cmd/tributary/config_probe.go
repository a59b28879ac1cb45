package main

import "tributary/connector/rest"

// defaultGets is how many records a probe asks for one by one: the more, the longer it is
// before an answer is judged.
const defaultGets = 10

// probe decodes how records are asked for by their ids.
func (c *collectionDecoder) probe(n *node) {
	r := &c.rest
	var p rest.Probe
	var own rest.Request
	c.object(n, keys{
		"param":   func(n *node) { r.ProbeParam = c.name(n) },
		"join":    func(n *node) { r.ProbeJoin = c.name(n) },
		"max":     func(n *node) { r.ProbeMax = c.int(n, 1, 100_000) },
		"get":     func(n *node) { p.Get, _ = c.template(n) },
		"path":    func(n *node) { p.Path, _ = c.template(n) },
		"records": func(n *node) { p.Records = c.path(n) },
		"record":  func(n *node) { p.Record = c.path(n) },
		"gone":    func(n *node) { p.Gone = c.match(n) },
		"request": func(n *node) {
			c.object(n, c.requestKeys(&own))
			p.Request = &own
		},
	})
	if n.kind != mapNode {
		return
	}
	if n.get("get") != nil && r.ProbeMax == 0 {
		r.ProbeMax = defaultGets
	}
	if n.get("get") != nil || n.get("path") != nil || n.get("request") != nil {
		r.Probe = &p
	} else if at := firstOf(n, "records", "record", "gone"); at != nil {
		c.fail(at, `is for a probe with "get", "path" or "request"`)
	}
	if n.get("get") == nil {
		c.require(n, "max")
	}
}

// firstOf returns the value of the first of the keys that is there.
func firstOf(n *node, keys ...string) *node {
	for _, key := range keys {
		if v := n.get(key); v != nil {
			return v
		}
	}
	return nil
}

// match decodes when a body says something.
func (c *collectionDecoder) match(n *node) *rest.Match {
	m := &rest.Match{}
	c.object(n, keys{
		"path":   func(n *node) { m.Path = c.path(n) },
		"equals": func(n *node) { m.Equals = c.equals(n) },
	})
	if n.kind == mapNode {
		c.require(n, "path")
	}
	return m
}

// errors decodes what is an error although its status does not say so.
func (c *collectionDecoder) errors(n *node) {
	c.rest.Errors = nil
	if !c.isKind(n, listNode) {
		return
	}
	for _, item := range n.items {
		var r rest.ErrorRule
		c.object(item, keys{
			"status":  func(n *node) { r.Status = c.int(n, 200, 599) },
			"when":    func(n *node) { r.When = c.match(n) },
			"as":      func(n *node) { r.As = c.oneOf(n, rest.AsRetry, rest.AsThrottled, rest.AsStop) },
			"message": func(n *node) { r.Message = c.path(n) },
		})
		if item.kind == mapNode {
			c.require(item, "as")
			if item.get("when") == nil && item.get("status") == nil {
				c.fail(item, `needs "when", a "status", or both`)
			}
		}
		c.rest.Errors = append(c.rest.Errors, r)
	}
}
