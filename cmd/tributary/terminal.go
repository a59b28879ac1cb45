package main

import (
	"strings"
	"unicode"
)

// steers says whether a character does something to a terminal instead of being shown on it:
// the control characters, of which U+009B begins a sequence as ESC and [ do, and what turns
// the direction of writing. What an API or a server says may hold any.
func steers(c rune) bool {
	return unicode.IsControl(c) || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069
}

// oneLine makes a text of others fit for one line of a terminal.
func oneLine(text []byte) string {
	return strings.Map(func(c rune) rune {
		if steers(c) {
			return ' '
		}
		return c
	}, string(text))
}

// harmless does it for a text of several lines, and shows what it took out.
func harmless(text string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && c != '\t' && steers(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}
