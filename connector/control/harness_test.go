package control_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A harness is a control API that listens on the loopback, over a plane of a test.
type harness struct {
	t       *testing.T
	plane   *controltest.Plane
	handler *control.Handler
	server  *httptest.Server
}

func serve(t *testing.T, plane *controltest.Plane, change func(*control.Config)) *harness {
	t.Helper()
	return serveWith(t, plane, change, func(*http.Server) {})
}

func serveWith(t *testing.T, plane *controltest.Plane, change func(*control.Config), server func(*http.Server)) *harness {
	t.Helper()
	cfg := control.Config{Loopback: true}
	if change != nil {
		change(&cfg)
	}
	h := &harness{t: t, plane: plane, handler: control.NewHandler(plane, cfg)}
	h.server = httptest.NewUnstartedServer(h.handler)
	server(h.server.Config)
	h.server.Start()
	t.Cleanup(func() {
		h.handler.Close()
		h.server.Close()
	})
	return h
}

// three is a plane of three collections of two sources.
func three() *controltest.Plane {
	return controltest.New(controltest.Collection("eu", "people"), controltest.Collection("eu", "accounts"), controltest.Collection("us", "people"))
}

// An answer is what a request got.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// ask sends a request and holds its answer against the OpenAPI document. A body that is
// not "" is sent as JSON.
func (h *harness) ask(method, path, body string, change ...func(*http.Request)) *answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirect is followed
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := &answer{t: h.t, status: resp.StatusCode, header: resp.Header, body: got}
	specOf(h.t).hold(h.t, req, body, a)
	return a
}

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// is fails the test unless the status is this one.
func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status is %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// problem returns the problem of an answer of this status and kind.
func (a *answer) problem(status int, kind string) control.Problem {
	a.t.Helper()
	a.is(status)
	var p control.Problem
	a.into(&p)
	if want := "urn:tributary:problem:" + kind; p.Type != want || p.Status != status || p.Title == "" || p.Detail == "" || p.Remedy == "" {
		a.t.Fatalf("the problem is %s, want type %s and what to do", a.body, want)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("Content-Type of a problem is %q", got)
	}
	return p
}

func (a *answer) into(v any) {
	a.t.Helper()
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

// newRequest and newWriter are for what no connection is needed for.
func newRequest(t testing.TB, method, path, body string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func newWriter() *httptest.ResponseRecorder { return httptest.NewRecorder() }
