package connector

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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
	said := &crowdLog{}
	log := slog.New(slog.NewTextHandler(said, nil))
	crowd := &Crowd{}
	m := NewMetrics(prometheus.NewRegistry()).Collection("s", "c")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for range n {
		set := basic()
		set.Interval = 5 * time.Minute
		env := Env{Now: time.Now, Sleep: sleepOf, Random: rand.Float64, Log: log, Crowd: crowd}
		r, err := NewReader(set, a, &collector{}, NewMemory(), env, m)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if sleepOf(ctx, rand.N(set.Interval)) == nil {
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
