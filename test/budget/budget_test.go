package budget

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/test/hostile"
)

const collections = 52

// A plan is what happens in a world.
type plan struct {
	budget   rest.Budget
	grant    hostile.Budget
	backlogs int // collections with more than the run can read
	stranger *hostile.Stranger
	from     time.Duration // when the stranger comes
	minutes  int
	pages    int           // of each collection at the start; 0: 2
	warm     time.Duration // after which it is measured; 0: two minutes
	sweeps   connector.Sweeps
}

// live runs a world: every collection is written to now and then, some have a backlog.
func live(t *testing.T, p plan, judge func(w *world, minutes []hostile.Minute)) {
	if *long {
		p.minutes *= 10
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p.budget, p.grant)
		w.sweeps = p.sweeps
		for i := range collections {
			w.fill(name(i), max(2, p.pages))
		}
		pages := 0
		if p.backlogs > 0 {
			pages = (p.minutes + 4 + int(p.warm/time.Minute)) * perMinute / p.backlogs
		}
		for i := range p.backlogs {
			w.fill(name(i), pages)
		}
		time.Sleep(7 * time.Second) // nobody starts on the minute
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range collections {
			wg.Go(func() { w.read(ctx, name(i), i < p.backlogs) })
		}
		wg.Go(func() { w.write(ctx) })
		if p.stranger != nil {
			p.stranger.API = w.api
			wg.Go(func() {
				if sleep(ctx, p.from) == nil {
					p.stranger.Run(ctx)
				}
			})
		}
		time.Sleep(max(2*time.Minute, p.warm))
		w.warmed()
		time.Sleep(time.Duration(p.minutes) * time.Minute)
		cancel()
		wg.Wait()
		w.report()
		all := w.api.Minutes()
		for all[0].Began.Before(w.warm) { // the start
			all = all[1:]
		}
		judge(w, all[:len(all)-1]) // the last is not whole
	})
}

// write updates a record somewhere, two each second: those are what live pulls are for.
func (w *world) write(ctx context.Context) {
	for i := 0; sleep(ctx, 500*time.Millisecond) == nil; i++ {
		w.api.Insert(name(i%collections), 1)
	}
}

func total(minutes []hostile.Minute) (all hostile.Minute) {
	for _, m := range minutes {
		all.Points += m.Points
		all.Requests += m.Requests
		all.Refused += m.Refused
		all.Foreign += m.Foreign
		all.ForeignRefused += m.ForeignRefused
	}
	return all
}

func TestNothingIsRefusedInSteadyState(t *testing.T) {
	live(t, plan{budget: salesloft(0.9), grant: hostile.Budget{PerMinute: perMinute}, minutes: 8}, func(w *world, minutes []hostile.Minute) {
		all := total(w.api.Minutes())
		if w.answers[429] != 0 || all.Refused != 0 {
			t.Errorf("%d answers 429, from the start on", w.answers[429])
		}
		if p99, n := w.waited(connector.Live, 0.99); n < 500 || p99 > 1 {
			t.Errorf("%d live requests, p99 of their wait %v s", n, p99)
		}
		t.Logf("from visible to published: p50 %s, p99 %s", quantile(w.fresh, 0.5), quantile(w.fresh, 0.99))
	})
}

func TestABackfillUsesTheBudget(t *testing.T) {
	for name, c := range map[string]struct {
		share  float64
		silent bool
		window rest.Window
		least  float64 // of our share
	}{
		"of nine tenths": {0.9, false, rest.WindowMinute, 0.97},
		"of all of it":   {1, false, rest.WindowMinute, 0.95},
		"of an API that does not say what is left":  {0.9, true, rest.WindowMinute, 0.97},
		"in a window that slides":                   {0.9, false, rest.WindowSliding, 0.9},
		"in a window that slides, and does not say": {0.9, true, rest.WindowSliding, 0.9},
		"spread evenly":                             {0.9, true, rest.WindowNone, 0.97},
	} {
		t.Run(name, func(t *testing.T) {
			b := salesloft(c.share)
			b.Window = c.window
			live(t, plan{budget: b, grant: hostile.Budget{PerMinute: perMinute, Silent: c.silent}, backlogs: 12, minutes: 6}, func(w *world, minutes []hostile.Minute) {
				if w.answers[429] != 0 {
					t.Errorf("%d answers 429", w.answers[429])
				}
				all := total(minutes)
				used := float64(all.Points) / float64(len(minutes)) / (perMinute * c.share)
				if used < c.least || used > 1.0001 {
					t.Errorf("%.1f %% of our share was used, want %.1f", 100*used, 100*c.least)
				}
				if p99, n := w.waited(connector.Live, 0.99); n < 300 || p99 > 1 {
					t.Errorf("%d live requests, p99 of their wait %v s", n, p99)
				}
				fresh := w.fresh
				p50, p99 := quantile(fresh, 0.5), quantile(fresh, 0.99)
				t.Logf("%.1f %% of our share used; live pulls under backfill, every %s: from visible to published p50 %s, p99 %s of %d", 100*used, interval, p50, p99, len(fresh))
				if len(fresh) < 300 || p99 > interval*12/10+5*time.Second {
					t.Errorf("freshness p99 %s of %d records", p99, len(fresh))
				}
				if trailing, n := w.waited(connector.Trailing, 1); n == 0 || trailing > 30 {
					t.Errorf("%d requests of trailing passes, and one waited up to %v s", n, trailing)
				}
				for i := range collections {
					if w.published[id(i)] < 40 {
						t.Errorf("%s was starved: %d records", id(i), w.published[id(i)])
					}
				}
			})
		})
	}
}

