package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"tributary/connector"
)

// contract is openapi.yaml, held against the Go types and real exchanges.
func contractOf(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("openapi.yaml: %v", err)
	}
	return doc
}

func fits(doc *openapi3.T, schema string, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return doc.Components.Schemas[schema].Value.VisitJSON(v, openapi3.EnableJSONSchema2020())
}

// Members of the document are those of the Go types, each.
func TestTheContractHasTheMembersOfTheTypes(t *testing.T) {
	doc := contractOf(t)
	for schema, types := range map[string][]reflect.Type{
		"Request":      {reflect.TypeFor[Request]()},
		"Cache":        {reflect.TypeFor[Cache]()},
		"Reason":       {reflect.TypeFor[connector.Reason]()},
		"PushResponse": {reflect.TypeFor[PushResponse]()},
		"Push":         {reflect.TypeFor[pushJSON](), reflect.TypeFor[changesJSON]()},
	} {
		want := map[string]bool{}
		for _, typ := range types {
			for i := range typ.NumField() {
				if name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
					want[name] = true
				}
			}
		}
		if schema == "Request" {
			want["previous_state"] = true // which MarshalJSON writes
		}
		got := doc.Components.Schemas[schema].Value.Properties
		for name := range want {
			if got[name] == nil {
				t.Errorf("%s has no %s in openapi.yaml", schema, name)
			}
		}
		for name := range got {
			if !want[name] {
				t.Errorf("%s has %s in openapi.yaml, and not in Go", schema, name)
			}
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[responseJSON](), reflect.TypeFor[changesJSON]()} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name != "" && doc.Components.Schemas["DumpResponse"].Value.Properties[name] == nil {
				t.Errorf("DumpResponse has no %s in openapi.yaml", name)
			}
		}
	}
	if names := doc.Components.Schemas["Reason"].Value.Properties["name"].Value.Enum; len(names) != len(connector.ReasonNames) {
		t.Errorf("openapi.yaml has the reasons %v", names)
	}
}

// What the parser takes and refuses is what the document does, as far as a schema can say.
func TestTheContractAndTheParserAgree(t *testing.T) {
	doc := contractOf(t)
	for body, good := range map[string]bool{
		`{"more":false}`: true,
		`{"more":true,"next_state":{"a":[]},"new_or_updated":[{"collection":"a","record":{"id":1}}],"deleted":[{"collection":"a","id":"x"}]}`: true,
		`{"more":false,"new_or_updated":null,"deleted":null}`:        true,
		`{"more":false,"deleted":[{"collection":"a","id":7}]}`:       true,
		`{"more":false,"deleted":[{"collection":"a","id":["x",7]}]}`: true,
		`{}`:                                 false,
		`[]`:                                 false,
		`{"more":"yes"}`:                     false,
		`{"more":false,"moer":1}`:            false,
		`{"more":false,"new_or_updated":{}}`: false,
		`{"more":false,"new_or_updated":[{"collection":"a"}]}`:                   false,
		`{"more":false,"new_or_updated":[{"collection":"a","record":{},"x":1}]}`: false,
		`{"more":false,"deleted":[{"collection":"a","id":null}]}`:                false,
		`{"more":false,"deleted":[{"collection":"a","id":""}]}`:                  false,
		`{"more":false,"deleted":[{"collection":"a","id":[]}]}`:                  false,
		`{"more":false,"deleted":[{"id":"x"}]}`:                                  false,
	} {
		_, parsed := ParseResponse([]byte(body))
		if err := fits(doc, "DeltaResponse", []byte(body)); (err == nil) != good || (parsed == nil) != good {
			t.Errorf("%s: good is to be %v; the document says %v, the parser %v", body, good, err, parsed)
		}
	}
	for body, good := range map[string]bool{
		`{"id":"a","based_on":3,"new_or_updated":[{"collection":"c","record":{}}]}`: true,
		`{"id":"a"}`:               true,
		`{"id":""}`:                false,
		`{"id":"a b"}`:             false,
		`{"id":"a\"b"}`:            false,
		`{"id":"a\\b"}`:            false,
		`{"id":"a","more":true}`:   false,
		`{"id":"a","based_on":-1}`: false,
	} {
		p, err := ParsePush([]byte(body))
		taken := err == nil && isPushID(p.ID)
		if err := fits(doc, "Push", []byte(body)); (err == nil) != good || taken != good {
			t.Errorf("%s: good is to be %v; the document says %v, the parser takes it: %v", body, good, err, taken)
		}
	}
}

// Every request of the client and every response of a handler in Go is as the document has it.
func TestRealExchangesAreAsTheContractHasThem(t *testing.T) {
	doc := contractOf(t)
	h := &calls{
		delta: func(Request) (Response, error) {
			return Response{More: true, NextState: json.RawMessage(`{"a":1}`), NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}, Deleted: []Deletion{{"posts", "2"}}}, nil
		},
		dump: func(Request) (Response, error) { return Response{NextDeltaState: json.RawMessage("1")}, nil },
	}
	served := Serve(h)
	exchanges := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := fits(doc, "Request", body); err != nil {
			t.Errorf("request %s: %v", body, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		served.ServeHTTP(answer, r)
		schema := map[string]string{"/delta": "DeltaResponse", "/dump": "DumpResponse"}[r.URL.Path]
		if err := fits(doc, schema, answer.Body.Bytes()); err != nil {
			t.Errorf("response %s: %v", answer.Body, err)
		}
		exchanges++
		_, _ = w.Write(answer.Body.Bytes())
	}))
	defer server.Close()
	c := newClient(t, server.URL, nil)
	now := time.Now()
	full := Request{ID: "a-1", Source: "s", PreviousState: json.RawMessage(`[1]`), AffectedCollections: []string{"posts"}, Deadline: now, DeadlineMS: 60_000, Attempt: 1,
		Cache: &Cache{URL: "http://x", TokenEnv: "T"}, Reasons: []connector.Reason{
			{Name: connector.ReasonBeforeAggregate, At: now, Collection: "posts", Affected: []string{"posts"}, Caller: "me", Filter: json.RawMessage(`{}`), Projection: []string{"id"}, Aggregation: json.RawMessage(`{}`)},
			{Name: connector.ReasonAfterUpdate, At: now, Patch: json.RawMessage(`{}`), Records: json.RawMessage(`[]`)}}}
	least := Request{ID: "a-2", Source: "s", AffectedCollections: []string{}, Reasons: []connector.Reason{}, Deadline: now, Attempt: 1}
	for _, r := range []Request{full, least} {
		if _, err := c.Delta(context.Background(), r); err != nil {
			t.Error(err)
		}
		if _, err := c.Dump(context.Background(), r); err != nil {
			t.Error(err)
		}
	}
	if exchanges != 4 {
		t.Errorf("%d exchanges", exchanges)
	}
}
