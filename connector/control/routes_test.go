package control_test

import (
	"testing"
)

func TestEveryRouteAnswersAsTheDocumentHasIt(t *testing.T) {
	h := serve(t, three(), nil)
	const people = "/v1/sources/eu/collections/people"
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/v1/info", "", 200},
		{"GET", "/v1/sources", "", 200},
		{"GET", "/v1/sources/eu", "", 200},
		{"GET", "/v1/collections", "", 200},
		{"GET", people, "", 200},
		{"POST", people + "/pull", "", 200},
		{"POST", people + "/pull", `{"reason":"after-update","timeout":"1m","filter":{"a":1},"projection":["id"],"caller":"crm","affected_collections":["people"]}`, 200},
		{"POST", "/v1/sources/eu/pull", "", 200},
		{"POST", "/v1/sources/eu/pull", `{"collections":["accounts"]}`, 200},
		{"POST", "/v1/sources/eu/push", `{"id":"1"}`, 200},
		{"POST", people + "/pause", "", 200},
		{"POST", people + "/resume", "{}", 200},
		{"POST", people + "/stop", "", 200},
		{"POST", people + "/reset", `{"confirm":"eu.people","republish":true}`, 200},
		{"PUT", people + "/cursor", `{"confirm":"eu.people","instant":"2026-01-02T03:04:05Z"}`, 200},
		{"POST", people + "/restart", "", 202},
		{"POST", people + "/sweep", `{"approve":true}`, 202},
		{"GET", people + "/changes?key=7", "", 200},
		{"POST", people + "/list", `{"filter":null}`, 200},
		{"POST", people + "/aggregate?timeout=1s", `{"operation":"count"}`, 200},
		{"GET", "/v1/log-level", "", 200},
		{"PUT", "/v1/log-level", `{"level":"debug"}`, 200},
		{"GET", "/v1/openapi.yaml", "", 200},
		{"GET", "/v1/openapi.json", "", 200},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			h.t = t
			h.ask(c.method, c.path, c.body).is(c.status)
		})
	}
}

func TestWhatFitsNoRouteIsAProblem(t *testing.T) {
	h := serve(t, three(), nil)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		kind                     string
	}{
		{"a route that is not there", "GET", "/v1/nothing", "", 404, "unknown-route"},
		{"the root of the API", "GET", "/v1", "", 404, "unknown-route"},
		{"a page that is not there", "GET", "/", "", 404, "unknown-route"},
		{"another method", "DELETE", "/v1/info", "", 405, "method"},
		{"a method for asking what there is", "OPTIONS", "/v1/info", "", 405, "method"},
		{"a source that is not there", "GET", "/v1/sources/none", "", 404, "unknown"},
		{"a collection that is not there", "GET", "/v1/sources/eu/collections/none", "", 404, "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			h.ask(c.method, c.path, c.body).problem(c.status, c.kind)
		})
	}
	h.t = t
	if got := h.ask("POST", "/v1/info", "").header.Get("Allow"); got != "GET, HEAD" {
		t.Errorf("Allow is %q", got)
	}
	h.ask("PUT", "/v1/log-level", `{"level":"loud"}`, with("X-Any", "1")).problem(422, "invalid")
	var p struct{ Level string }
	h.ask("GET", "/v1/log-level", "").is(200).into(&p)
	if p.Level != "info" {
		t.Errorf("the level is %q", p.Level)
	}
}
