package replica

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A QueryError is a query that cannot be meant. At is the place in it, a JSON Pointer; ""
// is the whole.
type QueryError struct{ At, Problem string }

func (e *QueryError) Error() string {
	if e.At == "" {
		return "the query " + e.Problem
	}
	return "the query at " + e.At + " " + e.Problem
}

// Bounds on a query, so that a wrong one is refused and not worked on.
const (
	maxQuery      = 256 << 10
	maxQueryDepth = 48
)

// A node is one value of a query, with the place where it stands.
type node struct {
	at      string
	kind    jsontext.Kind
	raw     jsontext.Value // of a scalar
	names   []string       // of an object's members, in their order
	members map[string]*node
	items   []*node
}

func (n *node) fail(format string, args ...any) error {
	return &QueryError{n.at, fmt.Sprintf(format, args...)}
}

// parseQuery reads a query. Two members of one name are refused. An empty one is {}.
func parseQuery(query []byte) (*node, error) {
	switch {
	case len(bytes.TrimSpace(query)) == 0:
		query = []byte("{}")
	case len(query) > maxQuery:
		return nil, &QueryError{"", fmt.Sprintf("has %d bytes, and %d are the most", len(query), maxQuery)}
	}
	// Half a character is legal in JSON, and in records.
	d := jsontext.NewDecoder(bytes.NewBuffer(query), jsontext.AllowInvalidUTF8(true))
	n, err := readNode(d, "", 0)
	var bad *QueryError
	switch {
	case errors.As(err, &bad):
		return nil, err
	case err != nil:
		return nil, &QueryError{"", "is not JSON: " + syntax(err)}
	}
	if rest := bytes.TrimSpace(query[d.InputOffset():]); len(rest) > 0 {
		return nil, &QueryError{"", "is followed by something else"}
	}
	return n, nil
}

// syntax says what is wrong and where, without the name of the package that found it.
func syntax(err error) string {
	if s := (*jsontext.SyntacticError)(nil); errors.As(err, &s) && s.Err != nil {
		return fmt.Sprintf("%v (byte %d)", s.Err, s.ByteOffset)
	}
	return "it ends in the middle"
}

func readNode(d *jsontext.Decoder, at string, depth int) (*node, error) {
	n := &node{at: at, kind: d.PeekKind()}
	if depth > maxQueryDepth {
		return nil, n.fail("is nested deeper than any query")
	}
	if n.kind != '{' && n.kind != '[' {
		raw, err := d.ReadValue()
		n.raw = raw.Clone()
		return n, err
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	n.members = map[string]*node{}
	for d.PeekKind() != '}' && d.PeekKind() != ']' {
		place := at + "/" + strconv.Itoa(len(n.items))
		name := ""
		if n.kind == '{' {
			token, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			name = token.String()
			place = at + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
		}
		child, err := readNode(d, place, depth+1)
		if err != nil {
			return nil, err
		}
		if n.kind == '{' {
			n.names, n.members[name] = append(n.names, name), child
		} else {
			n.items = append(n.items, child)
		}
	}
	_, err := d.ReadToken()
	return n, err
}

// kindNames are how errors call them.
var kindNames = map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a text", '0': "a number", '{': "an object", '[': "a list"}

// object decodes an object by its members; one that is null counts as absent.
func (n *node) object(known map[string]func(*node) error) error {
	if n.kind != '{' {
		return n.fail("wants an object, found %s", kindNames[n.kind])
	}
	for _, name := range n.names {
		decode, ok := known[name]
		if !ok {
			return n.fail("has %q, and may have %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if child := n.members[name]; child.kind != 'n' {
			if err := decode(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) list(atMost int, each func(*node) error) error {
	switch {
	case n.kind != '[':
		return n.fail("wants a list, found %s", kindNames[n.kind])
	case len(n.items) > atMost:
		return n.fail("has %d entries, and %d are the most", len(n.items), atMost)
	}
	for _, item := range n.items {
		if err := each(item); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) text() (string, error) {
	if n.kind != '"' {
		return "", n.fail("wants a text, found %s", kindNames[n.kind])
	}
	return valueOf(n.raw).(string), nil
}

func (n *node) oneOf(words ...string) (string, error) {
	text, err := n.text()
	if err == nil && !slices.Contains(words, text) {
		err = n.fail("is %q, and may be %s", text, strings.Join(words, ", "))
	}
	return text, err
}

func (n *node) bool() (bool, error) {
	if n.kind != 't' && n.kind != 'f' {
		return false, n.fail("wants true or false, found %s", kindNames[n.kind])
	}
	return n.kind == 't', nil
}

func (n *node) int(low, high int64) (int64, error) {
	i, err := strconv.ParseInt(string(n.raw), 10, 64)
	if n.kind != '0' || err != nil || i < low || i > high {
		return 0, n.fail("wants a whole number from %d to %d", low, high)
	}
	return i, nil
}

func (n *node) path() (path, error) {
	text, err := n.text()
	if err != nil {
		return path{}, err
	}
	p, err := parsePath(text)
	if err != nil {
		return p, n.fail("%v", err)
	}
	return p, nil
}
