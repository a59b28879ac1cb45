package control_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestAPushIsTheSameInBothDocuments: that of the control API, which takes it, and that of the
// contract of handlers.
func TestAPushIsTheSameInBothDocuments(t *testing.T) {
	text, err := os.ReadFile("../handler/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	contract, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	for body, good := range map[string]bool{
		`{"id":"a"}`: true,
		`{"id":"a","based_on":3,"next_state":null,"new_or_updated":[{"collection":"c","record":{"a":[]}}],"deleted":[{"collection":"c","id":7}]}`: true,
		`{"id":"a","new_or_updated":null,"deleted":null}`:        true,
		`{"id":"a","deleted":[{"collection":"c","id":["x",7]}]}`: true,
		`{}`:           false,
		`{"id":""}`:    false,
		`{"id":"a b"}`: false,
		`{"id":"` + strings.Repeat("a", 65) + `"}`:                 false,
		`{"id":"a","more":true}`:                                   false,
		`{"id":"a","based_on":-1}`:                                 false,
		`{"id":"a","new_or_updated":{}}`:                           false,
		`{"id":"a","new_or_updated":[{"collection":"c"}]}`:         false,
		`{"id":"a","deleted":[{"collection":"c","id":null}]}`:      false,
		`{"id":"a","deleted":[{"collection":"c","id":[]}]}`:        false,
		`{"id":"a","deleted":[{"collection":"c","id":"x","a":1}]}`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		for name, doc := range map[string]*openapi3.T{"the contract": contract, "the control API": specOf(t).doc} {
			if err := doc.Components.Schemas["Push"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); (err == nil) != good {
				t.Errorf("%s: good is to be %t for %s: %v", body, good, name, err)
			}
		}
	}
	for _, schema := range []string{"Push", "Entries", "Deletions"} {
		a, b := shape(t, contract, schema), shape(t, specOf(t).doc, schema)
		if a != b {
			t.Errorf("%s is\n%s\nfor handlers, and\n%s\nfor the control API", schema, a, b)
		}
	}
}

// shape is a schema without what is said about the whole of it.
func shape(t *testing.T, doc *openapi3.T, name string) string {
	t.Helper()
	s := *doc.Components.Schemas[name].Value
	s.Description = ""
	text, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
