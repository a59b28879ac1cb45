package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A decoder turns trees into settings. It goes on after an error, so that one run
// finds all of them; a value that could not be decoded is the zero value.
type decoder struct {
	expander
	problems []problem
	// faults counts what is wrong, also where it was reported before: what is decoded once
	// more is wrong once more.
	faults  int
	secrets map[string]bool
	// references are what references to secrets stand for, wherever they are.
	references map[string]bool
	unknown    map[position]string // keys that were reported, with what was probably meant
}

func newDecoder(x expander) *decoder {
	d := &decoder{expander: x, secrets: map[string]bool{}, references: map[string]bool{}, unknown: map[position]string{}}
	d.expander.secret = func(s string) { d.references[s] = true }
	return d
}

func (d *decoder) failAt(pos position, format string, args ...any) {
	d.faults++
	d.problems = append(d.problems, problem{pos: pos, message: fmt.Sprintf(format, args...)})
}

// fail reports what is wrong with a value, which is named first.
func (d *decoder) fail(n *node, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	d.failAt(n.pos, "%s %s", cmp.Or(n.path, "the config"), message)
}

// shown is a scalar as the file has it, never what its references came to.
func shown(n *node) string {
	switch {
	case !n.isScalar():
		return string(n.kind)
	case hasReference(n.text):
		return fmt.Sprintf("what %q stands for", n.text)
	}
	return strconv.Quote(n.text)
}

// keys are the keys that a map may have, each with what decodes its value.
type keys map[string]func(*node)

// object decodes a map by its keys. A key that is null counts as absent.
func (d *decoder) object(n *node, known keys) {
	if !d.isKind(n, mapNode) {
		return
	}
	for _, f := range n.fields {
		decode, ok := known[f.key]
		if !ok {
			d.unknownKey(f, slices.Collect(maps.Keys(known)))
			continue
		}
		if f.value.kind != nullNode {
			decode(f.value)
		}
	}
}

func (d *decoder) unknownKey(f field, known []string) {
	where := "at the top level"
	if f.in != "" {
		where = "in " + f.in
	}
	if _, reported := d.unknown[f.pos]; reported {
		d.faults++
		return // a source's keys are decoded for each of its collections again
	}
	d.unknown[f.pos] = nearest(f.key, known)
	d.failAt(f.pos, "unknown key %q %s%s", f.key, where, elsewhere(f.key, known))
	// Beside credentials, anything may be one that is named wrongly.
	if secretKey.MatchString(nearest(f.key, known)+":") || strings.Contains(f.in, "auth") || strings.Contains(f.in, "sasl") {
		d.keepSecret(f.value)
		if f.value.kind == nullNode || strings.ContainsAny(f.key, " :=") {
			d.secrets[f.key] = true // {bearer abc}: the value, without its colon
		}
	}
}

func (d *decoder) isKind(n *node, want nodeKind) bool {
	if n == nil || n.kind == nullNode {
		return false
	}
	if n.kind != want {
		d.fail(n, "wants %s, found %s", want, shown(n))
		return false
	}
	return true
}

// require reports the keys that a map must have and has not. It comes after object: what is no
// map was reported there, and so was a key with a typing error.
func (d *decoder) require(n *node, required ...string) {
	if n.kind != mapNode && n.kind != nullNode {
		return
	}
	for _, key := range required {
		switch {
		case n.get(key) != nil:
		case d.mistyped(n, key):
			d.faults++
		default:
			d.fail(n, "needs %q", key)
		}
	}
}

// mistyped says whether a map has an unknown key that was probably meant to be this one. Then
// nothing that follows from its absence is worth a word.
func (d *decoder) mistyped(n *node, key string) bool {
	return n != nil && slices.ContainsFunc(n.fields, func(f field) bool { return d.unknown[f.pos] == key })
}

// scalar returns the text of a scalar of any kind with its references expanded.
func (d *decoder) scalar(n *node, want string) (string, bool) {
	if !n.isScalar() {
		d.fail(n, "wants %s, found %s", want, n.kind)
		return "", false
	}
	if n.expanded == nil {
		n.expanded = &expansion{text: n.text}
		if hasReference(n.text) {
			n.expanded.text, n.expanded.err = d.expand(n.text)
		}
	}
	if n.expanded.err != nil {
		d.failAt(n.pos, "%s: %v", n.path, n.expanded.err)
		return "", false
	}
	return n.expanded.text, true
}

// string decodes a text. A number is its text as written; true is not, because who
// wrote it meant something else.
func (d *decoder) string(n *node) (string, bool) {
	if n.kind == boolNode {
		d.fail(n, "wants text, found %s; if that is the text, put it in quotes", n.text)
		return "", false
	}
	return d.scalar(n, "text")
}

