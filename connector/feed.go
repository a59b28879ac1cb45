package connector

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A feed is a list of deletions beside the collection, read as the collection is, by a
// reader of its own that shares memory and committer: one after the other, so that requests
// and batches keep one order. An event is a record that is deleted at its own instant.
//
// But for one thing: an event is history and no state. That it is shown again says nothing
// more than the first time, and what is older than an entry says nothing against it: the
// record was made again since. So each is acted on once (heard). A record that came back
// with the stamp it had is found by a sweep or a doubt; so where there are sweeps or probes,
// an event that an earlier life may have acted on does not kill it again (before), nor one
// from before the collection was read.

// event is one deletion of a feed.
type event struct {
	id string
	at Instant
}

// newFeed returns the reader of the feed beside r, nil if it has none.
func newFeed(r *Reader) *Reader {
	if r.env.Feed == nil {
		r.mem.State.Feed = Track{}
		return nil
	}
	f := *r
	f.src, f.hears, f.heard = r.env.Feed, true, map[event]bool{}
	f.env.Page, f.env.CaughtUp = nil, nil
	f.set = r.set.OfFeed()
	f.before = Beginning
	f.checked = r.set.Sweeps.Every > 0 || r.set.Probe > 1
	if at := r.mem.State.Feed.Cursor.Instant; at != 0 && f.checked {
		f.before = at
	}
	if r.set.Sweeps.Every > 0 {
		f.set.Probe = 0 // the sweep tells
	}
	return &f
}

// hear reads the feed when it is due, or when somebody waits for the pull: what it would have
// told is not there for him otherwise. A feed that fails is put off: it must not hold up what
// keeps the collection fresh. Who waits has it tried again, as a request that failed is, and
// is told what came of it.
func (r *Reader) hear(ctx context.Context) error {
	f, now, p := r.feed, r.env.Now(), r.env.Pulls
	if f == nil || r.mem.State.Trailing == Beginning {
		return nil
	}
	early := now.Before(f.later.until)
	switch {
	case early && !p.Awaited():
		return nil
	case now.Before(f.later.asked):
		p.Failing(f.deaf)
		return nil
	}
	f.later.failures.short = early && f.deaf != nil
	defer f.recall()
	err := f.listen(ctx)
	f.deaf = nil
	var again *RetryError
	switch {
	case errors.As(err, &again):
		f.deaf = fmt.Errorf("the feed of deletions cannot be read: %w", err)
		p.Failing(f.deaf)
		wait := f.later.again(r.env.Now(), again, r.env.Random())
		r.env.Log.Warn("the feed of deletions cannot be read: it is tried again, and what is new is read meanwhile", "err", err, "again_in", wait.Round(time.Millisecond))
		return f.stage(ctx)
	case errors.Is(err, errUnfinished):
		p.Failing(err)
		err = nil
	}
	r.changed, f.changed = r.changed || f.changed, false
	f.later = putBack{until: now.Add(r.set.Feed.Interval)}
	return err
}

// listen reads onward from the feed's cursor, and once more what is a lookback old.
func (r *Reader) listen(ctx context.Context) error {
	t := &r.mem.State.Feed
	if t.Cursor.Instant == 0 {
		*t = Track{Cursor: Cursor{Instant: Beginning}, Trailing: Beginning}
	}
	r.as(Live)
	if whole, err := r.onward(ctx); err != nil {
		return err
	} else if !whole {
		return errUnfinished
	}
	if t.Trailing == Beginning {
		t.Trailing = r.began.Add(-r.set.Lookback)
		return r.stage(ctx)
	}
	r.as(Trailing)
	to := min(t.Cursor.Instant, r.date.Add(-r.set.Lookback), r.date.Add(-r.set.Settle))
	if to <= t.Trailing || (to != t.Cursor.Instant && to.Sub(t.Trailing) < r.set.Lookback/2) {
		return nil
	}
	if whole, err := r.read(ctx, t.Trailing, to, false); err != nil || !whole {
		return err
	}
	t.Trailing = to
	for e := range r.heard {
		if e.at < to.Add(-r.set.Lookback-r.set.Overlap) && !r.set.Unfiltered {
			delete(r.heard, e) // it is not read again
		}
	}
	return r.stage(ctx)
}

// heardBefore says whether an event was acted on, and notes that it is now.
func (r *Reader) heardBefore(rec *Record) bool {
	e := event{rec.ID, rec.Instant}
	known := r.heard[e]
	r.heard[e] = true
	return known
}

// bygone says whether an event may be history to a record that lives, and something else is
// to tell: an earlier life has acted on it, or it is older than the collection's first
// reading.
func (r *Reader) bygone(rec *Record) bool {
	first := r.checked && r.mem.State.Feed.Trailing == Beginning && rec.Instant < r.began.Add(-r.set.Lookback)
	return first || rec.Instant <= r.before
}

// belie meets an event against which an entry speaks. The record lives, or its deletion had
// to wait and has an old stamp: the next sweep tells, and where there is none the record is
// asked for by its id, if that can be.
func (r *Reader) belie(rec *Record, date Instant) {
	r.m.Skipped.WithLabelValues("stale").Inc()
	if _, doubted := r.mem.Doubts[rec.ID]; !doubted && r.set.Probe > 1 {
		r.doubt(rec.ID, Doubt{Since: date, At: rec.Instant})
	}
}
