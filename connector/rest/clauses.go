package rest

import (
	"errors"
	"fmt"
)

// Clauses are a text that is put together from those of its clauses whose values a
// request has. With none left, there is no text.
type Clauses struct {
	// Join stands between two clauses: " && ".
	Join    string
	Clauses []Clause
	Quote   Quote
}

// Clause is one of them: a template or, with Each, one for every id of a probe, with
// Each between two.
type Clause struct {
	Template string
	Each     string
}

type clauses struct {
	join  string
	quote Quote
	parts []clause
}

type clause struct {
	*text
	each string
}

func (c *Clauses) parse() (*clauses, error) {
	out := &clauses{join: c.Join, quote: c.Quote}
	switch {
	case len(c.Clauses) == 0:
		return nil, errors.New("has no clauses")
	case len(c.Clauses) > 1 && c.Join == "":
		return nil, errors.New("has clauses and nothing to join them with: set join")
	case c.Quote != QuoteNone && c.Quote != QuoteJSON && c.Quote != QuoteSQL:
		return nil, fmt.Errorf("has quote %q, which is none of json and sql", c.Quote)
	}
	for _, one := range c.Clauses {
		t, err := parseText(one.Template)
		switch {
		case err != nil:
			return nil, err
		case one.Each == "" && t.needs.has(valueID):
			return nil, errors.New("has a clause with {id}, of which a probe has many: put it under each, with its join")
		case one.Each != "" && !t.needs.has(valueID):
			return nil, errors.New("has a clause for each id without {id}")
		}
		out.parts = append(out.parts, clause{t, one.Each})
	}
	return out, nil
}

// needs are what any clause may name.
func (c *clauses) needs() (n needs) {
	for _, p := range c.parts {
		n |= p.needs
	}
	return n
}

// append writes the clauses that the request has the values for. ok is false where
// none is left.
func (c *clauses) append(dst []byte, v *values) (_ []byte, ok bool, err error) {
	kept := 0
	for _, p := range c.parts {
		if p.ready(v) {
			kept++
		}
	}
	begin := len(dst)
	for _, p := range c.parts {
		if !p.ready(v) {
			continue
		}
		if len(dst) > begin {
			dst = append(dst, c.join...)
		}
		if dst, err = p.append(dst, v, c.quote, kept > 1); err != nil {
			return dst, false, err
		}
	}
	return dst, kept > 0, nil
}

// append writes a clause. Many for each id stand in brackets beside others, for "or"
// binds weaker than "and".
func (p clause) append(dst []byte, v *values, quote Quote, beside bool) ([]byte, error) {
	if p.each == "" {
		return p.fill(dst, v, quote, true)
	}
	brackets := beside && len(v.ids) > 1
	if brackets {
		dst = append(dst, '(')
	}
	one := *v
	for i, id := range v.ids {
		if i > 0 {
			dst = append(dst, p.each...)
		}
		one.id = id
		var err error
		if dst, err = p.fill(dst, &one, quote, true); err != nil {
			return dst, err
		}
	}
	if brackets {
		dst = append(dst, ')')
	}
	return dst, nil
}
