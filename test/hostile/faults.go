package hostile

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// fault is what happens to one request instead of, or on top of, its answer.
type fault struct {
	name  string
	early bool // it needs no answer
	pick  int  // which of its kinds
}

// drawFault draws at most one fault. The caller holds the lock.
func (a *API) drawFault() fault {
	h := a.hostility
	for _, f := range []struct {
		p     float64
		name  string
		early bool
	}{
		{h.Throttle, "throttled", true}, {h.ServerError, "server_error", true}, {h.HTML, "html", true},
		{h.Hang, "hang", true}, {h.Reset, "reset", true},
		{h.CutBody, "cut_body", false}, {h.SecondDocument, "second_document", false},
	} {
		if !a.chance(f.p) {
			continue
		}
		if f.early { // the others have fired only when there is a body to spoil
			a.fired[f.name]++
		}
		return fault{f.name, f.early, a.rng.IntN(12)}
	}
	return fault{}
}

// refuse serves the faults that need no answer.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, f fault, h Hostility) {
	switch f.name {
	case "throttled":
		retryAfter(w, f.pick%3, h.RetryAfter, a.Now())
		fail(w, http.StatusTooManyRequests, `{"error":"API rate limit exceeded"}`)
	case "server_error":
		switch f.pick % 4 {
		case 0:
			fail(w, http.StatusInternalServerError, `{"error":"internal server error"}`)
		case 1:
			html(w, http.StatusBadGateway, "502 Bad Gateway")
		case 2:
			fail(w, http.StatusServiceUnavailable, "")
		case 3:
			retryAfter(w, f.pick%2, h.RetryAfter, a.Now())
			fail(w, http.StatusServiceUnavailable, `{"error":"maintenance"}`)
		}
	case "html":
		html(w, http.StatusOK, "Please log in")
	case "hang":
		sleep(r, h.HangFor)
		panic(http.ErrAbortHandler)
	case "reset":
		reset(w)
	}
}

// retryAfter sets the header in seconds, as a date, or not at all. Both round up, so
// that a client that waits as told is never early.
func retryAfter(w http.ResponseWriter, kind int, d time.Duration, now time.Time) {
	seconds := int((d + time.Second - 1) / time.Second)
	switch kind {
	case 0:
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	case 1:
		w.Header().Set("Retry-After", now.Add(d+time.Second-1).UTC().Format(http.TimeFormat))
	}
}

func fail(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that has gone is no concern of the API
}

func html(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!DOCTYPE html><html><head><title>" + title + "</title></head><body>" + title + "</body></html>\n"))
}

// reset ends the connection with RST where there is one to reset.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it, closing is an orderly end
	}
	_ = conn.Close()
}

// send writes a page, spoilt if the fault is one that spoils it.
func send(w http.ResponseWriter, body []byte, f fault) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch f.name {
	case "cut_body":
		half := body[:len(body)/2]
		if f.pick%2 == 0 {
			_, _ = w.Write(half) // well framed, so that only the JSON tells
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(half)
		panic(http.ErrAbortHandler)
	case "second_document":
		body = append(body, "\n{\"data\":[],\"metadata\":{}}"...)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// sleep waits for d, or until the client has gone.
func sleep(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}
