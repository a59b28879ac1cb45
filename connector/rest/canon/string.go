package canon

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// quote returns the index of the quotation mark that ends the string whose text
// begins at i, and whether the text has no escapes.
func quote(src []byte, i int) (end int, plain bool) {
	// Most strings are short: a loop beats the call. Long ones are searched.
	near := min(i+24, len(src))
	for ; i < near; i++ {
		switch src[i] {
		case '"':
			return i, true
		case '\\':
			return quoteEscaped(src, i), false
		}
	}
	end = i + bytes.IndexByte(src[i:], '"')
	if e := bytes.IndexByte(src[i:end], '\\'); e >= 0 {
		return quoteEscaped(src, i+e), false
	}
	return end, true
}

func quoteEscaped(src []byte, i int) int {
	for src[i] != '"' {
		if src[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

// appendText appends the canonical text of a string's raw text.
func appendText(dst, raw []byte) []byte {
	for len(raw) > 0 {
		run := bytes.IndexByte(raw, '\\')
		if run < 0 {
			return append(dst, raw...) // raw control characters are no JSON
		}
		dst = append(dst, raw[:run]...)
		r, n := unescape(raw[run:])
		dst = appendRune(dst, r)
		raw = raw[run+n:]
	}
	return dst
}

// appendEscaped appends the canonical text of a decoded string.
func appendEscaped(dst []byte, s string) []byte {
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return dst
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r < ' ' || utf16.IsSurrogate(r):
		return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// Unquote appends the decoded text of a JSON string, which is given with its
// quotes. A lone surrogate has no text: it is false then, with the canonical text.
func Unquote(dst, quoted []byte) ([]byte, bool) {
	raw, start := quoted[1:len(quoted)-1], len(dst)
	for rest := raw; len(rest) > 0; {
		run := bytes.IndexByte(rest, '\\')
		if run < 0 {
			return append(dst, rest...), true
		}
		dst = append(dst, rest[:run]...)
		r, n := unescape(rest[run:])
		if utf16.IsSurrogate(r) {
			return appendText(dst[:start], raw), false
		}
		dst = utf8.AppendRune(dst, r)
		rest = rest[run+n:]
	}
	return dst, true
}

// unescape decodes the escape that s begins with, and says how long it is: two of
// them where they are a pair of surrogates, and a surrogate alone as it is.
func unescape(s []byte) (rune, int) {
	switch s[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(s[2:])
		if utf16.IsSurrogate(r) && len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
			if pair := utf16.DecodeRune(r, hex4(s[8:])); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return r, 6
	}
	return rune(s[1]), 2 // quotation mark, backslash, slash
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