// Sweeps of everything at once, which have far more to read than there is budget for,
// beside backfills: what is live stays so.
func TestSweepsAndBackfillsDoNotHoldUpWhatIsLive(t *testing.T) {
	live(t, plan{budget: salesloft(0.9), grant: hostile.Budget{PerMinute: perMinute}, backlogs: 12, minutes: 6, pages: 30, warm: 9 * time.Minute,
		sweeps: connector.Sweeps{Every: time.Minute, Confirm: connector.ConfirmNone, MaxRatio: 1, MaxCount: 1e6, Pages: 5, Listing: "l"}}, func(w *world, minutes []hostile.Minute) {
		fresh := w.fresh
		p50, p99 := quantile(fresh, 0.5), quantile(fresh, 0.99)
		t.Logf("live pulls beside sweeps and backfills, every %s: from visible to published p50 %s, p99 %s of %d", interval, p50, p99, len(fresh))
		if len(fresh) < 300 || p99 > interval*11/10+5*time.Second {
			t.Errorf("freshness p99 %s of %d records", p99, len(fresh))
		}
		all := total(minutes)
		for _, p := range []connector.Priority{connector.Sweeping, connector.Dumping} {
			if _, n := w.waited(p, 1); float64(n) < 0.09*float64(all.Requests) {
				t.Errorf("%s has %d of %d requests", p, n, all.Requests)
			}
		}
		if w.answers[429] != 0 {
			t.Errorf("%d answers 429", w.answers[429])
		}
	})
}

func id(i int) string { return name(i) }

func TestOthersOfTheAccountAreYieldedTo(t *testing.T) {
	for what, c := range map[string]struct {
		stranger    hostile.Stranger
		ours        float64 // at least, of what it leaves
		refused     int     // answers 429 to us, at the most
		itsOfWanted float64 // at least
	}{
		"half of it, evenly":               {hostile.Stranger{PerMinute: 300}, 0.8, 3, 0.98},
		"half of it, when a minute begins": {hostile.Stranger{PerMinute: 300, Burst: true}, 0.8, 3, 0.98},
		"nearly all of it":                 {hostile.Stranger{PerMinute: 570}, 0.9, 15, 0.8},
		"more than there is":               {hostile.Stranger{PerMinute: 900}, 0.9, 15, 0.5},
	} {
		t.Run(what, func(t *testing.T) {
			live(t, plan{budget: salesloft(0.9), grant: hostile.Budget{PerMinute: perMinute}, backlogs: 12, stranger: &c.stranger, from: 150 * time.Second, minutes: 9}, func(w *world, minutes []hostile.Minute) {
				late := minutes[4:] // it came in the middle of the third
				all := total(late)
				n := float64(len(late))
				left := perMinute - float64(all.Foreign)/n
				t.Logf("it has %.0f points a minute and leaves %.0f, of which %.0f are ours; %d answers 429 in all", float64(all.Foreign)/n, left, float64(all.Points)/n, w.answers[429])
				if w.answers[429] > c.refused {
					t.Errorf("%d answers 429, want at most %d", w.answers[429], c.refused)
				}
				if float64(all.Points)/n < c.ours*left || all.Points == 0 {
					t.Errorf("we have %.0f of the %.0f points a minute that are left", float64(all.Points)/n, left)
				}
				if its := float64(all.Foreign) / float64(all.Foreign+all.ForeignRefused); its < c.itsOfWanted {
					t.Errorf("it got %.2f of what it wanted", its)
				}
				noticed, really := w.value("tributary_source_budget_foreign_points_total"), float64(total(w.api.Minutes()).Foreign)
				if noticed < 0.8*really || noticed > 1.1*really {
					t.Errorf("%.0f points of others were noticed, and there were %.0f", noticed, really)
				}
			})
		})
	}
}
