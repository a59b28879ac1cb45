package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
)

// dumpDue returns when the next dump is due and why, the zero time if none is.
func (r *Runner) dumpDue() (at time.Time, why connector.ReasonName) {
	d := r.cfg.Dump
	if d == nil {
		return time.Time{}, ""
	}
	now := r.env.Now()
	if r.now || r.state.Dumped == 0 {
		return now, connector.ReasonStartup
	}
	for _, c := range r.cols {
		if c.Memory().State.Sweep.Asked {
			return now, connector.ReasonManual
		}
	}
	// Counted from the last one that came to its end: one that was missed is made up for.
	for _, c := range d.Cron {
		if next := c.Next(r.state.Dumped.Time()); !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at, connector.ReasonSchedule
}

// dump has everything told, from the beginning to the end.
func (r *Runner) dump(ctx context.Context, why connector.ReasonName) error {
	began := r.env.Now()
	reasons := []connector.Reason{{Name: why, At: began}}
	r.env.Log.Info("dump begins", "why", why)
	defer func() {
		for _, c := range r.cols {
			c.LeaveDump()
		}
	}()
	var failed connector.Failures
	for times := 1; ; times++ {
		for _, c := range r.cols {
			c.BeginDump()
		}
		last, err := r.readDump(ctx, reasons)
		var anew *connector.AnewError
		if errors.As(err, &anew) {
			again := &connector.RetryError{Reason: connector.RetryBody, Err: fmt.Errorf("the dump begins anew: %w", anew)}
			if err := r.later(ctx, again, times, &failed); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		return r.endDump(ctx, connector.InstantOf(began), connector.NamesOf(reasons), last)
	}
}

// readDump reads the responses of a dump, and returns the last one. Its states are its own
// and in memory alone: after a crash it begins anew, and the ledger drops what it has told.
func (r *Runner) readDump(ctx context.Context, reasons []connector.Reason) (*answer, error) {
	var state json.RawMessage
	seen := map[digest]bool{digestOf(nil): true}
	for first := true; ; first = false {
		a, err := r.ask(ctx, asking{
			method: r.h.Dump, dump: true, reasons: reasons, first: first,
			state: func() json.RawMessage { return state },
			check: func(a *answer) error { return dumpAdvances(a, seen) },
		})
		if err != nil {
			return nil, err
		}
		if _, err := r.commit(ctx, a.items, r.state, connector.NamesOf(reasons)); err != nil {
			return nil, err
		}
		if !a.More {
			return a, nil
		}
		state = a.NextState
		seen[digestOf(state)] = true
	}
}

// dumpAdvances refuses a response that would have the dump go on for ever. seen are its
// states so far.
func dumpAdvances(a *answer, seen map[digest]bool) error {
	switch {
	case a.More && a.NextState == nil:
		return errors.New(`it says "more" without a "next_state": the next call would get the same state again`)
	case a.More && seen[digestOf(a.NextState)]:
		return &noProgress{`it says "more" and comes back to a state that it had in this dump: it would never end`}
	}
	return nil
}

// missedPiece is how many deletions a group has at most.
const missedPiece = 2000

// endDump deletes what the dump did not show, unless that is too much to be believed. The
// last of it is committed together with the dump's end.
func (r *Runner) endDump(ctx context.Context, started connector.Instant, reasons string, last *answer) error {
	guards := map[*collection]string{}
	var gone []item
	for _, c := range r.cols {
		ids, guard := c.Missed()
		if guards[c] = guard; guard != "" {
			r.env.Log.Error("dump not believed: nothing is deleted, and the next one looks again", "collection", c.name, "why", guard,
				"remedy", fmt.Sprintf("see whether the handler tells of everything; if the records are gone in truth: tributary sweep %s.%s --approve", r.cfg.Source, c.name))
			continue
		}
		for _, id := range ids {
			gone = append(gone, item{c: c, id: id})
		}
	}
	for len(gone) > missedPiece {
		if _, err := r.commit(ctx, gone[:missedPiece], r.state, reasons); err != nil {
			return err
		}
		gone = gone[missedPiece:]
	}
	now := connector.InstantOf(r.env.Now())
	batches := map[string]*connector.Batch{}
	for _, c := range r.cols {
		c.Begin(now, reasons)
	}
	for _, i := range gone {
		i.c.Delete(i.id)
	}
	for _, c := range r.cols {
		batches[c.name] = c.EndDump(started, now, guards[c])
	}
	next := r.state
	next.Dumped = started
	if last.NextDeltaState != nil {
		next.State = last.NextDeltaState
	}
	if err := r.stage(ctx, next, batches); err != nil {
		return err
	}
	if err := r.out.Flush(ctx); err != nil {
		return err
	}
	r.now = false
	if r.cfg.Dump.Ended != nil {
		r.cfg.Dump.Ended()
	}
	r.env.Log.Info("dump ended", "took", r.env.Now().Sub(started.Time()).Round(time.Millisecond))
	return nil
}
