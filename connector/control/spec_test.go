package control_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"tributary/connector"
	"tributary/connector/control"
)

// A spec is the OpenAPI document as tests hold answers against it: of what it describes,
// no member may be there that it does not have.
type spec struct {
	doc    *openapi3.T
	router routers.Router
}

var loadSpec = sync.OnceValues(func() (*spec, error) {
	doc, err := openapi3.NewLoader().LoadFromData(control.OpenAPI())
	if err != nil {
		return nil, err
	}
	for _, s := range doc.Components.Schemas {
		if len(s.Value.Properties) > 0 && s.Value.AdditionalProperties.Has == nil {
			no := false
			s.Value.AdditionalProperties.Has = &no
		}
	}
	router, err := legacy.NewRouter(doc)
	return &spec{doc, router}, err
})

func specOf(t testing.TB) *spec {
	t.Helper()
	s, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hold holds a request and its answer against the document. What is no route of it is a
// problem. What was done must be a request that the document has, and a body that was
// not understood must be none.
func (s *spec) hold(t *testing.T, req *http.Request, body string, a *answer) {
	t.Helper()
	inside := req.Clone(t.Context())
	inside.URL.Scheme, inside.URL.Host, inside.Host = "", "", ""
	route, params, err := s.router.FindRoute(inside)
	if err != nil {
		s.fits(t, "Problem", a.body)
		return
	}
	inside.Body = io.NopCloser(strings.NewReader(body))
	asked := &openapi3filter.RequestValidationInput{Request: inside, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, // that is the guard's
	}}
	if body == "" {
		inside.Body = nil
	}
	invalid := openapi3filter.ValidateRequest(t.Context(), asked)
	var p control.Problem
	switch _ = json.Unmarshal(a.body, &p); {
	case a.status < 300 && invalid != nil:
		t.Errorf("%s %s was answered with %d, and is no request of openapi.yaml: %v\n%.300s", req.Method, req.URL, a.status, invalid, body)
	case p.Type == "urn:tributary:problem:malformed" && invalid == nil && ofTheSchema.MatchString(p.Detail):
		t.Errorf("%s %s is a request of openapi.yaml, and was refused: %s\n%.300s", req.Method, req.URL, p.Detail, body)
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: asked,
		Status:                 a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
	})
	if err != nil {
		t.Fatalf("the answer to %s %s is not as openapi.yaml has it: %v\n%s", req.Method, req.URL.Path, err, a.body)
	}
}

// ofTheSchema fits what is wrong with a body that its schema says too. It cannot say that a text
// is no JSON, or names a member twice.
var ofTheSchema = regexp.MustCompile("^(the body has an unknown member|the body is not what is expected|the body is no JSON object|there is no body)")

// fits holds a value against one schema.
func (s *spec) fits(t *testing.T, schema string, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if err := s.doc.Components.Schemas[schema].Value.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		t.Fatalf("this is no %s of openapi.yaml: %v\n%s", schema, err, body)
	}
}

func TestTheDocumentIsValid(t *testing.T) {
	if err := specOf(t).doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !specOf(t).doc.IsOpenAPI31OrLater() {
		t.Error("the document is not of OpenAPI 3.1")
	}
}

func TestTheDocumentHasTheRoutesOfTheMuxAndNoOthers(t *testing.T) {
	var described []string
	for path, item := range specOf(t).doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	served := serve(t, three(), nil).handler.Patterns()
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

// TestTheDocumentHasTheMembersOfTheTypesAndNoOthers finds what was added to one alone.
func TestTheDocumentHasTheMembersOfTheTypesAndNoOthers(t *testing.T) {
	for schema, v := range map[string]any{
		"Info": control.Info{}, "Lane": control.Lane{}, "Source": control.Source{}, "Budget": control.Budget{},
		"Collection": control.Collection{}, "CollectionPage": control.CollectionPage{}, "Failure": control.Failure{}, "Span": control.Span{},
		"Backfill": control.Backfill{}, "Pulled": control.Pulled{}, "SourcePull": control.SourcePull{}, "Position": connector.Position{},
		"Changes": control.Changes{}, "Change": control.Change{}, "Level": control.Level{}, "Event": control.Event{},
		"StateChange": control.StateChange{}, "PullEnded": control.PullEnded{}, "Committed": control.Committed{}, "LogLine": control.LogLine{},
		"Problem": control.Problem{},
	} {
		described := specOf(t).doc.Components.Schemas[schema]
		if described == nil {
			t.Errorf("there is no schema %s", schema)
			continue
		}
		var has, required []string
		for name := range described.Value.Properties {
			has = append(has, name)
		}
		all, always := members(reflect.TypeOf(v))
		required = slices.Sorted(slices.Values(described.Value.Required))
		slices.Sort(has)
		if !slices.Equal(has, all) || !slices.Equal(required, always) {
			t.Errorf("%s: the document has %v and requires %v, the type has %v and always sends %v", schema, has, required, all, always)
		}
	}
	for _, state := range connector.States {
		if !slices.Contains(specOf(t).doc.Components.Schemas["State"].Value.Enum, any(state)) {
			t.Errorf("the document does not have the state %s", state)
		}
	}
}

// members returns the names of a struct's members in JSON, and of those that are always
// there, both sorted.
func members(t reflect.Type) (all, always []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			a, b := members(f.Type)
			all, always = append(all, a...), append(always, b...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		all = append(all, name)
		if options != "omitempty" {
			always = append(always, name)
		}
	}
	slices.Sort(all)
	slices.Sort(always)
	return all, always
}
