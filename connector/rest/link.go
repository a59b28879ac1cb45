package rest

import "strings"

// linkTo returns the target of the first link of that relation in Link headers (RFC 8288,
// section 3), as it is written there. A header that cannot be read has no links behind
// the place where it goes wrong, and is broken: what it was to say is not known.
func linkTo(headers []string, rel string) (target string, ok, broken bool) {
	for _, h := range headers {
		p := linkParser{rest: h}
		for {
			link, rels, more := p.link()
			if !more {
				broken = broken || p.broken
				break
			}
			for _, r := range strings.Fields(rels) {
				if strings.EqualFold(r, rel) {
					return link, true, false
				}
			}
		}
	}
	return "", false, broken
}

// A linkParser reads the links of one header: <target>; name=value; name="value", <…
type linkParser struct {
	rest   string
	broken bool
}

func (p *linkParser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take cuts a byte off, if it is next.
func (p *linkParser) take(c byte) bool {
	if p.space(); p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// link reads one link with its relations; ok is false at the end, or where it goes wrong.
func (p *linkParser) link() (target, rels string, ok bool) {
	for p.take(',') { // empty elements of a list are allowed: RFC 9110, section 5.6.1
	}
	p.broken = p.rest != "" // until it is read
	if !p.take('<') {
		return "", "", false
	}
	target, p.rest, ok = strings.Cut(p.rest, ">")
	if !ok {
		return "", "", false
	}
	seen := false
	for p.take(';') {
		name := p.token()
		value, good := "", true
		if p.take('=') {
			value, good = p.value()
		}
		if !good {
			return "", "", false
		}
		// Of several, the first counts: section 3.3.
		if strings.EqualFold(name, "rel") && !seen {
			rels, seen = value, true
		}
	}
	p.space()
	p.broken = p.rest != "" && p.rest[0] != ','
	return target, rels, !p.broken
}

// token reads up to a separator; it may be empty.
func (p *linkParser) token() string {
	p.space()
	end := strings.IndexAny(p.rest, " \t;,=\"<>")
	if end < 0 {
		end = len(p.rest)
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// value reads a token or a quoted string.
func (p *linkParser) value() (string, bool) {
	if !p.take('"') {
		return p.token(), true
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(p.rest) {
				return "", false
			}
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
