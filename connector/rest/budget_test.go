package rest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// bubble runs a test of a limiter in virtual time, from the middle of a minute on.
func bubble(t *testing.T, b Budget, test func(t *testing.T, l *limiter)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * time.Second)
		l := newLimiter(b)
		l.meter(connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
		test(t, l)
	})
}

func urgent(p connector.Priority) connector.Query { return connector.Query{Page: 1, Priority: p} }

// ask waits for a turn and answers it at once, without a word about budgets.
func ask(t *testing.T, l *limiter, q connector.Query) {
	t.Helper()
	turn, err := l.wait(t.Context(), q, kindList)
	if err != nil {
		t.Fatal(err)
	}
	turn.done(http.Header{}, time.Time{}, nil)
}

func TestABudgetIsSpentEvenly(t *testing.T) {
	for name, c := range map[string]struct {
		budget   Budget
		requests int
		want     time.Duration
	}{
		"without one nothing waits":                   {Budget{}, 10_000, 0},
		"600 a minute is 10 a second":                 {Budget{PerMinute: 600, Share: 1}, 1200, 2 * time.Minute},
		"a share of 0.8 leaves a fifth to others":     {Budget{PerMinute: 600, Share: 0.8}, 960, 2 * time.Minute},
		"6 a minute is one in 10 s":                   {Budget{PerMinute: 6, Share: 1, Window: WindowNone}, 4, 30 * time.Second},
		"dear pages count for what they cost":         {Budget{PerMinute: 600, Share: 1, Cost: Cost{Default: 20}}, 60, 2 * time.Minute},
		"so do calendar minutes":                      {Budget{PerMinute: 600, Share: 0.9, Window: WindowMinute}, 1080, 2 * time.Minute},
		"what is dearer than our share comes in time": {Budget{PerMinute: 10, Share: 1, Window: WindowMinute, Cost: Cost{Default: 30}}, 3, 9*time.Minute + 30*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.budget, func(t *testing.T, l *limiter) {
				began := time.Now()
				for range c.requests {
					ask(t, l, urgent(connector.Live))
				}
				// A little is there at the start, and what is saved up when a minute begins.
				if took := time.Since(began); took > c.want+time.Second || took < c.want*8/10 {
					t.Errorf("%d requests took %s, want %s", c.requests, took, c.want)
				}
			})
		})
	}
}

// TestNoWindowHoldsMoreThanOurShare comes in bursts and lulls of all classes, and counts.
func TestNoWindowHoldsMoreThanOurShare(t *testing.T) {
	const perMinute, share = 300, 0.9
	for _, w := range []Window{WindowMinute, WindowSliding} {
		t.Run(string(w), func(t *testing.T) {
			bubble(t, Budget{PerMinute: perMinute, Share: share, Window: w}, func(t *testing.T, l *limiter) {
				rng := rand.New(rand.NewPCG(1, 1))
				var at []time.Time
				var mu sync.Mutex
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for range 600 {
							mu.Lock()
							n, lull := rng.IntN(60), time.Duration(rng.IntN(20))*time.Second
							p := connector.Priority(rng.IntN(4))
							mu.Unlock()
							for range n {
								ask(t, l, urgent(p))
								mu.Lock()
								at = append(at, time.Now())
								mu.Unlock()
							}
							time.Sleep(lull)
						}
					})
				}
				wg.Wait()
				first, most := 0, 0
				for i, now := range at {
					for w == WindowSliding && now.Sub(at[first]) >= time.Minute || w == WindowMinute && !at[first].Truncate(time.Minute).Equal(now.Truncate(time.Minute)) {
						first++
					}
					most = max(most, i-first+1)
				}
				if most > perMinute*share || most < perMinute*share*8/10 {
					t.Errorf("%d requests in a minute, and %v are ours", most, perMinute*share)
				}
			})
		})
	}
}

