package main

import (
	"reflect"
	"testing"

	"tributary/connector/rest"
)

func TestARequestArrivesAsItIsWritten(t *testing.T) {
	cfg := mustParse(t, head+`sources:
  - name: api
    url: https://api.test
    cursor: {field: [date_updated, date_created], format: unix, operator: gt, beginning: 0, zone: Europe/Paris, precision: 1m}
    page: {size: 50}
    probe: {max: 10}
    request:
      method: POST
      params:
        v: 2
        filter: {join: " && ", quote: json, clauses: ['a >= "{from}"', {each: {clause: 'id = "{id}"', join: " || "}}]}
      body:
        filters: [{on: updated, value: "{from}"}]
        limit: "{size}"
        live: true
        query: {$literal: "{ a { b } }"}
        $$odd: 1.50
        only: {$probe: true, ids: "{ids}"}
    collections: [people]
`)
	c := collectionOf(t, cfg, "api.people")
	members := func(m ...rest.Member) rest.Tree { return rest.Tree{Members: m} }
	body := members(
		rest.Member{Name: "filters", Tree: rest.Tree{Items: []rest.Tree{members(rest.Member{Name: "on", Tree: rest.Tree{Template: "updated"}}, rest.Member{Name: "value", Tree: rest.Tree{Template: "{from}"}})}}},
		rest.Member{Name: "limit", Tree: rest.Tree{Template: "{size}"}}, rest.Member{Name: "live", Tree: rest.Tree{JSON: "true"}},
		rest.Member{Name: "query", Tree: rest.Tree{Template: "{{ a {{ b }} }}"}}, rest.Member{Name: "$odd", Tree: rest.Tree{JSON: "1.50"}},
		rest.Member{Name: "only", Tree: rest.Tree{If: []string{"ids"}, Members: []rest.Member{{Name: "ids", Tree: rest.Tree{Template: "{ids}"}}}}})
	if !reflect.DeepEqual(c.Rest.Body, &body) {
		t.Errorf("got  %+v\nwant %+v", c.Rest.Body, &body)
	}
	clauses := map[string]rest.Clauses{"filter": {Join: " && ", Quote: rest.QuoteJSON, Clauses: []rest.Clause{{Template: `a >= "{from}"`}, {Template: `id = "{id}"`, Each: " || "}}}}
	if !reflect.DeepEqual(c.Rest.Clauses, clauses) || c.Rest.Params.Get("v") != "2" || c.Rest.Method != "POST" {
		t.Errorf("got %+v %v %s", c.Rest.Clauses, c.Rest.Params, c.Rest.Method)
	}
	if r := c.Rest; r.Instant != "date_updated" || len(r.InstantElse) != 1 || r.Exclusive.Seconds() != 1 || r.BeginningText != "0" || r.Zone.String() != "Europe/Paris" {
		t.Errorf("got %+v", r)
	}
	if s := c.Settings; s.Tick.Seconds() != 60 || s.Settle.Seconds() != 60 || s.Probe != 10 {
		t.Errorf("got %+v", s)
	}
}

// A credential may hold braces: what a reference stands for has no placeholders.
func TestWhatAReferenceStandsForHasNoPlaceholders(t *testing.T) {
	env := func(name string) (string, bool) { return canary + "{from}{", name == "KEY" }
	text := head + `sources:
  - name: api
    url: https://api.test
    cursor: {field: updated_at, from: since}
    request: {params: {key: "${env:KEY}"}, headers: {X-Key: "k {to} ${env:KEY}"}}
    collections: [people]
`
	cfg, err := parseConfig(newConfigText("t.yaml", []byte(text)), "testdata", env, testPresets())
	if err != nil {
		t.Fatal(err)
	}
	r := cfg.Sources[0].Collections[0].Rest
	if got := r.Params.Get("key"); got != canary+"{{from}}{{" {
		t.Errorf("got %s", got)
	}
	if got := r.Headers.Get("X-Key"); got != "k {to} "+canary+"{{from}}{{" {
		t.Errorf("got %s", got)
	}
}
