package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// rushed is a collection with n doubts that are due at once, in virtual time: a request
// takes 200 ms, and so does each id where they are asked for one by one.
type rushed struct {
	*swept
	now    time.Time
	heads  []time.Time // when each was asked for
	during func(time.Time)
}

const requestTakes = 200 * time.Millisecond

func rushing(t *testing.T, n int, change func(*Settings)) *rushed {
	t.Helper()
	rows := map[string]Record{}
	w := &rushed{now: time.Unix(1_000_000, 0)}
	w.swept = sweeping(t, 0, func(set *Settings) {
		set.Sweeps.Every, set.Probe, set.Interval = 0, 101, 30*time.Second
		change(set)
	})
	for i := range n {
		r := row(fmt.Sprintf("r%05d", i), (100+Instant(i))*sec, 1)
		rows[r.ID] = r
		w.shelf.rows = append(w.shelf.rows, r)
	}
	w.world = func(env *Env) {
		env.Now = func() time.Time { return w.now }
		env.Sleep = func(ctx context.Context, d time.Duration) error { w.now = w.now.Add(d); return ctx.Err() }
	}
	w.page = func(q Query) Page {
		took := requestTakes
		if w.set.ProbeAlone {
			took *= time.Duration(max(1, len(q.IDs)))
		}
		if len(q.IDs) == 0 && q.To == Forever && q.From > 100*sec {
			w.heads = append(w.heads, w.now)
		}
		w.now = w.now.Add(took)
		w.shelf.date = max(w.shelf.date, InstantOf(w.now))
		if w.during != nil {
			w.during(w.now)
		}
		if len(q.IDs) == 0 {
			return w.shelf.page(q)
		}
		p := Page{Date: w.shelf.date, Total: -1, Last: true}
		for _, id := range q.IDs {
			p.Records = append(p.Records, rows[id])
		}
		return p
	}
	w.start(w.mem)
	w.swept.pull(1)
	for id, r := range rows {
		w.mem.Doubts[id] = Doubt{Since: w.shelf.date.Add(-w.set.Lookback), At: r.Instant}
	}
	w.heads = nil
	return w
}

// run reads until nothing is in doubt.
func (w *rushed) run() (took time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithCancelCause(w.t.Context())
	began, done := w.now, errors.New("done")
	also := w.during
	w.during = func(now time.Time) {
		if also != nil {
			also(now)
		}
		if len(w.mem.Doubts) == 0 || now.Sub(began) > 10*time.Hour {
			cancel(done)
		}
	}
	if err := w.Run(ctx); !errors.Is(err, done) && !errors.Is(err, context.Canceled) {
		w.t.Fatal(err)
	}
	if n := len(w.mem.Doubts); n > 0 {
		w.t.Errorf("%d doubts are left after %s", n, w.now.Sub(began))
	}
	return w.now.Sub(began)
}

// gap is the longest time between the beginnings of two head readings.
func (w *rushed) gap() (longest time.Duration) {
	for i := 1; i < len(w.heads); i++ {
		longest = max(longest, w.heads[i].Sub(w.heads[i-1]))
	}
	return longest
}

var rushes = map[string]func(*Settings){
	"asked for by ids":     func(*Settings) {},
	"asked for one by one": func(set *Settings) { set.ProbeAlone = true },
	"looked at":            func(set *Settings) { set.Probe = 0 },
}

func TestManyDoubtsThatAreDueHoldUpNoPull(t *testing.T) {
	for name, change := range rushes {
		t.Run(name, func(t *testing.T) {
			w := rushing(t, 10_000, change)
			took := w.run()
			// An interval, a tenth of it at the least between two pulls, and jitter; and what
			// was on its way when the pull became due.
			if most := 33*time.Second + 7*requestTakes; w.gap() > most || len(w.heads) == 0 {
				t.Errorf("of %d head readings two began %s apart", len(w.heads), w.gap())
			}
			t.Logf("%s for 10000 doubts, %d head readings at most %s apart", took, len(w.heads), w.gap())
		})
	}
}

func TestWhoAsksForAPullDoesNotWaitForDoubts(t *testing.T) {
	for name, change := range rushes {
		t.Run(name, func(t *testing.T) {
			w := rushing(t, 10_000, change)
			p := NewPulls(w.set, func() time.Time { return w.now }, func() float64 { return 0.5 })
			world := w.world
			w.world = func(env *Env) { world(env); env.Pulls = p }
			w.start(w.mem)
			var asked []time.Time
			next := w.now.Add(3 * time.Second)
			w.during = func(now time.Time) {
				if now.After(next) && len(w.mem.Doubts) > 1000 && len(asked) < 5 {
					if _, err := p.Ask(Reason{Name: ReasonManual}); err != nil {
						t.Error(err)
					}
					asked, next = append(asked, now), now.Add(7*time.Second)
				}
			}
			w.run()
			for _, at := range asked {
				i := slices.IndexFunc(w.heads, func(h time.Time) bool { return !h.Before(at) })
				if i < 0 || w.heads[i].Sub(at) > 8*requestTakes {
					t.Errorf("who asked at %s waits until %v", at, w.heads[max(i, 0)])
				}
			}
			if len(asked) < 2 {
				t.Errorf("asked %d times", len(asked))
			}
		})
	}
}

// A collection whose every pull takes longer than its interval looks at some of them.
func TestDoubtsAreLookedAtThoughAPullIsAlwaysDue(t *testing.T) {
	for name, change := range rushes {
		t.Run(name, func(t *testing.T) {
			rushing(t, 50, func(set *Settings) { change(set); set.Interval = time.Millisecond }).run()
		})
	}
}
