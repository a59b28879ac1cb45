package rest

import (
	"fmt"
	"strconv"
	"strings"

	"tributary/connector/rest/canon"
)

// A placeholder is a value of a request that a text can name.
type placeholder uint8

const (
	valueFrom placeholder = iota + 1
	valueTo
	valueSize
	valuePage
	valueOffset
	valueToken
	valueID
	valueIDs
	valueParent
	valueParentField
)

var placeholders = map[string]placeholder{
	"from": valueFrom, "to": valueTo, "size": valueSize, "page": valuePage, "offset": valueOffset,
	"token": valueToken, "id": valueID, "ids": valueIDs, "parent": valueParent,
}

// Placeholders returns the names that may stand between braces in a text.
func Placeholders() []string {
	return []string{"from", "to", "size", "page", "offset", "token", "id", "ids", "parent"}
}

func (p placeholder) String() string {
	for name, value := range placeholders {
		if value == p || p == valueParentField && value == valueParent {
			return "{" + name + "}"
		}
	}
	return "{?}"
}

// needs is a set of placeholders.
type needs uint16

func (n needs) has(p placeholder) bool   { return n&(1<<p) != 0 }
func (n needs) with(p placeholder) needs { return n | 1<<p }

// In which values a reading and a probe differ: what names one of them belongs to that
// kind of request alone.
const (
	readingValues needs = 1<<valueFrom | 1<<valueTo | 1<<valuePage | 1<<valueOffset | 1<<valueToken
	probeValues   needs = 1<<valueID | 1<<valueIDs
)

// A text is a template, parsed: literals and placeholders in turn.
type text struct {
	pieces []piece
	needs  needs
}

// A piece is a literal, or a placeholder.
type piece struct {
	literal string
	value   placeholder
	path    []string // in the parent: {parent.FIELD}
	form    string   // "text" or "number": {id:number}
	quote   byte     // the quotation mark of the literals within which it stands, 0: none
}

// UnknownPlaceholderError is a name between braces that stands for nothing.
type UnknownPlaceholderError struct{ Name string }

func (e *UnknownPlaceholderError) Error() string {
	return fmt.Sprintf("names {%s}, which stands for nothing; braces that are meant are written twice: {{ }}", e.Name)
}

// CheckTemplate says what is wrong with a text that may name values of a request in
// braces. It never quotes the text, which may hold a credential.
func CheckTemplate(template string) error {
	_, err := parseText(template)
	return err
}

// EscapeTemplate returns the template of a text without placeholders.
func EscapeTemplate(literal string) string {
	return strings.NewReplacer("{", "{{", "}", "}}").Replace(literal)
}

// maxName is how long a name between braces can be; what is longer was not meant as one.
const maxName = 100

