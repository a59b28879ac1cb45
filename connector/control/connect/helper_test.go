package connect

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// loopback lets everybody ask who comes by a name of the loopback.
var loopback = control.NewGuard(control.Config{Loopback: true})

// world returns a plane with a collection in each of some states, and its handler.
func world() (*controltest.Plane, http.Handler) {
	gone := controltest.Collection("crm", "gone")
	controltest.Fail(&gone, connector.StateStopped, "its topic was deleted while nothing ran (crm.gone)", "tributary state reset crm.gone --republish")
	flaky := controltest.Collection("crm", "flaky")
	controltest.Fail(&flaky, connector.StateBackoff, "GET /v2/things: 503 Service Unavailable", "")
	fresh := controltest.Collection("crm", "fresh")
	fresh.State, fresh.Cursor = connector.StateRestoring, nil
	p := controltest.New(controltest.Collection("crm", "people"), gone, flaky, fresh)
	return p, NewHandler(p, Config{Guard: loopback, Worker: "here:8083"})
}

func ask(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, sent)
	r.Host = "localhost:8083"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// sameJSON says whether two texts are the same JSON.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Errorf("%v in %s", err, a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

var people = control.Name{Source: "crm", Collection: "people"}
