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
	whole = true
	for a := from.Floor(r.set.Tick); a < to; {
		q := Query{From: a, To: r.ceil(to), Page: 1}
		p, err := r.fetch(ctx, q)
		if err != nil {
			return false, err
		}
		if head && r.began == Beginning {
			r.began = p.Date
		}
		rows, cut, err := r.admit(&p, q)
		if err != nil {
			return false, err
		}
		shown, last := r.take(rows, p.Date)
		switch next := last.Floor(r.set.Tick); {
		case p.Last || cut || len(p.Records) == 0:
			a = to
		case next > a:
			a = next
		case len(rows) > 0 && next >= a.Add(-r.tick()):
			rested := false
			if shown, rested, err = r.drain(ctx, a, shown); err != nil {
				return false, err
			}
			whole = whole && rested
			a = a.Add(r.tick())
		default:
			return false, r.stuck(a, last, len(rows))
		}
		if head && whole {
			r.advance(shown)
		}
		if err := r.stage(ctx); err != nil {
			return false, err
		}
	}
	return whole, nil
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

// maxPasses ends a drain of a tie that does not change and whose records are not shown
// all the same. maxAnew is how often a drain begins anew before it is put off.
const (
	maxPasses = 400
	maxAnew   = 5
)

// drain reads a tie: a page that does not leave one tick of the bound. Asking again
// from the tick would show the same page for ever, so the tick is read by page
// number, in passes, since the order within it may differ from request to request. It
// is whole when a pass counts as many records as the pass before, there are exactly
// as many ids, and each was shown by two passes. A count that changes, or more ids
// than it, means that a record came or left meanwhile: what slipped between two pages
// is met by beginning anew.
//
// A large tie that is being written to changes with every pass. Then it has not come to
// rest: the reading goes on behind it, so that it does not hold up all that is newer,
// and the cursor stays before it until a later pull has drained it.
func (r *Reader) drain(ctx context.Context, tick Instant, shown Cursor) (_ Cursor, rested bool, _ error) {
	if !r.set.Paged {
		return shown, false, &StopError{
			What:   fmt.Sprintf("more records than one page holds share the tick %s and the source cannot page within it", tick),
			Remedy: "ask for larger pages, or name the page parameter (`page.param`) if the API has one",
		}
	}
	times := map[string]int{}
	before, anew := -1, -1
	for range maxPasses {
		ids, count, whole, date, err := r.pass(ctx, tick, &shown)
		if err != nil {
			return shown, false, err
		}
		for id := range ids {
			times[id]++
		}
		if count != before || len(times) > count {
			times = ids
			anew++
		}
		before = count
		if whole || (len(times) == count && shownTwice(times)) {
			// Behind the tick, or an idle poll would drain it for ever.
			if end := tick.Add(r.tick()); end <= r.horizon(date) {
				shown = Cursor{Text: end.String(), Instant: end}
			}
			return shown, true, nil
		}
		if anew >= maxAnew {
			r.env.Log.Warn("a tie is being written to and does not come to rest: reading on behind it, the cursor stays", "tick", tick, "records", count)
			return shown, false, nil
		}
	}
	return shown, false, &StopError{
		What:   fmt.Sprintf("the API does not show all of the %d records of the tick %s in %d passes, although their number does not change", before, tick, maxPasses),
		Remedy: "check `page.param` against the API's documentation; a larger `page.size` helps",
	}
}

func shownTwice(times map[string]int) bool {
	for _, n := range times {
		if n < 2 {
			return false
		}
	}
	return true
}

// pass reads the tick by page number once. It returns the ids of the tick with one
// showing each, how many records there are by the source's own count or else by
// rows, whether one page showed all of it (then no second pass is needed), and the
// Date of its last page.
func (r *Reader) pass(ctx context.Context, tick Instant, shown *Cursor) (ids map[string]int, count int, whole bool, date Instant, err error) {
	ids = map[string]int{}
	end, total, unfit := tick.Add(r.tick()), -1, 0
	for number := 1; ; number++ {
		q := Query{From: tick, To: end, Page: number, Count: true}
		p, err := r.fetch(ctx, q)
		if err != nil {
			return nil, 0, false, 0, err
		}
		rows, cut, err := r.admit(&p, q)
		if err != nil {
			return nil, 0, false, 0, err
		}
		if !cut {
			unfit += len(p.Records) - len(rows)
		}
		inside, beyond := rows[:0], false
		for _, rec := range rows {
			switch {
			case rec.Instant >= end:
				beyond = true
			case rec.Instant >= tick:
				inside = append(inside, rec)
				ids[rec.ID] = 1
			}
		}
		newest, _ := r.take(inside, p.Date)
		if err := r.stage(ctx); err != nil {
			return nil, 0, false, 0, err
		}
		if newest.Instant > shown.Instant {
			*shown = newest
		}
		count += len(inside)
		if p.Total >= 0 && !beyond {
			total = p.Total
		}
		if p.Last || cut || beyond || len(p.Records) == 0 {
			if total >= 0 && !beyond && !cut {
				count = max(total-unfit, 0)
			}
			return ids, count, number == 1 && p.Last && count == len(ids), p.Date, nil
		}
	}
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
	rows = p.Records[:0:len(p.Records)]
	newest := Beginning
	for _, rec := range p.Records {
		if rec.Bad = r.unfit(rec); rec.Bad != "" {
			if err := r.bad(rec); err != nil {
				return nil, false, err
			}
			continue
		}
		newest = max(newest, rec.Instant)
		if r.set.Settle > 0 && rec.Instant > r.horizon(p.Date) {
			cut = true
			continue
		}
		rows = append(rows, rec)
	}
	if r.env.Page != nil {
		r.env.Page(len(p.Records), newest, p.Date)
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
		case rec.Instant.Floor(s.Tick) < newest.Floor(s.Tick):
			return &StopError{
				What:   fmt.Sprintf("record %q of %s came after one of %s: the API ignores the order that is asked for", rec.ID, rec.Instant, newest),
				Remedy: "check `order` against the API's documentation (ascending, by the field of `cursor.field`)",
			}
		case q.From != Beginning && rec.Instant < q.From.Add(-slack):
			return &StopError{
				What:   fmt.Sprintf("record %q of %s was shown although the query asked from %s: the API ignores the filter", rec.ID, rec.Instant, q.From),
				Remedy: "check `cursor.from` against the API's documentation",
			}
		}
		newest = max(newest, rec.Instant)
	}
	return nil
}

// bad counts a record that cannot be published, or stops at it.
func (r *Reader) bad(rec Record) error {
	r.m.Skipped.WithLabelValues("bad_record").Inc()
	if r.set.OnBadRecord == SkipBadRecord {
		r.env.Log.Warn("record passed over", "id", rec.ID, "stamp", rec.Stamp, "why", rec.Bad)
		return nil
	}
	return &StopError{
		What:   fmt.Sprintf("record %q (%s) cannot be published: %s", rec.ID, rec.Stamp, rec.Bad),
		Remedy: "mend the record at its source, or set `on_bad_record: skip` for this collection",
	}
}

func (r *Reader) stuck(a, last Instant, rows int) error {
	if rows == 0 {
		return &StopError{
			What:   fmt.Sprintf("a page from %s holds only records that cannot be published, and the API says that more follow", a),
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