// parseText reads a template: {name}, {name:text}, {name:number}, {parent.FIELD}, and
// doubled braces for themselves.
func parseText(template string) (*text, error) {
	t := &text{}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.pieces = append(t.pieces, piece{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(template); i++ {
		c := template[i]
		switch {
		case c != '{' && c != '}':
			literal.WriteByte(c)
		case i+1 < len(template) && template[i+1] == c:
			literal.WriteByte(c)
			i++
		case c == '}':
			return nil, fmt.Errorf("has a } without its {; a brace that is meant is written twice: }}")
		default:
			name, _, closed := strings.Cut(template[i+1:], "}")
			if !closed || len(name) > maxName || strings.Contains(name, "{") {
				return nil, fmt.Errorf("has a { that is not closed; a brace that is meant is written twice: {{")
			}
			p, err := parsePlaceholder(name)
			if err != nil {
				return nil, err
			}
			flush()
			t.pieces = append(t.pieces, p)
			t.needs = t.needs.with(p.value)
			i += 1 + len(name)
		}
	}
	flush()
	t.findQuotes()
	return t, nil
}

func parsePlaceholder(inner string) (piece, error) {
	name, form, formed := strings.Cut(inner, ":")
	name, field, fielded := strings.Cut(name, ".")
	p := piece{value: placeholders[name], form: form}
	switch {
	case p.value == 0 || fielded && p.value != valueParent:
		return p, &UnknownPlaceholderError{inner}
	case fielded && field == "":
		return p, fmt.Errorf("names {parent.} without a field of the parent")
	case fielded && canon.CheckPath(field) != nil:
		return p, canon.CheckPath(field)
	case formed && form != "text" && form != "number":
		return p, fmt.Errorf("writes {%s:…}: after the colon there can be text or number", name)
	}
	if fielded {
		p.value, p.path = valueParentField, pathNames(field)
	}
	return p, nil
}

// pathNames returns the names of a path that is known to be one.
func pathNames(path string) []string {
	all, _ := canon.SplitPath(path)
	return all
}

// findQuotes notes for each placeholder the quotation mark of the literals around it.
func (t *text) findQuotes() {
	open := byte(0)
	for k := range t.pieces {
		p := &t.pieces[k]
		if p.value != 0 {
			p.quote = open
			continue
		}
		for i := 0; i < len(p.literal); i++ {
			switch c := p.literal[i]; {
			case open != 0 && c == '\\':
				i++
			case open == c:
				open = 0
			case open == 0 && (c == '"' || c == '\''):
				open = c
			}
		}
	}
}

// fixed returns the text of a template without placeholders.
func (t *text) fixed() (string, bool) {
	switch {
	case len(t.pieces) == 0:
		return "", true
	case len(t.pieces) == 1 && t.needs == 0:
		return t.pieces[0].literal, true
	}
	return "", false
}

// alone says whether the text is one placeholder and nothing else.
func (t *text) alone() bool { return len(t.pieces) == 1 && t.needs != 0 }

// values are what one request has to fill its texts with.
type values struct {
	has             needs
	from, to, token string
	number          bool // from and to are numbers
	size, page      int
	offset          int
	id              string
	ids             []string
	join            string // between ids that stand in one text
	parent          *parent
}

// complete says whether the request has every value that is needed.
func (v *values) complete(n needs) bool { return n&^v.has == 0 }

// of returns the text of a placeholder.
func (v *values) of(p piece) string {
	switch p.value {
	case valueFrom:
		return v.from
	case valueTo:
		return v.to
	case valueSize:
		return strconv.Itoa(v.size)
	case valuePage:
		return strconv.Itoa(v.page)
	case valueOffset:
		return strconv.Itoa(v.offset)
	case valueToken:
		return v.token
	case valueID:
		return v.id
	case valueIDs:
		return strings.Join(v.ids, v.join)
	}
	if p.value == valueParentField {
		return v.parent.field(p.path)
	}
	return v.parent.id
}

// ready says whether the request has what the text names.
func (t *text) ready(v *values) bool {
	if !v.complete(t.needs) {
		return false
	}
	if t.needs.has(valueParentField) {
		for i := range t.pieces {
			if p := &t.pieces[i]; p.value == valueParentField && v.parent.field(p.path) == "" {
				return false
			}
		}
	}
	return true
}

// ours says of a placeholder that its value was written by us, and not by an API.
func (p placeholder) ours() bool { return p <= valueOffset }

// append writes the text with the values in its places.
func (t *text) append(dst []byte, v *values) ([]byte, error) {
	return t.fill(dst, v, QuoteNone, !t.alone())
}

// fill writes the text. What an API gave and has text beside it is written so that it
// stays where it stands: what would end a quotation, or begin another word, is escaped or
// refused.
func (t *text) fill(dst []byte, v *values, quote Quote, beside bool) ([]byte, error) {
	for i := range t.pieces {
		p := &t.pieces[i]
		if p.value == 0 {
			dst = append(dst, p.literal...)
			continue
		}
		all := []string{""}
		if p.value == valueIDs {
			if err := v.apart(); err != nil {
				return dst, err
			}
			all = v.ids
		} else {
			all[0] = v.of(*p)
		}
		for k, value := range all {
			if k > 0 {
				dst = append(dst, v.join...)
			}
			if beside {
				var err error
				if value, err = quote.write(value, p); err != nil {
					return dst, err
				}
			}
			dst = append(dst, value...)
		}
	}
	return dst, nil
}

// apart refuses ids that hold what separates them: the API would read others.
func (v *values) apart() error {
	for _, id := range v.ids {
		if len(v.ids) > 1 && strings.Contains(id, v.join) {
			return &unfit{"{ids}", id, fmt.Sprintf("it holds %q, which separates ids: probe with a repeated parameter or a list", v.join)}
		}
	}
	return nil
}
