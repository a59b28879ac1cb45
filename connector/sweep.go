package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A sweep reads everything from the beginning to the very end, window by window. A live
// entry that its window does not show is in doubt as absent, and nothing comes of that
// before the sweep has ended and stood the guards: then, when the doubt is a lookback
// old, the record is asked for (doubts.go), or with ConfirmNone waits for a second sweep.

// absentPiece is how many doubts or tombstones of a sweep a batch has at the most.
const absentPiece = 2000

// sweep goes on with the one that runs, or begins the next: as many pages as come until a
// time, and with a number so many at the most. By due the next pull is, which is more
// urgent: a page that has to wait longer for its budget is put off. One is read all the
// same when it is over then, or a collection that is never idle would not be swept.
func (r *Reader) sweep(ctx context.Context, pages int, until, due time.Time) error {
	if err := r.dropUnguarded(ctx); err != nil {
		return err
	}
	now := r.env.Now()
	if !r.sweeps(now) {
		return nil
	}
	if !r.mem.State.Sweep.Running {
		r.startSweep()
	}
	if r.walk == nil {
		r.walk = newWalk()
	}
	defer r.recall()
	r.as(Sweeping)
	if now.Before(due) && !r.set.Unordered { // a walk that is left begins anew
		r.by = due
	}
	over := func() bool {
		if pages > 0 && (r.pages >= pages || until.IsZero() || r.pages == 0) {
			return r.pages >= pages
		}
		return !r.env.Now().Before(until) || r.env.Pulls.Wanted()
	}
	var err error
	if r.set.Unordered {
		err = r.sweepUnordered(ctx)
	} else {
		err = r.sweepOn(ctx, over)
	}
	var again *RetryError
	switch {
	case errors.Is(err, ErrPutOff):
		return r.stage(ctx) // before anything else is
	case errors.As(err, &again):
		wait := r.later.again(now, again, r.env.Random())
		r.env.Log.Warn("the sweep is put off: what is new is read meanwhile", "err", err, "again_in", wait.Round(time.Millisecond))
		return r.stage(ctx)
	case err == nil:
		r.later = putBack{}
	}
	return err
}

// sweeps says whether a sweep runs or is due, and may go on now.
func (r *Reader) sweeps(now time.Time) bool {
	s, set := &r.mem.State.Sweep, &r.set.Sweeps
	switch {
	case set.Every == 0 || now.Before(r.later.until):
		return false
	case r.seen == Beginning:
		return false // not before what is known is all there was to know
	}
	// One that ended in the future did so by a clock that was wrong.
	ago := r.date.Sub(s.Ended)
	return s.Running || s.Asked || s.Ended == 0 || max(ago, -ago) >= set.Every
}

// A putBack is what failed and is tried again later, while other things are done.
type putBack struct {
	until    time.Time
	asked    time.Time // until then it is not tried for those who ask either; zero: it has not failed
	failures Failures
}

func (p *putBack) again(now time.Time, err *RetryError, random float64) time.Duration {
	p.failures.count()
	wait := backoff(err, p.failures.times, random, true)
	asked, _ := p.failures.shorter(err, wait)
	p.until, p.asked = now.Add(wait), now.Add(asked)
	return wait
}

func (r *Reader) startSweep() {
	s := &r.mem.State.Sweep
	s.Running, s.Started, s.Asked, s.Listing = true, r.date, false, r.set.Sweeps.Listing
	// A record may have got an older stamp than the one at which reading began.
	s.Position = min(r.mem.State.Floor, r.mem.Ledger.oldest())
	// What it misses has stood no guards, though it begins in the second in which the last
	// one ended, or by a clock that has gone back.
	s.Passed = min(s.Passed, s.Started-1)
	r.recountAbsent()
	r.walk = nil
	r.env.Log.Info("sweep begins", "live", r.mem.Ledger.Len(), "from", s.Position)
}

