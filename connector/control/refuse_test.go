package control_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

const people = "/v1/sources/eu/collections/people"

func TestWhatCannotBeMeantIsRefusedAndNothingIsDone(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		kind, says               string
	}{
		{"a body that is no JSON", "POST", people + "/pull", "reason=manual", 400, "malformed", "at byte 0"},
		{"a body that ends early", "POST", people + "/pull", `{"reason":"manual"`, 400, "malformed", "not JSON"},
		{"a body with something behind it", "POST", people + "/pull", `{} {}`, 400, "malformed", "not JSON"},
		{"a member twice", "POST", people + "/pull", `{"reason":"manual","reason":"manual"}`, 400, "malformed", "not JSON"},
		{"a list", "POST", people + "/pull", `[]`, 400, "malformed", "not what is expected"},
		{"null", "POST", people + "/reset", `null`, 422, "invalid", "not confirmed"},
		{"an unknown member", "POST", people + "/pull", `{"resaon":"manual"}`, 400, "malformed", "/resaon"},
		{"a member in another case", "POST", people + "/pull", `{"Reason":"manual"}`, 400, "malformed", "/Reason"},
		{"a member of another type", "POST", people + "/sweep", `{"approve":"yes"}`, 400, "malformed", "/approve"},
		{"a member of a body that has none", "POST", people + "/pause", `{"for":"1h"}`, 400, "malformed", "/for"},
		{"a body of what is only looked at", "GET", "/v1/info", `{}`, 400, "malformed", "has no body"},
		{"a reason that is none", "POST", people + "/pull", `{"reason":"because"}`, 422, "invalid", `"because"`},
		{"a reason of the connector's own", "POST", people + "/pull", `{"reason":"schedule"}`, 422, "invalid", `"schedule"`},
		{"an empty reason", "POST", people + "/pull", `{"reason":""}`, 422, "invalid", `""`},
		{"a timeout that is none", "POST", people + "/pull", `{"timeout":"soon"}`, 422, "invalid", `"soon"`},
		{"a timeout of nothing", "POST", people + "/pull", `{"timeout":"0s"}`, 422, "invalid", `"0s"`},
		{"a timeout that is too long", "POST", people + "/pull", `{"timeout":"11m"}`, 422, "invalid", `"11m"`},
		{"a timeout for a list", "POST", people + "/list?timeout=1h", `{}`, 422, "invalid", `"1h"`},
		{"an affected collection that is not there", "POST", people + "/pull", `{"affected_collections":["peeple"]}`, 422, "invalid", `"peeple"`},
		{"collections for the pull of one", "POST", people + "/pull", `{"collections":["people"]}`, 422, "invalid", "collections"},
		{"a pull of collections that are not there", "POST", "/v1/sources/eu/pull", `{"collections":["peeple"]}`, 422, "invalid", `"peeple"`},
		{"a pull of what is not there", "POST", "/v1/sources/eu/collections/peeple/pull", "", 404, "unknown", "eu.peeple"},
		{"a pull of a source that is not there", "POST", "/v1/sources/uk/pull", "", 404, "unknown", `"uk"`},
		{"a list of nothing", "POST", people + "/list", "", 400, "malformed", "no body"},
		{"a list by a text", "POST", people + "/list", `"all"`, 400, "malformed", "no JSON object"},
		{"a push of two objects", "POST", "/v1/sources/eu/push", "{}\n{}", 400, "malformed", "not JSON"},
		{"a push of half an object", "POST", "/v1/sources/eu/push", `{"id":`, 400, "malformed", "not JSON"},
		{"a reset that is not confirmed", "POST", people + "/reset", `{"republish":true}`, 422, "invalid", "not confirmed"},
		{"a reset that is confirmed for another", "POST", people + "/reset", `{"confirm":"eu.accounts"}`, 422, "invalid", "not confirmed"},
		{"a cursor that is not confirmed", "PUT", people + "/cursor", `{"instant":"beginning"}`, 422, "invalid", "not confirmed"},
		{"a log level that is none", "PUT", "/v1/log-level", `{"level":"loud"}`, 422, "invalid", `"loud"`},
		{"no log level", "PUT", "/v1/log-level", "", 422, "invalid", `""`},
		{"a key that is missing", "GET", people + "/changes", "", 400, "malformed", "key is missing"},
		{"too many changes", "GET", people + "/changes?key=7&limit=101", "", 400, "malformed", `"101"`},
		{"an unknown parameter", "GET", "/v1/collections?serach=a", "", 400, "malformed", `"serach"`},
		{"a parameter twice", "GET", "/v1/collections?search=a&search=b", "", 400, "malformed", "2 times"},
		{"a query that is none", "GET", "/v1/collections?search=%zz", "", 400, "malformed", "cannot be read"},
		{"a state that is none", "GET", "/v1/collections?state=running,runing", "", 400, "malformed", `"runing"`},
		{"an order that is none", "GET", "/v1/collections?sort=size", "", 400, "malformed", `"size"`},
		{"a limit of nothing", "GET", "/v1/collections?limit=0", "", 400, "malformed", `"0"`},
		{"a limit that is too large", "GET", "/v1/collections?limit=1001", "", 400, "malformed", `"1001"`},
		{"an offset below the first", "GET", "/v1/collections?offset=-1", "", 400, "malformed", `"-1"`},
		{"a truth that is none", "GET", "/v1/collections?descending=1", "", 400, "malformed", `"1"`},
		{"an id of an event that is none", "GET", "/v1/events?last_event_id=abc", "", 400, "malformed", "Last-Event-ID"},
		{"an id of an event without its number", "GET", "/v1/events?last_event_id=abc-", "", 400, "malformed", "Last-Event-ID"},
		{"an id of an event that is yet to come", "GET", "/v1/events?last_event_id=0123456789abcdef-9999", "", 400, "malformed", "no event that there was"},
		{"a type of events that is none", "GET", "/v1/events?type=stat", "", 400, "malformed", `"stat"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := serve(t, three(), nil)
			p := h.ask(c.method, c.path, c.body).problem(c.status, c.kind)
			if !strings.Contains(p.Detail, c.says) {
				t.Errorf("the detail is %q, without %q", p.Detail, c.says)
			}
			if p.Remedy == "" {
				t.Errorf("there is no remedy: %+v", p)
			}
			if calls := h.plane.Calls(); len(calls) > 0 {
				t.Errorf("it was done all the same: %q", calls)
			}
		})
	}
}

func TestABodyIsJSONAndNotLargerThanItsBound(t *testing.T) {
	h := serve(t, three(), nil)
	form := with("Content-Type", "application/x-www-form-urlencoded")
	h.ask("POST", people+"/pause", "a=b", form).problem(415, "media-type")
	h.ask("POST", people+"/pause", "{}", with("Content-Type", "text/plain")).problem(415, "media-type")
	h.ask("POST", people+"/pause", "{}", with("Content-Encoding", "gzip")).problem(415, "media-type")
	h.ask("POST", people+"/pause", "{}", with("Content-Type", "application/json; charset=utf-8")).is(200)
	long := `{"caller":"` + strings.Repeat("x", 1<<20) + `"}`
	h.ask("POST", people+"/pull", long).problem(413, "too-large")
	h.ask("POST", "/v1/sources/eu/push", `{"id":"1","next_state":"`+strings.Repeat("x", 1<<20)+`"}`).is(200)
	h.ask("POST", "/v1/sources/eu/push", `{"a":"`+strings.Repeat("x", 32<<20)+`"}`).problem(413, "too-large")
}

func TestErrorsOfAPlaneHaveTheirStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{&control.Error{Kind: control.Unknown, Detail: "no such thing", Remedy: "look"}, 404, "unknown"},
		{&control.Error{Kind: control.Invalid, Detail: "cannot be", Remedy: "say otherwise"}, 422, "invalid"},
		{&control.Error{Kind: control.Conflict, Detail: "not so", Remedy: "stop it"}, 409, "conflict"},
		{&control.Error{Kind: control.Unavailable, Detail: "acquiring", Remedy: "wait"}, 503, "unavailable"},
		{&control.Error{Kind: control.Failed, Detail: "the API answered 500", Remedy: "ask it"}, 502, "failed"},
		{&control.Error{Kind: control.TooLate, Detail: "not yet", Remedy: "wait"}, 504, "too-late"},
		{errors.New("a secret of the inside"), 500, "internal-error"},
	} {
		plane := three()
		plane.OnOperate = func(string, control.Name) error { return c.err }
		h := serve(t, plane, nil)
		a := h.ask("POST", people+"/pause", "")
		p := a.problem(c.status, c.kind)
		var e *control.Error
		switch {
		case errors.As(c.err, &e) && (p.Detail != e.Detail || p.Remedy != e.Remedy):
			t.Errorf("%v: the problem is %+v", c.err, p)
		case e == nil && strings.Contains(p.Detail, "secret"):
			t.Errorf("what is no error of a plane is shown: %+v", p)
		}
		if got := a.header.Get("Retry-After"); (got != "") != (c.status == 503) {
			t.Errorf("%v: Retry-After is %q", c.err, got)
		}
	}
}

func TestAResetWantsAStop(t *testing.T) {
	h := serve(t, three(), nil)
	const confirmed = `{"confirm":"eu.people"}`
	h.ask("POST", people+"/reset", confirmed).problem(409, "conflict")
	h.ask("POST", people+"/stop", "").is(200)
	var c control.Collection
	h.ask("POST", people+"/reset", confirmed).is(200).into(&c)
	if c.Cursor != nil || c.Hold != control.HoldStopped {
		t.Errorf("after the reset it is %+v", c)
	}
}

func TestAFaultOfOursIsAProblemToo(t *testing.T) {
	plane := three()
	plane.OnOperate = func(string, control.Name) error { panic("a fault") }
	h := serve(t, plane, nil)
	h.ask("POST", people+"/pause", "").problem(500, "internal-error")
	h.ask("GET", people, "").is(200)
	plane.OnPull = func(context.Context, control.Name, connector.Reason) (control.Pulled, error) { panic("a fault") }
	h.ask("POST", people+"/pull", "").problem(500, "internal-error")
	h.ask("POST", people+"/pull", "", key("a")).problem(500, "internal-error")
	h.ask("POST", "/v1/sources/eu/pull", "").problem(500, "internal-error")
}

func TestHalfABodyIsRefused(t *testing.T) {
	h := serve(t, three(), nil)
	conn, err := net.Dial("tcp", h.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST " + people + "/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}")); err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if calls := h.plane.Calls(); resp.StatusCode != 400 || len(calls) > 0 {
		t.Errorf("half a body was answered with %d, and done was %q", resp.StatusCode, calls)
	}
}

func TestAHeadHasNoBody(t *testing.T) {
	h := serve(t, controltest.New(), nil)
	resp, err := http.Head(h.server.URL + "/v1/collections")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status is %d", resp.StatusCode)
	}
	resp, err = http.Head(h.server.URL + "/v1/events") // ends, though it streams
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// TestOfABodyThatDoesNotComeWholeNothingIsWaitedFor: the server reads the rest of a body
// before it answers, and for that the deadline of the body must stand.
func TestOfABodyThatDoesNotComeWholeNothingIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct{ path, head, body, status string }{
		"one that stalls":                  {people + "/pull", "Content-Length: 100", `{"reason"`, "400"},
		"chunks that stall":                {people + "/pull", "Transfer-Encoding: chunked", "2\r\n{}\r\n", "400"},
		"one that is too large and stalls": {people + "/pull", "Transfer-Encoding: chunked", "100001\r\n" + strings.Repeat(" ", 1<<20+1) + "\r\n", "4"}, // 400 where it came too slowly
		"a push that stalls":               {"/v1/sources/eu/push", "Content-Length: 100", `{"id"`, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, three(), nil)
			h.handler.SetBodies(100 * time.Millisecond)
			conn, err := net.Dial("tcp", h.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+c.head+"\r\n\r\n"+c.body)
			answer, err := io.ReadAll(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the connection stays open")
			}
			// Of a connection that is closed before all that was sent is read the answer is lost.
			if !strings.HasPrefix(string(answer), "HTTP/1.1 "+c.status) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("it was answered %.40q, %v", answer, err)
			}
		})
	}
}