func (d *decoder) text(n *node) string {
	s, _ := d.string(n)
	return s
}

// name decodes a text that must not be empty.
func (d *decoder) name(n *node) string {
	s, ok := d.string(n)
	if ok && s == "" {
		d.fail(n, "is empty")
	}
	return s
}

// secret decodes a credential. Neither its value nor its text is ever shown.
func (d *decoder) secret(n *node) Secret {
	d.keepSecret(n)
	s, ok := d.scalar(n, "text")
	if ok && s == "" {
		d.fail(n, "is empty")
	}
	d.secrets[s] = true
	return Secret(s)
}

// keepSecret keeps every text under n out of messages and snippets, but for
// references, which are what is shown instead.
func (d *decoder) keepSecret(n *node) {
	if n.isScalar() && !reference.MatchString(n.text) {
		d.secrets[n.text] = true
	}
	for _, item := range n.items {
		d.keepSecret(item)
	}
	for _, f := range n.fields {
		d.keepSecret(f.value)
	}
}

// texts decodes a list of texts.
func (d *decoder) texts(n *node) []string {
	if !d.isKind(n, listNode) {
		return nil
	}
	out := []string{}
	for _, item := range n.items {
		out = append(out, d.name(item))
	}
	return out
}

func (d *decoder) bool(n *node) bool {
	s, ok := d.scalar(n, "true or false")
	b, err := strconv.ParseBool(s)
	if typed := n.kind == boolNode || hasReference(n.text); ok && (err != nil || !typed) {
		d.fail(n, "wants true or false, found %s", shown(n))
		return false
	}
	return b
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// int decodes a whole number between two bounds.
func (d *decoder) int(n *node, low, high int) int {
	s, ok := d.scalar(n, "a whole number")
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(s)
	switch typed := n.kind == numberNode || hasReference(n.text); {
	case err == nil && !typed:
		d.fail(n, "wants a whole number without quotes, found %s", shown(n))
	case err != nil || !wholeNumber.MatchString(s):
		d.fail(n, "wants a whole number, found %s", shown(n))
	case i < low:
		d.fail(n, "wants at least %d, found %s", low, shown(n))
	case i > high:
		d.fail(n, "wants at most %d, found %s", high, shown(n))
	default:
		return i
	}
	return 0
}

// ratio decodes a number between 0 and 1.
func (d *decoder) ratio(n *node) float64 {
	s, ok := d.scalar(n, "a number between 0 and 1")
	f, err := strconv.ParseFloat(s, 64)
	if ok && (err != nil || math.IsNaN(f) || f < 0 || f > 1) {
		d.fail(n, "wants a number between 0 and 1, found %s", shown(n))
		return 0
	}
	return f
}

// duration decodes a duration of at least low.
func (d *decoder) duration(n *node, low time.Duration) time.Duration {
	s, ok := d.scalar(n, "a duration such as 30s")
	if !ok {
		return low
	}
	t, err := time.ParseDuration(s)
	switch {
	case err != nil:
		d.fail(n, "wants a duration such as 500ms, 30s or 5m, found %s", shown(n))
		return low
	case t < low:
		d.fail(n, "wants at least %v, found %s", low, shown(n))
		return low
	}
	return t
}

var sizeUnits = map[string]int64{
	"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1e3, "MB": 1e6, "GB": 1e9,
}

// size decodes a number of bytes with its unit.
func (d *decoder) size(n *node) int64 {
	s, ok := d.scalar(n, "a size such as 16MiB")
	if !ok {
		return 0
	}
	digits := strings.TrimRight(s, "BKMGik ")
	unit := sizeUnits[strings.TrimSpace(s[len(digits):])]
	i, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || i <= 0 || unit == 0 || i > math.MaxInt64/unit {
		d.fail(n, "wants a size such as 512KiB or 16MiB, found %s", shown(n))
		return 0
	}
	return i * unit
}

// oneOf decodes one of a few words.
func (d *decoder) oneOf(n *node, words ...string) string {
	want := "one of " + strings.Join(words, ", ")
	s, ok := d.scalar(n, want)
	if !ok || slices.Contains(words, s) {
		return s
	}
	hint := ""
	if near := nearest(n.text, words); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	d.fail(n, "wants %s; found %s%s", want, shown(n), hint)
	return ""
}

// scalars decodes a map from any key to scalars, in which a null takes a key away.
func (d *decoder) scalars(n *node, put func(key, value string, at *node)) {
	if !d.isKind(n, mapNode) {
		return
	}
	for _, f := range n.fields {
		if f.value.kind == nullNode {
			continue
		}
		if s, ok := d.scalar(f.value, "text, a number or a truth value"); ok {
			put(f.key, s, f.value)
		}
	}
}
