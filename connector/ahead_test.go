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
