package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tributary/connector/rest"
)

// requestKeys are those of a request, the collection's own or another.
func (c *collectionDecoder) requestKeys(r *rest.Request) keys {
	return keys{
		"method":  func(n *node) { r.Method = c.oneOf(n, http.MethodGet, http.MethodPost) },
		"params":  func(n *node) { r.Params, r.Clauses = c.requestParams(n) },
		"headers": func(n *node) { r.Headers = c.headers(n) },
		"body": func(n *node) {
			if c.isKind(n, mapNode) {
				tree := c.tree(n)
				r.Body = &tree
			}
		},
	}
}

func (c *collectionDecoder) request(n *node) {
	r := &c.rest
	var own rest.Request
	known := c.requestKeys(&own)
	known["timeout"] = func(n *node) { r.Timeout = c.duration(n, time.Millisecond) }
	known["max_body"] = func(n *node) { r.MaxBody = c.size(n) }
	known["max_compressed"] = func(n *node) { r.MaxCompressed = c.size(n) }
	known["max_depth"] = func(n *node) { r.MaxDepth = c.int(n, 1, 1000) }
	c.object(n, known)
	r.Method, r.Params, r.Clauses, r.Headers, r.Body = own.Method, own.Params, own.Clauses, own.Headers, own.Body
}

// template decodes a text that may name values of a request in braces. What a reference
// stands for has no placeholders: a credential may hold braces.
func (c *collectionDecoder) template(n *node) (string, bool) {
	text, ok := c.scalar(n, "text, a number or a truth value")
	if !ok {
		return "", false
	}
	if hasReference(n.text) {
		escaped := c.expander
		escaped.escape = rest.EscapeTemplate
		if text, ok = mustExpand(escaped, n.text); !ok {
			return "", false
		}
	}
	if err := rest.CheckTemplate(text); err != nil {
		c.failTemplate(n, err)
		return "", false
	}
	return text, true
}

func mustExpand(x expander, text string) (string, bool) {
	out, err := x.expand(text)
	return out, err == nil
}

// failTemplate reports a wrong template with the name that was probably meant.
func (c *collectionDecoder) failTemplate(n *node, err error) {
	if unknown, ok := errors.AsType[*rest.UnknownPlaceholderError](err); ok {
		if near := nearest(unknown.Name, rest.Placeholders()); near != "" {
			c.fail(n, "%v; did you mean {%s}?", err, near)
			return
		}
		c.fail(n, "%v; there are {%s}", err, strings.Join(rest.Placeholders(), "}, {"))
		return
	}
	c.fail(n, "%v", err)
}

// params decodes query parameters; a list is a parameter that is repeated.
func (c *collectionDecoder) params(n *node) url.Values {
	out, clauses := c.requestParams(n)
	if len(clauses) > 0 {
		c.fail(n, "has clauses, which stand under request.params")
	}
	return out
}

// requestParams decodes query parameters, some of which may be made of clauses.
func (c *collectionDecoder) requestParams(n *node) (url.Values, map[string]rest.Clauses) {
	out := url.Values{}
	var clauses map[string]rest.Clauses
	if !c.isKind(n, mapNode) {
		return out, nil
	}
	for _, f := range n.fields {
		values := []*node{f.value}
		switch f.value.kind {
		case listNode:
			values = f.value.items
		case mapNode:
			if clauses == nil {
				clauses = map[string]rest.Clauses{}
			}
			clauses[f.key] = c.clauses(f.value)
			continue
		}
		for _, v := range values {
			if v.kind == nullNode {
				continue
			}
			if s, ok := c.template(v); ok {
				out.Add(f.key, s)
			}
		}
	}
	return out, clauses
}

