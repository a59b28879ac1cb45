package connector

import (
	"context"
	"errors"
	"time"
)

// trailing reads once more what has become a lookback old, below the cursor: at the
// cursor and above the head reads everything anyway. Marks that are older still are
// forgotten with it. By due the next pull is, which is more urgent.
func (r *Reader) trailing(ctx context.Context, due time.Time) error {
	s, date := &r.mem.State, r.date
	if s.Trailing == Beginning || date == Beginning {
		return nil
	}
	to := min(s.Cursor.Instant, date.Add(-r.set.Lookback), date.Add(-r.set.Settle))
	if to <= s.Trailing || (to != s.Cursor.Instant && to.Sub(s.Trailing) < r.set.Lookback/2) {
		return nil
	}
	r.as(Trailing)
	switch {
	case r.set.Unfiltered && r.seen != r.began:
		return nil // the head reads everything, but this time it may have missed some
	case r.set.Unfiltered:
		to = min(to, r.began.Add(-r.set.Lookback))
	}
	if r.set.Unfiltered {
		if to <= s.Trailing {
			return nil
		}
		if r.slipped {
			// In an order that changes one walk after another may miss the same record.
			if _, err := r.read(ctx, Beginning, Forever, false); err != nil {
				return err
			}
		}
	} else if r.set.Unordered {
		if whole, err := r.read(ctx, s.Trailing, to, false); err != nil || !whole {
			return err
		}
	} else if err := r.onceMore(ctx, to, due); err != nil || s.Trailing < to {
		return err
	}
	s.Trailing = to
	for id, at := range r.mem.Ledger.Marks() {
		if at.Add(r.set.Lookback) > date {
			continue
		}
		if r.forget(id); len(r.batch.Entries) >= forgetPiece {
			if err := r.stage(ctx); err != nil {
				return err
			}
		}
	}
	return r.stage(ctx)
}

// forgetPiece is how many marks a batch forgets at most.
const forgetPiece = 5000

// onceMore reads [Trailing, to) once more, and moves Trailing behind each window: all below
// it was read at that age, and whoever goes on from there, a later pull or another life,
// misses nothing. So it ends when the next pull is due or asked for, but not before a window
// of it is read, or a collection that is never idle would have no such pass.
func (r *Reader) onceMore(ctx context.Context, to Instant, due time.Time) error {
	s, whole := &r.mem.State, true
	more := func() bool {
		if whole {
			return r.goesOn(due) || r.sent != nil // which is on its way
		}
		// Trailing stays before a tie that does not come to rest, and what is behind it would be
		// begun anew each time.
		r.by = time.Time{}
		return true
	}
	for a := s.Trailing.Floor(r.set.Tick); a < to && more(); {
		// The first page may wait for its budget for as long as it takes, the one behind it not.
		onward := r.pages > 0 && !r.env.Pulls.Wanted()
		w, err := r.window(ctx, Query{From: a, To: r.ceil(to), Page: 1}, to, onward)
		if errors.Is(err, ErrPutOff) {
			break
		}
		if err != nil {
			return err
		}
		a, whole = w.end, whole && w.whole
		if whole {
			s.Trailing = max(s.Trailing, min(a, to))
		}
		if !r.batch.empty() { // how far it has come alone is not worth a commit a page
			if err := r.stage(ctx); err != nil {
				return err
			}
		}
	}
	return r.stage(ctx)
}
