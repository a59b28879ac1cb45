package draft

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Options are what the answer does not say.
type Options struct {
	// Auth is the value of the key auth, in YAML, with a reference in place of the
	// credential; empty for none.
	Auth string
	// Preset names a preset for this API, if there is one.
	Preset string
	// Rates are header fields that speak of a budget, PerMinute what they grant, 0 if
	// they do not say.
	Rates     []string
	PerMinute int
}

// A page of YAML under construction.
type writer struct {
	strings.Builder
	used map[string]bool // query parameters that have a meaning
}

// YAML writes the draft as a config, with the reason of each guess as a comment.
func (d *Draft) YAML(o Options) []byte {
	w := &writer{used: map[string]bool{}}
	w.line(0, "# A draft of a config, guessed from one answer. What is marked TODO the answer could not")
	w.line(0, "# say: look it up in the API's documentation. Then: tributary validate, and tributary")
	w.line(0, "# check, which asks the API whether it is right. All there is to set is in what")
	w.line(0, "# `tributary init --preset none` writes.")
	if o.Preset != "" {
		w.line(0, "")
		w.comment(0, "There is a preset for this API, which knows more: tributary init --preset "+o.Preset)
	}
	w.line(0, "")
	w.line(0, "group: "+quoted(d.Name))
	w.line(0, "kafka:")
	w.line(2, "brokers: [127.0.0.1:9092]   # TODO: yours")
	w.line(0, "sources:")
	w.line(2, "- name: "+quoted(d.Name))
	w.line(4, "url: "+quoted(d.Base))
	if o.Auth != "" {
		w.line(4, "auth: "+o.Auth)
	} else {
		w.line(4, `# auth: {bearer: "${env:TOKEN}"}   # the answer came without a credential`)
	}
	d.budget(w, o)
	d.cursor(w)
	d.ordering(w)
	d.paging(w)
	w.setting(4, "records", d.records.path, d.records.why)
	w.setting(4, "id", d.id.value, d.id.why)
	d.rest(w)
	return []byte(w.String())
}

func (d *Draft) budget(w *writer, o Options) {
	switch {
	case o.PerMinute > 0:
		w.comment(4, "The answer grants this: "+strings.Join(o.Rates, ", "))
		w.line(4, fmt.Sprintf("budget: {per_minute: %d, share: 0.8}", o.PerMinute))
	case len(o.Rates) > 0:
		w.comment(4, "TODO: the answer speaks of a budget ("+strings.Join(o.Rates, ", ")+"): look up what is granted")
		w.line(4, "# budget: {per_minute: 600, share: 0.8}")
	default:
		w.line(4, "# budget: {per_minute: 600, share: 0.8}   # TODO: what the API grants; the answer does not speak of it")
	}
}

func (d *Draft) cursor(w *writer) {
	w.line(4, "cursor:")
	w.setting(6, "field", d.instant.value, d.instant.why)
	from := d.from
	if from.value == "" || w.used[from.value] || w.used[d.template[0]] {
		d.template = [2]string{}
		from = guess{"updated_since", "TODO: the parameter of an inclusive lower bound on that field; give it in the address and it is found"}
	}
	w.used[from.value] = true
	if d.template[0] == "" {
		w.setting(6, "from", from.value, from.why)
	} else {
		w.used[d.template[0]] = true
		w.line(6, "# The lower bound stands in request.params, below.")
	}
	w.line(6, "# to: updated_until           # TODO: the parameter of an exclusive upper bound, if the API has one")
	written, why := d.instant.kind, "TODO: how a bound is written; taken from the stamps that are shown"
	if d.bound.format != "" && strings.HasPrefix(written.format, "rfc3339") && !strings.HasPrefix(d.bound.format, "rfc3339") {
		written, why = d.bound, "as the bound in the address is written"
	}
	w.setting(6, "format", written.format, why)
	w.setting(6, "tick", tickText(max(written.tick, d.instant.tick)), "how fine a bound is taken, or shown; tributary check finds it out")
	if d.instant.found && !d.instant.zone {
		w.setting(6, "zone", "UTC", "TODO: the stamps say no offset; in which zone are they?")
	}
}

func (d *Draft) ordering(w *writer) {
	for name := range d.order {
		if w.used[name] || name == "" {
			delete(d.order, name)
		}
	}
	if len(d.order) == 0 {
		w.comment(4, "TODO: what asks for the oldest change first; without an order records are missed")
		w.line(4, "# order: {sort: updated_at, direction: asc}")
		return
	}
	w.comment(4, "TODO: as in the address; it must ask for the oldest change first")
	w.line(4, "order: "+w.flow(d.order))
}

