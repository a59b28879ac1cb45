package replica

import (
	"database/sql/driver"
	"slices"
)

// The operators of a condition.
const (
	opEqual          = "equal"
	opNotEqual       = "not_equal"
	opIn             = "in"
	opNotIn          = "not_in"
	opLess           = "less"
	opLessOrEqual    = "less_or_equal"
	opGreater        = "greater"
	opGreaterOrEqual = "greater_or_equal"
	opPresent        = "present"
	opBlank          = "blank"
	opContains       = "contains"
	opStartsWith     = "starts_with"
	opEndsWith       = "ends_with"
	opIContains      = "i_contains"
	opBefore         = "before"
	opAfter          = "after"
	opIncludes       = "includes"
)

var operators = []string{
	opEqual, opNotEqual, opIn, opNotIn, opLess, opLessOrEqual, opGreater, opGreaterOrEqual, opPresent, opBlank,
	opContains, opStartsWith, opEndsWith, opIContains, opBefore, opAfter, opIncludes,
}

// recordKey is the field that is a record's key. A member of that name is /$key.
const recordKey = "$key"

// A condition is a tree: and, or and not have conditions below them, what else there is
// compares a field.
type condition struct {
	op     string // and, or, not, or an operator
	below  []*condition
	field  path
	values []driver.Value // in: all of them, present and blank: none, else one
}

// SQLite takes an expression as deep as a thousand, and 32766 parameters.
const (
	maxConditions = 300
	maxValues     = 5000
)

// A filterDecoder decodes a filter, and counts.
type filterDecoder struct{ conditions, values int }

func decodeFilter(n *node) (*condition, error) {
	var d filterDecoder
	return d.condition(n)
}

func (d *filterDecoder) condition(n *node) (*condition, error) {
	if d.conditions++; d.conditions > maxConditions {
		return nil, n.fail("is one condition too many: %d are the most", maxConditions)
	}
	c := &condition{}
	var is *node
	below := func(op string) func(*node) error {
		return func(n *node) error {
			c.op = op
			return n.list(maxConditions, func(n *node) error {
				child, err := d.condition(n)
				c.below = append(c.below, child)
				return err
			})
		}
	}
	var value *node
	compared := false
	err := n.object(map[string]func(*node) error{
		"and": below("and"),
		"or":  below("or"),
		"not": func(n *node) error {
			child, err := d.condition(n)
			c.op, c.below = "not", []*condition{child}
			return err
		},
		"field": func(n *node) (err error) {
			compared = true
			c.field, err = n.path()
			return err
		},
		"is": func(n *node) (err error) {
			compared, is = true, n
			c.op, err = n.oneOf(operators...)
			return err
		},
		"value": func(n *node) error { compared = true; return nil },
	})
	if err != nil {
		return nil, err
	}
	value = n.members["value"]
	switch {
	case compared || value != nil:
		if c.field.text == "" || is == nil || slices.ContainsFunc(n.names, isLogic) {
			return nil, n.fail(`wants "field" and "is", mostly "value" too, and nothing else`)
		}
		return c, d.value(n, c, value)
	case len(n.names) != 1:
		return nil, n.fail(`wants one of "and", "or", "not" and "field"`)
	case c.op == "":
		return nil, n.fail("wants no null")
	}
	return c, nil
}

// isLogic says whether a member makes one condition of others.
func isLogic(name string) bool { return name == "and" || name == "or" || name == "not" }

// value decodes what a field is compared with, by the operator.
func (d *filterDecoder) value(at *node, c *condition, n *node) error {
	if c.op == opPresent || c.op == opBlank {
		if n != nil {
			return n.fail("has no meaning beside %q", c.op)
		}
		return nil
	}
	if n == nil {
		return at.fail(`needs "value"`)
	}
	want := func(kinds string, words string) error {
		if !slices.Contains([]byte(kinds), byte(n.kind)) {
			return n.fail("wants %s beside %q, found %s", words, c.op, kindNames[n.kind])
		}
		c.values = []driver.Value{valueOf(n.raw)}
		return nil
	}
	switch c.op {
	case opIn, opNotIn:
		return n.list(maxValues, func(n *node) error {
			if d.values++; d.values > maxValues {
				return n.fail("is one value too many: %d are the most", maxValues)
			}
			if n.kind == '{' || n.kind == '[' {
				return n.fail("wants a text, a number, true, false or null, found %s", kindNames[n.kind])
			}
			c.values = append(c.values, valueOf(n.raw))
			return nil
		})
	case opLess, opLessOrEqual, opGreater, opGreaterOrEqual:
		return want(`"0`, "a text or a number")
	case opContains, opStartsWith, opEndsWith, opIContains:
		return want(`"`, "a text")
	case opBefore, opAfter:
		if err := want(`"`, "an instant"); err != nil {
			return err
		}
		at, ok := instantOf(c.values[0])
		if !ok {
			return n.fail("wants an instant with its offset, like 2026-01-31T12:00:00Z")
		}
		c.values[0] = int64(at)
		return nil
	}
	return want(`"0tfn`, "a text, a number, true, false or null")
}
