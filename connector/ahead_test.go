package connector

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A queuedSource answers its first query; the others stand in a queue for its budget.
type queuedSource struct{ asked int }

func (s *queuedSource) Fetch(ctx context.Context, _ Query) (Page, error) {
	if s.asked++; s.asked > 1 {
		select {
		case <-ctx.Done():
			return Page{}, context.Cause(ctx)
		case <-time.After(time.Hour):
		}
	}
	return Page{Records: []Record{{ID: "a", Instant: tieAt, Stamp: "a", Value: []byte("{}")}}, Date: present, Total: -1}, nil
}

// spent is a lane that takes nothing any more.
type spent struct{ err error }

func (c spent) Stage(context.Context, *Batch) error { return c.err }
func (c spent) Flush(context.Context) error         { return c.err }

func TestALaneThatFailsDoesNotWaitForARequestThatStandsInAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed, s, world := errors.New("the lane is spent"), &queuedSource{}, &sim{now: present}
		env := simEnvOf(world)
		env.Go = func(f func()) { go f() }
		r, err := NewReader((&simParams{stamp: 1, tick: 1}).settings(), s, spent{failed}, NewMemory(), env, NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := r.Pull(t.Context()); !errors.Is(err, failed) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(began); took > 0 || s.asked != 2 {
			t.Errorf("the pull ended after %s and %d requests", took, s.asked)
		}
	})
}

// A shortSource has no budget for sweeps: they wait for as long as they are willing to.
type shortSource struct{ live, putOff, unbounded int }

func (s *shortSource) Fetch(ctx context.Context, q Query) (Page, error) {
	p := Page{Records: []Record{{ID: "a", Instant: tieAt, Stamp: "a", Value: []byte("{}")}}, Date: InstantOf(time.Now()), Total: -1, Last: true}
	if q.Priority != Sweeping {
		s.live++
		return p, nil
	}
	late := q.By
	if late.IsZero() {
		s.unbounded++
		late = time.Now().Add(time.Hour)
	}
	select {
	case <-ctx.Done():
		return Page{}, context.Cause(ctx)
	case <-time.After(time.Until(late)):
	}
	s.putOff++
	return Page{}, ErrPutOff
}

func TestASweepWithoutABudgetDoesNotHoldUpTheNextPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, world := &shortSource{}, &sim{now: InstantOf(time.Now())}
		env := simEnvOf(world)
		env.Now = time.Now
		env.Sleep = func(ctx context.Context, d time.Duration) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(d):
				return nil
			}
		}
		set := (&simParams{stamp: 1, tick: 1}).settings()
		set.Interval, set.Lookback, set.Triggers.OnRestart = 30*time.Second, time.Minute, true
		set.Sweeps = Sweeps{Every: time.Minute, Confirm: ConfirmNone, MaxRatio: 1, MaxCount: 10, Pages: 5, Listing: "l"}
		r, err := NewReader(set, s, keeper{newSimTopics(world)}, NewMemory(), env, NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		// A pull that took the whole interval is followed by a tenth of it.
		if s.live < 15 || s.putOff < 10 || s.unbounded > 0 {
			t.Errorf("%d live pulls within ten minutes, %d pages of the sweep put off, and %d that would have waited for ever", s.live, s.putOff, s.unbounded)
		}
	})
}
