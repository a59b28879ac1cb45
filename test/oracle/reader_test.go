package oracle

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// reader is a connector that makes no mistake, in as few lines as it can be had: by
// it one sees whether the oracle calls what is right wrong. It has no crashes and no
// sweeps, and its Kafka is the oracle's own eyes.
type reader struct {
	t        *testing.T
	api      *hostile.API
	o        *Oracle
	between  func() // what happens between two requests
	lookback time.Duration
	tick     time.Duration
	bug      string // the rule that it breaks, if any

	cursor, trailing, seen time.Time
	ledger                 map[string]entry
	doubts                 map[string]time.Time
	seq, offset            int64
}

type entry struct {
	instant time.Time
	content int64
	dead    bool
}

type row struct {
	ID        json.Number
	Ver       int64
	UpdatedAt time.Time  `json:"updated_at"`
	DeletedAt *time.Time `json:"deleted_at"`
}

type sheet struct {
	rows  []row
	next  bool
	total int
	date  time.Time
}

func (r *reader) fetch(from, to time.Time, page int, ids ...string) sheet {
	r.t.Helper()
	r.between()
	q := url.Values{"sort_direction": {"ASC"}, "per_page": {"100"}, "page": {fmt.Sprint(page)}, "include_paging_counts": {"true"}, "ids[]": ids}
	if !from.IsZero() {
		q.Set("updated_at[gte]", from.Format(time.RFC3339Nano))
	}
	if !to.IsZero() {
		q.Set("updated_at[lt]", to.Format(time.RFC3339Nano))
	}
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/people?"+q.Encode(), nil))
	var answer struct {
		Data     []row
		Metadata struct {
			Paging struct {
				Next  *int `json:"next_page"`
				Total int  `json:"total_count"`
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		r.t.Fatal(err)
	}
	date, err := http.ParseTime(w.Header().Get("Date"))
	if err != nil {
		r.t.Fatal(err)
	}
	return sheet{answer.Data, answer.Metadata.Paging.Next != nil, answer.Metadata.Paging.Total, date}
}

func (r *reader) pull() {
	from := r.cursor.Add(-time.Second)
	if !r.seen.IsZero() && r.seen.Add(-time.Second).After(r.cursor) {
		from = r.cursor
	} else if !r.seen.IsZero() {
		from = r.seen.Add(-time.Second)
	}
	if r.cursor.IsZero() {
		from = r.cursor
	}
	r.seen = r.read(from, time.Time{}, true)
	if r.trailing.IsZero() {
		r.trailing = r.seen.Add(-r.lookback)
	}
	date := r.fetch(r.cursor, time.Time{}, 1).date
	if to := date.Add(-r.lookback); r.cursor.Before(to) || to.Sub(r.trailing) >= r.lookback/2 {
		if r.cursor.Before(to) {
			to = r.cursor
		}
		if to.After(r.trailing) && r.bug != "has no trailing pass" {
			r.read(r.trailing, to, false)
			r.trailing = to
			for id, e := range r.ledger {
				if e.dead && !e.instant.Add(r.lookback).After(date) {
					delete(r.ledger, id)
				}
			}
		}
	}
	r.settleDoubts(date)
}

// settleDoubts asks for what is due by id. It has no hard deletions to find.
func (r *reader) settleDoubts(date time.Time) {
	var due []string
	for id, since := range r.doubts {
		if !date.Before(since.Add(r.lookback)) {
			due = append(due, id)
		}
	}
	slices.Sort(due) // a seed is to mean one run
	due = due[:min(len(due), 20)]
	if len(due) == 0 {
		return
	}
	s := r.fetch(time.Time{}, time.Time{}, 1, due...)
	r.publish(s)
	for _, w := range s.rows {
		if e, ok := r.ledger[w.ID.String()]; ok && e.instant.Equal(w.UpdatedAt) {
			delete(r.doubts, w.ID.String())
		}
	}
}

// read reads the instants from a up to to and returns the Date of its first answer.
func (r *reader) read(a, to time.Time, head bool) (first time.Time) {
	a = a.Truncate(r.tick)
	for to.IsZero() || a.Before(to) {
		s := r.fetch(a, to, 1)
		if first.IsZero() {
			first = s.date
		}
		r.publish(s)
		last := a
		for _, w := range s.rows {
			if w.UpdatedAt.After(last) {
				last = w.UpdatedAt
			}
			if head && w.UpdatedAt.After(r.cursor) && !w.UpdatedAt.After(s.date) {
				r.cursor = w.UpdatedAt
			}
		}
		if !s.next {
			return first
		}
		if t := last.Truncate(r.tick); t.After(a) {
			a = t
			continue
		}
		if r.bug != "does not drain" {
			r.drain(a)
		}
		a = a.Add(r.tick)
		if head && a.After(r.cursor) && !a.After(s.date) {
			r.cursor = a
		}
	}
	return first
}

// drain reads one tick by pages until two passes showed the same.
func (r *reader) drain(a time.Time) {
	shown, count := make(map[string]int), -1
	for range 400 {
		pass, total := make(map[string]bool), 0
		for page := 1; ; page++ {
			s := r.fetch(a, a.Add(r.tick), page)
			r.publish(s)
			total = s.total
			for _, w := range s.rows {
				pass[w.ID.String()] = true
			}
			if !s.next {
				break
			}
		}
		if total != count {
			clear(shown)
			count = total
		}
		for id := range pass {
			shown[id]++
		}
		twice := 0
		for _, n := range shown {
			if n > 1 {
				twice++
			}
		}
		switch {
		case len(shown) > count:
			clear(shown)
		case len(shown) == count && twice == count:
			return
		}
	}
	r.t.Fatal("a tie without end")
}

// publish diffs an answer and commits what is new as one batch.
func (r *reader) publish(s sheet) {
	var batch []*kgo.Record
	for i, w := range s.rows {
		if i == len(s.rows)-1 && !s.next && r.bug == "skips the newest of all" {
			break
		}
		if rec := r.diff(w, s.date); rec != nil {
			batch = append(batch, rec)
		}
	}
	if len(batch) == 0 {
		return
	}
	r.seq++
	for i, rec := range batch {
		rec.Offset = r.offset
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: "tributary_batch", Value: fmt.Appendf(nil, "%d.%d.%d", r.seq, i, len(batch))})
		r.offset++
		r.o.see(rec)
	}
}

