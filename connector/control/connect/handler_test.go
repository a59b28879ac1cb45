package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// TestErrorsOfThePlaneHaveTheCodesThatClientsActOn: who gets 409 tries again.
func TestErrorsOfThePlaneHaveTheCodesThatClientsActOn(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{&control.Error{Kind: control.Unknown, Detail: "there is none"}, 404, "there is none"},
		{&control.Error{Kind: control.Invalid, Detail: "not so", Remedy: "do it so"}, 400, "not so; do it so"},
		{&control.Error{Kind: control.Conflict, Detail: "it is a handler's"}, 400, "it is a handler's"},
		{&control.Error{Kind: control.Unavailable, Detail: "lane 3 is being acquired"}, 409, "lane 3 is being acquired"},
		{&control.Error{Kind: control.Failed, Detail: "the API answers 503"}, 500, "the API answers 503"},
		{&control.Error{Kind: control.TooLate, Detail: "not within 20s"}, 500, "not within 20s"},
		{context.DeadlineExceeded, 500, "Request timed out: what was begun goes on"},
		{errors.New("what is not to be seen"), 500, "the request met a fault of the connector, whose log says more"},
	} {
		p, h := world()
		p.OnOperate = func(string, control.Name) error { return c.err }
		w := ask(h, "PUT", "/connectors/crm.people/pause", "")
		call{code: c.code, want: fmt.Sprintf(`{"error_code":%d,"message":%q}`, c.code, c.text)}.check(t, w.Code, w.Body.String())
	}
}

// TestHealthIsThatOfTheLanes says that a worker starts while one is acquired.
func TestHealthIsThatOfTheLanes(t *testing.T) {
	p, h := world()
	p.SetInfo(func(i *control.Info) { i.Lanes = append(i.Lanes, control.Lane{Number: 3}) })
	w := ask(h, "GET", "/health", "")
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"status":"starting"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestNamesWithDotsAreFound: SOURCE.COLLECTION does not say which dot it is.
func TestNamesWithDotsAreFound(t *testing.T) {
	h := NewHandler(controltest.New(controltest.Collection("crm.eu", "v2.people"), controltest.Collection("crm", "people")), Config{Guard: loopback})
	for name, code := range map[string]int{"crm.eu.v2.people": 200, "crm.people": 200, "crm%2Epeople": 200, "crm": 404, "people": 404, "crm.": 404, ".people": 404} {
		if w := ask(h, "GET", "/connectors/"+name+"/config", ""); w.Code != code {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestNoCredentialIsShown puts some where an address may have them.
func TestNoCredentialIsShown(t *testing.T) {
	p, h := world()
	p.SetSource("crm", func(s *control.Source) { s.URL = "https://user:canary-a@crm.example/v2?key=canary-b#canary-c" })
	for _, path := range []string{"/connectors?expand=info&expand=status", "/connectors/crm.people", "/connectors/crm.people/config", "/connectors/crm.people/tasks"} {
		w := ask(h, "GET", path, "")
		if strings.Contains(w.Body.String(), "canary") || !strings.Contains(w.Body.String(), `"url":"https://crm.example/v2"`) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	p.SetSource("crm", func(s *control.Source) { s.URL = "://canary" })
	if w := ask(h, "GET", "/connectors/crm.people/config", ""); strings.Contains(w.Body.String(), "canary") {
		t.Error(w.Body)
	}
}

// FuzzRequests sends any request: each is answered with JSON or nothing, and never with a
// fault.
func FuzzRequests(f *testing.F) {
	f.Add("GET", "/connectors/crm.people", "")
	f.Add("PATCH", "/connectors/crm.people/offsets", cursor)
	f.Add("PUT", "/connector-plugins/Source/config/validate", `{"name":7}`)
	f.Add("PUT", "/admin/loggers/root?scope=cluster", `{"level":"WARN"}`)
	f.Add("GET", "/connectors//crm.people/", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		_, h := world()
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		u, err := r.URL.Parse(path)
		if err != nil || method == "" || method == "CONNECT" {
			t.Skip()
		}
		r.Method, r.URL, r.Host = method, u, "localhost"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		redirected := w.Code == 301 || w.Code == 307 || w.Code == 308
		if w.Code >= 500 || !redirected && w.Body.Len() > 0 && w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
