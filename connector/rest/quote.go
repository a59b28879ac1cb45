package rest

import (
	"fmt"
	"strings"
)

// Quote says how a value is written within the quotation marks of a clause.
type Quote string

// The ways of quoting. With none, a value that would have to be escaped is refused.
const (
	QuoteNone Quote = ""
	QuoteJSON Quote = "json" // within "…": \" \\ \u000a
	QuoteSQL  Quote = "sql"  // within '…': ''
)

// unfit is a value that an API gave us and that cannot be written where it should
// stand without changing what stands around it.
type unfit struct{ name, value, why string }

func (u *unfit) Error() string {
	return fmt.Sprintf("the value %s of %s cannot be written into the request: %s", shown([]byte(u.value)), u.name, u.why)
}

// write returns a value as it stands in the place of p, between other text.
func (q Quote) write(value string, p *piece) (string, error) {
	switch {
	case q == QuoteJSON && p.quote == '"':
		return string(appendJSONText(nil, value)), nil
	case q == QuoteSQL && p.quote == '\'':
		if strings.ContainsRune(value, '\\') || hasControl(value) {
			return "", &unfit{p.value.String(), value, "it holds a backslash or a control character, which databases read in different ways"}
		}
		return strings.ReplaceAll(value, "'", "''"), nil
	case p.quote != 0:
		if strings.ContainsAny(value, "\"'`\\") || hasControl(value) {
			return "", &unfit{p.value.String(), value, "it holds a quotation mark, a backslash or a control character: set `quote` of the clauses to how the API escapes them"}
		}
		return value, nil
	case !p.value.ours() && !isWord(value):
		return "", &unfit{p.value.String(), value, "outside of quotation marks only letters, digits and . _ : + - can stand"}
	}
	return value, nil
}

// isWord says whether a value is one word in any language of filters: no operator, no
// bracket, no comment.
func isWord(s string) bool {
	return s != "" && !strings.Contains(s, "--") && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:+-", r))
	})
}

// appendJSONText writes a text between the quotation marks of a JSON string (RFC 8259,
// section 7), and escapes no more than must be: languages of filters know but that.
func appendJSONText(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
