package connector

import (
	"context"
	"errors"
	"time"
)

// A Sleep waits, or returns the context's error.
type Sleep func(context.Context, time.Duration) error

// Wait returns when a pull is due, or at until, which is zero for never.
func (p *Pulls) Wait(ctx context.Context, sleep Sleep, until time.Time) error {
	return p.sleep(ctx, sleep, func(now time.Time) time.Duration {
		at, ok := p.due()
		if !until.IsZero() && (!ok || until.Before(at)) {
			at, ok = until, true
		}
		if !ok {
			return never
		}
		return at.Sub(now)
	})
}

// Pass waits while an operator has made it rest.
func (p *Pulls) Pass(ctx context.Context, sleep Sleep) error {
	return p.sleep(ctx, sleep, func(time.Time) time.Duration {
		if p.held == nil {
			return 0
		}
		return never
	})
}

// never is how long to wait for what nobody has asked for.
const never = 24 * time.Hour

// errWoken ends a sleep.
var errWoken = errors.New("woken")

// sleep sleeps until there is no time left.
func (p *Pulls) sleep(ctx context.Context, sleep Sleep, left func(now time.Time) time.Duration) error {
	for over := false; !over; {
		_, err := p.sleepOnce(ctx, sleep, func(now time.Time) time.Duration {
			d := left(now)
			over = d <= 0
			return d
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sleepOnce sleeps for what is left, which is asked under the mutex, or until the poller is
// woken.
func (p *Pulls) sleepOnce(ctx context.Context, sleep Sleep, left func(now time.Time) time.Duration) (woken bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.mu.Lock()
	d := left(p.now())
	p.woken = cancel
	p.mu.Unlock()
	if d <= 0 {
		return false, nil
	}
	err = sleep(within, d)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case within.Err() != nil:
		return true, nil
	}
	return false, err
}
