package replica

import (
	"database/sql/driver"
	"strconv"
	"strings"
)

// A builder writes a statement. All that comes from a query is a parameter: nothing of it
// becomes text of the statement.
type builder struct {
	text    strings.Builder
	args    []any
	columns map[string]string // of indexed paths, by path.key
}

func (b *builder) write(parts ...string) {
	for _, p := range parts {
		b.text.WriteString(p)
	}
}

// bind writes a parameter. Each has its number, so that no order is to be kept.
func (b *builder) bind(v driver.Value) string {
	b.args = append(b.args, v)
	return "?" + strconv.Itoa(len(b.args))
}

// field returns the expression of a field's value: the column of its index, or what is
// found in the record.
func (b *builder) field(p path) string {
	if p.text == recordKey {
		return "id"
	}
	if column := b.columns[p.key()]; column != "" {
		return column
	}
	return "tributary_field(CAST(record AS BLOB), " + b.bind(p.text) + ")"
}

// condition writes an expression that is true for the records that it means, and false or
// NULL for the others. So NULL is false in "and" and "or", and "not" is of what is not true.
func (b *builder) condition(c *condition) {
	switch c.op {
	case "and", "or":
		b.write("(")
		for i, below := range c.below {
			if i > 0 {
				b.write(" ", strings.ToUpper(c.op), " ")
			}
			b.condition(below)
		}
		if len(c.below) == 0 {
			b.write(map[string]string{"and": "1", "or": "0"}[c.op]) // all of none, one of none
		}
		b.write(")")
	case "not":
		b.write("(")
		b.condition(c.below[0])
		b.write(" IS NOT TRUE)")
	default:
		b.comparison(c)
	}
}

// comparisons are SQL's of four operators.
var comparisons = map[string]string{opLess: "<", opLessOrEqual: "<=", opGreater: ">", opGreaterOrEqual: ">="}

func (b *builder) comparison(c *condition) {
	f := b.field(c.field)
	switch c.op {
	case opEqual:
		b.write("(", f, " IS ", b.bind(c.values[0]), ")")
	case opNotEqual:
		b.write("(", f, " IS NOT ", b.bind(c.values[0]), ")")
	case opIn:
		b.in(f, c.values)
	case opNotIn:
		b.write("(")
		b.in(f, c.values)
		b.write(" IS NOT TRUE)")
	case opLess, opLessOrEqual, opGreater, opGreaterOrEqual:
		b.ordered(f, comparisons[c.op], c.values[0])
	case opPresent:
		b.write("(", f, " IS NOT NULL AND ", f, " NOT IN ('', x'5b5d', x'7b7d'))") // [] and {}
	case opBlank:
		b.write("(", f, " IS NULL OR ", f, " IN ('', x'5b5d', x'7b7d'))")
	case opBefore:
		b.write("(tributary_instant(", f, ") < ", b.bind(c.values[0]), ")")
	case opAfter:
		b.write("(tributary_instant(", f, ") > ", b.bind(c.values[0]), ")")
	case opIncludes:
		b.write("tributary_includes(", f, ", ", b.bind(c.values[0]), ")")
	default:
		b.write("tributary_text(", f, ", ", b.bind(c.op), ", ", b.bind(c.values[0]), ")")
	}
}

// in writes a comparison with one of several values, of which NULL is never one of SQL's.
func (b *builder) in(f string, values []driver.Value) {
	b.write("(", f, " IN (")
	null := ""
	first := true
	for _, v := range values {
		if v == nil {
			null = " OR " + f + " IS NULL"
			continue
		}
		if !first {
			b.write(", ")
		}
		first = false
		b.write(b.bind(v))
	}
	b.write(")", null, ")")
}

// ordered writes a comparison within one kind: numbers come before the empty text, texts
// before the empty BLOB.
func (b *builder) ordered(f, operator string, v driver.Value) {
	b.write("(", f, " ", operator, " ", b.bind(v))
	_, isText := v.(string)
	switch less := operator[0] == '<'; {
	case isText && less:
		b.write(" AND ", f, " >= ''")
	case isText:
		b.write(" AND ", f, " < x''")
	case !less:
		b.write(" AND ", f, " < ''")
	}
	b.write(")")
}