// clauses decodes a text made of clauses.
func (c *collectionDecoder) clauses(n *node) rest.Clauses {
	var out rest.Clauses
	clause := func(n *node) {
		if n.kind != mapNode {
			if s, ok := c.template(n); ok {
				out.Clauses = append(out.Clauses, rest.Clause{Template: s})
			}
			return
		}
		var one rest.Clause
		c.object(n, keys{"each": func(n *node) {
			c.object(n, keys{
				"clause": func(n *node) { one.Template, _ = c.template(n) },
				"join":   func(n *node) { one.Each = c.name(n) },
			})
			c.require(n, "clause", "join")
		}})
		c.require(n, "each")
		out.Clauses = append(out.Clauses, one)
	}
	c.object(n, keys{
		"join":  func(n *node) { out.Join = c.name(n) },
		"quote": func(n *node) { out.Quote = rest.Quote(c.oneOf(n, string(rest.QuoteJSON), string(rest.QuoteSQL))) },
		"clauses": func(n *node) {
			if c.isKind(n, listNode) {
				for _, item := range n.items {
					clause(item)
				}
			}
		},
	})
	c.require(n, "clauses")
	return out
}

// headers decodes request headers. Some carry a credential, so no value is shown.
func (c *collectionDecoder) headers(n *node) http.Header {
	out := http.Header{}
	if !c.isKind(n, mapNode) {
		return out
	}
	for _, f := range n.fields {
		if f.value.kind == nullNode {
			continue
		}
		if isCredentialHeader(f.key) {
			c.keepSecret(f.value)
			if value, ok := c.scalar(f.value, "text"); ok {
				c.secrets[value] = true
			}
		}
		if value, ok := c.template(f.value); ok {
			out.Add(f.key, value)
		}
	}
	return out
}

// isCredentialHeader says whether a header sounds as if its value were secret.
func isCredentialHeader(name string) bool {
	return secretKey.MatchString(name + ":")
}

// tree decodes a JSON body, or a part of it. Keys that begin with $ are ours.
func (c *collectionDecoder) tree(n *node) rest.Tree {
	switch n.kind {
	case nullNode:
		return rest.Tree{JSON: "null"}
	case listNode:
		out := rest.Tree{Items: []rest.Tree{}}
		for _, item := range n.items {
			out.Items = append(out.Items, c.tree(item))
		}
		return out
	case mapNode:
		return c.treeMap(n)
	}
	if n.kind != textNode {
		if text, ok := c.scalar(n, "a value"); ok {
			if !json.Valid([]byte(text)) {
				c.fail(n, "is no number of JSON: put it in quotes if it is a text; found %s", shown(n))
			}
			return rest.Tree{JSON: text}
		}
		return rest.Tree{}
	}
	text, _ := c.template(n)
	return rest.Tree{Template: text}
}

func (c *collectionDecoder) treeMap(n *node) rest.Tree {
	if literal := n.get("$literal"); literal != nil {
		return c.literal(n, literal)
	}
	if n.get("clauses") != nil && n.get("join") != nil {
		clauses := c.clauses(n)
		return rest.Tree{Clauses: &clauses}
	}
	out := rest.Tree{Members: []rest.Member{}}
	for _, f := range n.fields {
		switch {
		case f.value.kind == nullNode:
		case f.key == "$if":
			out.If = c.conditions(f.value)
		case f.key == "$probe":
			if c.bool(f.value) {
				out.If = []string{"ids"}
			}
		case strings.HasPrefix(f.key, "$") && !strings.HasPrefix(f.key, "$$"):
			c.unknownKey(f, []string{"$if", "$probe", "$literal"})
		default:
			if isCredentialHeader(f.key) {
				c.keepSecret(f.value)
			}
			out.Members = append(out.Members, rest.Member{Name: strings.TrimPrefix(f.key, "$"), Tree: c.tree(f.value)})
		}
	}
	return out
}

// literal decodes a text without placeholders, such as a query of GraphQL.
func (c *collectionDecoder) literal(n, literal *node) rest.Tree {
	if len(n.fields) != 1 {
		c.fail(n, "has $literal beside other keys: it stands alone")
	}
	text, _ := c.scalar(literal, "text")
	return rest.Tree{Template: rest.EscapeTemplate(text)}
}

// conditions decodes the names of values of which a request must have one.
func (c *collectionDecoder) conditions(n *node) []string {
	items := []*node{n}
	if n.kind == listNode {
		items = n.items
	}
	var out []string
	for _, item := range items {
		out = append(out, c.oneOf(item, rest.Placeholders()...))
	}
	return out
}
