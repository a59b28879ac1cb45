package rest

import (
	"strconv"
	"strings"
)

// The RateLimit fields of the IETF (draft-ietf-httpapi-ratelimit-headers) came in three
// forms that cannot be mixed up. Drafts 00 to 06 have three fields, read by readTriple.
// Draft 07 has one:
//
//	RateLimit: limit=100, remaining=50, reset=30     RateLimit-Policy: 100;w=60
//
// From draft 08 on it is a list of named quotas:
//
//	RateLimit: "default";r=50;t=30                   RateLimit-Policy: "default";q=100;w=60
//
// In all of them a reset is seconds from now.

// readRateLimit returns every quota that can be read, none of a field that is malformed.
func readRateLimit(field, policy string) []statement {
	quotas, ok := readList(field)
	if !ok {
		return nil
	}
	if len(quotas) > 0 && quotas[0].equals {
		return readFlat(quotas)
	}
	policies, _ := readList(policy) // nil where it is malformed
	var out []statement
	for _, q := range quotas {
		s := statement{resets: -1}
		if s.remaining, ok = q.number("r"); !ok {
			continue
		}
		requests := true
		for _, p := range policies {
			if p.name != q.name {
				continue
			}
			if s.limit, ok = p.number("q"); !ok || s.limit < s.remaining {
				s.limit = 0
			}
			if w, ok := p.number("w"); ok {
				s.window = seconds(w)
			}
			// Another unit, bytes for one, is nothing that we count.
			unit, said := p.params["qu"]
			requests = !said || unit == "requests"
		}
		if t, ok := q.number("t"); ok && seconds(t) <= longestReset {
			s.resets = seconds(t)
		} else if s.window > 0 {
			s.resets = s.window // at the latest
		}
		if requests {
			out = append(out, s)
		}
	}
	return out
}

// readFlat reads the form of draft 07.
func readFlat(members []quotaItem) []statement {
	all := quotaItem{params: map[string]string{}}
	for _, m := range members {
		if !m.equals {
			return nil
		}
		all.params[m.name] = m.value
	}
	s := statement{resets: -1}
	var ok bool
	if s.remaining, ok = all.number("remaining"); !ok {
		return nil
	}
	if s.limit, ok = all.number("limit"); !ok || s.limit < s.remaining {
		s.limit = 0
	}
	if t, ok := all.number("reset"); ok && seconds(t) <= longestReset {
		s.resets = seconds(t)
	}
	return []statement{s}
}

// A quotaItem is one of a list: name;param=value, or name=value;param=value.
type quotaItem struct {
	name, value string
	equals      bool
	params      map[string]string
}

// number reads a whole number that is not negative.
func (m *quotaItem) number(param string) (float64, bool) {
	n, err := strconv.ParseUint(m.params[param], 10, 64)
	return float64(n), err == nil && n < 1e15
}

// readList reads a list of structured fields (RFC 9651) as far as the RateLimit fields use
// them: texts, tokens and numbers, with parameters.
func readList(field string) (list []quotaItem, ok bool) {
	for _, part := range splitOutside(field, ',') {
		pieces := splitOutside(part, ';')
		m := quotaItem{params: map[string]string{}}
		if m.name, m.value, m.equals, ok = readPair(pieces[0]); !ok {
			return nil, false
		}
		for _, piece := range pieces[1:] {
			key, value, _, ok := readPair(piece)
			if !ok || key == "" || piece[0] == '"' {
				return nil, false
			}
			m.params[key] = value
		}
		list = append(list, m)
	}
	return list, true
}

// readPair reads `name`, `"name"`, `name=value` or `name="value"`.
func readPair(text string) (name, value string, equals, ok bool) {
	text = strings.Trim(text, " \t")
	if strings.HasPrefix(text, `"`) {
		name, ok = unquote(text)
		return name, "", false, ok
	}
	name, value, equals = strings.Cut(text, "=")
	if strings.HasPrefix(value, `"`) {
		value, ok = unquote(value)
		return name, value, equals, ok && plainWord(name)
	}
	return name, value, equals, plainWord(name) && (!equals || plainWord(value))
}

// plainWord says whether a text is a token, a number or a sequence of bytes.
func plainWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",;()<>@\[]{}`, r) })
}

// unquote reads a text in quotes, whole.
func unquote(text string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), i == len(text)-1
		case c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		case c == '\\' || c < ' ' || c > '~':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// splitOutside splits at a separator that stands outside of quotes.
func splitOutside(text string, at byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == at && !quoted:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}
