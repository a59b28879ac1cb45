package replica

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// rows puts records into a replica without a Kafka, as if they had been polled. Their keys
// are their numbers.
func rows(t testing.TB, r *Replica, records []string) {
	t.Helper()
	ctx := context.Background()
	c := r.order[0]
	if _, err := r.file.reset(ctx, c, "topic", []int64{0}, time.Now()); err != nil {
		t.Fatal(err)
	}
	have, err := r.file.collections(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.restore(have[c.Name])
	var polled []*kgo.Record
	for i, text := range records {
		polled = append(polled, &kgo.Record{Topic: c.Topic, Offset: int64(i), Key: fmt.Appendf(nil, "%06d", i), Value: []byte(text)})
	}
	s := &session{r: r, file: r.file, began: time.Now()}
	c.waiting = ""
	err = s.commit(ctx, kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: c.Topic, Partitions: []kgo.FetchPartition{{Records: polled}}}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.see(c, time.Now(), []int64{int64(len(records))})
}

// judge is what a filter means, in plain Go over decoded JSON.
func judge(t *rapid.T, filter map[string]any, record any) bool {
	if below, ok := filter["and"]; ok {
		return !slices.ContainsFunc(below.([]any), func(f any) bool { return !judge(t, f.(map[string]any), record) })
	}
	if below, ok := filter["or"]; ok {
		return slices.ContainsFunc(below.([]any), func(f any) bool { return judge(t, f.(map[string]any), record) })
	}
	if below, ok := filter["not"]; ok {
		return !judge(t, below.(map[string]any), record)
	}
	is := look(filter["field"].(string), record)
	value := filter["value"]
	text, isText := is.(string)
	switch filter["is"] {
	case "equal":
		return equal(is, value)
	case "not_equal":
		return !equal(is, value)
	case "in", "not_in":
		in := slices.ContainsFunc(value.([]any), func(v any) bool { return equal(is, v) })
		return in == (filter["is"] == "in")
	case "less", "less_or_equal", "greater", "greater_or_equal":
		c, ok := compare(is, value)
		return ok && (strings.HasPrefix(filter["is"].(string), "less") && c < 0 || strings.HasPrefix(filter["is"].(string), "greater") && c > 0 ||
			strings.HasSuffix(filter["is"].(string), "or_equal") && c == 0)
	case "blank", "present":
		list, isList := is.([]any)
		object, isObject := is.(map[string]any)
		blank := is == nil || is == "" || isList && len(list) == 0 || isObject && len(object) == 0
		return blank == (filter["is"] == "blank")
	case "contains":
		return isText && strings.Contains(text, value.(string))
	case "starts_with":
		return isText && strings.HasPrefix(text, value.(string))
	case "ends_with":
		return isText && strings.HasSuffix(text, value.(string))
	case "i_contains":
		part := []rune(value.(string))
		runes := []rune(text)
		for i := 0; isText && i+len(part) <= len(runes); i++ {
			if strings.EqualFold(string(runes[i:i+len(part)]), string(part)) {
				return true
			}
		}
		return false
	case "before", "after":
		at, err1 := time.Parse(time.RFC3339Nano, text)
		than, err2 := time.Parse(time.RFC3339Nano, value.(string))
		if err1 != nil || err2 != nil {
			return false
		}
		at, than = at.Truncate(time.Microsecond), than.Truncate(time.Microsecond)
		return filter["is"] == "before" && at.Before(than) || filter["is"] == "after" && at.After(than)
	case "includes":
		list, _ := is.([]any)
		return slices.ContainsFunc(list, func(v any) bool { return equal(v, value) })
	}
	t.Fatalf("no such filter: %v", filter)
	return false
}

// look finds the value at a path; nil is missing too.
func look(path string, v any) any {
	pointer := strings.HasPrefix(path, "/")
	names := strings.Split(strings.TrimPrefix(path, "/"), ".")
	if pointer {
		names = strings.Split(path[1:], "/")
	}
	for _, name := range names {
		if pointer {
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		}
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if !pointer || err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

func equal(a, b any) bool {
	if c, ok := compare(a, b); ok {
		return c == 0
	}
	switch a.(type) {
	case nil, bool:
		return a == b
	}
	return false
}

// compare compares two numbers, or two texts. Numbers are those of the documentation: whole
// ones exact up to 2^63, others binary64.
func compare(a, b any) (int, bool) {
	x, ok1 := a.(json.Number)
	y, ok2 := b.(json.Number)
	if ok1 && ok2 {
		return number(x).Cmp(number(y)), true
	}
	s, ok1 := a.(string)
	u, ok2 := b.(string)
	return strings.Compare(s, u), ok1 && ok2
}

func number(n json.Number) *big.Float {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return new(big.Float).SetInt64(i)
	}
	f, _ := n.Float64()
	return new(big.Float).SetFloat64(f)
}

var (
	names  = []string{"a", "b", "c.d", `q"u'o\t/e~`, "ä", "0", "$key"}
	fields = []string{"a", "b", "a.b", "a.a", "/a/0", "/b/1/a", "/c.d", `/q"u'o\t~1e~0`, "ä", "0", "a.0", "/a/b", "b.a.b", "missing", "/$key"}
	texts  = []string{"", "x", "X", "xy", "Straße", "STRASSE", "straße", "K", "k", "ſ", "s", "1", "true", "null", "ÀÉ", "àé", "日本", "a\u0000b", "a\u0000c", "%", "_", "'", `"`, "🙂", "\U0010ffff",
		"2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05.000001Z", "2026-01-02T03:04:05.0000019Z", "2025-12-31T23:59:59-11:00", "2026-01-02"}
	numerals = []string{"0", "-0", "1", "1.0", "1e0", "2", "-1", "0.1", "1.5", "9007199254740993", "9007199254740992", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"18446744073709551615", "1e308", "123456789012345678901234567890", "1E2", "100"}
	instants = texts[len(texts)-6 : len(texts)-1]
)

// scalars and values draw JSON.
func scalars(t *rapid.T) any {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return json.Number(rapid.SampledFrom(numerals).Draw(t, "number"))
	}
	return rapid.SampledFrom(texts).Draw(t, "text")
}

func values(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 7).Draw(t, "value")
	switch {
	case depth > 0 && kind == 0:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			list = append(list, values(t, depth-1))
		}
		return list
	case depth > 0 && kind <= 2:
		return object(t, depth-1)
	}
	return scalars(t)
}