// sweepOn reads windows until over. The position is committed with the doubts of the
// windows below it, and at the end of the turn.
func (r *Reader) sweepOn(ctx context.Context, over func() bool) error {
	s := &r.mem.State.Sweep
	for at := s.Position.Floor(r.set.Tick); ; {
		q := Query{From: at, To: Forever, Page: 1}
		w, err := r.window(ctx, q, Forever, !over())
		if err == nil && w.last {
			// Everything hangs on where the listing ends, so that is asked for twice.
			q.Count = true
			w, err = r.window(ctx, q, Forever, false)
		}
		if err != nil {
			return err
		}
		guard := ""
		if w.last && w.total > w.rows {
			guard = fmt.Sprintf("the listing ends after %d records from %s on where the API counts %d", w.rows, at, w.total)
		}
		if guard == "" && w.whole {
			if guard, err = r.judgeWindow(ctx, at, w.known); err != nil {
				return err
			}
		} else {
			clear(r.walk.shown)
		}
		at = w.end
		switch {
		case guard != "" && !s.Approved:
			return r.stopSweep(ctx, guard)
		case at == Forever:
			return r.endSweep(ctx)
		}
		s.Position = at
		if ended := over(); ended || !r.batch.empty() {
			if err := r.stage(ctx); err != nil || ended {
				return err
			}
		}
	}
}

// judgeWindow doubts what a whole window did not show. Nothing is learnt by doubting more
// than twice what the guards let pass: then it ends at once, so that no listing that has gone
// empty fills the memory. Not before: what has become a record that cannot be published is
// missed where its last version stood, and shown further on.
func (r *Reader) judgeWindow(ctx context.Context, from, to Instant) (guard string, err error) {
	s := &r.mem.State.Sweep
	r.walk.absent(r.mem.Ledger, from, to, func(id string, at Instant) bool {
		if r.miss(id); r.missed > 2*r.set.Sweeps.MaxCount+absentPiece && !s.Approved {
			guard = r.tooMany()
			return false
		}
		if len(r.batch.Doubts) >= absentPiece {
			s.Position = at // all that is older was judged
			err = r.stage(ctx)
		}
		return err == nil
	})
	return guard, err
}

// miss notes that a record was not shown where it should be. What contradicts its entry
// by another instant is looked at by itself.
func (r *Reader) miss(id string) {
	s := &r.mem.State.Sweep
	switch d, doubted := r.mem.Doubts[id]; {
	case !doubted:
		r.doubt(id, Doubt{Since: max(r.date, s.Started), At: Beginning, Absent: true})
	case d.swept() && !d.Twice && d.Since < s.Started && r.date >= d.Since.Add(2*r.set.Lookback):
		d.Twice = true
		r.doubt(id, d)
	}
}

// tooMany says why so many absences are not believed; empty: they may be. Those that
// stood the guards of an earlier sweep are not counted again.
func (r *Reader) tooMany() string {
	n, live, set := r.missed, r.mem.Ledger.Len(), &r.set.Sweeps
	switch {
	case n > set.MaxCount:
		return fmt.Sprintf("more than %d records are not listed any more (max_count)", set.MaxCount)
	case float64(n) > set.MaxRatio*float64(live):
		return fmt.Sprintf("%d of %d records or more are not listed any more, which is over %v of them (max_ratio)", n, live, set.MaxRatio)
	}
	return ""
}

// endSweep judges a sweep that has come to the end of the listing as a whole.
func (r *Reader) endSweep(ctx context.Context) error {
	s := &r.mem.State.Sweep
	guard := r.tooMany()
	switch {
	case r.missed == 0 || s.Approved:
		guard = ""
	case r.absent >= r.mem.Ledger.Len():
		guard = fmt.Sprintf("not one of %d records is listed any more", r.absent)
	case s.Listing != s.Trusted:
		guard = fmt.Sprintf("%d records are not listed any more, and what is asked for was changed since the last sweep (path, params or the like)", r.missed)
	}
	if guard != "" {
		return r.stopSweep(ctx, guard)
	}
	r.closeSweep("")
	s.Trusted = s.Listing
	s.Passed = s.Ended
	for _, d := range r.mem.Doubts {
		if d.swept() {
			s.Passed = max(s.Passed, d.Since) // the clocks of two machines may differ
		}
	}
	r.missed = 0
	r.m.Sweeps.WithLabelValues("passed").Inc()
	r.env.Log.Info("sweep ended", "absent", r.absent, "live", r.mem.Ledger.Len(), "took", s.Ended.Sub(s.Started))
	return r.stage(ctx)
}

// stopSweep ends a sweep that is not believed: what it missed counts for nothing. That is
// committed first, so that after a crash no half of it stands the guards.
func (r *Reader) stopSweep(ctx context.Context, guard string) error {
	r.closeSweep(guard)
	r.mem.State.Sweep.Passed = 0
	r.missed = r.absent
	r.m.Sweeps.WithLabelValues("guarded").Inc()
	r.env.Log.Error("sweep not believed: nothing is deleted, and the next one looks again", "why", guard,
		"remedy", fmt.Sprintf("see whether the API still shows everything to this credential; if the records are gone in truth: tributary sweep %s.%s --approve", r.set.Source, r.set.Collection))
	return r.dropUnguarded(ctx)
}

