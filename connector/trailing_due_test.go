package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// owing is a collection that owes a trailing pass of so many pages, in virtual time: a
// request takes 200 ms.
type owing struct {
	*swept
	now    time.Time
	heads  []time.Time // when each page of a head reading was asked for
	passes []Query     // those of the trailing pass
	busy   bool        // there is no budget in time for what can wait
	during func(time.Time)
}

// perPage is how many records a page shows, the last of the page before among them.
const perPage = 4

func (w *owing) Fetch(_ context.Context, q Query) (Page, error) {
	if w.busy && !q.By.IsZero() {
		w.now = w.now.Add(max(0, q.By.Sub(w.now)))
		return Page{}, ErrPutOff
	}
	if q.Priority == Trailing {
		w.passes = append(w.passes, q)
	} else {
		w.heads = append(w.heads, w.now)
	}
	w.now = w.now.Add(requestTakes)
	w.shelf.date = InstantOf(w.now)
	if w.during != nil {
		w.during(w.now)
	}
	return w.listed(q), nil
}

// owes makes one whose records were written a lookback ago and before: down says that nobody
// has read them since.
func owes(t *testing.T, pages int, down bool) *owing {
	t.Helper()
	w := &owing{now: time.Unix(1_000_000, 0)}
	w.swept = sweeping(t, 0, func(set *Settings) {
		set.Sweeps.Every, set.Interval, set.Lookback = 0, 5*time.Second, 2*time.Hour
	})
	w.size = perPage
	w.world = func(env *Env) {
		env.Now = func() time.Time { return w.now }
		env.Sleep = func(ctx context.Context, d time.Duration) error { w.now = w.now.Add(d); return ctx.Err() }
		env.Go = func(send func()) { send() }
	}
	first := InstantOf(w.now).Add(-time.Second)
	w.shelf.rows = []Record{row("first", first, 1)}
	w.life()
	w.pulled()
	for i := range pages * (perPage - 1) {
		w.shelf.rows = append(w.shelf.rows, row(fmt.Sprintf("r%05d", i), first.Add(time.Duration(i+1)*time.Second), 1))
	}
	w.now = w.now.Add(time.Duration(len(w.shelf.rows)) * time.Second)
	if !down {
		w.pulled()
	}
	w.now = w.now.Add(w.set.Lookback)
	w.heads, w.passes = nil, nil
	return w
}

// life begins another life of the reader.
func (w *owing) life() {
	w.start(w.mem)
	w.src = w
}

