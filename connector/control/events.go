package control

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writeTime is how long a client may take to read what is written to it. One that takes
// longer comes back and is told what it missed.
const writeTime = 15 * time.Second

// EventTypes are all of them.
var EventTypes = []EventType{EventState, EventPull, EventCommit, EventLane, EventLog}

// A filter says which events somebody wants. Those of the process itself, which have no
// source, are for everybody.
type filter struct {
	sources, collections, types []string
}

func (f *filter) wants(e *Event) bool {
	return f.has(f.types, string(e.Type)) &&
		(e.Source == "" || f.has(f.sources, e.Source)) &&
		(e.Collection == "" || f.has(f.collections, e.Collection))
}

func (f *filter) has(wanted []string, is string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, is)
}

// A stream is one client that listens, in the format of HTML's section 9.2.6.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	run     string        // of the process: numbers of another are of other events
	slow    time.Duration // how long a write may take
	after   uint64
	filter  filter
	buf     bytes.Buffer
}

// events streams what happens until the client goes, is too slow, or Close is called.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	s, p := h.openStream(w, r)
	if p != nil {
		p.write(w)
		return
	}
	if !h.streams.take() {
		tooMany("streams of events", h.cfg.Streams).write(w)
		return
	}
	defer h.streams.leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy of nginx would hold events back
	if r.Method == http.MethodHead {
		return
	}
	for err := s.flush(); err == nil && ctx.Err() == nil; err = s.flush() {
		wait, cancel := context.WithTimeout(ctx, h.cfg.Heartbeat)
		events, lost, err := h.plane.Events().Listen(wait, s.after)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.buf.WriteString(": nothing\n\n")
		default:
			s.put(events, lost)
		}
	}
}

func (h *Handler) openStream(w http.ResponseWriter, r *http.Request) (*stream, *Problem) {
	q := queryOf(r, "source", "collection", "type", "last_event_id")
	var types []string
	for _, t := range EventTypes {
		types = append(types, string(t))
	}
	s := &stream{
		w: w, control: http.NewResponseController(w), slow: h.slow, run: h.plane.Info().Run, after: h.plane.Events().Last(),
		filter: filter{sources: q.words("source", nil), collections: q.words("collection", nil), types: q.words("type", types)},
	}
	last := cmpOr(r.Header.Get("Last-Event-ID"), q.text("last_event_id"))
	if q.err != nil {
		return nil, h.problem(r.Context(), q.err)
	}
	// The id of what comes first lets a client come back to this place even if nothing
	// that it wants has happened.
	hello := map[string]any{"run": s.run, "number": s.after}
	if run, number, ok := strings.Cut(last, "-"); ok {
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, malformed("send the id of an event, or none", "the Last-Event-ID is none of ours")
		}
		if run == s.run && n > s.after {
			return nil, malformed("send the id of an event, or none", "the Last-Event-ID is of no event that there was")
		}
		s.after = n
		if run != s.run {
			s.after, hello["restarted"] = 0, true
		}
		hello["number"] = s.after
	} else if last != "" {
		return nil, malformed("send the id of an event, or none", "the Last-Event-ID is none of ours")
	}
	s.buf.WriteString("retry: 2000\n")
	s.event("hello", s.after, hello)
	return s, nil
}

func (s *stream) put(events []Event, lost uint64) {
	if lost > 0 {
		s.event("lost", s.after+lost, map[string]uint64{"lost": lost})
	}
	for i := range events {
		e := &events[i]
		s.after = e.Number
		if s.filter.wants(e) {
			s.event(string(e.Type), e.Number, e)
		}
	}
}

func (s *stream) event(name string, number uint64, data any) {
	body, err := encode(data) // one line: JSON escapes those within texts
	if err != nil {
		return // an event whose data is no JSON is a fault of whoever told it
	}
	fmt.Fprintf(&s.buf, "id: %s-%d\nevent: %s\ndata: %s\n\n", s.run, number, name, body)
}

// flush writes what there is. An error means that the client has gone or is too slow.
func (s *stream) flush() error {
	if s.buf.Len() == 0 {
		return nil
	}
	s.control.SetWriteDeadline(time.Now().Add(s.slow))
	_, err := s.w.Write(s.buf.Bytes())
	s.buf.Reset()
	if err != nil {
		return err
	}
	return s.control.Flush()
}
