// Package draft guesses from one answer of an API how it is read: where the records
// are, which of their members is the id and which the instant of the last change, and
// how one pages. It says of each guess what it is founded on, and of what an answer
// cannot show that somebody has to look it up.
//
// It is pure. What it writes is YAML that the config takes as it is, whatever the
// answer was: names of an API's choosing are quoted, and cannot become references to
// variables.
package draft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A Sample is what was asked for and what came.
type Sample struct {
	// URL is the address of a list of records, as one would open it by hand. A parameter
	// whose value is an instant is taken for the lower bound.
	URL    *url.URL
	Header http.Header
	Body   []byte
}

// A Draft is what was guessed.
type Draft struct {
	Name, Base, Collection, Path string

	records  records
	id       guess
	instant  instant
	from     guess
	bound    kind // of the value of from in the address
	order    url.Values
	fixed    url.Values
	template [2]string // a parameter whose value has the lower bound within it, and that value as a template
	page     paging
	total    guess
	deleted  guess
	sizeName guess
	size     string
}

// A guess is a path or a name, and why.
type guess struct{ value, why string }

// maxDepth bounds how deep an envelope is searched.
const maxDepth = 5

// Of guesses. Its error says that the answer is no JSON.
func Of(s Sample) (*Draft, error) {
	d := json.NewDecoder(bytes.NewReader(s.Body))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("the answer is not JSON: %w", err)
	}
	if d.More() {
		return nil, errors.New("the answer is more than one JSON document; records that come one a line (NDJSON) cannot be read, only those in a list")
	}
	var out Draft
	out.address(s.URL)
	out.records = findRecords(doc)
	rows := out.records.rows
	out.id = findID(rows, out.Collection)
	out.instant = findInstant(rows)
	out.deleted = findDeleted(rows)
	around := envelope(doc, out.records.path)
	out.parameters(s.URL.Query())
	out.page = findPaging(around, s)
	out.size, out.sizeName = takeSize(out.fixed, out.page.params, around)
	out.total = findTotal(around, len(rows))
	return &out, nil
}

// address parts the address into the API's and the collection's.
func (d *Draft) address(u *url.URL) {
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	at := len(parts) - 1
	for at > 0 && isFiller(parts[at]) {
		at--
	}
	base := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/" + strings.Join(parts[:at], "/")}
	d.Base = strings.TrimSuffix(base.String(), "/")
	d.Path = strings.Join(parts[at:], "/")
	d.Collection = word(strings.TrimSuffix(parts[at], ".json"), "records")
	host := strings.Split(u.Hostname(), ".")
	name := host[0]
	if len(host) > 1 && (name == "api" || name == "www" || name == "app") {
		name = host[1]
	}
	d.Name = word(name, "example")
	if d.Name[0] >= '0' && d.Name[0] <= '9' {
		d.Name = "example" // an address and no name
	}
}

// isFiller says whether a last part of a path names no collection: …/people/records.
func isFiller(part string) bool {
	switch strings.TrimSuffix(part, ".json") {
	case "", "list", "records", "items", "search", "query", "all":
		return true
	}
	return false
}

// word makes of a part of an address a name that may be a part of a topic's.
func word(s, otherwise string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, s), "_-")
	if s == "" || len(s) > 60 {
		return otherwise
	}
	return s
}

// parameters sorts those of the address: a lower bound, an order, and what is fixed.
func (d *Draft) parameters(q url.Values) {
	d.fixed, d.order = url.Values{}, url.Values{}
	for _, name := range slices.Sorted(keys(q)) {
		if !nameable(name) {
			continue
		}
		values := q[name]
		value := values[0]
		if d.within(name, values) {
			continue
		}
		kind, isTime := classify(value)
		switch plain := simple(name); {
		case isTime && kind.format != "" && d.from.value == "" && !strings.Contains(plain, "lt") && !strings.Contains(plain, "until"):
			d.from = guess{name, "the address has it, with an instant as its value"}
			d.bound = kind
		case strings.Contains(plain, "sort"), strings.Contains(plain, "order"), plain == "direction", plain == "dir":
			d.order[name] = values
		case plain == "page", plain == "offset", plain == "cursor", plain == "after", strings.Contains(plain, "token"):
			// where a reading begins
		default:
			d.fixed[name] = values
		}
	}
}

var stamped = regexp.MustCompile(`\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?Z|[+-]\d\d:?\d\d)?)?`)

// within sees an instant inside of a value, as in filter=updated>='2026-01-01', and makes a
// template of it.
func (d *Draft) within(name string, values []string) bool {
	at := stamped.FindAllStringIndex(values[0], -1)
	if len(at) != 1 || len(values) > 1 || d.from.value != "" || at[0][1]-at[0][0] == len(values[0]) {
		return false
	}
	from, to := at[0][0], at[0][1]
	kind, ok := classify(values[0][from:to])
	if !ok {
		return false
	}
	d.bound, d.from = kind, guess{"{from}", ""}
	d.template = [2]string{name, escaped(values[0][:from]) + "{from}" + escaped(values[0][to:])}
	return true
}

// nameable says whether a parameter's name can stand in a config as it is.
func nameable(name string) bool {
	return name != "" && len(name) < 200 && !strings.ContainsAny(name, "{}$") && printable(name) == name
}

// simple takes out of a name what people write differently.
func simple(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == '_', r == '-', r == '.', r == ' ':
			return -1
		}
		return r
	}, name)
}
