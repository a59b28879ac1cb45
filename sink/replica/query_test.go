package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// people are some records, as an API writes them.
var people = []string{
	`{"id":1,"name":"Ann","age":30,"city":{"name":"Paris","zip":"75001"},"tags":["a","b"],"joined":"2026-01-31T23:30:00Z"}`,
	`{"id":2,"name":"bob","age":7.5,"city":{"name":"Oslo"},"tags":[],"joined":"2026-02-01T00:30:00+02:00"}`,
	`{"id":9007199254740993,"name":"Čapek","age":null,"tags":[{"n":1,"m":2}],"joined":"2026-02-28T12:00:00Z"}`,
	`{"id":4,"name":"Dan","age":30,"city":{"name":"Paris"},"gone":true}`,
}

func library(t testing.TB) *side {
	r, l, err := opened(t, pathOf(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	rows(t, r, people)
	return &side{Replica: r, t: t, logs: l}
}

func TestListSortsCutsAndPages(t *testing.T) {
	r := library(t)
	r.lists(`{"filter":{"field":"city.name","is":"equal","value":"Paris"},"projection":["name","city.name","tags.m"]}`,
		`{"name":"Ann","city":{"name":"Paris"},"tags":["a","b"]}`, `{"name":"Dan","city":{"name":"Paris"}}`)
	r.lists(`{"sort":[{"field":"age","descending":true},{"field":"name"}],"projection":["/id"]}`,
		`{"id":1}`, `{"id":4}`, `{"id":2}`, `{"id":9007199254740993}`)
	r.lists(`{"projection":["tags.m"],"page":{"offset":2,"limit":1}}`, `{"tags":[{"m":2}]}`)
	r.lists(`{"filter":{"field":"id","is":"equal","value":9007199254740992}}`)
	r.lists(`{"filter":{"field":"$key","is":"in","value":["000003",3]},"projection":["gone"]}`, `{"gone":true}`)
	first := r.list(`{"page":{"limit":3}}`)
	if first.Next == nil || len(first.Records) != 3 || len(first.Positions) != 1 || first.Positions[0].Offset != 4 {
		t.Fatalf("%+v", first)
	}
	if _, err := r.List(within(t), "people", json.RawMessage(`{"sort":[{"field":"a"}],"page":{"after":"`+*first.Next+`"}}`)); err == nil {
		t.Error("a token of another sort was taken")
	}
}

// TestALongTextToSortByIsNamed: behind some nobody could go on, and the page says so by which
// one would have to. To both sides of the bound a page leads on, or is refused.
func TestALongTextToSortByIsNamed(t *testing.T) {
	for size, fits := range map[int]bool{100_000: true, 147_000: true, 148_000: false, 400_000: false} {
		r, _, err := opened(t, pathOf(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", size)
		rows(t, r, []string{`{"a":1,"note":"` + long + `1"}`, `{"a":1,"note":"` + long + `2"}`})
		const sorted = `{"sort":[{"field":"a"},{"field":"note","descending":true}],"projection":["a"],"page":{"limit":%d%s}}`
		answer, err := r.List(within(t), "people", json.RawMessage(fmt.Sprintf(sorted, 1, "")))
		var bad *QueryError
		switch {
		case !fits:
			if !errors.As(err, &bad) || err.Error() != bad.Error() || bad.At != "/sort/1/field" || !strings.Contains(bad.Problem, fmt.Sprintf(`is note, which is too long a text to go on behind it: that of record "000001" has %d bytes`, size+1)) {
				t.Errorf("%d: %v", size, err)
			}
		case err != nil:
			t.Errorf("%d: %v", size, err)
		default:
			var first struct{ Next string }
			if err := json.Unmarshal(answer, &first); err != nil || first.Next == "" {
				t.Fatalf("%d: no next page (%v)", size, err)
			}
			second, err := r.List(within(t), "people", json.RawMessage(fmt.Sprintf(sorted, 1, `,"after":"`+first.Next+`"`)))
			if err != nil || !strings.Contains(string(second), `"next":null`) {
				t.Errorf("%d: the second page is %.100s (%v)", size, second, err)
			}
		}
		if _, err := r.List(within(t), "people", json.RawMessage(fmt.Sprintf(sorted, 2, ""))); err != nil {
			t.Errorf("%d: a page that leads nowhere: %v", size, err)
		}
	}
}

func TestAggregates(t *testing.T) {
	r := library(t)
	for query, want := range map[string]string{
		`{"operation":"count"}`:                                                        `[{"value":4,"group":[]}]`,
		`{"operation":"count","field":"age"}`:                                          `[{"value":3,"group":[]}]`,
		`{"operation":"sum","field":"age"}`:                                            `[{"value":67.5,"group":[]}]`,
		`{"operation":"avg","field":"age"}`:                                            `[{"value":22.5,"group":[]}]`,
		`{"operation":"sum","field":"id"}`:                                             `[{"value":9007199254741000,"group":[]}]`,
		`{"operation":"sum","field":"none"}`:                                           `[{"value":0,"group":[]}]`,
		`{"operation":"avg","field":"name"}`:                                           `[{"value":null,"group":[]}]`,
		`{"operation":"min","field":"joined"}`:                                         `[{"value":"2026-01-31T23:30:00Z","group":[]}]`,
		`{"operation":"max","field":"gone"}`:                                           `[{"value":null,"group":[]}]`,
		`{"operation":"count","groups":[{"field":"city.name"}]}`:                       `[{"value":2,"group":["Paris"]},{"value":1,"group":[null]},{"value":1,"group":["Oslo"]}]`,
		`{"operation":"count","groups":[{"field":"gone"},{"field":"tags"}],"limit":1}`: `[{"value":1,"group":[null,["a","b"]]}]`,
		`{"operation":"count","groups":[{"field":"joined","by":"month"}]}`:             `[{"value":2,"group":["2026-01-01"]},{"value":1,"group":[null]},{"value":1,"group":["2026-02-01"]}]`,
		`{"operation":"count","groups":[{"field":"joined","by":"day","time_zone":"Europe/Paris"}],"filter":{"field":"joined","is":"present"}}`:         `[{"value":1,"group":["2026-01-31"]},{"value":1,"group":["2026-02-01"]},{"value":1,"group":["2026-02-28"]}]`,
		`{"operation":"count","groups":[{"field":"joined","by":"week"}],"filter":{"field":"joined","is":"after","value":"2026-02-01T01:30:00+02:00"}}`: `[{"value":1,"group":["2026-02-23"]}]`,
		`{"operation":"count","groups":[{"field":"joined","by":"year"}],"limit":1}`:                                                                    `[{"value":3,"group":["2026-01-01"]}]`,
	} {
		data, err := r.Aggregate(within(t), "people", json.RawMessage(query))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var a struct {
			Rows json.RawMessage
			More bool
		}
		if err := json.Unmarshal(data, &a); err != nil || strings.ReplaceAll(string(a.Rows), " ", "") != want {
			t.Errorf("%s: got %s, want %s", query, data, want)
		}
	}
}

// TestASumOfIntegersIsExact also beyond 2^63, where SQLite's own sum is an error.
func TestASumOfIntegersIsExact(t *testing.T) {
	r, _, err := opened(t, pathOf(t), nil)
	must(t, err)
	rows(t, r, []string{`{"n":9223372036854775807}`, `{"n":9223372036854775807}`, `{"n":-5}`, `{"n":-9223372036854775808}`})
	data, err := r.Aggregate(within(t), "people", json.RawMessage(`{"operation":"sum","field":"n"}`))
	must(t, err)
	if !strings.Contains(string(data), `"value":9223372036854775801,`) {
		t.Errorf("%s", data)
	}
}

func TestAQueryThatCannotBeMeantIsRefusedWithItsPlace(t *testing.T) {
	r := library(t)
	deep := strings.Repeat(`{"not":`, 60) + `{"field":"a","is":"blank"}` + strings.Repeat("}", 60)
	many := strings.TrimSuffix(strings.Repeat(`{"field":"a","is":"blank"},`, 301), ",")
	for query, want := range map[string]string{
		`{`:                         "is not JSON",
		`[]`:                        "wants an object, found a list",
		`{} {}`:                     "followed by something else",
		`{"filter":{},"filter":{}}`: "is not JSON: duplicate",
		`{"filters":{}}`:            `has "filters", and may have count, filter, page, projection, pull, sort`,
		`{"filter":{}}`:             `at /filter wants one of "and", "or", "not" and "field"`,
		`{"filter":{"and":[{"or":[{"field":"a"}]}]}}`:                         `at /filter/and/0/or/0 wants "field" and "is"`,
		`{"filter":{"and":[],"or":[]}}`:                                       "wants one of",
		`{"filter":{"not":null}}`:                                             "wants no null",
		`{"filter":{"not":[]}}`:                                               "at /filter/not wants an object",
		`{"filter":{"field":"a","is":"eq","value":1}}`:                        `at /filter/is is "eq", and may be equal, not_equal`,
		`{"filter":{"field":"a","is":"equal"}}`:                               `needs "value"`,
		`{"filter":{"field":"a","is":"blank","value":1}}`:                     "has no meaning",
		`{"filter":{"field":"a","is":"equal","value":[1]}}`:                   "at /filter/value wants a text, a number",
		`{"filter":{"field":"a","is":"less","value":true}}`:                   "wants a text or a number",
		`{"filter":{"field":"a","is":"in","value":1}}`:                        "wants a list",
		`{"filter":{"field":"a","is":"in","value":[{}]}}`:                     "at /filter/value/0",
		`{"filter":{"field":"a","is":"after","value":"2026-01-02"}}`:          "wants an instant with its offset",
		`{"filter":{"field":"a","is":"after","value":"2026-01-02T03:04:05"}}`: "wants an instant with its offset",
		`{"filter":{"field":"","is":"blank"}}`:                                "at /filter/field is empty",
		`{"filter":{"field":"a..b","is":"blank"}}`:                            "has an empty name",
		`{"filter":{"field":"/a~b","is":"blank"}}`:                            "~",
		`{"filter":` + deep + `}`:                                             "nested deeper",
		`{"filter":{"and":[` + many + `]}}`:                                   "300 are the most",
		`{"projection":["a","$key"]}`:                                         "at /projection/1 is the key, which is beside a record and no part of it",
		`{"projection":["/a/0"]}`:                                             "at /projection/0 has an index",
		`{"sort":[{"descending":true}]}`:                                      `at /sort/0 needs "field"`,
		`{"page":{"limit":1001}}`:                                             "at /page/limit wants a whole number from 1 to 1000",
		`{"page":{"limit":1.5}}`:                                              "wants a whole number",
		`{"page":{"after":"eA","offset":1}}`:                                  `has both "after" and "offset"`,
		`{"page":{"after":"no token"}}`:                                       "at /page/after is not the",
		`{"count":1}`:                                                         "at /count wants true or false",
		`{"filter":{"field":"` + strings.Repeat("a", maxQuery) + `"}}`:        "are the most",
	} {
		_, err := r.List(within(t), "people", json.RawMessage(query))
		var bad *QueryError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", query, err, want)
		}
	}
	for query, want := range map[string]string{
		`{}`:                     `needs "operation"`,
		`{"operation":"median"}`: "may be count, sum, avg, min, max",
		`{"operation":"sum"}`:    `needs "field" for "sum"`,
		`{"operation":"count","groups":[{"field":"a","by":"hour"}]}`:                       "may be year, month, week, day",
		`{"operation":"count","groups":[{"field":"a","time_zone":"UTC"}]}`:                 `"time_zone" without "by"`,
		`{"operation":"count","groups":[{"field":"a","by":"day","time_zone":"../etc/x"}]}`: "is no time zone",
	} {
		if _, err := r.Aggregate(within(t), "people", json.RawMessage(query)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
	if _, err := r.List(within(t), "nobody", nil); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("another collection: %v", err)
	}
}

// TestIndexesAreUsed asks SQLite how it would go about it.
func TestIndexesAreUsed(t *testing.T) {
	r, _, err := opened(t, pathOf(t), func(c *Config) { c.Collections[0].Indexes = []string{"city.name", "/age"} })
	must(t, err)
	rows(t, r, people)
	for query, want := range map[string]string{
		`{"filter":{"field":"/city/name","is":"equal","value":"Paris"}}`:                           "USING INDEX c1_i0 (i0=?)",
		`{"filter":{"field":"city.name","is":"in","value":["Paris","Oslo"]}}`:                      "USING INDEX c1_i0 (i0=?)",
		`{"filter":{"and":[{"field":"age","is":"greater","value":8},{"field":"a","is":"blank"}]}}`: "USING INDEX c1_i1 (i1>? AND i1<?)",
		`{"sort":[{"field":"age"}]}`:                           "SCAN c1 USING INDEX c1_i1",
		`{"filter":{"field":"$key","is":"equal","value":"x"}}`: "(id=?)",
		`{"filter":{"field":"name","is":"equal","value":"x"}}`: "SCAN c1 USING INDEX sqlite_autoindex_c1_1",
	} {
		q, err := decodeList([]byte(query))
		must(t, err)
		s := q.statement("c1", r.order[0].columns)
		s.args = append([]any{}, s.args...)
		plan, err := r.file.read.Query("EXPLAIN QUERY PLAN "+s.text.String(), s.args...)
		must(t, err)
		var all []string
		for plan.Next() {
			var id, parent, unused int
			var detail string
			must(t, plan.Scan(&id, &parent, &unused, &detail))
			all = append(all, detail)
		}
		plan.Close()
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("%s: the plan is %q, want %q", query, all, want)
		}
	}
}

// TestAReaderIsInterrupted: a query that takes for ever ends with its context.
func TestAReaderIsInterrupted(t *testing.T) {
	r, _, err := opened(t, pathOf(t), nil)
	must(t, err)
	var many []string
	for i := range 20_000 {
		many = append(many, fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", 2000)))
	}
	rows(t, r, many)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = r.List(ctx, "people", json.RawMessage(`{"filter":{"field":"text","is":"i_contains","value":"y"}}`))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	_, err = r.List(within(t), "people", json.RawMessage(`{"page":{"limit":1}}`))
	must(t, err)
}

// FuzzQueries: whatever is asked, it is answered with JSON or refused with its place.
func FuzzQueries(f *testing.F) {
	r := library(f)
	for _, q := range []string{
		`{"filter":{"and":[{"field":"a","is":"in","value":[null,1,"x"]},{"not":{"field":"/b/0","is":"before","value":"2026-01-02T03:04:05Z"}}]},"sort":[{"field":"a","descending":true}],"page":{"limit":2,"after":"x"},"projection":["a.b"],"count":true}`,
		`{"operation":"sum","field":"a","groups":[{"field":"b","by":"week","time_zone":"Asia/Tokyo"}],"limit":3}`,
		`{"filter":{"field":"\ud800","is":"includes","value":"\ud800"}}`, `{"filter":{"field":"a","is":"less","value":1e999}}`,
	} {
		f.Add([]byte(q))
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		for _, ask := range []func(context.Context, string, json.RawMessage) (json.RawMessage, error){r.List, r.Aggregate} {
			data, err := ask(context.Background(), "people", query)
			var bad *QueryError
			if err != nil && !errors.As(err, &bad) {
				t.Errorf("%s: %v", query, err)
			}
			if err == nil && !json.Valid(data) {
				t.Errorf("%s: %s", query, data)
			}
		}
	})
}

// TestASumThatIsNoNumberIsNone: numbers beyond binary64 are infinite, of both signs they
// have no sum, and what else there is must not stand for it.
func TestASumThatIsNoNumberIsNone(t *testing.T) {
	r, _, err := opened(t, pathOf(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows(t, r, []string{`{"n":1e999}`, `{"n":-1e999}`, `{"n":7}`, `{"n":2.5}`})
	for _, operation := range []string{"sum", "avg"} {
		got, err := r.Aggregate(t.Context(), r.order[0].Name, []byte(`{"operation":"`+operation+`","field":"n"}`))
		if err != nil || !strings.HasPrefix(string(got), `{"rows":[{"value":null,`) {
			t.Errorf("%s: %s %v", operation, got, err)
		}
	}
}
