package connector

import (
	"context"
	"fmt"
	"time"
)

// read reads [from, to) in keyset order: each request asks anew from where the last
// page ended, so that records which move while it reads are met again and never
// skipped. Only the head moves the cursor. It returns whether all of the range was
// shown: a tie that is being written to may not come to rest.
func (r *Reader) read(ctx context.Context, from, to Instant, head bool) (whole bool, err error) {
	if r.set.Unordered {
		return r.readUnordered(ctx, from, to, head)
	}
	whole = true
	for a := from.Floor(r.set.Tick); a < to; {
		w, err := r.window(ctx, Query{From: a, To: r.ceil(to), Page: 1}, to, true)
		if err != nil {
			return false, err
		}
		a, whole = w.end, whole && w.whole
		if head && whole {
			r.advance(w.shown)
		}
		if err := r.stage(ctx); err != nil {
			return false, err
		}
	}
	return whole, nil
}

// A window is what one page showed of a reading, or the pages of one tie.
type window struct {
	// end is where the next window begins. Up to known everything was shown that there
	// is, if whole: not what is younger than settle.
	end, known Instant
	whole      bool
	// last says that nothing follows, rows and total what the page showed and what the
	// source counts.
	last        bool
	rows, total int
	// shown is the newest record that the cursor may move to.
	shown Cursor
}

// window asks q, diffs what the page shows, whichever part of it counts, and drains the
// tick if it does not leave it. onward says that the next page may be asked for already.
func (r *Reader) window(ctx context.Context, q Query, to Instant, onward bool) (w window, err error) {
	p, err := r.fetch(ctx, q)
	if err != nil {
		return w, err
	}
	if r.began == Beginning {
		r.began = p.Date // the head's first
	}
	rows, cut, err := r.admit(&p, q)
	if err != nil {
		return w, err
	}
	a := q.From
	w = window{whole: true, last: p.Last || cut || len(p.Records) == 0, rows: len(p.Records), total: p.Total}
	if next := max(newest(rows), r.passed).Floor(r.set.Tick); onward && !w.last && next > a && next < to {
		r.ahead(ctx, Query{From: next, To: q.To, Page: 1})
	}
	shown, last := r.take(rows, p.Date)
	last = max(last, r.passed) // a page of records that cannot be published leads on too
	if r.lead.Instant > shown.Instant {
		shown = r.lead
	}
	switch next := last.Floor(r.set.Tick); {
	case w.last:
		w.end = to
	case next > a:
		w.end = next
	case last != Beginning && next >= a.Add(-r.tick()):
		if shown, w.whole, err = r.drain(ctx, a, shown); err != nil {
			return w, err
		}
		w.end = a.Add(r.tick())
	default:
		return w, r.stuck(a, last)
	}
	w.known, w.shown = w.end, shown
	if r.set.Settle > 0 {
		w.known = min(w.end, r.horizon(p.Date).Floor(r.set.Tick))
	}
	return w, nil
}

// newest returns the newest instant of rows.
func newest(rows []Record) Instant {
	at := Beginning
	for i := range rows {
		at = max(at, rows[i].Instant)
	}
	return at
}

// take diffs the rows of a page. It returns the newest of them that is not past the
// horizon, in the source's own words, and the instant of the newest.
func (r *Reader) take(rows []Record, date Instant) (shown Cursor, last Instant) {
	shown.Instant, last = Beginning, Beginning
	horizon := r.horizon(date)
	for i := range rows {
		rec := &rows[i]
		r.diff(rec, date)
		last = max(last, rec.Instant)
		if rec.Instant <= horizon && rec.Instant > shown.Instant {
			shown = Cursor{Text: rec.Stamp, Instant: rec.Instant}
		}
	}
	return shown, last
}

