package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// handler answers one request: with a document, or by itself and nil.
type handler func(q *question) any

// question is a request, with what is wrong with it so far.
type question struct {
	s     *Store
	w     http.ResponseWriter
	r     *http.Request
	query url.Values
	body  []byte
	bad   string
}

// serve routes by method and pattern of http.ServeMux, sets the clock's Date, and refuses
// what no handler takes or a handler finds wrong.
func serve(s *Store, routes map[string]handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			q := &question{s: s, w: w, r: r}
			var err error
			if q.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
				q.wrong("%v", err)
			}
			if q.body, err = io.ReadAll(r.Body); err != nil {
				return
			}
			answer := h(q)
			switch {
			case q.bad != "":
				s.wrong(w, r, "%s; body %s", q.bad, q.body)
			case answer != nil:
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(answer) // a reader may hang up
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		before := s.before
		s.mu.Unlock()
		if before != nil {
			before()
		}
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
		if _, pattern := mux.Handler(r); pattern == "" {
			s.wrong(w, r, "there is no such endpoint")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (q *question) wrong(format string, args ...any) {
	if q.bad == "" {
		q.bad = fmt.Sprintf(format, args...)
	}
}

// only refuses query parameters other than these.
func (q *question) only(names ...string) {
	for name, values := range q.query {
		if !slices.Contains(names, name) || len(values) != 1 {
			q.wrong("parameter %q is unknown, or stands there %d times", name, len(values))
		}
	}
}

// must refuses a parameter that is not this.
func (q *question) must(name, value string) {
	if got := q.query.Get(name); got != value {
		q.wrong("parameter %s is %q, want %q", name, got, value)
	}
}

// header refuses a request without this header.
func (q *question) header(name, value string) {
	if got := q.r.Header.Get(name); got != value {
		q.wrong("header %s is %q, want %q", name, got, value)
	}
}

// int reads a parameter that may be absent.
func (q *question) int(name string, absent, least, most int) int {
	text := q.query.Get(name)
	if text == "" {
		return absent
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.wrong("parameter %s is %q, want %d to %d", name, text, least, most)
	}
	return n
}

// time reads an instant, in a layout; absent is the zero time.
func (q *question) time(what, layout, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		q.wrong("%s is %q, want the form %s", what, text, layout)
	}
	return t
}

// unix reads an instant in whole seconds; absent is the zero time.
func (q *question) unix(name string) time.Time {
	if q.query.Get(name) == "" {
		return time.Time{}
	}
	return time.Unix(int64(q.int(name, 0, 0, 1<<33)), 0).UTC()
}

// decode reads the body, in which every member must be known.
func (q *question) decode(into any) {
	d := json.NewDecoder(strings.NewReader(string(q.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		q.wrong("body: %v", err)
	}
}

// status answers with a status and a document.
func (q *question) status(code int, document string) any {
	http.Error(q.w, document, code)
	return nil
}

// id reads the record's id in the path.
func (q *question) id() int {
	n, err := strconv.Atoi(q.r.PathValue("id"))
	if err != nil {
		q.wrong("id %q is no number", q.r.PathValue("id"))
	}
	return n
}

// document is JSON by its members.
type document = map[string]any

// each renders rows.
func each(rows []Row, render func(Row) document) []document {
	out := make([]document, len(rows))
	for i, r := range rows {
		out[i] = render(r)
	}
	return out
}

// slice cuts a page out of rows, and says whether more follow.
func slice(rows []Row, from, size int) (page []Row, more bool) {
	from = min(from, len(rows))
	to := min(from+size, len(rows))
	return rows[from:to], to < len(rows)
}

const seconds = "2006-01-02T15:04:05Z"
const millis = "2006-01-02T15:04:05.000Z"
