package draft

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/connector/rest/canon"
)

// A kind of instant: how it is written, and how fine.
type kind struct {
	format string // of the config
	tick   time.Duration
	said   string
	zone   bool // it says its offset from UTC
}

var fraction = regexp.MustCompile(`[.,](\d+)`)

// written is a day and a time, with what may differ between them and behind them.
var written = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T| )\d\d:\d\d(:\d\d(?:\.(\d{1,9}))?)?( ?Z| ?[+-]\d\d:?\d\d)?$`)

// layoutOf returns the layout of Go's package time in which a text is written.
func layoutOf(s string) (kind, bool) {
	m := written.FindStringSubmatch(s)
	if m == nil {
		_, err := time.Parse(time.DateOnly, s)
		return kind{time.DateOnly, 24 * time.Hour, "a day", false}, err == nil
	}
	layout, tick := "2006-01-02"+m[1]+"15:04", time.Minute
	if m[2] != "" {
		layout, tick = layout+":05", time.Second
	}
	if m[3] != "" {
		layout += "." + strings.Repeat("0", len(m[3]))
		tick = max(time.Second/pow10(len(m[3])), time.Microsecond)
	}
	switch zone := strings.TrimSpace(m[4]); {
	case zone == "Z":
		layout += m[4] // a bound is written in UTC
	case strings.Contains(zone, ":"):
		layout += strings.Replace(m[4], zone, "-07:00", 1)
	case zone != "":
		layout += strings.Replace(m[4], zone, "-0700", 1)
	}
	if _, err := time.Parse(layout, s); err != nil {
		return kind{}, false
	}
	return kind{layout, tick, "written as " + layout, m[4] != ""}, true
}

func pow10(n int) time.Duration {
	p := time.Duration(1)
	for range n {
		p *= 10
	}
	return p
}

// classify says whether a value is an instant. A number is one if it lies in this age.
func classify(v any) (kind, bool) {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case string:
		if k, ok := number(v); ok {
			return k, true
		}
		if _, ok := canon.ParseTime([]byte(v)); ok && strings.Contains(v, "T") {
			return rfc3339(v), true
		}
		return layoutOf(v)
	}
	return kind{}, false
}

func number(s string) (kind, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return kind{}, false
	}
	for _, u := range []struct {
		format string
		tick   time.Duration
		scale  int64
	}{{"unix", time.Second, 1}, {"unix_ms", time.Millisecond, 1e3}, {"unix_us", time.Microsecond, 1e6}} {
		if seconds := n / u.scale; seconds > 631152000 && seconds < 4102444800 { // 1990 to 2100
			return kind{u.format, u.tick, "a number of " + map[string]string{"unix": "seconds", "unix_ms": "milliseconds", "unix_us": "microseconds"}[u.format] + " since 1970", true}, true
		}
	}
	return kind{}, false
}

func rfc3339(s string) kind {
	digits := 0
	if m := fraction.FindStringSubmatch(s); m != nil {
		digits = len(m[1])
	}
	said := fmt.Sprintf("RFC 3339 with %d digits of fraction", digits)
	switch {
	case digits == 0:
		return kind{"rfc3339", time.Second, said, true}
	case digits <= 3:
		return kind{"rfc3339_ms", time.Millisecond, said, true}
	}
	return kind{"rfc3339_us", time.Microsecond, said, true}
}

// An instant is the member that says when a record was last changed.
type instant struct {
	guess
	kind
	found bool
}

// changed are the names of such members, the best first, and what others contain.
var changed = []string{"updatedat", "modifiedat", "lastmodifieddate", "hslastmodifieddate", "lastmodified", "lastmodifiedat", "systemmodstamp", "lastupdatedat",
	"lastupdated", "updated", "modified", "updatetime", "updatedtime", "lasteditedtime", "dateupdated", "datemodified", "updatedon", "modifiedon", "changedat"}

// findInstant looks at all members of the records, and one level below them.
func findInstant(rows []map[string]any) instant {
	const none = "TODO: no member of a record is an instant that can be read; say which one changes with every change"
	best, rank := instant{guess: guess{"updated_at", none}, kind: kind{format: "rfc3339_us", tick: time.Microsecond}}, 0
	if len(rows) == 0 {
		best.why = "TODO: no record was shown; say which member changes with every change"
		return best
	}
	for _, path := range candidates(rows[0]) {
		found, ok := look(rows, path)
		if !ok {
			continue
		}
		if r := rankOf(path); r > rank {
			best, rank = found, r
		}
	}
	return best
}

// rankOf says how much a name sounds like the last change.
func rankOf(path string) int {
	plain := simple(leaf(path))
	if i := slices.Index(changed, plain); i >= 0 {
		return 200 - i
	}
	for _, part := range []string{"updat", "modif", "chang", "edit"} {
		if strings.Contains(plain, part) {
			return 100
		}
	}
	for _, part := range []string{"creat", "add", "publish", "insert"} {
		if strings.Contains(plain, part) {
			return 10
		}
	}
	return 1
}

func candidates(row map[string]any) []string {
	var paths []string
	for _, name := range sorted(row) {
		path := below("", name)
		if inner, ok := row[name].(map[string]any); ok {
			for _, n := range sorted(inner) {
				if p := below(path, n); usable(p) {
					paths = append(paths, p)
				}
			}
			continue
		}
		if usable(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// valueAt returns the value at a path of names joined by dots, nil for none.
func valueAt(row map[string]any, path string) (v any) {
	v = row
	for _, part := range segments(path) {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	return v
}

// look classifies a member in all records; those that are null are counted.
func look(rows []map[string]any, path string) (instant, bool) {
	found, nulls, whole := instant{guess: guess{value: path}, found: true}, 0, true
	for _, row := range rows {
		v := valueAt(row, path)
		if v == nil {
			nulls++
			continue
		}
		k, ok := classify(v)
		if !ok || found.format != "" && (k.format != found.format && !finer(k, found.kind)) {
			return found, false
		}
		if found.format == "" || k.tick < found.tick {
			found.kind = k
		}
		whole = whole && isWhole(fmt.Sprint(v), k)
	}
	if found.format == "" {
		return found, false
	}
	found.why = fmt.Sprintf("in %d of %d records, %s", len(rows)-nulls, len(rows), found.said)
	if whole && len(rows)-nulls >= 5 && found.tick < time.Second {
		found.why += ", all of them whole seconds"
		found.tick = time.Second
	}
	if rankOf(path) < 100 {
		found.why = "TODO: is it the instant of the last change? " + found.why
	}
	if nulls > 0 {
		found.why += fmt.Sprintf("; null in %d, which cannot be published: a list of fields names one to fall back to", nulls)
	}
	return found, true
}

// isWhole says whether a stamp shows no part of a second.
func isWhole(text string, k kind) bool {
	switch k.format {
	case "unix_ms":
		return strings.HasSuffix(text, "000")
	case "unix_us":
		return strings.HasSuffix(text, "000000")
	}
	m := fraction.FindStringSubmatch(text)
	return m == nil || strings.Trim(m[1], "0") == ""
}

// finer says whether two ways of writing differ in their fraction alone.
func finer(a, b kind) bool {
	return strings.HasPrefix(a.format, "rfc3339") && strings.HasPrefix(b.format, "rfc3339")
}
