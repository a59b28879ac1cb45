package rest

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
)

// Tree is a JSON body, or a part of it, to be filled in. Exactly one of its kinds is
// set; with none it is the text Template, which may be empty.
type Tree struct {
	Template string
	// JSON is a value that is sent as it is.
	JSON    string
	Clauses *Clauses
	// Members and Items are those of an object and of a list; neither is nil where it is
	// meant, even if it is empty.
	Members []Member
	Items   []Tree
	// If names values: an object stands only in a request that has one of them.
	If []string
}

// Member is one of an object's.
type Member struct {
	Name string
	Tree Tree
}

// tree is a Tree, parsed.
type tree struct {
	text    *text
	json    []byte
	clauses *clauses
	members []member
	items   []*tree
	isList  bool
	when    needs // 0: always
	below   needs // named here or below
}

type member struct {
	name []byte // as JSON, with its colon
	tree *tree
}

func (t *Tree) parse() (_ *tree, err error) {
	out := &tree{}
	switch {
	case t.Members != nil:
		return out, t.parseMembers(out)
	case t.Items != nil:
		out.isList = true
		for i := range t.Items {
			item, err := t.Items[i].parse()
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
			out.below |= item.below
		}
	case t.Clauses != nil:
		if out.clauses, err = t.Clauses.parse(); err == nil {
			out.below = out.clauses.needs()
		}
	case t.JSON != "":
		if out.json = []byte(t.JSON); !json.Valid(out.json) {
			err = errors.New("has a value that is no JSON")
		}
	default:
		if out.text, err = parseText(t.Template); err == nil {
			out.below = out.text.needs
		}
	}
	return out, err
}

func (t *Tree) parseMembers(out *tree) error {
	out.members = []member{}
	for _, name := range t.If {
		p, ok := placeholders[name]
		if !ok {
			return &UnknownPlaceholderError{name}
		}
		out.when = out.when.with(p)
	}
	for i := range t.Members {
		m := &t.Members[i]
		below, err := m.Tree.parse()
		if err != nil {
			return err
		}
		name := append(appendJSONText([]byte{'"'}, m.Name), '"', ':')
		out.members = append(out.members, member{name, below})
		out.below |= below.below
	}
	return nil
}

// append writes the value, with whether there is one: what names a value that the
// request has not is left out, and with it what is left empty by that. The error of a
// value that does not fit names it.
func (t *tree) append(dst []byte, v *values) (_ []byte, ok bool, err error) {
	switch {
	case t.members != nil:
		return t.appendObject(dst, v, false)
	case t.isList:
		return t.appendList(dst, v)
	case t.clauses != nil:
		var text []byte
		if text, ok, err = t.clauses.append(nil, v); err != nil || !ok {
			return dst, false, err
		}
		return append(appendJSONText(append(dst, '"'), string(text)), '"'), true, nil
	case t.text == nil:
		return append(dst, t.json...), true, nil
	}
	return t.appendText(dst, v)
}

// appendText writes a text. One placeholder alone is the value itself: a number where it
// is one, a list of ids.
func (t *tree) appendText(dst []byte, v *values) (_ []byte, ok bool, err error) {
	if !t.text.ready(v) {
		return dst, false, nil
	}
	if t.text.alone() {
		p := t.text.pieces[0]
		switch {
		case p.value == valueIDs && p.form != "text":
			dst, err = appendIDs(dst, v.ids, p.form == "number")
			return dst, err == nil, err
		case p.form == "number", p.form == "" && p.isNumber(v):
			return appendNumber(dst, p, v.of(p))
		}
	}
	text, err := t.text.append(nil, v)
	if err != nil {
		return dst, false, err
	}
	return append(appendJSONText(append(dst, '"'), string(text)), '"'), true, nil
}

func (p piece) isNumber(v *values) bool {
	switch p.value {
	case valueFrom, valueTo:
		return v.number && json.Valid([]byte(v.of(p))) // `beginning` may be a text
	case valueSize, valuePage, valueOffset:
		return true
	}
	return false
}

func appendNumber(dst []byte, p piece, text string) ([]byte, bool, error) {
	if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
		return dst, false, &unfit{p.value.String(), text, "it is no number"}
	}
	return append(dst, text...), true, nil
}

func appendIDs(dst []byte, ids []string, number bool) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		if number {
			if dst, _, err = appendNumber(dst, piece{value: valueIDs}, id); err != nil {
				return dst, err
			}
			continue
		}
		dst = append(appendJSONText(append(dst, '"'), id), '"')
	}
	return append(dst, ']'), nil
}

// appendObject writes an object. As an item of a list it stands or falls as a whole: half
// of a condition is another condition.
func (t *tree) appendObject(dst []byte, v *values, item bool) (_ []byte, ok bool, err error) {
	if t.when != 0 && t.when&v.has == 0 {
		return dst, false, nil
	}
	begin, kept := len(dst), 0
	dst = append(dst, '{')
	for _, m := range t.members {
		mark := len(dst)
		if kept > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.name...)
		if dst, ok, err = m.tree.append(dst, v); err != nil {
			return dst, false, err
		}
		if !ok {
			if item {
				return dst[:begin], false, nil
			}
			dst = dst[:mark]
			continue
		}
		kept++
	}
	if kept == 0 && len(t.members) > 0 {
		return dst[:begin], false, nil
	}
	return append(dst, '}'), true, nil
}

// appendList writes a list. An item that names {id} is there for each id.
func (t *tree) appendList(dst []byte, v *values) (_ []byte, ok bool, err error) {
	begin, kept := len(dst), 0
	dst = append(dst, '[')
	for _, item := range t.items {
		each := []string{v.id}
		if item.below.has(valueID) && !v.single() {
			each = v.ids
		}
		one := *v
		for _, id := range each {
			if one.id = id; item.below.has(valueID) && len(each) > 1 {
				one.ids = []string{id} // lists within are about this one
			}
			mark := len(dst)
			if kept > 0 {
				dst = append(dst, ',')
			}
			if item.members != nil {
				dst, ok, err = item.appendObject(dst, &one, true)
			} else {
				dst, ok, err = item.append(dst, &one)
			}
			if err != nil {
				return dst, false, err
			}
			if !ok {
				dst = dst[:mark]
				continue
			}
			kept++
		}
	}
	if kept == 0 && len(t.items) > 0 {
		return dst[:begin], false, nil
	}
	return append(dst, ']'), true, nil
}

// single says whether the request is for one id, so that {id} is that one anywhere.
func (v *values) single() bool { return len(v.ids) <= 1 }

// body returns the whole: one that is left empty is an empty object, for a request with a
// body has one.
func (t *tree) body(v *values) ([]byte, error) {
	out, ok, err := t.append(nil, v)
	if !ok && err == nil {
		out = []byte("{}")
	}
	return out, err
}

// loneIDs says whether {id} stands outside of every list, where there can be but one.
func (t *tree) loneIDs() bool {
	if t.isList {
		return false
	}
	if t.text != nil {
		return t.text.needs.has(valueID)
	}
	return slices.ContainsFunc(t.members, func(m member) bool { return m.tree.loneIDs() })
}