// admit checks a page against the contract of a source and returns the records that
// can be diffed: not the bad ones, and none younger than settle. cut says that there
// were such, so that the reading has come to its end.
func (r *Reader) admit(p *Page, q Query) (rows []Record, cut bool, err error) {
	r.m.Pages.Inc()
	r.m.Read.Add(float64(len(p.Records)))
	if err := r.set.CheckOrder(*p, q); err != nil {
		return nil, false, err
	}
	r.walk.show(r, p.Records)
	rows = p.Records[:0:len(p.Records)]
	top := Beginning
	r.passed, r.lead = Beginning, Cursor{Instant: Beginning}
	for _, rec := range p.Records {
		unfit := r.unfit(rec)
		if unfit == "" {
			top = max(top, rec.Instant)
		}
		if r.set.Settle > 0 && rec.Instant > r.horizon(p.Date) {
			if r.priority == Sweeping {
				// Whatever is listed is not gone: a sweep goes on to the very end.
				r.passed = max(r.passed, rec.Instant)
				r.walk.alive(r, rec)
			} else {
				cut = true
			}
			continue
		}
		if unfit == "" {
			rows = append(rows, rec)
			continue
		}
		r.walk.alive(r, rec)
		if rec.Instant != 0 {
			r.passed = max(r.passed, rec.Instant)
			if rec.Instant > r.lead.Instant && rec.Instant <= r.horizon(p.Date) {
				r.lead = Cursor{Text: rec.Stamp, Instant: rec.Instant}
			}
		}
		tooLarge := rec.Bad == ""
		rec.Bad = unfit
		if err := r.bad(rec, tooLarge); err != nil {
			return nil, false, err
		}
	}
	if r.env.Page != nil {
		r.env.Page(len(p.Records), top, p.Date)
	}
	return rows, cut, nil
}

// unfit says why a record cannot be published, if so.
func (r *Reader) unfit(rec Record) string {
	size := len(rec.Value) + 2*len(rec.ID)
	switch {
	case rec.Bad != "":
		return rec.Bad
	case len(rec.ID) > MaxID:
		return fmt.Sprintf("its id is %d bytes long, more than %d", len(rec.ID), MaxID)
	case r.set.MaxRecord > 0 && size > r.set.MaxRecord && !rec.Deleted:
		return fmt.Sprintf("it is %d bytes long and its topic takes %d (max.message.bytes)", size, r.set.MaxRecord)
	}
	return ""
}

// CheckOrder returns a *StopError when a page shows that the source ignored the order
// or the filter of a query. Rows a little below the bound are normal: some APIs show
// whole seconds and filter by microseconds, so that `>= T` shows T − 1 s too.
func (s *Settings) CheckOrder(p Page, q Query) error {
	if len(q.IDs) > 0 {
		return nil
	}
	slack := 2 * max(s.Tick, time.Second)
	newest := Beginning
	for i := range p.Records {
		rec := &p.Records[i]
		switch {
		case rec.Bad != "":
			continue // it has no instant, or none that counts
		case !s.Unordered && rec.Instant.Floor(s.Tick) < newest.Floor(s.Tick):
			return &StopError{
				What:   fmt.Sprintf("record %q of %s came after one of %s: the API ignores the order that is asked for", rec.ID, rec.Instant, newest),
				Remedy: "check `order` against the API's documentation (ascending, by the field of `cursor.field`)",
			}
		case !s.Unfiltered && !p.Older && q.From != Beginning && rec.Instant < q.From.Add(-slack):
			return &StopError{
				What:   fmt.Sprintf("record %q of %s was shown although the query asked from %s: the API ignores the filter", rec.ID, rec.Instant, q.From),
				Remedy: "check `cursor.from` against the API's documentation",
			}
		}
		newest = max(newest, rec.Instant)
	}
	return nil
}

func (r *Reader) stuck(a, last Instant) error {
	if last == Beginning {
		return &StopError{
			What:   fmt.Sprintf("a page from %s holds only records without an instant, and the API says that more follow", a),
			Remedy: "mend those records at their source, or ask for larger pages",
		}
	}
	return &StopError{
		What:   fmt.Sprintf("a page asked from %s ends at %s and the API says that more follow: no progress", a, last),
		Remedy: "set `cursor.tick` to the precision of the stamps that the API shows",
	}
}

func (r *Reader) tick() time.Duration { return max(r.set.Tick, time.Microsecond) }

// ceil cuts an upper bound to the end of its tick, for a source that takes no finer.
func (r *Reader) ceil(t Instant) Instant {
	if f := t.Floor(r.set.Tick); f != t {
		return f.Add(r.set.Tick)
	}
	return t
}
