package connector

import (
	"context"
	"errors"
	"slices"
	"time"
)

// doubts looks again at those that are a lookback old, by probes where the source
// answers them, else by reading the tick that was shown. By due the next pull is, which is
// more urgent: what is left then, or when somebody asks for a pull, is looked at by the next
// one, and some of it by each, however late it is.
func (r *Reader) doubts(ctx context.Context, due time.Time) error {
	if len(r.mem.Doubts) == 0 || r.date == Beginning {
		return nil
	}
	var about, gone []string
	for id, d := range r.mem.Doubts {
		switch {
		case r.date < d.Since.Add(r.set.Lookback) || !r.believable(d):
		case d.swept() && r.set.Sweeps.Confirm == ConfirmNone:
			gone = append(gone, id)
		default:
			about = append(about, id)
		}
	}
	r.as(Live)
	slices.Sort(about) // the order of a map is no order: a run must be repeatable
	slices.Sort(gone)
	if err := r.bury(ctx, gone); err != nil {
		return err
	}
	var err error
	switch {
	case r.set.Probe > 1:
		err = r.probe(ctx, about, due)
	case r.set.Unordered:
		err = r.lookAll(ctx, about)
	default:
		err = r.look(ctx, about, due)
	}
	if errors.Is(err, ErrPutOff) {
		return r.stage(ctx) // before anything else is
	}
	return err
}

// goesOn says whether there is time for more of what can wait before the next pull is due,
// and by when it has to have its budget. There is for one of them, or it would never be done.
func (r *Reader) goesOn(due time.Time) bool {
	if r.pages == 0 {
		return true
	}
	r.by = due
	return !r.env.Pulls.Wanted() && (due.IsZero() || r.env.Now().Before(due))
}