func object(t *rapid.T, depth int) map[string]any {
	o := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		o[rapid.SampledFrom(names).Draw(t, "name")] = values(t, depth)
	}
	return o
}

func filters(t *rapid.T, depth int) map[string]any {
	kind := rapid.IntRange(0, 6).Draw(t, "condition")
	switch {
	case depth > 0 && kind == 0:
		return map[string]any{"not": filters(t, depth-1)}
	case depth > 0 && kind <= 2:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "conditions") {
			list = append(list, filters(t, depth-1))
		}
		return map[string]any{[]string{"and", "or"}[kind-1]: list}
	}
	f := map[string]any{"field": rapid.SampledFrom(fields).Draw(t, "field"), "is": rapid.SampledFrom(operators).Draw(t, "operator")}
	switch f["is"] {
	case "present", "blank":
	case "in", "not_in":
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			list = append(list, scalars(t))
		}
		f["value"] = list
	case "less", "less_or_equal", "greater", "greater_or_equal":
		f["value"] = any(rapid.SampledFrom(texts).Draw(t, "text"))
		if rapid.Bool().Draw(t, "a number") {
			f["value"] = json.Number(rapid.SampledFrom(numerals).Draw(t, "number"))
		}
	case "contains", "starts_with", "ends_with", "i_contains":
		f["value"] = rapid.SampledFrom(texts).Draw(t, "text")
	case "before", "after":
		f["value"] = rapid.SampledFrom(instants).Draw(t, "instant")
	default:
		f["value"] = scalars(t)
	}
	return f
}

// encode writes JSON without the escapes for HTML.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// TestSQLSelectsWhatAFilterMeans: over random records, with and without indexes, in random
// order and pages, the pages together show the records that the filter means, each once, as
// they were published.
func TestSQLSelectsWhatAFilterMeans(t *testing.T) {
	plain, _, err := opened(t, pathOf(t), nil)
	must(t, err)
	indexed, _, err := opened(t, pathOf(t), func(c *Config) { c.Collections[0].Indexes = []string{"/a", "a.b", "/a/0", "ä", "a"} })
	must(t, err)
	selected := 0
	rapid.Check(t, func(rt *rapid.T) {
		var records []string
		var decoded []any
		for range rapid.IntRange(1, 12).Draw(rt, "records") {
			v := any(object(rt, 3))
			records, decoded = append(records, encode(v)), append(decoded, v)
		}
		filter := filters(rt, 3)
		var want []string
		for i, v := range decoded {
			if judge(rt, filter, v) {
				want = append(want, records[i])
			}
		}
		selected += len(want)
		query := map[string]any{"filter": filter, "count": true}
		var sort []any
		for range rapid.IntRange(0, 2).Draw(rt, "sort") {
			sort = append(sort, map[string]any{"field": rapid.SampledFrom(append(fields, "$key")).Draw(rt, "field"), "descending": rapid.Bool().Draw(rt, "descending")})
		}
		if sort != nil {
			query["sort"] = sort
		}
		limit := rapid.IntRange(1, 5).Draw(rt, "limit")
		for name, r := range map[string]*Replica{"plain": plain, "indexed": indexed} {
			rows(t, r, records)
			got := pages(rt, r, query, limit)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				rt.Fatalf("%s: %s\ngot  %q\nwant %q", name, encode(query), got, want)
			}
		}
	})
	if selected == 0 {
		t.Error("no filter has ever meant a record")
	}
}

// pages reads all pages of a query.
func pages(t *rapid.T, r *Replica, query map[string]any, limit int) (got []string) {
	page := map[string]any{"limit": limit}
	query["page"] = page
	for range 100 {
		data, err := r.List(context.Background(), "people", json.RawMessage(encode(query)))
		if err != nil {
			t.Fatalf("%s: %v", encode(query), err)
		}
		var a answer
		if err := json.Unmarshal(data, &a); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		for _, record := range a.Records {
			got = append(got, string(record))
		}
		if len(a.Records) > limit {
			t.Fatalf("a page of %d has %d records", limit, len(a.Records))
		}
		if a.Next == nil {
			if int(*a.Count) != len(got) {
				t.Fatalf("%s: %d are counted and %d shown", encode(query), *a.Count, len(got))
			}
			return got
		}
		page["after"] = *a.Next
	}
	t.Fatalf("%s: there is no last page", encode(query))
	return nil
}

func TestFoldIsThatOfTheStandardLibrary(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if next := unicode.SimpleFold(r); foldRune(r) != foldRune(next) {
			t.Fatalf("%U and %U fold to %U and %U", r, next, foldRune(r), foldRune(next))
		}
	}
}
