package main

import (
	"encoding/json"

	"tributary/connector/rest"
)

// page decodes how the pages of one reading are asked for.
func (c *collectionDecoder) page(n *node) {
	r := &c.rest
	path := func(to *string) func(*node) { return func(n *node) { *to = c.path(n) } }
	c.object(n, keys{
		"size_param":   func(n *node) { r.SizeParam = c.text(n) },
		"size":         func(n *node) { r.Size = c.int(n, 1, 1_000_000) },
		"param":        func(n *node) { r.PageParam = c.text(n) },
		"first":        func(n *node) { r.PageFromZero = c.int(n, 0, 1) == 0 },
		"offset_param": func(n *node) { r.OffsetParam = c.text(n) },
		"token_param":  func(n *node) { r.TokenParam = c.text(n) },
		"token":        path(&r.Token),
		"last_id":      func(n *node) { r.LastID = c.bool(n) },
		"first_token":  func(n *node) { r.FirstToken, _ = c.scalar(n, "text") },
		"next_url":     path(&r.NextURL),
		"link":         func(n *node) { r.Link = c.text(n) },
		"next":         path(&r.Next),
		"more":         path(&r.Next),
		"end":          path(&r.End),
		"max_offset":   func(n *node) { r.MaxOffset = c.int(n, 1, 1_000_000_000) },
		"total":        path(&r.Total),
		"count_params": func(n *node) { r.CountParams = c.params(n) },
	})
	if next, more := n.get("next"), n.get("more"); next != nil && more != nil {
		c.fail(more, `means the same as "next", which is there too: set one of them to null`)
	}
}

// id decodes where a record's id is: a path, or the paths of its parts.
func (c *collectionDecoder) id(n *node) {
	first, more := c.somePaths(n)
	c.rest.ID, c.rest.IDMore = first, more
}

// somePaths decodes a path or a list of at least one.
func (c *collectionDecoder) somePaths(n *node) (first string, more []string) {
	if n.kind != listNode {
		return c.name(n), nil
	}
	paths := c.texts(n)
	switch len(paths) {
	case 0:
		c.fail(n, "names no field")
		return "", nil
	case 1:
		return paths[0], nil
	}
	return paths[0], paths[1:]
}

// path decodes a path into JSON.
func (c *collectionDecoder) path(n *node) string {
	s := c.text(n)
	if err := rest.CheckPath(s); err != nil {
		c.fail(n, "%v", err)
		return ""
	}
	return s
}

// equals decodes the value that a field has, as JSON.
func (c *collectionDecoder) equals(n *node) string {
	text, ok := c.scalar(n, "text, a number or a truth value")
	if !ok {
		return ""
	}
	if n.kind == textNode {
		quoted, _ := json.Marshal(text) // a text can always be marshalled
		return string(quoted)
	}
	if !json.Valid([]byte(text)) {
		c.fail(n, "is no number of JSON: put it in quotes if it is a text; found %s", shown(n))
		return ""
	}
	return text
}
