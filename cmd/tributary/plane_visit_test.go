package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector/control"
)

// TestWhoChangesStateIsToldThatItIsDoneHoweverLongTheLaneTakes: told that it cannot be done now,
// he would send it again.
func TestWhoChangesStateIsToldThatItIsDoneHoweverLongTheLaneTakes(t *testing.T) {
	for name, c := range map[string]struct {
		back time.Duration // until the lane is there again
		kind control.Kind
		done bool // without an error
		took time.Duration
	}{
		"one that is back in no time":  {back: time.Millisecond, done: true, took: 10 * time.Millisecond},
		"one that has much to read":    {back: 30 * time.Second, done: true, took: 30 * time.Second},
		"one that waits for Kafka":     {back: time.Hour, kind: control.TooLate, took: returnTime},
		"one that is not there at all": {back: -1, kind: control.Unavailable, took: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := planeOf(t, with("interval: 1m"))
				col := p.by[apiPeople]
				own := func(l *ownedLane) {
					p.e.mu.Lock()
					defer p.e.mu.Unlock()
					p.e.lanes[col.lane] = l
				}
				if c.back >= 0 {
					own(&ownedLane{again: func(error) {
						own(nil)
						time.AfterFunc(c.back, func() { own(&ownedLane{}) })
					}})
				}
				edits, began := 0, time.Now()
				err := p.visit(t.Context(), col, func(context.Context) error { edits++; return nil })
				took := time.Since(began)
				var e *control.Error
				if c.done != (err == nil) || err != nil && (!errors.As(err, &e) || e.Kind != c.kind) || took < c.took || took > c.took+time.Second {
					t.Errorf("told %v after %s", err, took)
				}
				if begun := c.kind != control.Unavailable; begun != (edits == 1) {
					t.Errorf("done %d times", edits)
				}
			})
		})
	}
}

// TestWhatIsBegunIsDoneThoughWhoAskedHasGone: a reset that is cut short leaves a collection
// that runs only after another one.
func TestWhatIsBegunIsDoneThoughWhoAskedHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planeOf(t, with("interval: 1m"))
		col := p.by[apiPeople]
		again := make(chan struct{})
		p.e.mu.Lock()
		p.e.lanes[col.lane] = &ownedLane{again: func(error) { close(again) }}
		p.e.mu.Unlock()
		ctx, gone := context.WithCancel(t.Context())
		var cut error
		err := p.visit(ctx, col, func(ctx context.Context) error {
			gone()
			cut = sleep(ctx, 5*time.Minute)
			return cut
		})
		if cut != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("the change ended with %v, and who had gone is told %v", cut, err)
		}
		<-again
	})
}

// TestTheEndOfTheConnectorWaitsForWhatIsBegun: within bounds, and nothing more begins.
func TestTheEndOfTheConnectorWaitsForWhatIsBegun(t *testing.T) {
	for name, c := range map[string]struct {
		takes, waits time.Duration
		cut          bool
	}{
		"one that is nearly done":         {takes: time.Second, waits: time.Second},
		"one that takes its time":         {takes: 40 * time.Second, waits: 40 * time.Second},
		"one that takes longer than that": {takes: 5 * time.Minute, waits: endTime, cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := planeOf(t, with("interval: 1m"))
				col := p.by[apiPeople]
				p.e.lanes[col.lane] = &ownedLane{again: func(error) {}}
				told := make(chan error, 1)
				go func() {
					told <- p.visit(t.Context(), col, func(ctx context.Context) error { return sleep(ctx, c.takes) })
				}()
				synctest.Wait()
				began := time.Now()
				p.stopping()
				var none *control.Error
				err := p.visit(t.Context(), col, func(context.Context) error { t.Error("another one has begun"); return nil })
				if !errors.As(err, &none) || none.Kind != control.Unavailable {
					t.Errorf("who comes too late is told %v", err)
				}
				if p.finish(); time.Since(began) != c.waits {
					t.Errorf("the end waited %s, want %s", time.Since(began), c.waits)
				}
				var e *control.Error
				want := control.TooLate
				if c.cut {
					want = control.Unavailable
				}
				if err := <-told; !errors.As(err, &e) || e.Kind != want || time.Since(began) > c.waits+time.Second {
					t.Errorf("who asked is told %v after %s", err, time.Since(began))
				}
			})
		})
	}
}
