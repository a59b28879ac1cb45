package connector

import (
	"context"
	"errors"
	"slices"
)

// doubts looks again at those that are a lookback old, by probes where the source
// answers them, else by reading the tick that was shown.
func (r *Reader) doubts(ctx context.Context) error {
	if len(r.mem.Doubts) == 0 || r.date == Beginning {
		return nil
	}
	var due, gone []string
	for id, d := range r.mem.Doubts {
		switch {
		case r.date < d.Since.Add(r.set.Lookback) || !r.believable(d):
		case d.swept() && r.set.Sweeps.Confirm == ConfirmNone:
			gone = append(gone, id)
		default:
			due = append(due, id)
		}
	}
	r.as(Live)
	slices.Sort(due) // the order of a map is no order: a run must be repeatable
	slices.Sort(gone)
	if err := r.bury(ctx, gone); err != nil {
		return err
	}
	if r.set.Probe > 1 {
		return r.probe(ctx, due)
	}
	if r.set.Unordered {
		return r.lookAll(ctx, due)
	}
	return r.look(ctx, due)
}

// look reads the ticks in which the doubted versions were shown. A doubt that this
// did not settle is gone: nothing contradicts any more. Absent ones are left alone,
// since only a reading of everything tells.
func (r *Reader) look(ctx context.Context, due []string) error {
	for _, id := range due {
		d, ok := r.mem.Doubts[id]
		if !ok || d.Absent {
			continue // settled by the reading for another one
		}
		from := d.At.Floor(r.set.Tick)
		whole, err := r.read(ctx, from, from.Add(r.tick()), false)
		if err != nil {
			return err
		}
		if !whole {
			continue // a tie that is being written to shows nothing for certain
		}
		if d, ok := r.mem.Doubts[id]; ok && r.date >= d.Since.Add(r.set.Lookback) {
			r.settled(id)
		}
		if err := r.stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// probe asks for the doubted records by id, each time beside a live one that nobody
// doubts: an answer without any of them proves nothing but that the source fails.
func (r *Reader) probe(ctx context.Context, due []string) error {
	if r.date < r.quiet {
		return nil
	}
	for len(due) > 0 {
		part := due[:min(len(due), r.probes-1)]
		quiet, err := r.probeAll(ctx, part)
		var again *RetryError
		switch {
		case errors.As(err, &again) && len(part) > 1:
			// Some APIs take fewer ids than they say, or a shorter address.
			r.probes = max(2, len(part)/2+1)
			r.env.Log.Info("a probe failed: fewer ids are asked for at once", "err", err, "ids", r.probes)
			continue
		case errors.As(err, &again):
			r.quiet = r.date.Add(r.set.Lookback)
			r.env.Log.Warn("doubted records cannot be asked for: they stay as they are, and are asked for again", "err", err, "ids", len(part)+1, "again_in", r.set.Lookback)
			return nil
		case err != nil || quiet:
			return err
		}
		due = due[len(part):]
	}
	return nil
}

// probeAll asks for ids until each is judged. APIs cut a page down in silence, this one
// too: what an answer does not show is asked for again, beside one that it showed, until
// an answer shows nothing more of it, or says that it is the last. Only then it is
// absent. quiet says that an answer showed nothing at all.
func (r *Reader) probeAll(ctx context.Context, ids []string) (quiet bool, err error) {
	beside, _ := r.mem.Ledger.Live(r.env.Random(), r.isDoubted)
	for len(ids) > 0 {
		q := Query{From: Beginning, To: Forever, Page: 1, IDs: slices.Clone(ids)}
		if beside != "" {
			q.IDs = append(q.IDs, beside)
		}
		p, err := r.fetch(ctx, q)
		if err != nil {
			return false, err
		}
		shown := make(map[string]bool, len(p.Records))
		for i := range p.Records {
			shown[p.Records[i].ID] = true // also what is too young, or cannot be published
		}
		rows, _, err := r.admit(&p, q)
		if err != nil {
			return false, err
		}
		if len(shown) == 0 {
			r.quiet = p.Date.Add(r.set.Lookback)
			return true, nil
		}
		var met, missing []string
		for _, id := range ids {
			if shown[id] {
				met, beside = append(met, id), id
			} else {
				missing = append(missing, id)
			}
		}
		if p.Last || len(met) == 0 {
			met, missing = ids, nil
		}
		r.judge(met, rows, shown, p.Date)
		if err := r.stage(ctx); err != nil {
			return false, err
		}
		ids = missing
	}
	return false, nil
}

func (r *Reader) isDoubted(id string) bool { _, ok := r.mem.Doubts[id]; return ok }

// judge settles the doubts about ids by what a probe of that date showed.
func (r *Reader) judge(ids []string, rows []Record, shown map[string]bool, date Instant) {
	r.take(rows, date)
	for _, id := range ids {
		d, ok := r.mem.Doubts[id]
		if !ok || date < d.Since.Add(r.set.Lookback) {
			continue // settled, or this answer's clock says that it is too early to judge
		}
		e, live := r.mem.Ledger.Get(id)
		switch {
		case shown[id], !live, e.Mark:
			// Shown as its entry says (diff would have settled any other), or dead and
			// nothing contradicts that any more.
			r.settled(id)
		case d.Absent:
			r.tombstone(id, date)
		case r.set.Sweeps.Every > 0:
			// Whether it is gone the next sweep tells, which has guards.
			r.settled(id)
		default:
			r.doubt(id, Doubt{Since: date, At: d.At, Absent: true})
		}
	}
}
