package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A mask keeps secrets out of messages and snippets, in two ways that do not need
// each other: the secrets that were decoded are masked wherever they stand, and what
// follows a key that sounds secret is masked even where nothing could be decoded.
type mask struct {
	secrets  []string
	replacer *strings.Replacer
}

// shortestSecret is the length below which a secret is not looked for elsewhere: a
// password "a" would blank out half of a file. Its own place is masked all the same.
const shortestSecret = 4

func newMask(secrets map[string]bool) mask {
	var m mask
	for s := range secrets {
		for line := range strings.Lines(s) {
			if line = strings.TrimSpace(line); utf8.RuneCountInString(line) >= shortestSecret {
				m.secrets = append(m.secrets, line)
			}
		}
	}
	// The longest first: one secret may be a part of another.
	slices.SortFunc(m.secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range m.secrets {
		pairs = append(pairs, s, redacted)
	}
	m.replacer = strings.NewReplacer(pairs...)
	return m
}

func (m mask) message(s string) string { return m.replacer.Replace(s) }

// snippet shows the line of pos with one line before and one after it, and a caret
// below the column.
func (m mask) snippet(pos position) string {
	var out strings.Builder
	width := len(fmt.Sprint(pos.line + 1))
	for n := max(1, pos.line-1); n <= min(pos.line+1, len(pos.text.lines)); n++ {
		if n > pos.line && n == len(pos.text.lines) && pos.text.line(n) == "" {
			break // what follows the last newline is not a line
		}
		column := 0
		if n == pos.line {
			column = pos.column
		}
		line, pad := m.line(pos.text, n, column)
		out.WriteString(strings.TrimRight(fmt.Sprintf("  %*d | %s", width, n, line), " ") + "\n")
		if n == pos.line {
			fmt.Fprintf(&out, "  %*s | %s^\n", width, "", pad)
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// line returns a line with its secrets masked, and the blanks that put a caret below
// the column. Masking moves what follows it, and the caret with it.
func (m mask) line(text *configText, number, column int) (line, pad string) {
	raw := text.line(number)
	hidden := make([]bool, len(raw)+1)
	hide := func(from, to int) {
		for i := from; i < to; i++ {
			hidden[i] = true
		}
	}
	for _, s := range m.secrets {
		for from := 0; ; {
			i := strings.Index(raw[from:], s)
			if i < 0 {
				break
			}
			hide(from+i, from+i+len(s))
			from += i + len(s)
		}
	}
	if from := continuesSecret(text, number); from >= 0 {
		hide(from, len(raw))
	}
	for _, span := range secretValues(raw) {
		hide(span[0], span[1])
	}
	line, pad = masked(raw, hidden, column)
	return near(line, pad)
}

// near cuts a line that is too long to be looked at down to what is around the caret, and
// shows no character that a terminal would obey: what is no config may be anything.
func near(line, pad string) (string, string) {
	const most = 320
	line = strings.Map(func(r rune) rune {
		if r != '\t' && unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, line)
	runes, before := []rune(line), []rune(pad)
	from := 0
	if len(runes) > most && len(before) > most/2 {
		from = min(len(before), len(runes)) - most/2
	}
	to := min(len(runes), from+most)
	if from > 0 {
		pad = " " + string(before[from:])
		line = "…" + string(runes[from:to])
	} else {
		line = string(runes[:to])
	}
	if to < len(runes) {
		line += "…"
	}
	return line, pad
}

// masked writes one word for each hidden part. Within such a part the caret stands at
// its beginning.
func masked(raw string, hidden []bool, column int) (line, pad string) {
	var shown, blanks strings.Builder
	runes, owed := 0, ""
	for i, r := range raw {
		runes++
		switch {
		case !hidden[i]:
			shown.WriteRune(r)
		case i == 0 || !hidden[i-1]:
			shown.WriteString(redacted)
			owed = strings.Repeat(" ", len(redacted))
		}
		if hidden[i] || runes > column {
			continue
		}
		blanks.WriteString(owed)
		owed = ""
		if runes < column {
			blanks.WriteString(blankFor(r))
		}
	}
	return shown.String(), blanks.String()
}

// blankFor returns what takes as much room as r.
func blankFor(r rune) string {
	if r == '\t' {
		return "\t"
	}
	return " "
}

// secretKey finds keys after which a credential may stand: by their sound, because a
// key that is mistyped is still followed by the secret.
var secretKey = regexp.MustCompile(`(?i)["']?([\w.-]*(?:pass|pwd|secret|token|bearer|credential|authorization|api[-_]?key|access[-_]?key|cookie)[\w.-]*|auth|value|basic|key)["']?\s*:(?:\s+|$)`)

// reference is a value that is safe to show: nothing but references, no defaults.
var (
	reference  = regexp.MustCompile(`^(?:\$\{(?:env:\w+(?::\?[^}]*)?|file:[^}]*)\})+$`)
	references = regexp.MustCompile(`\$\{[^}]*\}`)
)

// publishedValue is what stands behind the "value" of a collection: paths.
var publishedValue = regexp.MustCompile(`^\{\s*(drop|mask)\s*:\s*\[`)

// secretValues returns the parts of a line that follow a secret key, in bytes.
func secretValues(line string) (spans [][2]int) {
	for _, at := range secretKey.FindAllStringSubmatchIndex(line, -1) {
		key, from := strings.ToLower(line[at[2]:at[3]]), at[1]
		value := line[from:]
		if key == "token_url" || value == "" || strings.HasPrefix(value, "#") {
			continue
		}
		if strings.ContainsRune("{[&*", rune(value[0])) && (key == "auth" || key == "basic") {
			continue // the keys within are looked at by themselves
		}
		if key == "value" && publishedValue.MatchString(value) {
			continue // a collection's, and no header's
		}
		inFlow := strings.Contains(line[:at[0]], "{")
		to := from + valueLength(value, inFlow)
		if !reference.MatchString(strings.Trim(line[from:to], `"' `)) {
			spans = append(spans, [2]int{from, to})
		}
	}
	for _, at := range addressLogin.FindAllStringSubmatchIndex(line, -1) {
		spans = append(spans, [2]int{at[2], at[3]})
	}
	for _, at := range addressKey.FindAllStringSubmatchIndex(line, -1) {
		spans = append(spans, [2]int{at[2], at[3]})
	}
	return spans
}

// addressKey finds what stands behind a parameter of an address that sounds secret.
var addressKey = regexp.MustCompile(`(?i)[?&][\w.-]*(?:pass|pwd|secret|token|credential|auth|key|sig)[\w.-]*=([^\s"'&#{}$]+)`)

// addressLogin finds the name and password in an address.
var addressLogin = regexp.MustCompile(`://([^\s"']+)@`)

// valueLength returns how much of a line belongs to the scalar at its beginning; in
// doubt, all.
func valueLength(value string, inFlow bool) int {
	switch quote := value[0]; {
	case quote == '"' || quote == '\'':
		for i := 1; i < len(value); i++ {
			if value[i] == '\\' && quote == '"' {
				i++
			} else if value[i] == quote {
				return i + 1
			}
		}
	case inFlow && !strings.ContainsAny(value[:1], "{["):
		from := 0 // references have braces too
		for _, at := range references.FindAllStringIndex(value, -1) {
			if at[0] == from {
				from = at[1]
			}
		}
		if end := strings.IndexAny(value[from:], ",}"); end >= 0 {
			return from + end
		}
	default:
		if end := strings.Index(value, " #"); end >= 0 && reference.MatchString(strings.TrimSpace(value[:end])) {
			return end
		}
	}
	return len(value)
}

// continuesSecret says whether a line belongs to a secret that began above it, as the
// lines of a block scalar do, and from which byte; -1 if it does not.
func continuesSecret(text *configText, number int) int {
	line := text.line(number)
	indent := len(line) - len(strings.TrimLeft(line, " "))
	for n := number - 1; n >= 1 && number-n < 200; n-- {
		above := text.line(n)
		trimmed := strings.TrimLeft(above, " ")
		if trimmed == "" || len(above)-len(trimmed) >= indent {
			continue
		}
		// The first line further out is the parent.
		if spans := secretValues(above); len(spans) > 0 && spans[len(spans)-1][1] == len(above) {
			return indent
		}
		at := secretKey.FindStringSubmatchIndex(above)
		if at != nil && at[1] == len(above) && !slices.Contains([]string{"auth", "basic", "value"}, strings.ToLower(above[at[2]:at[3]])) {
			return indent
		}
		return -1
	}
	return -1
}
