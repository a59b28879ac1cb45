package main

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// A treeBuilder turns the parser's nodes into ours: aliases are replaced by what they
// name, merge keys by what they merge, and everything else is a scalar, list or map.
type treeBuilder struct {
	d       *decoder
	text    *configText
	anchors map[string]*node // nil while the anchor's own value is being built
}

// node builds the tree under n. What cannot be built is reported and null.
func (b *treeBuilder) node(n ast.Node, path string, depth int) *node {
	if n == nil {
		return &node{kind: nullNode, path: path, pos: position{text: b.text, line: 1, column: 1}}
	}
	out := &node{kind: nullNode, path: path, pos: b.text.at(n.GetToken())}
	if depth > maxConfigDepth {
		b.d.failAt(out.pos, "lists and maps are nested more than %d deep", maxConfigDepth)
		return out
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		out.kind, out.text = textNode, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = textNode, n.Value.Value
	case *ast.BoolNode:
		out.kind, out.text = boolNode, n.Token.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = numberNode, n.GetToken().Value // as it is written: 007 stays 007
	case *ast.SequenceNode:
		out.kind = listNode
		for i, item := range n.Values {
			if text, ok := splitScalar(item); ok && n.IsFlowStyle {
				at := b.text.at(item.(*ast.MappingNode).Values[0].Key.GetToken())
				out.items = append(out.items, &node{kind: textNode, text: text, path: indexed(path, i), pos: at})
				continue
			}
			out.items = append(out.items, b.node(item, indexed(path, i), depth+1))
		}
	case *ast.MappingNode:
		b.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		b.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		return b.anchor(n, path, depth)
	case *ast.AliasNode:
		return b.alias(n, out)
	default:
		b.d.failAt(out.pos, "%s of YAML has no meaning in a config", strings.ToLower(n.Type().YAMLName()))
	}
	return out
}

// splitScalar puts together what the parser takes apart: in a list within a map, as in
// {brokers: [kafka-1:9092]}, it reads a plain scalar with a colon as a map of one key.
// In YAML a colon makes a key only before a blank.
func splitScalar(n ast.Node) (string, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok || m.IsFlowStyle || len(m.Values) != 1 {
		return "", false
	}
	key, colon, value := m.Values[0].Key.GetToken(), m.Values[0].Start, m.Values[0].Value.GetToken()
	if _, scalar := m.Values[0].Value.(ast.ScalarNode); !scalar || key == nil || colon == nil || value == nil ||
		key.Indicator == token.QuotedScalarIndicator || value.Indicator == token.QuotedScalarIndicator {
		return "", false
	}
	after := colon.Position
	if value.Type == token.ImplicitNullType || value.Position.Line != after.Line || value.Position.Column != after.Column+1 {
		return "", false
	}
	return key.Value + ":" + value.Value, true
}

// mapping fills out with the fields of a map. A map stands where its first key does.
func (b *treeBuilder) mapping(out *node, values []*ast.MappingValueNode, depth int) {
	out.kind = mapNode
	var merged []field
	first := map[string]position{}
	for i, v := range values {
		pos := b.text.at(v.Key.GetToken())
		if i == 0 && pos.before(out.pos) {
			out.pos = pos
		}
		if v.Key.IsMergeKey() {
			merged = append(merged, b.merge(v.Value, out.path, depth+1)...)
			continue
		}
		if _, scalar := v.Key.(ast.ScalarNode); !scalar {
			b.d.failAt(pos, "a key must be a plain word")
			continue
		}
		key := v.Key.GetToken().Value
		if old, ok := first[key]; ok {
			b.d.failAt(pos, "the key %q is here twice, first in %v", key, old)
			continue
		}
		first[key] = pos
		value := b.node(v.Value, joined(out.path, key), depth+1)
		out.fields = append(out.fields, field{key: key, pos: pos, in: out.path, value: value})
	}
	for _, f := range merged { // what is said in the map itself wins, then what was merged first
		if _, ok := first[f.key]; !ok {
			first[f.key] = f.pos
			out.fields = append(out.fields, f)
		}
	}
}

// merge returns the fields that a merge key brings in.
func (b *treeBuilder) merge(value ast.Node, path string, depth int) []field {
	n := b.node(value, path, depth)
	maps := []*node{n}
	if n.kind == listNode {
		maps = n.items
	}
	var fields []field
	for _, m := range maps {
		if m.kind != mapNode {
			b.d.failAt(n.pos, "the merge key << wants a map, or a list of maps")
			return nil
		}
		fields = append(fields, m.fields...)
	}
	return fields
}

func (b *treeBuilder) anchor(n *ast.AnchorNode, path string, depth int) *node {
	name := n.Name.GetToken().Value
	b.anchors[name] = nil
	out := b.node(n.Value, path, depth+1)
	b.anchors[name] = out
	return out
}

func (b *treeBuilder) alias(n *ast.AliasNode, out *node) *node {
	name := n.Value.GetToken().Value
	switch target, known := b.anchors[name]; {
	case !known:
		b.d.failAt(out.pos, "the alias *%s names no anchor above it", name)
	case target == nil:
		b.d.failAt(out.pos, "the alias *%s stands within its own anchor", name)
	default:
		return target
	}
	return out
}
