package connector

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// crowdAPI answers with nothing, or not at all.
type crowdAPI struct {
	down  atomic.Bool
	asked atomic.Int64
}

func (a *crowdAPI) Fetch(context.Context, Query) (Page, error) {
	a.asked.Add(1)
	if a.down.Load() {
		return Page{}, &RetryError{Reason: RetryServer, Err: errors.New("503")}
	}
	return Page{Date: InstantOf(time.Now()), Last: true, Total: -1}, nil
}

// A crowdLog counts lines of level info and above.
type crowdLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *crowdLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *crowdLog) count(what string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// runCrowd polls n collections of one source every five minutes, each in its own time.
func runCrowd(t *testing.T, n int, a *crowdAPI) *crowdLog {
	return runCrowdOf(t, n, a, 5*time.Minute)
}

// runCrowdOf has them start within that time.
func runCrowdOf(t *testing.T, n int, a *crowdAPI, within time.Duration) *crowdLog {
	said := &crowdLog{}
	log := slog.New(slog.NewTextHandler(said, nil))
	crowd := &Crowd{Size: n}
	m := NewMetrics(prometheus.NewRegistry()).Collection("s", "c")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for range n {
		set := basic()
		set.Interval, set.Triggers.OnRestart = 5*time.Minute, within == 0
		env := Env{Now: time.Now, Sleep: sleepOf, Random: rand.Float64, Log: log, Crowd: crowd}
		r, err := NewReader(set, a, &collector{}, NewMemory(), env, m)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if within == 0 || sleepOf(ctx, rand.N(within)) == nil {
				r.Run(ctx)
			}
		})
	}
	return said
}

func TestThousandsThatFailFloodNeitherTheAPINorTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		a := &crowdAPI{}
		said := runCrowd(t, n, a)
		time.Sleep(15 * time.Minute)
		a.down.Store(true)
		time.Sleep(15 * time.Minute) // all have failed
		before, lines := a.asked.Load(), said.count("trying again")
		time.Sleep(10 * time.Minute)
		tries, lines := a.asked.Load()-before, said.count("trying again")-lines
		if tries < 10*60 || tries > 10*60*35 {
			t.Errorf("%d collections that fail sent %d requests in ten minutes", n, tries)
		}
		if lines < 10 || lines > 61 || said.count("not_logged=") < 10 {
			t.Errorf("they logged %d lines in ten minutes, %d of them with how many were left out", lines, said.count("not_logged="))
		}
		a.down.Store(false)
		time.Sleep(5 * time.Minute)
		if n := said.count("succeeded again"); n == 0 || n > 100 {
			t.Errorf("%d lines said that it is over", n)
		}
		lines = said.count("trying again")
		a.down.Store(true) // those that fail first are heard again
		time.Sleep(5 * time.Minute)
		if n := said.count("trying again") - lines; n < crowded {
			t.Errorf("%d lines said that it fails again", n)
		}
	})
}

func TestAFewThatFailAreNotHeldBackByEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &crowdAPI{}
		a.down.Store(true)
		said := runCrowd(t, crowded, a)
		time.Sleep(time.Hour)
		if n := said.count("trying again"); int64(n) != a.asked.Load() {
			t.Errorf("%d of %d failures were logged", n, a.asked.Load())
		}
		// Each between half a minute and a minute, and faster at first.
		if n := a.asked.Load() / crowded; n < 55 || n > 125 {
			t.Errorf("each tried %d times in an hour", n)
		}
	})
}

// enterCrowd has n collections of one source enter at once, and returns when each is due.
func enterCrowd(n int, interval time.Duration) (all []*Pulls, after []time.Duration) {
	crowd, now := &Crowd{Size: n}, time.Now()
	for range n {
		p := NewPulls(Settings{Interval: interval, Triggers: Triggers{OnRestart: true}}, time.Now, rand.Float64)
		p.Enter(0, crowd)
		all, after = append(all, p), append(after, p.Next().Sub(now))
	}
	return all, after
}

func TestTheFirstPullsOfAStartAreSpreadWhereTheyAreMany(t *testing.T) {
	for name, c := range map[string]struct {
		n        int
		interval time.Duration
		least    time.Duration // until the last
		most     time.Duration
		once     int // at once, within any tenth of that
	}{
		"few are not held up":             {n: startTogether, interval: time.Hour},
		"one more waits for a moment":     {n: startTogether + 1, interval: time.Hour, least: time.Millisecond, most: 10 * time.Millisecond, once: startTogether},
		"a thousand take their turns":     {n: 1000, interval: time.Hour, least: 9 * time.Second, most: 10 * time.Second, once: 160},
		"within a short interval":         {n: 1000, interval: time.Second, least: 900 * time.Millisecond, most: time.Second, once: 160},
		"ten thousand within a minute":    {n: 10_000, interval: time.Minute, least: 59 * time.Second, most: time.Minute, once: 1100},
		"without an interval as it comes": {n: 1000, least: 9 * time.Second, most: 10 * time.Second, once: 160},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, after := enterCrowd(c.n, c.interval)
				last := slices.Max(after)
				if last < c.least || last > c.most {
					t.Errorf("the last is due after %v, want %v to %v", last, c.least, c.most)
				}
				if last == 0 {
					return
				}
				parts := map[time.Duration]int{}
				for _, d := range after {
					parts[min(9, d*10/last)]++
				}
				for _, n := range parts {
					if n > c.once {
						t.Errorf("%d of %d are due within a tenth of %v", n, c.n, last)
					}
				}
			})
		})
	}
}

func TestWhoIsAskedForDoesNotWaitForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, after := enterCrowd(1000, time.Hour)
		last := all[len(all)-1]
		if after[len(all)-1] < time.Second || last.Due() {
			t.Fatal("the last has no turn to wait for")
		}
		if _, err := last.Ask(Reason{Name: ReasonManual}); err != nil || !last.Due() {
			t.Errorf("it waits all the same: %v", err)
		}
	})
}

func TestALaneThatComesAndGoesCostsNobodyHisTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, interval = 1000, 10 * time.Second
		crowd := &Crowd{Size: n}
		var all []*Pulls
		for range n {
			all = append(all, NewPulls(Settings{Interval: interval, Triggers: Triggers{OnRestart: true}}, time.Now, rand.Float64))
		}
		began, pulled := time.Now(), 0
		for i := 0; time.Since(began) <= interval; i++ {
			for _, p := range all {
				if i > 0 && p.Due() {
					if p.began.IsZero() {
						pulled++
					}
					p.Begin()
					p.End()
				}
				if i%100 == 0 { // a new life each second
					p.Enter(0, crowd)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if pulled != n {
			t.Errorf("%d of %d were pulled within their interval", pulled, n)
		}
		time.Sleep(time.Hour) // and none of it is remembered
		late := NewPulls(Settings{Interval: interval, Triggers: Triggers{OnRestart: true}}, time.Now, rand.Float64)
		if late.Enter(0, crowd); !late.Due() {
			t.Errorf("one that enters alone waits %v", time.Until(late.Next()))
		}
	})
}

func TestThousandsThatStartDoNotAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		a := &crowdAPI{}
		runCrowdOf(t, n, a, 0)
		for i, most := range []int64{2 * startTogether, 2*startTogether + 200, 2*startTogether + 400} {
			synctest.Wait()
			if asked := a.asked.Load(); asked > most || asked < most/4 {
				t.Errorf("%d were asked for within %d s, want %d to %d", asked, 2*i, most/4, most)
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(n*startPace - 6*time.Second)
		if asked := a.asked.Load(); asked < n {
			t.Errorf("%d of %d were asked for", asked, n)
		}
	})
}