func (d *Draft) paging(w *writer) {
	w.line(4, "page:")
	if name := d.sizeName.value; name != "" && !w.used[name] && d.page.param.value != name {
		w.used[name] = true
		w.setting(6, "size_param", name, d.sizeName.why)
		w.setting(6, "size", d.size, "")
	} else {
		w.line(6, "# size_param: per_page        # TODO: the parameter of the size of a page")
		w.line(6, "# size: 100")
	}
	d.way(w)
	for _, note := range d.page.notes {
		w.comment(6, note)
	}
	switch next := d.page.next; {
	case next.value != "":
		w.setting(6, "next", next.value, next.why)
	case !d.page.settled():
		w.line(6, "# next: meta.next             # the answer does not say whether something follows; an empty page ends a reading")
	}
	if d.total.value != "" {
		w.setting(6, "total", d.total.value, "TODO: the number of records within the bounds? "+d.total.why)
	}
}

// way writes how one asks for the next page.
func (d *Draft) way(w *writer) {
	p := d.page
	for _, way := range []struct {
		key string
		guess
		isParam bool
	}{{"param", p.param, true}, {"offset_param", p.offset, true}, {"next_url", p.url, false}, {"link", p.link, false}} {
		if way.value != "" && !(way.isParam && w.used[way.value]) {
			w.used[way.value] = w.used[way.value] || way.isParam
			w.setting(6, way.key, way.value, way.why)
			if way.key == "param" && p.zero.value != "" {
				w.setting(6, "first", p.zero.value, p.zero.why)
			}
			return
		}
	}
	if p.token.value != "" && !w.used[p.tokenParam.value] && nameable(p.tokenParam.value) {
		w.used[p.tokenParam.value] = true
		w.setting(6, "token", p.token.value, p.token.why)
		w.setting(6, "token_param", p.tokenParam.value, p.tokenParam.why)
		return
	}
	w.line(6, "# param: page                 # TODO: the number of a page from 1, for more records within a tick than fit one")
}

func (d *Draft) rest(w *writer) {
	for name := range d.fixed {
		if w.used[name] {
			delete(d.fixed, name)
		}
	}
	params := w.flow(d.fixed)
	if d.template[0] != "" {
		params = strings.TrimSuffix(params, "}")
		if len(d.fixed) > 0 {
			params += ", "
		}
		params += quoted(d.template[0]) + ": " + literal(d.template[1]) + "}"
	}
	if params != "{}" {
		w.comment(4, "Sent with every request.")
		w.line(4, "request: {params: "+params+"}")
	}
	if d.deleted.value != "" {
		w.comment(4, "TODO: "+d.deleted.why)
		w.line(4, "# deletions: {field: "+quoted(d.deleted.value)+"}")
	} else {
		w.line(4, "# deletions: none             # no member of a record sounds as if it said that it is gone")
	}
	w.line(4, "collections:")
	if d.Path == d.Collection {
		w.line(6, "- "+quoted(d.Collection))
		return
	}
	w.line(6, "- {name: "+quoted(d.Collection)+", path: "+quoted(d.Path)+"}")
}

// setting writes a key with its value, and why.
func (w *writer) setting(indent int, key, value, why string) {
	if why != "" {
		w.comment(indent, why)
	}
	if key != "size" && key != "tick" && key != "first" {
		value = quoted(value)
	}
	w.line(indent, key+": "+value)
}

func (w *writer) line(indent int, text string) {
	w.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+text, " ") + "\n")
}

// width is how long a line of a comment gets.
const width = 100

// comment writes text of others: it stays one comment whatever is in it.
func (w *writer) comment(indent int, text string) {
	line := "#"
	for _, field := range strings.Fields(printable(text)) {
		if len(line)+len(field) > width && line != "#" {
			w.line(indent, line)
			line = "#"
		}
		line += " " + field
	}
	w.line(indent, line)
}

// flow writes parameters as a map on one line.
func (w *writer) flow(params url.Values) string {
	var parts []string
	for _, name := range slices.Sorted(keys(params)) {
		var values []string
		for _, v := range params[name] {
			values = append(values, quoted(v))
		}
		value := values[0]
		if len(values) > 1 {
			value = "[" + strings.Join(values, ", ") + "]"
		}
		parts = append(parts, quoted(name)+": "+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var (
	plain   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	unplain = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// quoted writes a scalar of any text; JSON's way is YAML's too.
func quoted(s string) string {
	if plain.MatchString(s) && !unplain.MatchString(s) {
		return s
	}
	return literal(escaped(s))
}

// escaped keeps a text from having a placeholder of a request, {name}.
func escaped(s string) string { return strings.NewReplacer("{", "{{", "}", "}}").Replace(s) }

// literal writes a text that may have placeholders, and keeps it from having a reference
// to a variable.
func literal(s string) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)                                                          // people read it
	_ = e.Encode(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "${", "$${")) // a text can always be encoded
	return strings.TrimSuffix(out.String(), "\n")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func tickText(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return "24h"
	case d >= time.Minute:
		return "1m"
	case d >= time.Second:
		return "1s"
	case d >= time.Millisecond:
		return "1ms"
	}
	return "1us"
}
