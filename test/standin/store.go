// Package standin has stand-ins for the APIs of vendors, built from their documentation:
// what they filter, how they sort and page, how precise they are, how late they show what
// was written, what they cap, and how they answer a wrong question. Each is an
// http.Handler over a [Store], and strict: a parameter that the vendor does not know, or a
// body of another form, is refused and noted, so that a preset that asks wrongly fails.
// That they are like the vendors' servers is known only as far as the documentation says.
//
//	s := standin.New(time.Second, 0, 1)  // stamps in whole seconds, nothing shown late
//	srv := httptest.NewServer(standin.GitHub(s))
//	s.Insert(100)
//	s.Advance(time.Minute)               // its clock is its own: see Date
//	… s.Complaints(), s.Truth() …
package standin

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Row is one version of a record.
type Row struct {
	ID, Ver          int
	Created, Updated time.Time
	// Gone says that the record was deleted.
	Gone bool

	shown time.Time // from when on readers see it
}

// Store holds the records of one collection, with a clock that stands still but for
// [Store.Advance]. It is safe for concurrent use.
type Store struct {
	precision, lag time.Duration

	mu         sync.Mutex
	rng        *rand.Rand
	now        time.Time
	live       bool // the clock is that of the machine
	records    map[int][]Row
	requests   int
	before     func()
	complaints []string
}

// New returns an empty store whose stamps are floored to precision, and whose versions
// turn visible up to lag after they were written.
func New(precision, lag time.Duration, seed uint64) *Store {
	return &Store{
		precision: precision, lag: lag, rng: rand.New(rand.NewPCG(seed, 0x7374616e)),
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), records: map[int][]Row{},
	}
}

// Now is the store's clock.
func (s *Store) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock()
}

// Before is called before each request is answered: what it writes meets a reader in the
// middle of a reading.
func (s *Store) Before(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = do
}

// Live lets the store's clock be that of the machine.
func (s *Store) Live() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = true
}

// clock is the time. s.mu is held.
func (s *Store) clock() time.Time {
	if s.live {
		return time.Now().UTC()
	}
	return s.now
}

// Advance lets time pass.
func (s *Store) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Insert makes n records with one stamp.
func (s *Store) Insert(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		id := len(s.records) + 1
		s.write(Row{ID: id, Ver: 1, Created: s.clock()})
	}
}

// Update changes up to n of the records that there are, all with one stamp.
func (s *Store) Update(n int) { s.each(n, false) }

// Delete deletes up to n of the records that there are.
func (s *Store) Delete(n int) { s.each(n, true) }

func (s *Store) each(n int, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		vs := s.records[1+s.rng.IntN(max(1, len(s.records)))]
		if len(vs) == 0 || vs[len(vs)-1].Gone {
			continue
		}
		next := vs[len(vs)-1]
		next.Ver++
		next.Gone = gone
		s.write(next)
	}
}

// write adds a version. It is not shown before the one that it overwrites.
func (s *Store) write(r Row) {
	now := s.clock()
	r.Updated = now.Truncate(s.precision)
	r.Created = r.Created.Truncate(s.precision)
	r.shown = now
	if s.lag > 0 {
		r.shown = now.Add(time.Duration(s.rng.Int64N(int64(s.lag))))
	}
	if vs := s.records[r.ID]; len(vs) > 0 && vs[len(vs)-1].shown.After(r.shown) {
		r.shown = vs[len(vs)-1].shown
	}
	s.records[r.ID] = append(s.records[r.ID], r)
}

// Truth returns the last version of every record, deleted ones included.
func (s *Store) Truth() map[int]Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	truth := map[int]Row{}
	for id, vs := range s.records {
		truth[id] = vs[len(vs)-1]
	}
	return truth
}

// rows returns what is shown now of the records that fit, by stamp and then by id.
func (s *Store) rows(fits func(Row) bool) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []Row
	now := s.clock()
	for _, vs := range s.records {
		for i := len(vs) - 1; i >= 0; i-- {
			if !vs[i].shown.After(now) {
				if fits(vs[i]) {
					rows = append(rows, vs[i])
				}
				break
			}
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(a.Updated.Compare(b.Updated), a.ID-b.ID) })
	return rows
}

// live fits what is not deleted and was updated in [from, to); a zero time is no bound.
func live(from, to time.Time) func(Row) bool {
	return func(r Row) bool {
		return !r.Gone && !r.Updated.Before(from) && (to.IsZero() || r.Updated.Before(to))
	}
}

// one returns a record as it is shown now.
func (s *Store) one(id int) (Row, bool) {
	rows := s.rows(func(r Row) bool { return r.ID == id })
	if len(rows) == 0 {
		return Row{}, false
	}
	return rows[0], true
}

// Requests counts the requests so far.
func (s *Store) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Complaints are the questions that were refused as wrong.
func (s *Store) Complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.complaints)
}

// wrong refuses a question, and notes it.
func (s *Store) wrong(w http.ResponseWriter, r *http.Request, format string, args ...any) {
	what := fmt.Sprintf("%s %s: ", r.Method, r.URL.RequestURI()) + fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.complaints = append(s.complaints, what)
	s.mu.Unlock()
	http.Error(w, fmt.Sprintf(`{"message":%q}`, what), http.StatusBadRequest)
}
