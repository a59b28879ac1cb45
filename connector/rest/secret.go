package rest

import (
	"encoding/base64"
	"encoding/hex"
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
	live    func() []string // secrets that change; nil for none
}

func newScrubber(c *Config) scrubber {
	var texts []string
	add := func(s string, least int) { texts = append(texts, forms(s, least)...) }
	for _, s := range c.Auth.secrets() {
		add(s, minSecret)
	}
	for _, s := range c.Secrets {
		add(s, minParamSecret)
	}
	for _, set := range c.secretSets() {
		for _, values := range set {
			for _, v := range values {
				for _, literal := range literals(v) {
					add(literal, minParamSecret)
				}
			}
		}
	}
	s := hiding(texts)
	if c.Auth != nil && c.Auth.Tokens != nil {
		s.live = c.Auth.Tokens.Secrets
	}
	return s
}

// forms are the ways in which a secret of at least that many bytes may be written.
func forms(s string, least int) []string {
	if len(s) < least {
		return nil
	}
	quoted, _ := json.Marshal(s) // a string can always be marshalled
	query := url.QueryEscape(s)
	out := []string{s, query, strings.ToLower(query), strings.ReplaceAll(query, "%2F", "/"), url.PathEscape(s), url.QueryEscape(query),
		html.EscapeString(s), string(quoted[1 : len(quoted)-1]), strings.ReplaceAll(s, "/", `\/`)}
	if len(s) < minEncoded {
		return out
	}
	out = append(out, encoded(s)...)
	if query != s {
		out = append(out, encoded(query)...) // as in a credential that is escaped first (RFC 6749 section 2.3.1)
	}
	return out
}

// encoded is a text in hexadecimal digits and in base64.
func encoded(s string) []string {
	digits := hex.EncodeToString([]byte(s))
	out := []string{digits, strings.ToUpper(digits)}
	// Within something longer, base64 of it begins at one of three bits, and its ends are
	// mixed with what surrounds it: the middle is what can be known.
	for shift := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, shift), s...))
			out = append(out, text[4:len(text)-4])
		}
	}
	return out
}

// minEncoded is from which length on a secret is looked for in hexadecimal digits and in
// base64, where the middle of a shorter one says nothing.
const minEncoded = 12

func hiding(texts []string) scrubber {
	// The replacer takes the first that fits: the longest.
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	longest := 0
	for _, t := range slices.Compact(texts) {
		pairs = append(pairs, t, "[hidden]")
		longest = max(longest, len(t))
	}
	return scrubber{replace: strings.NewReplacer(pairs...), longest: longest}
}

// secretSets are all the parameters and headers that the collection sends, and what of its
// bodies is named like a credential.
func (c *Config) secretSets() []map[string][]string {
	requests := []*Request{c.main()}
	if c.Probe != nil && c.Probe.Request != nil {
		requests = append(requests, c.Probe.Request)
	}
	if c.Parent != nil {
		requests = append(requests, c.Parent.List.main())
	}
	var sets []map[string][]string
	for _, r := range requests {
		named := map[string][]string{}
		if r.Body != nil {
			r.Body.credentials("", named)
		}
		sets = append(sets, r.Params, r.Headers, named)
	}
	return sets
}

// credentials collects the texts below members that are named like one.
func (t *Tree) credentials(name string, into map[string][]string) {
	if secretHeader.MatchString(strings.ReplaceAll(name, "_", "-")) && t.Template != "" {
		into[name] = append(into[name], t.Template)
	}
	for i := range t.Items {
		t.Items[i].credentials(name, into)
	}
	for i := range t.Members {
		t.Members[i].Tree.credentials(t.Members[i].Name, into)
	}
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

// now returns a scrubber of the secrets of now.
func (s scrubber) now() scrubber {
	if s.live == nil {
		return s
	}
	var texts []string
	for _, secret := range s.live() {
		texts = append(texts, forms(secret, minSecret)...)
	}
	return hiding(texts)
}

func (s scrubber) text(t string) string { return s.replace.Replace(s.now().replace.Replace(t)) }

// excerpt makes a text of others fit for one line of a log: without secrets, control
// characters and runs of space, at most limit characters. Where cut is true the
// text's end is missing, and what may be the beginning of a secret goes with it.
func (s scrubber) excerpt(t string, cut bool, limit int) string {
	t = s.text(strings.ToValidUTF8(t, "\uFFFD"))
	if cut {
		t = t[:max(0, len(t)-max(s.longest, s.now().longest))]
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