func (r *Reader) closeSweep(guard string) {
	s := &r.mem.State.Sweep
	s.Running, s.Position, s.Approved, s.Guard = false, 0, false, guard
	s.Ended = max(r.date, s.Started)
	r.walk = nil
}

// resumeSweep takes up what was committed. One that lists something else now begins anew.
func (r *Reader) resumeSweep() {
	s, set := &r.mem.State.Sweep, &r.set.Sweeps
	defer r.recountAbsent()
	if set.Every == 0 {
		s.Running, s.Position, s.Passed, s.Asked, s.Trusted = false, 0, 0, false, ""
		return
	}
	if s.Trusted == "" {
		s.Trusted = set.Listing
	}
	if s.Listing != set.Listing && (s.Running || s.Trusted != set.Listing) {
		// What it has missed so far, for the second time too, counts for nothing.
		s.Running, s.Position, s.Passed, s.Asked = false, 0, 0, true
	}
}

// dropUnguarded drops the doubts of a sweep that ended before its end. Any that does not
// run and whose doubts have not passed is one.
func (r *Reader) dropUnguarded(ctx context.Context) error {
	s := &r.mem.State.Sweep
	if s.Running || r.absent == 0 {
		return r.stageSweep(ctx)
	}
	var ids []string
	for id, d := range r.mem.Doubts {
		if d.swept() && d.Since > s.Passed {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids) // the order of a map is no order: a run must be repeatable
	for part := range slices.Chunk(ids, absentPiece) {
		for _, id := range part {
			r.settled(id)
		}
		if err := r.stage(ctx); err != nil {
			return err
		}
	}
	return r.stageSweep(ctx)
}

// stageSweep commits how the sweep stands, unless the collection has no state yet.
func (r *Reader) stageSweep(ctx context.Context) error {
	if r.mem.State.Trailing == Beginning {
		return nil
	}
	return r.stage(ctx)
}

// believable says whether a doubt may be acted on by now, as far as sweeps decide it.
func (r *Reader) believable(d Doubt) bool {
	s := &r.mem.State.Sweep
	switch {
	case d.Absent && r.set.Sweeps.Every > 0 && s.Trusted != r.set.Sweeps.Listing:
		return false // it may be what is asked for that leaves the record out
	case !d.swept():
		return true
	case d.Since > s.Passed:
		return false
	case r.set.Sweeps.Confirm == ConfirmNone:
		return d.Twice && !s.Running
	}
	return true
}

// bury deletes records that two sweeps have missed. It is told no instant of their
// deletion: theirs is when it was believed.
func (r *Reader) bury(ctx context.Context, ids []string) error {
	for part := range slices.Chunk(ids, absentPiece) {
		for _, id := range part {
			r.tombstone(id, r.date)
		}
		if err := r.stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tombstone deletes a record that is gone. No mark: no replica is so far behind that it
// shows the record still.
func (r *Reader) tombstone(id string, date Instant) {
	if e, had := r.mem.Ledger.Get(id); had && !e.Mark {
		r.batch.Changes = append(r.batch.Changes, Change{ID: id, Instant: date})
		r.forget(id)
	}
	r.dropReceipt("id:" + id)
	r.settled(id)
}

func (r *Reader) sweepGauges() {
	s := &r.mem.State.Sweep
	for _, g := range []struct {
		gauge *Series
		at    Instant
	}{{r.m.SweepStarted, s.Started}, {r.m.SweepEnded, s.Ended}, {r.m.SweepPosition, s.Position}} {
		if g.at == Beginning {
			g.gauge.Set(0)
		} else {
			g.gauge.Set(seconds(g.at.Time()))
		}
	}
	r.m.SweepRunning.Set(oneIf(s.Running))
	r.m.SweepGuarded.Set(oneIf(s.Guard != ""))
	r.m.Absent.Set(float64(r.absent))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (r *Reader) recountAbsent() {
	r.absent, r.missed = 0, 0
	for _, d := range r.mem.Doubts {
		r.countAbsent(d, +1)
	}
}

// countAbsent keeps how many doubts sweeps have made, and how many of them have not stood
// the guards.
func (r *Reader) countAbsent(d Doubt, by int) {
	if !d.swept() {
		return
	}
	r.absent += by
	if d.Since > r.mem.State.Sweep.Passed {
		r.missed += by
	}
}
