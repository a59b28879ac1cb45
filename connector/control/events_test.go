package control_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// A listener reads a stream of events as HTML's section 9.2.6 has it.
type listener struct {
	t    *testing.T
	body *bufio.Reader
	stop func()
}

// A message is one event as it was sent, or a comment.
type message struct{ id, event, data, comment string }

func (h *harness) listen(query, last string) *listener {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", h.server.URL+"/v1/events"+query, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" {
		h.t.Fatalf("status is %d, Content-Type %q", resp.StatusCode, got)
	}
	stop := func() {
		cancel()
		resp.Body.Close()
	}
	h.t.Cleanup(stop)
	return &listener{h.t, bufio.NewReader(resp.Body), stop}
}

func (l *listener) next() (m message, err error) {
	for {
		line, err := l.body.ReadString('\n')
		if err != nil {
			return m, err
		}
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "":
			if m != (message{}) {
				return m, nil
			}
			m.comment = value
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "retry":
		default:
			l.t.Fatalf("a line of no kind: %q", line)
		}
	}
}

// want reads messages up to the next event, which has this type.
func (l *listener) want(event string) message {
	l.t.Helper()
	for {
		m, err := l.next()
		if err != nil {
			l.t.Fatalf("waiting for %s: %v", event, err)
		}
		if m.event == "" {
			continue // a comment
		}
		if m.event != event {
			l.t.Fatalf("got %+v, want %s", m, event)
		}
		if event != "hello" && event != "lost" {
			specOf(l.t).fits(l.t, "Event", []byte(m.data))
		}
		return m
	}
}

func (m message) has(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(m.data, part) {
			t.Errorf("%s has no %s", m.data, part)
		}
	}
}

var euPeople = control.Name{Source: "eu", Collection: "people"}

func tellAll(plane *controltest.Plane) {
	tell := func(t control.EventType, n control.Name, data any) {
		plane.Events().Tell(control.Event{Type: t, Source: n.Source, Collection: n.Collection, Data: data})
	}
	tell(control.EventState, euPeople, control.StateChange{From: "running", To: "backoff", Why: "503\nand more"})
	tell(control.EventPull, euPeople, control.PullEnded{Reasons: []string{"manual"}, Seconds: 1, Error: "503"})
	tell(control.EventCommit, control.Name{Source: "us", Collection: "people"}, control.Committed{Upserts: 3})
	tell(control.EventLane, control.Name{}, control.Lane{Number: 1, Acquired: true})
	tell(control.EventLog, control.Name{}, control.LogLine{Level: "warn", Message: "a line"})
}

func TestWhatHappensIsStreamed(t *testing.T) {
	h := serve(t, three(), nil)
	l := h.listen("", "")
	hello := l.want("hello")
	hello.has(t, `"run":"0123456789abcdef"`, `"number":0`)
	tellAll(h.plane)
	for i, want := range []string{"state", "pull", "commit", "lane", "log"} {
		m := l.want(want)
		m.has(t, fmt.Sprintf(`"number":%d`, i+1))
		if m.id != fmt.Sprintf("0123456789abcdef-%d", i+1) {
			t.Errorf("the id is %q", m.id)
		}
	}
}

func TestOnlyWhatIsWantedIsStreamed(t *testing.T) {
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"?source=eu", []string{"state", "pull", "lane", "log"}}, // those of the process too
		{"?source=us", []string{"commit", "lane", "log"}},
		{"?collection=people", []string{"state", "pull", "commit", "lane", "log"}},
		{"?collection=accounts", []string{"lane", "log"}},
		{"?type=state,commit", []string{"state", "commit"}},
		{"?type=state&type=lane&source=us", []string{"lane"}},
	} {
		h := serve(t, three(), nil)
		l := h.listen(c.query, "")
		l.want("hello")
		tellAll(h.plane)
		for _, want := range c.want {
			l.want(want)
		}
		l.stop()
	}
}

func TestWhoComesBackGetsWhatHeMissed(t *testing.T) {
	h := serve(t, three(), nil)
	l := h.listen("", "")
	id := l.want("hello").id
	l.stop()
	tellAll(h.plane)
	l = h.listen("", id)
	l.want("hello")
	l.want("state")
	id = l.want("pull").id
	l.stop()
	h.listen("?last_event_id="+id, "").want("hello")
	l = h.listen("", id)
	l.want("hello")
	l.want("commit")
}

func TestWhatIsTooLongAgoIsCounted(t *testing.T) {
	h := serve(t, three(), nil)
	for range 5000 {
		h.plane.Events().Tell(control.Event{Type: control.EventCommit, Data: control.Committed{}})
	}
	l := h.listen("", "0123456789abcdef-10")
	l.want("hello")
	l.want("lost").has(t, `{"lost":894}`) // 5000 less those kept, less those that were seen
	l.want("commit").has(t, `"number":905`)
}

func TestWhoComesBackToAnotherProcessIsToldSo(t *testing.T) {
	h := serve(t, three(), nil)
	tellAll(h.plane)
	l := h.listen("", "fedcba9876543210-3")
	l.want("hello").has(t, `"restarted":true`)
	l.want("state").has(t, `"number":1`)
}

func TestASilentStreamHasAHeartbeat(t *testing.T) {
	h := serve(t, three(), func(c *control.Config) { c.Heartbeat = time.Millisecond })
	l := h.listen("", "")
	l.want("hello")
	for range 3 {
		if m, err := l.next(); err != nil || m.comment == "" {
			t.Fatalf("no heartbeat: %+v, %v", m, err)
		}
	}
}

func TestStreamsEndWithTheServerAndTheirNumberIsBounded(t *testing.T) {
	h := serve(t, three(), func(c *control.Config) { c.Streams = 2 })
	a, b := h.listen("", ""), h.listen("", "")
	a.want("hello")
	b.want("hello")
	h.ask("GET", "/v1/events", "").problem(503, "too-many")
	h.handler.Close()
	for _, l := range []*listener{a, b} {
		if m, err := l.next(); err != io.EOF {
			t.Errorf("the stream did not end: %+v, %v", m, err)
		}
	}
}

// TestWhoDoesNotReadIsLetGo and holds up nobody else meanwhile.
func TestWhoDoesNotReadIsLetGo(t *testing.T) {
	h := serve(t, three(), func(c *control.Config) { c.Streams = 2 })
	h.handler.SetSlow(200 * time.Millisecond)
	slow, err := net.Dial("tcp", h.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	slow.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(slow, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r := bufio.NewReaderSize(slow, 16)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	l := h.listen("?type=state", "")
	l.want("hello")
	long := strings.Repeat("x", 64<<10)
	for range 500 { // more than any buffer between
		h.plane.Events().Tell(control.Event{Type: control.EventLog, Data: control.LogLine{Level: "warn", Message: long}})
	}
	tellAll(h.plane)
	l.want("state")
	// Its place is free again as soon as its time was over.
	for range 1000 {
		resp, err := http.Get(h.server.URL + "/v1/events?type=lane")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == 200 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("who does not read keeps his place")
}

// TestAStreamOutlivesTheDeadlineOfItsServer as a pull does.
func TestAStreamOutlivesTheDeadlineOfItsServer(t *testing.T) {
	h := serveWith(t, three(), func(c *control.Config) { c.Heartbeat = 100 * time.Millisecond }, func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond })
	l := h.listen("", "")
	l.want("hello")
	for range 10 {
		if _, err := l.next(); err != nil {
			t.Fatal(err)
		}
	}
	tellAll(h.plane)
	l.want("state")
}
