package rest

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"tributary/connector"
)

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

// Nothing that a header says holds a source up for longer than an hour.
func TestRubbishInHeadersDoesNotStopASource(t *testing.T) {
	granted := Budget{PerMinute: 600, Share: 0.8, Cost: Cost{Header: "x-cost"}}
	minute := granted
	minute.Window = WindowMinute
	for name, c := range map[string]struct {
		budget Budget
		header http.Header
		most   time.Duration
	}{
		"a price that nobody could pay":                      {granted, http.Header{"X-Cost": {"100000000000000"}}, 2 * time.Minute},
		"the same in a minute":                               {minute, http.Header{"X-Cost": {"100000000000000"}}, 2 * time.Minute},
		"one is left for a month, and less than one is ours": {Budget{Share: 0.8}, http.Header{"X-Ratelimit-Remaining": {"1"}, "X-Ratelimit-Reset": {"2500000"}}, time.Hour + time.Minute},
		"none is left for a month":                           {Budget{Share: 0.8}, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"2500000"}}, time.Hour + time.Minute},
		"numbers that are none":                              {granted, http.Header{"X-Cost": {"NaN"}, "X-Ratelimit-Remaining": {"-Inf"}, "X-Ratelimit-Reset": {"1e300"}}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.budget, func(t *testing.T, l *limiter) {
				turn, err := l.wait(t.Context(), urgent(connector.Live), kindList)
				if err != nil {
					t.Fatal(err)
				}
				turn.done(c.header, time.Time{}, nil)
				began := time.Now()
				ask(t, l, urgent(connector.Live))
				if took := time.Since(began); took > c.most {
					t.Errorf("the next was sent after %s", took)
				}
			})
		})
	}
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

func TestShortWindowsThatTheAPIStatesDoNotSpeedUsUp(t *testing.T) {
	for _, w := range []Window{WindowMinute, WindowSliding, WindowNone} {
		t.Run(string(w), func(t *testing.T) {
			bubble(t, Budget{PerMinute: 60, Share: 1, Window: w}, func(t *testing.T, l *limiter) {
				began, most := time.Now(), 0
				at := []time.Time{}
				for range 120 {
					turn, err := l.wait(t.Context(), urgent(connector.Dumping), kindList)
					if err != nil {
						t.Fatal(err)
					}
					turn.done(headerOf("X-RateLimit-Limit: 20", "X-RateLimit-Remaining: 19",
						"X-RateLimit-Reset: "+time.Now().Truncate(2*time.Second).Add(2*time.Second).Format(time.RFC3339)), time.Now(), nil)
					at = append(at, time.Now())
					n := 0
					for i := len(at) - 1; i >= 0 && time.Since(at[i]) < 10*time.Second; i-- {
						n++
					}
					most = max(most, n)
				}
				if took := time.Since(began); took < 100*time.Second || took > 130*time.Second || most > 20 {
					t.Errorf("120 requests took %s, want two minutes; up to %d of them came within 10 s", took, most)
				}
			})
		})
	}
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

// GitHub's, for one: 5000 requests an hour, and the answers say when it ends.
func TestAnHourThatTheAPIStatesIsUsedUpAndNotBefore(t *testing.T) {
	for name, b := range map[string]Budget{
		"beside a budget of ours": {PerMinute: 83, Share: 0.8},
		"without one":             {Share: 0.8},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, b, func(t *testing.T, l *limiter) {
				began, left, sent := time.Now(), 5000, 0
				ends := began.Add(40 * time.Minute) // it began before us
				for time.Since(began) < 2*time.Hour {
					turn, err := l.wait(t.Context(), urgent(connector.Dumping), kindList)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(100 * time.Millisecond)
					if !time.Now().Before(ends) {
						left, ends = 5000, ends.Add(time.Hour)
					}
					if left--; left < 0 {
						t.Fatal("nothing was left")
					}
					sent++
					turn.done(headerOf("X-RateLimit-Limit: 5000", "X-RateLimit-Remaining: "+strconv.Itoa(left), "X-RateLimit-Reset: "+strconv.FormatInt(ends.Unix(), 10)), time.Now().Truncate(time.Second), nil)
				}
				used := float64(sent) / (2 * 5000)
				if used < 0.8*0.9 || b.PerMinute > 0 && used > 0.81 {
					t.Errorf("%.3f of two hours' requests were used", used)
				}
			})
		})
	}
}