// diff is the table of the decision: what one row does to the ledger.
func (r *reader) diff(w row, date time.Time) *kgo.Record {
	id, dead := w.ID.String(), w.DeletedAt != nil
	v, _ := r.api.Lookup("people", id, w.Ver)
	next := entry{w.UpdatedAt, v.Content, dead}
	e, known := r.ledger[id]
	since, doubted := r.doubts[id]
	switch {
	case !known && dead:
		if w.UpdatedAt.Add(r.lookback).After(date) {
			r.ledger[id] = next
		}
		return nil
	case !known:
	case w.UpdatedAt.Before(e.instant) && r.bug == "drops what is older":
		return nil
	case w.UpdatedAt.Before(e.instant) && r.bug == "believes what is older":
	case w.UpdatedAt.Before(e.instant) && e.dead && dead:
		return nil
	case w.UpdatedAt.Before(e.instant) && (!doubted || date.Before(since.Add(r.lookback))):
		if !doubted {
			r.doubts[id] = date
		}
		return nil
	case e.dead && dead:
		r.ledger[id] = next
		return nil
	}
	delete(r.doubts, id)
	r.ledger[id] = next
	if dead && r.bug == "leaves no marks" {
		delete(r.ledger, id)
	}
	if known && !dead && !e.dead && e.content == next.content && r.bug != "publishes touches" {
		return nil
	}
	rec := &kgo.Record{Topic: "t", Key: []byte(id), Value: v.Body}
	header := func(name, value string) {
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	for _, name := range []string{"ce_id", "ce_type", "ce_source", "ce_subject"} {
		header(name, "x")
	}
	header("ce_specversion", "1.0")
	header("ce_time", w.UpdatedAt.Format(time.RFC3339Nano))
	if dead {
		rec.Value = nil
		return rec
	}
	header("content-type", "application/json")
	header("tributary_digest", digest(v.Body))
	header("tributary_hash", fmt.Sprintf("1.%032x", v.Content))
	return rec
}
