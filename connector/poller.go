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
		if err := r.env.Sleep(ctx, r.pause(ended.Sub(began))); err != nil {
			return err
		}
	}
}

// pause returns how long to wait after a pull that took so long: pulls begin an
// interval apart, give or take the jitter that keeps collections from asking all at
// once. A pull that took longer than that is followed by a short one all the same, so
// that no setting makes a hot loop.
func (r *Reader) pause(took time.Duration) time.Duration {
	spread := 1 + r.set.Jitter*(2*r.env.Random()-1)
	return max(time.Duration(spread*float64(r.set.Interval))-took, r.set.Interval/10, time.Millisecond)
}
