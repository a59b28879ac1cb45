package connector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A tieSource has one large tie that loses a record to the present with every request,
// as a bulk does whose records are being updated again, and newer records behind it.
type tieSource struct {
	tie, page int
	moves     int // members that still leave, one a request
	moved     int
	asked     []Instant
	endless   bool // never shows the last member
	expires   int  // how often what led to the third page is gone
}

const tieAt, present = Instant(1_000_000), Instant(9_000_000)

func (s *tieSource) Fetch(_ context.Context, q Query) (Page, error) {
	s.asked = append(s.asked, q.From)
	if q.Page == 3 && s.expires > 0 {
		s.expires--
		return Page{}, &AnewError{Err: errors.New("the token has expired")}
	}
	if s.moves > 0 {
		s.moves--
		s.moved++
	}
	var rows []Record
	add := func(id string, at Instant) {
		if at >= q.From && at < q.To {
			rows = append(rows, Record{ID: id, Instant: at, Stamp: at.String(), Hash: Hash{byte(at / 1e6)}, Value: []byte(id)})
		}
	}
	for i := s.moved; i < s.tie; i++ {
		add(fmt.Sprint("t", i), tieAt)
	}
	add("fresh", 5_000_000)
	for i := range s.moved {
		add(fmt.Sprint("t", i), 6_000_000+Instant(i))
	}
	from := min((q.Page-1)*s.page, len(rows))
	to := min(from+s.page, len(rows))
	p := Page{Records: rows[from:to], Date: present, Total: -1, Last: to == len(rows)}
	if s.endless && q.Count {
		p.Total = s.tie + 1
	}
	return p, nil
}

func tieReader(t *testing.T, s *tieSource) (*Reader, *simTopics) {
	t.Helper()
	p := simParams{stamp: 1, tick: 1}
	world := &sim{p: p, now: present, versions: map[string][]simVersion{}}
	topics := newSimTopics(world)
	set := p.settings()
	r, err := NewReader(set, s, keeper{topics}, NewMemory(), simEnvOf(world), NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
	if err != nil {
		t.Fatal(err)
	}
	return r, topics
}

// keeper keeps what is published and judges nothing: the world of these tests has no
// history.
type keeper struct{ t *simTopics }

func (k keeper) Stage(_ context.Context, b *Batch) error {
	for _, c := range b.Changes {
		k.t.live[c.ID] = c.Hash
	}
	return nil
}
func (k keeper) Flush(context.Context) error { return nil }

func TestATieThatIsBeingWrittenToDoesNotHoldUpWhatIsNewer(t *testing.T) {
	s := &tieSource{tie: 500, page: 10, moves: 400}
	r, topics := tieReader(t, s)
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := topics.live["fresh"]; !ok {
		t.Error("the newer record waited for the tie")
	}
	if c := r.Memory().State.Cursor.Instant; c > tieAt {
		t.Errorf("the cursor went past the tie to %s although records may have slipped", c)
	}
	for range 5 {
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if c := r.Memory().State.Cursor.Instant; c <= tieAt {
		t.Errorf("the cursor stays at %s although the tie has come to rest", c)
	}
	if n := r.Memory().Ledger.Len(); n != 501 {
		t.Errorf("%d records are known, want 501", n)
	}
}

func TestATieThatIsNeverShownWholeStopsItsCollection(t *testing.T) {
	r, _ := tieReader(t, &tieSource{tie: 30, page: 10, endless: true})
	err := r.Pull(t.Context())
	var stop *StopError
	if !errors.As(err, &stop) || !strings.Contains(stop.What, "does not show all of the 31 records") {
		t.Errorf("got %v", err)
	}
}

func TestATieOfAnAPIThatCannotPageStopsItsCollection(t *testing.T) {
	r, _ := tieReader(t, &tieSource{tie: 30, page: 10})
	r.set.Paged = false
	var stop *StopError
	if err := r.Pull(t.Context()); !errors.As(err, &stop) || !strings.Contains(stop.What, "cannot page within it") {
		t.Errorf("got %v", err)
	}
}

func TestADrainWhosePagesAreLostBeginsAnew(t *testing.T) {
	for expires, whole := range map[int]bool{1: true, 2: true, 1000: false} {
		s := &tieSource{tie: 40, page: 10, expires: expires}
		r, topics := tieReader(t, s)
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := topics.live["fresh"]; !ok {
			t.Errorf("%d times: what is newer was not read", expires)
		}
		if n := r.Memory().Ledger.Len(); whole && n != 41 {
			t.Errorf("%d times: %d records are known, want 41", expires, n)
		}
		if c := r.Memory().State.Cursor.Instant; (c > tieAt) != whole {
			t.Errorf("%d times: the cursor is at %s", expires, c)
		}
	}
}
