package rest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
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

func TestAQueryThatIsOfNoUseLaterIsPutOff(t *testing.T) {
	bubble(t, Budget{PerMinute: 6, Share: 1, Window: WindowNone}, func(t *testing.T, l *limiter) {
		ask(t, l, urgent(connector.Live))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began, q := time.Now(), urgent(connector.Sweeping)
		q.By = began.Add(3 * time.Second)
		if _, err := l.wait(ctx, q, kindList); err != connector.ErrPutOff || time.Since(began) != 3*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		q.By = time.Now().Add(20 * time.Second)
		turn, err := l.wait(ctx, q, kindList)
		if err != nil || time.Since(began) > 11*time.Second {
			t.Fatalf("got %v after %s", err, time.Since(began))
		}
		turn.done(http.Header{}, time.Time{}, nil)
	})
}