func (w *owing) pulled() {
	w.t.Helper()
	if err := w.Pull(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// owed says whether the trailing pass has not come to its end.
func (w *owing) owed() bool { return w.mem.State.Trailing < w.mem.State.Cursor.Instant }

// run reads until nothing is owed.
func (w *owing) run() (took time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithCancelCause(w.t.Context())
	began, done := w.now, errors.New("done")
	also := w.during
	w.during = func(now time.Time) {
		if also != nil {
			also(now)
		}
		if len(w.passes) > 0 && !w.owed() || now.Sub(began) > time.Hour {
			cancel(done)
		}
	}
	if err := w.Run(ctx); !errors.Is(err, done) && !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
	if w.owed() {
		w.t.Errorf("after %s the trailing pass is at %s, the cursor at %s", w.now.Sub(began), w.mem.State.Trailing, w.mem.State.Cursor.Instant)
	}
	return w.now.Sub(began)
}

// gap is the longest time between two pages of head readings.
func (w *owing) gap() (longest time.Duration) {
	for i := 1; i < len(w.heads); i++ {
		longest = max(longest, w.heads[i].Sub(w.heads[i-1]))
	}
	return longest
}

var debts = map[string]bool{"after a downtime": true, "of half a long lookback": false}

func TestALongTrailingPassHoldsUpNoPull(t *testing.T) {
	for name, down := range debts {
		t.Run(name, func(t *testing.T) {
			w := owes(t, 500, down)
			w.during = func(time.Time) {
				if len(w.passes) == 1 && w.shelf.rows[700].ID != "late" { // found by this pass alone
					w.shelf.rows = slices.Insert(w.shelf.rows, 700, row("late", w.shelf.rows[700].Instant, 1))
				}
			}
			took := w.run()
			// An interval, a tenth of it between two pulls, and what was on its way when the pull
			// became due.
			if most := 5500*time.Millisecond + 2*requestTakes; w.gap() > most || len(w.heads) < 10 {
				t.Errorf("of %d pages of head readings two were asked for %s apart", len(w.heads), w.gap())
			}
			if n := len(w.passes); n > 505 { // none is sent ahead in vain
				t.Errorf("%d pages for a pass of 500", n)
			}
			if !slices.Contains(published(w.out), "late") {
				t.Error("what turned visible late was not found")
			}
			t.Logf("%s for %d pages, %d of head readings at most %s apart", took, len(w.passes), len(w.heads), w.gap())
		})
	}
}

func TestWhoAsksForAPullDoesNotWaitForATrailingPass(t *testing.T) {
	w := owes(t, 500, false)
	w.set.Interval = time.Hour
	p := NewPulls(w.set, func() time.Time { return w.now }, func() float64 { return 0.5 })
	world := w.world
	w.world = func(env *Env) { world(env); env.Pulls = p }
	w.life()
	var asked []time.Time
	w.during = func(now time.Time) {
		if len(w.passes) == 20*(len(asked)+1) && len(asked) < 5 {
			if _, err := p.Ask(Reason{Name: ReasonManual}); err != nil {
				t.Error(err)
			}
			asked = append(asked, now)
		}
	}
	if _, err := p.Ask(Reason{Name: ReasonManual}); err != nil {
		t.Fatal(err)
	}
	w.run()
	for _, at := range asked {
		i := slices.IndexFunc(w.heads, func(h time.Time) bool { return !h.Before(at) })
		if i < 0 || w.heads[i].Sub(at) > 2*requestTakes {
			t.Errorf("who asked at %s waits until %v", at, w.heads[max(i, 0)])
		}
	}
	if len(asked) < 5 {
		t.Errorf("asked %d times", len(asked))
	}
}

// A collection whose every pull takes longer than its interval, or whose source has no
// budget to spare, comes to the end of its trailing pass all the same.
func TestATrailingPassComesToItsEndThoughAPullIsAlwaysDue(t *testing.T) {
	for name, change := range map[string]func(*owing){
		"an interval shorter than a request": func(w *owing) { w.set.Interval = time.Millisecond },
		"no budget for what can wait":        func(w *owing) { w.busy = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := owes(t, 50, false)
			change(w)
			w.life()
			w.run()
			if n := len(w.passes); n > 52 || n > len(w.heads)+2 {
				t.Errorf("%d pages for a pass of 50, %d of head readings", n, len(w.heads))
			}
		})
	}
}

// What is committed of a pass is what was read: another life goes on from there and misses
// nothing.
func TestATrailingPassGoesOnInAnotherLife(t *testing.T) {
	w := owes(t, 100, false)
	w.set.Interval = 2 * time.Second
	w.life()
	lives := 0
	for ; w.owed(); lives++ {
		if lives == 100 {
			t.Fatalf("after %d lives the trailing pass is at %s", lives, w.mem.State.Trailing)
		}
		began := w.mem.State.Trailing
		w.passes = nil
		w.pulled()
		if at := w.passes[0].From; at != began {
			t.Fatalf("goes on from %s, was at %s", at, began)
		}
		last := w.out.batches[len(w.out.batches)-1].State.Trailing
		if end := w.passes[len(w.passes)-1].From; last <= end || last != w.mem.State.Trailing {
			t.Fatalf("committed is %s, read was from %s on and then from %s", last, end, w.mem.State.Trailing)
		}
		mem := NewMemory()
		mem.fold(w.mem)
		mem.State.Trailing = last
		w.mem = mem
		w.now = w.now.Add(time.Second)
		w.life()
	}
	if lives < 5 {
		t.Errorf("it came to its end in %d lives", lives)
	}
}

// Trailing stays before a tie that is being written to. What is behind it is read all the same.
func TestATieThatDoesNotComeToRestHidesNothingFromATrailingPass(t *testing.T) {
	w := owes(t, 100, false)
	at := w.shelf.rows[30].Instant
	n := 0
	w.during = func(time.Time) { // somebody comes into the tie, or leaves it
		if n++; n%2 == 0 {
			w.shelf.rows = slices.Delete(w.shelf.rows, 30, 31)
		} else {
			w.shelf.rows = slices.Insert(w.shelf.rows, 30, row(fmt.Sprint("tie", n), at, 1))
		}
	}
	for i := range 10 {
		w.shelf.rows = slices.Insert(w.shelf.rows, 30, row(fmt.Sprint("tied", i), at, 1))
	}
	w.shelf.rows = slices.Insert(w.shelf.rows, 200, row("late", w.shelf.rows[200].Instant, 1))
	for range 3 {
		w.pulled()
	}
	if !slices.Contains(published(w.out), "late") || w.mem.State.Trailing != at {
		t.Errorf("the trailing pass is at %s, the tie at %s, published %v", w.mem.State.Trailing, at, len(published(w.out)))
	}
}
