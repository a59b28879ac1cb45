package rest

import (
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// Values shorter than these are words like "true", or so short that hiding them
// would tear every text to pieces.
const (
	minSecret      = 4
	minParamSecret = 8
)

// scrubber takes secrets out of texts that others wrote: an API repeats the token it
// refuses, and net/http prints addresses.
type scrubber struct {
	replace *strings.Replacer
	longest int
}

func newScrubber(c *Config) scrubber {
	var texts []string
	add := func(s string, least int) {
		if len(s) < least {
			return
		}
		quoted, _ := json.Marshal(s) // a string can always be marshalled
		query := url.QueryEscape(s)
		texts = append(texts, s, query, strings.ToLower(query), strings.ReplaceAll(query, "%2F", "/"), url.PathEscape(s),
			html.EscapeString(s), string(quoted[1:len(quoted)-1]), strings.ReplaceAll(s, "/", `\/`))
	}
	for _, s := range c.Auth.secrets() {
		add(s, minSecret)
	}
	for _, set := range []map[string][]string{c.Params, c.Headers} {
		for _, values := range set {
			for _, v := range values {
				for _, literal := range literals(v) {
					add(literal, minParamSecret)
				}
			}
		}
	}
	// The replacer takes the first that fits: the longest.
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	longest := 0
	for _, t := range slices.Compact(texts) {
		pairs = append(pairs, t, "[hidden]")
		longest = max(longest, len(t))
	}
	return scrubber{strings.NewReplacer(pairs...), longest}
}

// literals returns what a template says by itself; all of it, if it is none.
func literals(template string) []string {
	t, err := parseText(template)
	if err != nil {
		return []string{template}
	}
	var out []string
	for _, p := range t.pieces {
		if p.value == 0 {
			out = append(out, p.literal)
		}
	}
	return out
}

func (s scrubber) text(t string) string { return s.replace.Replace(t) }

// excerpt makes a text of others fit for one line of a log: without secrets, control
// characters and runs of space, at most limit characters. Where cut is true the
// text's end is missing, and what may be the beginning of a secret goes with it.
func (s scrubber) excerpt(t string, cut bool, limit int) string {
	t = s.text(strings.ToValidUTF8(t, "\uFFFD"))
	if cut {
		t = t[:max(0, len(t)-s.longest)]
	}
	t = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(t, ""), blank), " ")
	n := 0
	for i := range t {
		if n == limit {
			return t[:i] + "…"
		}
		n++
	}
	return t
}

// blank is what does not show, or shows something else than what is there: control
// characters, white space, and marks that turn the direction of writing.
func blank(r rune) bool {
	return r <= ' ' || r >= 0x7f && r <= 0xa0 || r == 0x2028 || r == 0x2029 ||
		r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}
