//go:build unix

package main

import (
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// recordSize is that of every record in bytes, so that any run of records is one
	// slice of one buffer and an answer costs the API three writes: what is measured
	// is the reader.
	recordSize = 775
	stride     = recordSize + 1 // and the comma after it
	maxPerPage = 100
	// firstID makes every id as wide as the others.
	firstID     = 1_000_000_000
	stampLayout = "2006-01-02T15:04:05.000000Z"
)

// api answers for one collection, in the manner of Salesloft: GET …/people with bounds
// on updated_at, ascending, by page. Its methods are safe for concurrent use.
type api struct {
	mu      sync.RWMutex
	body    []byte  // the records, oldest first; what is written never changes
	stamps  []int64 // their updated_at in microseconds, strictly ascending
	visible []time.Time

	// asked is when the first request since the last reset came.
	asked atomic.Pointer[time.Time]
}

// newBackfillAPI returns an API with n records of the past.
func newBackfillAPI(n int) *api {
	a := &api{body: make([]byte, 0, n*stride), stamps: make([]int64, 0, n)}
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for i := range n {
		// Odd steps, so that the stamps are not all on whole seconds.
		a.add(at + int64(i)*100_003)
	}
	return a
}

// publish makes one more record visible, with the time of now for its stamp.
func (a *api) publish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	at := now.UnixMicro()
	if n := len(a.stamps); n > 0 && at <= a.stamps[n-1] {
		at = a.stamps[n-1] + 1
	}
	a.add(at)
	// Taken before the lock is given back: a latency is rather too long than too short.
	a.visible = append(a.visible, now)
}

func (a *api) add(at int64) {
	a.body = appendRecord(a.body, firstID+len(a.stamps), at)
	a.body = append(a.body, ',')
	a.stamps = append(a.stamps, at)
}

// visibleAt returns when a published record became visible.
func (a *api) visibleAt(i int) time.Time {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.visible[i]
}

func (a *api) reset() { a.asked.Store(nil) }

// words make text that compresses about as CRM notes do; a filler of one letter would
// make every producer look faster than it is.
var words = strings.Fields(`account call demo email follow up pricing renewal legal
	security review budget quarter owner champion intro deck contract trial pilot meeting
	next step send ask about team size tool stack vendor region plan upgrade churn risk`)

// appendRecord appends exactly recordSize bytes.
func appendRecord(b []byte, id int, at int64) []byte {
	start := len(b)
	stamp := time.UnixMicro(at).UTC().Format(stampLayout)
	b = fmt.Appendf(b, `{"id":%d,"created_at":"2024-06-01T09:00:00.000000Z","updated_at":%q,`+
		`"first_name":"Given%d","last_name":"Family%d","email_address":"p%d@example.com",`+
		`"title":"Head of %s","do_not_contact":false,"owner":{"id":%d},"notes":"`,
		id, stamp, id%997, id%7919, id, words[id%len(words)], id%211)
	const tail = `"}`
	for x := uint32(id)*2654435761 + 1; len(b)-start < recordSize-len(tail); {
		x = x*1664525 + 1013904223
		b = append(append(b, words[x>>16%uint32(len(words))]...), ' ')
	}
	return append(b[:start+recordSize-len(tail)], tail...)
}

// ServeHTTP answers a list request. Names that it does not know it ignores, as the
// real one does; values that it cannot read it refuses with 422.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.asked.Load() == nil {
		now := time.Now()
		a.asked.CompareAndSwap(nil, &now)
	}
	path := strings.TrimSuffix(r.URL.Path, ".json")
	if r.Method != http.MethodGet || !strings.HasSuffix(path, "/people") {
		http.Error(w, `{"error":"not found"}`, http.StatusNotFound)
		return
	}
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"errors":{"query":[%q]}}`, err.Error()), http.StatusUnprocessableEntity)
		return
	}
	a.mu.RLock()
	body, stamps := a.body, a.stamps
	a.mu.RUnlock()

	records, metadata := q.answer(body, stamps)
	const head, middle = `{"data":[`, `],"metadata":`
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+len(records)+len(middle)+len(metadata)+1))
	// An error here is a reader that hung up.
	w.Write([]byte(head))
	w.Write(records)
	w.Write([]byte(middle + metadata + "}"))
}

// answer returns the page's records, separated by commas, and its metadata.
func (q query) answer(body []byte, stamps []int64) (records []byte, metadata string) {
	lo := sort.Search(len(stamps), func(i int) bool { return stamps[i] >= q.from })
	hi := sort.Search(len(stamps), func(i int) bool { return stamps[i] >= q.to })
	if q.ids != nil {
		records, lo, hi = q.byID(body, len(stamps))
	} else {
		first := min(lo+(q.page-1)*q.perPage, max(lo, hi))
		last := min(first+q.perPage, max(lo, hi))
		if first < last {
			records = body[first*stride : last*stride-1]
		}
		if last < hi {
			return records, q.metadata(strconv.Itoa(q.page+1), hi-lo)
		}
	}
	return records, q.metadata("null", max(0, hi-lo))
}

// byID returns the records that were asked for by id, and a range as long as they are many.
func (q query) byID(body []byte, n int) (records []byte, lo, hi int) {
	for _, id := range q.ids {
		if i := id - firstID; i >= 0 && i < n {
			records = append(records, body[i*stride:(i+1)*stride]...)
			hi++
		}
	}
	return records[:max(0, len(records)-1)], 0, hi
}

func (q query) metadata(next string, total int) string {
	counts := ""
	if q.counts {
		counts = fmt.Sprintf(`,"total_pages":%d,"total_count":%d`, (total+q.perPage-1)/q.perPage, total)
	}
	prev := "null"
	if q.page > 1 {
		prev = strconv.Itoa(q.page - 1)
	}
	return fmt.Sprintf(`{"filtering":%s,"paging":{"per_page":%d,"current_page":%d,"next_page":%s,"prev_page":%s%s},`+
		`"sorting":{"sort_by":"updated_at","sort_direction":"ASC NULLS FIRST"}}`,
		q.echo, q.perPage, q.page, next, prev, counts)
}
