package connector

import (
	"context"
	"time"
)

// Run pulls at the interval of the settings until ctx ends or a pull fails for good:
// with a *StopError, which ends this collection, or with the committer's error, after
// which everything held in memory is to be forgotten.
func (r *Reader) Run(ctx context.Context) error {
	for {
		began := r.env.Now()
		r.m.LastAttempt.Set(seconds(began))
		r.changed = false
		if err := r.Pull(ctx); err != nil {
			if ctx.Err() == nil {
				r.m.Polls.WithLabelValues("error").Inc()
				r.m.LastError.Set(seconds(r.env.Now()))
			}
			return err
		}
		ended := r.env.Now()
		r.m.LastSuccess.Set(seconds(ended))
		r.m.PollDuration.Observe(ended.Sub(began).Seconds())
		outcome := "empty"
		if r.changed {
			outcome = "ok"
		}
		r.m.Polls.WithLabelValues(outcome).Inc()
		if err := r.idle(ctx, r.pause(ended.Sub(began))); err != nil {
			return err
		}
	}
}

// idle waits for so long, and goes on with a sweep meanwhile: a million records are read
// in hours, whatever the interval, and no pull waits for more than a page of them. It
// rests for as long as it reads, for others may use the API.
func (r *Reader) idle(ctx context.Context, wait time.Duration) error {
	until := r.env.Now().Add(wait)
	for r.mem.State.Sweep.Running && !r.set.Unordered {
		began := r.env.Now()
		left := until.Sub(began)
		if left <= 0 || !r.sweeps(began) {
			break
		}
		if err := r.sweep(ctx, 0, began.Add(min(left, sweepTurn)), until); err != nil {
			return err
		}
		now := r.env.Now()
		if rest := min(max(now.Sub(began), time.Millisecond), until.Sub(now)); rest > 0 {
			if err := r.env.Sleep(ctx, rest); err != nil {
				return err
			}
		}
	}
	return r.env.Sleep(ctx, max(0, until.Sub(r.env.Now())))
}

// sweepTurn is how long a sweep reads before it rests, and after which it commits how far
// it has come.
const sweepTurn = time.Second

// pause returns how long to wait after a pull that took so long: pulls begin an
// interval apart, give or take the jitter that keeps collections from asking all at
// once. A pull that took longer than that is followed by a short one all the same, so
// that no setting makes a hot loop.
func (r *Reader) pause(took time.Duration) time.Duration {
	spread := 1 + r.set.Jitter*(2*r.env.Random()-1)
	return max(time.Duration(spread*float64(r.set.Interval))-took, r.set.Interval/10, time.Millisecond)
}