func TestTheMostUrgentAreFirstAndNobodyIsStarved(t *testing.T) {
	bubble(t, Budget{PerMinute: 600, Share: 1}, func(t *testing.T, l *limiter) {
		ctx, cancel := context.WithCancel(t.Context())
		var served [len(connector.Priorities)]int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for p := range served {
			for range 20 { // so that each class always waits
				wg.Go(func() {
					for {
						turn, err := l.wait(ctx, urgent(connector.Priority(p)), kindList)
						if err != nil {
							return
						}
						mu.Lock()
						served[p]++
						mu.Unlock()
						turn.done(http.Header{}, time.Time{}, nil)
					}
				})
			}
		}
		time.Sleep(20 * time.Minute)
		cancel()
		wg.Wait()
		all := 0
		for _, n := range served {
			all += n
		}
		for p, n := range served {
			part := float64(n) / float64(all)
			if want := least * 0.9; part < want {
				t.Errorf("%s has %.3f of the requests, want %.3f", connector.Priority(p), part, want)
			}
			if p > 0 && n > served[0] {
				t.Errorf("%s was served more often than live", connector.Priority(p))
			}
		}
		if live := float64(served[connector.Live]) / float64(all); live < 0.65 {
			t.Errorf("live has %.3f of the requests", live)
		}
	})
}

func TestABurstOfLivePullsDoesNotWaitBehindADump(t *testing.T) {
	bubble(t, Budget{PerMinute: 600, Share: 1, Window: WindowMinute}, func(t *testing.T, l *limiter) {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for {
					turn, err := l.wait(ctx, urgent(connector.Dumping), kindList)
					if err != nil {
						return
					}
					turn.done(http.Header{}, time.Time{}, nil)
				}
			})
		}
		for range 10 {
			time.Sleep(47 * time.Second)
			began := time.Now()
			for range 50 {
				ask(t, l, urgent(connector.Live))
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("50 live pulls waited %s", took)
			}
		}
		cancel()
		wg.Wait()
	})
}

func TestWhoStopsWaitingTakesNothing(t *testing.T) {
	bubble(t, Budget{PerMinute: 6, Share: 1, Window: WindowNone}, func(t *testing.T, l *limiter) {
		ask(t, l, urgent(connector.Live))
		why := errors.New("the lane is spent")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := l.wait(ctx, urgent(connector.Live), kindList); !errors.Is(err, why) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel(why)
		wg.Wait()
		began := time.Now()
		ask(t, l, urgent(connector.Live))
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("the next waited %s, as if the others had been served", took)
		}
		if _, err := l.wait(ctx, urgent(connector.Live), kindList); !errors.Is(err, why) {
			t.Errorf("got %v from a context that had ended", err)
		}
	})
}

func TestWhatAnAnswerDidCostIsTheTruth(t *testing.T) {
	b := Budget{PerMinute: 600, Share: 1, Window: WindowNone, Cost: Cost{
		Probe: 2, Get: 5, Pages: []PageCost{{100, 3}, {150, 8}}, Header: "x-cost"}}
	for page, want := range map[int]float64{0: 1, 1: 1, 100: 1, 101: 3, 150: 3, 151: 8, 9999: 8} {
		if got := b.Cost.of(b.Cost.costOf(connector.Query{Page: page}, kindList)); got != want {
			t.Errorf("page %d costs %v, want %v", page, got, want)
		}
	}
	if got := b.Cost.of(b.Cost.costOf(connector.Query{IDs: []string{"1"}}, kindList)); got != 2 {
		t.Errorf("a probe costs %v", got)
	}
	if got := b.Cost.of(b.Cost.costOf(connector.Query{IDs: []string{"1"}}, kindGet)); got != 5 {
		t.Errorf("a single record costs %v", got)
	}
	bubble(t, b, func(t *testing.T, l *limiter) {
		began := time.Now()
		for range 60 {
			turn, err := l.wait(t.Context(), urgent(connector.Live), kindList)
			if err != nil {
				t.Fatal(err)
			}
			turn.done(http.Header{"X-Cost": {"20"}}, time.Time{}, nil)
		}
		if took := time.Since(began); took < 110*time.Second || took > 121*time.Second {
			t.Errorf("60 requests of 20 points took %s, want two minutes", took)
		}
		turn, _ := l.wait(t.Context(), urgent(connector.Live), kindList)
		if turn.cost != 20 {
			t.Errorf("the next is expected to cost %v", turn.cost)
		}
		turn.done(http.Header{"X-Cost": {"much"}}, time.Time{}, nil) // as if it were not there
	})
}