// look reads the ticks in which the doubted versions were shown. A doubt that this
// did not settle is gone: nothing contradicts any more. Absent ones are left alone,
// since only a reading of everything tells.
func (r *Reader) look(ctx context.Context, about []string, due time.Time) error {
	for _, id := range about {
		d, ok := r.mem.Doubts[id]
		if !ok || d.Absent {
			continue // settled by the reading for another one
		}
		if !r.goesOn(due) {
			return nil
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

// probePiece is how many records that are asked for one by one no pull interrupts.
const probePiece = 5

// probe asks for the doubted records by id, each time beside a live one that nobody
// doubts: an answer without any of them proves nothing but that the source fails.
func (r *Reader) probe(ctx context.Context, about []string, due time.Time) error {
	if r.date < r.quiet {
		return nil
	}
	most := r.probes - 1
	if r.set.ProbeAlone {
		most = min(most, probePiece)
	}
	for len(about) > 0 && r.goesOn(due) {
		part := about[:min(len(about), most)]
		quiet, err := r.probeAll(ctx, part)
		var again *RetryError
		switch {
		case errors.As(err, &again) && len(part) > 1:
			// Some APIs take fewer ids than they say, or a shorter address.
			most = max(1, len(part)/2)
			r.probes = most + 1
			r.env.Log.Info("a probe failed: fewer ids are asked for at once", "err", err, "ids", r.probes)
			continue
		case errors.As(err, &again):
			r.quiet = r.date.Add(r.set.Lookback)
			r.env.Log.Warn("doubted records cannot be asked for: they stay as they are, and are asked for again", "err", err, "ids", len(part)+1, "again_in", r.set.Lookback)
			return nil
		case err != nil || quiet:
			return err
		}
		about = about[len(part):]
	}
	return nil
}

// probeAll asks for ids until each is judged. APIs cut a page down in silence, this one
// too: what an answer does not show is asked for again, beside one that it showed, until
// an answer shows nothing more of it, or says that it is the last. Only then it is
// absent. quiet says that an answer proves nothing.
func (r *Reader) probeAll(ctx context.Context, ids []string) (quiet bool, err error) {
	beside, _ := r.mem.Ledger.Live(r.env.Random(), r.isDoubted)
	for len(ids) > 0 {
		a, err := r.askFor(ctx, ids, beside)
		if err != nil {
			return false, err
		}
		if a.known == 0 && !a.nameless {
			return r.noAnswer(a.date), nil
		}
		var met, missing []string
		for _, id := range ids {
			if a.shown[id] {
				met, beside = append(met, id), id
			} else {
				missing = append(missing, id)
			}
		}
		all := len(missing) > 0 && (a.last || len(met) == 0) && !a.nameless
		if all {
			if quiet, err := r.showsOne(ctx, beside); err != nil || quiet {
				return quiet, err
			}
			met, missing = ids, nil
		}
		r.judge(met, a.rows, a.shown, a.date)
		if err := r.stage(ctx); err != nil {
			return false, err
		}
		if a.nameless {
			return r.probeEach(ctx, missing, len(ids) == 1)
		}
		ids = missing
	}
	return false, nil
}

// A reply is what a probe showed.
type reply struct {
	rows  []Record
	shown map[string]bool // of the ids, also what is too young, or cannot be published
	known int             // how many of them
	// nameless says that a record is among them whose id cannot be read: it may be any.
	nameless bool
	last     bool
	date     Instant
}

// askFor sends a probe for ids, beside one that is there, if there is any.
func (r *Reader) askFor(ctx context.Context, ids []string, beside string) (a reply, err error) {
	q := Query{From: Beginning, To: Forever, Page: 1, IDs: slices.Clone(ids)}
	if beside != "" {
		q.IDs = append(q.IDs, beside)
	}
	p, err := r.fetch(ctx, q)
	if err != nil {
		return a, err
	}
	a = reply{shown: make(map[string]bool, len(q.IDs)), last: p.Last, date: p.Date}
	for _, id := range q.IDs {
		a.shown[id] = false
	}
	for i := range p.Records {
		id := p.Records[i].ID
		if again, asked := a.shown[id]; asked && !again {
			a.shown[id] = true
			a.known++
		}
		a.nameless = a.nameless || id == ""
	}
	r.several = r.several || a.known > 1
	a.rows, _, err = r.admit(&p, q)
	return a, err
}

// noAnswer lets all probes wait after one that proved nothing.
func (r *Reader) noAnswer(date Instant) (quiet bool) {
	r.quiet = date.Add(r.set.Lookback)
	return true
}

// showsOne says whether the API shows but one record however many it is asked for: some
// take the first or the last of a parameter that is repeated. What it does not show beside
// that one is not gone for that. It is asked for two that are there, once.
func (r *Reader) showsOne(ctx context.Context, beside string) (bool, error) {
	other, ok := r.mem.Ledger.Live(r.env.Random(), func(id string) bool { return id == beside || r.isDoubted(id) })
	if r.several || !ok {
		return false, nil
	}
	a, err := r.askFor(ctx, []string{other}, beside)
	if err != nil || a.known > 1 {
		return false, err
	}
	r.env.Log.Warn("a probe for two records that should be there shows fewer: what it does not show is not taken for gone", "shown", a.known, "again_in", r.set.Lookback)
	return r.noAnswer(a.date), nil
}

// probeEach asks for each of ids alone. The one that is asked for beside a record without
// an id may be that: whether it is gone cannot be told.
func (r *Reader) probeEach(ctx context.Context, ids []string, alone bool) (quiet bool, err error) {
	for _, id := range ids {
		d, doubted := r.mem.Doubts[id]
		switch {
		case !alone:
			quiet, err = r.probeAll(ctx, []string{id})
		case d.swept():
			r.settled(id) // the next sweep looks again
		case doubted:
			d.Since = r.date
			r.doubt(id, d)
		}
		if err != nil || quiet {
			return quiet, err
		}
	}
	return false, r.stage(ctx)
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
