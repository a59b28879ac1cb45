package replica

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// document is that of the control API, which says what may be asked and what is answered.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := os.ReadFile("../../connector/control/openapi.yaml")
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(text)
})

// described says whether a text fits a schema of the document.
func described(t interface{ Fatal(...any) }, schema, text string) error {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	return doc.Components.Schemas[schema].Value.VisitJSON(v, openapi3.EnableJSONSchema2020())
}

// beyondSchemas is why a query of these tests is refused that no schema can refuse.
var beyondSchemas = regexp.MustCompile(`is no time zone|page/after is not`)

// judged holds a query to the document: both take it, or both refuse it, as far as a schema can.
func judged(t interface {
	Fatal(...any)
	Errorf(string, ...any)
}, schema, query string, decoded error) (refused bool) {
	switch fits := described(t, schema, query); {
	case decoded == nil && fits != nil:
		t.Errorf("%s is taken, and is no %s of the document: %v", query, schema, fits)
	case decoded != nil && fits == nil && !beyondSchemas.MatchString(decoded.Error()):
		t.Errorf("%s is a %s of the document, and is refused: %v", query, schema, decoded)
	case decoded != nil && fits != nil:
		return true
	}
	return false
}

func drawList(t *rapid.T) map[string]any {
	q := map[string]any{"filter": filters(t, 3)}
	if rapid.Bool().Draw(t, "sorted") {
		q["sort"] = []any{map[string]any{"field": rapid.SampledFrom(fields).Draw(t, "by"), "descending": rapid.Bool().Draw(t, "descending")}}
	}
	if rapid.Bool().Draw(t, "cut") {
		q["projection"] = []any{"a", "ä", "a.b"}
	}
	if rapid.Bool().Draw(t, "paged") {
		q["page"] = map[string]any{"limit": rapid.IntRange(1, maxLimit).Draw(t, "limit"), "offset": rapid.IntRange(0, maxOffset).Draw(t, "offset")}
	}
	q["count"], q["pull"] = rapid.SampledFrom([]any{true, false, nil}).Draw(t, "count"), rapid.SampledFrom([]any{true, false, nil}).Draw(t, "pull")
	return q
}

func drawAggregate(t *rapid.T) map[string]any {
	q := map[string]any{"operation": rapid.SampledFrom([]string{"count", "sum", "avg", "min", "max"}).Draw(t, "operation"), "field": "a", "filter": filters(t, 3)}
	for range rapid.IntRange(0, maxGroups).Draw(t, "groups") {
		g := map[string]any{"field": rapid.SampledFrom(fields).Draw(t, "group")}
		if by := rapid.SampledFrom([]any{nil, "year", "month", "week", "day"}).Draw(t, "by"); by == nil {
			g["by"] = by
		} else {
			g["by"], g["time_zone"] = by, rapid.SampledFrom([]any{"Europe/Paris", "UTC", nil}).Draw(t, "zone")
		}
		groups, _ := q["groups"].([]any)
		q["groups"] = append(groups, g)
	}
	return q
}

// spoil changes one value or member somewhere in a query.
func spoil(t *rapid.T, v any) any {
	wrong := []any{nil, "week", "2026-01-02T03:04:05Z", true, "", "a..b", "/~", "equal", "or", -1, 0, 1001, 2.5, []any{}, []any{nil}, map[string]any{}, map[string]any{"is": "blank"}}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			break
		}
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "member")
		switch rapid.IntRange(0, 4).Draw(t, "spoiled") {
		case 0:
			delete(v, name)
		case 1:
			v[name+"s"] = v[name]
		case 2:
			v[rapid.SampledFrom([]string{"and", "or", "not", "field", "is", "value", "after", "limit"}).Draw(t, "added")] = rapid.SampledFrom(wrong).Draw(t, "wrong")
		default:
			v[name] = spoil(t, v[name])
		}
		return v
	case []any:
		if len(v) > 0 && rapid.Bool().Draw(t, "inside") {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "item")
			v[i] = spoil(t, v[i])
			return v
		}
	}
	return rapid.SampledFrom(wrong).Draw(t, "wrong")
}

func TestTheDocumentTakesEveryQueryThatIsValid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list, aggregate := encode(drawList(rt)), encode(drawAggregate(rt))
		if _, err := decodeList([]byte(list)); err != nil {
			rt.Fatalf("%s is to be valid: %v", list, err)
		}
		if _, err := decodeAggregate([]byte(aggregate)); err != nil {
			rt.Fatalf("%s is to be valid: %v", aggregate, err)
		}
		judged(rt, "ListQuery", list, nil)
		judged(rt, "AggregateQuery", aggregate, nil)
	})
}

func TestTheDocumentRefusesWhatIsRefused(t *testing.T) {
	refused := 0
	rapid.Check(t, func(rt *rapid.T) {
		list, aggregate := encode(spoil(rt, drawList(rt))), encode(spoil(rt, drawAggregate(rt)))
		_, err := decodeList([]byte(list))
		if judged(rt, "ListQuery", list, err) {
			refused++
		}
		_, err = decodeAggregate([]byte(aggregate))
		if judged(rt, "AggregateQuery", aggregate, err) {
			refused++
		}
	})
	if refused == 0 {
		t.Error("nothing was refused by both")
	}
}

// TestAnswersAreAsTheDocumentHasThem, of the lists and values of real records.
func TestAnswersAreAsTheDocumentHasThem(t *testing.T) {
	r := library(t)
	ask := func(schema, query string, ask func(context.Context, string, json.RawMessage) (json.RawMessage, error)) []byte {
		t.Helper()
		answer, err := ask(within(t), "people", json.RawMessage(query))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if err := described(t, schema, string(answer)); err != nil {
			t.Errorf("%s: %s: %v", query, answer, err)
		}
		return answer
	}
	ask("Listed", `{}`, r.List)
	ask("Listed", `{"filter":{"or":[]},"count":true}`, r.List)
	first := ask("Listed", `{"projection":["tags.n"],"sort":[{"field":"age"}],"page":{"limit":3}}`, r.List)
	if !bytes.Contains(first, []byte(`"next":"`)) {
		t.Errorf("%s leads to no next page", first)
	}
	for _, operation := range []string{"count", "sum", "avg", "min", "max"} {
		ask("Aggregated", `{"operation":"`+operation+`","field":"age","groups":[{"field":"tags"},{"field":"joined","by":"week"}],"limit":2}`, r.Aggregate)
		ask("Aggregated", `{"operation":"`+operation+`","field":"none"}`, r.Aggregate)
		ask("Aggregated", `{"operation":"`+operation+`","field":"name"}`, r.Aggregate)
	}
	var bad *QueryError
	if _, err := r.List(within(t), "people", json.RawMessage(`{"filter":{"field":"a","is":"blank","and":null}}`)); !errors.As(err, &bad) || !strings.Contains(bad.Problem, "nothing else") {
		t.Errorf("a condition with another's member: %v", err)
	}
}
