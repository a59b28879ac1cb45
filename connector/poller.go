package connector

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// Run pulls whenever a pull is due until ctx ends or a pull fails for good: with a
// *StopError, which ends this collection, or with the committer's error, after which
// everything held in memory is to be forgotten.
func (r *Reader) Run(ctx context.Context) error {
	p := r.env.Pulls
	p.Enter(r.mem.State.Ran, r.env.Crowd)
	for {
		if err := r.idle(ctx); err != nil {
			return err
		}
		reasons := p.Begin()
		began := r.env.Now()
		r.m.Began(began, reasons)
		r.mem.State.Reasons = NamesOf(reasons)
		r.changed = false
		err := r.Pull(ctx)
		if err == nil {
			err = r.ran(ctx)
		}
		ended := r.env.Now()
		if err != nil {
			if ctx.Err() == nil {
				r.m.Failed(ended, err)
				r.m.Ended(ended.Sub(began), reasons, false, err)
			}
			if stop := (*StopError)(nil); errors.As(err, &stop) {
				p.Refuse(stop)
			}
			return err
		}
		r.m.LastSuccess.Set(seconds(ended))
		r.m.Ended(ended.Sub(began), reasons, r.changed, nil)
		r.env.Log.Log(ctx, loudness(reasons), "pulled", "reasons", r.mem.State.Reasons, "took", ended.Sub(began).Round(time.Millisecond), "changed", r.changed)
		p.End()
	}
}

// loudness is the level at which a pull is logged: an operator sees what he asked for.
func loudness(reasons []Reason) slog.Level {
	if slices.ContainsFunc(reasons, func(r Reason) bool { return r.Name == ReasonManual }) {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// ran commits when a pull by a cron expression ended: whoever starts later knows by it
// whether one was missed.
func (r *Reader) ran(ctx context.Context) error {
	if !r.env.Pulls.ByCron() || r.mem.State.Trailing == Beginning {
		return nil
	}
	r.mem.State.Ran = InstantOf(r.env.Now())
	if err := r.stage(ctx); err != nil {
		return err
	}
	return r.out.Flush(ctx)
}

// idle waits until a pull is due, and goes on with a sweep meanwhile: a million records are
// read in hours, whatever the interval, and no pull waits for more than a page of them. It
// rests for as long as it reads, for others may use the API.
func (r *Reader) idle(ctx context.Context) error {
	p := r.env.Pulls
	for r.mem.State.Sweep.Running && !r.set.Unordered {
		began := r.env.Now()
		turn, due := began.Add(sweepTurn), p.Next()
		if p.Due() || !r.sweeps(began) {
			break
		}
		if !due.IsZero() && due.Before(turn) {
			turn = due
		}
		if err := r.sweep(ctx, 0, turn, due); err != nil {
			return err
		}
		now := r.env.Now()
		if err := p.Wait(ctx, r.env.Sleep, now.Add(max(now.Sub(began), time.Millisecond))); err != nil {
			return err
		}
	}
	return p.Wait(ctx, r.env.Sleep, time.Time{})
}

// sweepTurn is how long a sweep reads before it rests, and after which it commits how far
// it has come.
const sweepTurn = time.Second