func TestWhatIsLeftIsSpreadOverTheRestOfItsTime(t *testing.T) {
	bubble(t, Budget{}, func(t *testing.T, l *limiter) {
		left, resets := 100, time.Now().Add(200*time.Second)
		began := time.Now()
		for range 100 {
			turn, err := l.wait(t.Context(), urgent(connector.Live), kindList)
			if err != nil {
				t.Fatal(err)
			}
			left--
			turn.done(http.Header{"Ratelimit": {`"day";r=` + strconv.Itoa(left) + `;t=` + strconv.Itoa(int(time.Until(resets).Seconds()))}}, time.Time{}, nil)
		}
		if took := time.Since(began); took < 150*time.Second || took > 201*time.Second {
			t.Errorf("100 requests took %s, want 200 s", took)
		}
	})
}

func TestNothingLeftIsNotBelievedForEver(t *testing.T) {
	for _, w := range []Window{WindowMinute, WindowSliding, WindowNone} {
		t.Run(string(w), func(t *testing.T) {
			bubble(t, Budget{PerMinute: 600, Share: 1, Window: w, Remaining: "left"}, func(t *testing.T, l *limiter) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				for range 10 {
					turn, err := l.wait(ctx, urgent(connector.Dumping), kindList)
					if err != nil {
						t.Fatal(err)
					}
					turn.done(http.Header{"Left": {"0"}}, time.Now(), nil)
				}
				if took := time.Since(began); took > 10*time.Minute || w != WindowNone && took < 40*time.Second {
					t.Errorf("10 requests took %s, though each answer says that nothing is left", took)
				}
			})
		})
	}
}

func TestAnAnswerThatWasOvertakenIsNotNews(t *testing.T) {
	bubble(t, Budget{PerMinute: 600, Share: 1, Window: WindowMinute, Remaining: "left"}, func(t *testing.T, l *limiter) {
		date := time.Now()
		var turns [3]*turn
		for i := range turns {
			turns[i], _ = l.wait(t.Context(), urgent(connector.Live), kindList)
		}
		turns[2].done(http.Header{"Left": {"10"}}, date, nil)
		turns[0].done(http.Header{"Left": {"500"}}, date, nil)
		turns[1].done(http.Header{"Left": {"400"}}, date.Add(-time.Minute), nil)
		if got := l.account.remaining(); got > 10 {
			t.Errorf("%v points are taken to be left, and there are 10 at the most", got)
		}
	})
}

// BenchmarkBudget is what a request pays for the budget's sake.
func BenchmarkBudget(b *testing.B) {
	stated := http.Header{"X-Ratelimit-Remaining-Minute": {"1000000000"}, "X-Ratelimit-Endpoint-Cost": {"1"}}
	for name, budget := range map[string]Budget{
		"none": {},
		"paced": {PerMinute: 1_000_000_000, Share: 1, Window: WindowMinute, Remaining: "x-ratelimit-remaining-minute",
			Cost: Cost{Header: "x-ratelimit-endpoint-cost"}},
	} {
		b.Run(name, func(b *testing.B) {
			l := newLimiter(budget)
			l.meter(connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
			ctx, date := context.Background(), time.Now()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					t, err := l.wait(ctx, connector.Query{Page: 1, Priority: connector.Dumping}, kindList)
					if err != nil {
						b.Error(err)
						return
					}
					t.done(stated, date, nil)
				}
			})
		})
	}
}
