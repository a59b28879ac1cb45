package replica

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tributary/connector/rest/canon"
)

// maxPaths bounds a projection.
const maxPaths = 500

// A projection is a tree of the names that stay; one without names below it stays whole.
type projection struct{ below map[string]*projection }

func decodeProjection(n *node) (*projection, error) {
	root := &projection{below: map[string]*projection{}}
	return root, n.list(maxPaths, func(n *node) error {
		p, err := n.path()
		if err != nil {
			return err
		}
		if strings.HasPrefix(p.text, "/") && slices.ContainsFunc(p.names, canon.IsIndex) {
			return n.fail("has an index: a projection goes through arrays, into every element (leave the index out)")
		}
		if p.text == recordKey {
			return n.fail("is the key, which is beside a record and no part of it: name the field of its id (a member of that name is /$key)")
		}
		root.add(p.names)
		return nil
	})
}

func (p *projection) add(names []string) {
	if p.below == nil {
		return // all of it stays
	}
	child := p.below[names[0]]
	switch {
	case len(names) == 1:
		p.below[names[0]] = &projection{}
	case child == nil:
		child = &projection{below: map[string]*projection{}}
		p.below[names[0]] = child
		fallthrough
	default:
		child.add(names[1:])
	}
}

// cut appends what stays of a record: numbers, texts and order as they are.
func (p *projection) cut(dst, record []byte) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(record), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	return p.value(dst, d)
}

func (p *projection) value(dst []byte, d *jsontext.Decoder) ([]byte, error) {
	kind := d.PeekKind()
	if p.below == nil || kind != '{' && kind != '[' {
		raw, err := d.ReadValue()
		return append(dst, raw...), err
	}
	if _, err := d.ReadToken(); err != nil {
		return dst, err
	}
	dst = append(dst, byte(kind))
	first := true
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		child := p
		var name jsontext.Value
		if kind == '{' {
			raw, err := d.ReadValue()
			if err != nil {
				return dst, err
			}
			text, _ := canon.Unquote(nil, raw)
			if child = p.below[string(text)]; child == nil {
				if err := d.SkipValue(); err != nil {
					return dst, err
				}
				continue
			}
			name = append(raw.Clone(), ':')
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		if dst, err = child.value(append(dst, name...), d); err != nil {
			return dst, err
		}
	}
	_, err := d.ReadToken()
	return append(dst, byte(kind)+2), err // } and ] are two behind { and [
}
