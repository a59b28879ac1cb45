package connector

import (
	"context"
	"errors"
	"fmt"
)

// An API that cannot sort by the instant ascending, or that can only be paged by token,
// is read by walks: page 1, 2, 3 … of the whole range to its end. Its pages are diffed and
// committed as they come; what one needs to know at the end is whether a record slipped
// between two pages, because others moved meanwhile. A walk of one page cannot miss one.
// Where the API counts, one walk shows as many ids as it counts, on each of its pages, and
// none of them may have come since its first: that one would stand for another, which a
// record that went has moved onto a page that was read. Else a second one is needed that
// shows nothing new, and neither shows a row twice, but for what moved.
//
// Only records older than the first answer can be missed: what is written meanwhile is met
// by the next pull, which begins before that answer. But each row takes up a place. So a
// source that is written to comes to rest all the same, and a backfill of a million rows
// takes two walks, not one for each quiet hour that there never is.

// mostWalks is how many walks one reading takes at most, unless all of them together have
// no more than shortPages, or restPages where nothing is written. A walk of more than
// longWalk pages is a long one.
const mostWalks, shortPages, restPages, longWalk = 3, 100, 2000, 20

// A circuit is one reading by walks.
type circuit struct {
	q    Query
	from Instant
	// began is the Date of the first answer; horizon is that less settle: only older records
	// count.
	began, horizon Instant
	marks          []byte          // by place in the ledger, see the bits below
	strange        map[string]byte // those of records without an entry
	late           int             // records that were written meanwhile
	pages          int
	best           Cursor // the newest record within the horizon
	sure           bool   // nothing can have slipped
	again          bool   // the last walk showed more twice than was written, and so may have missed as many
	short          string // how the listing ends before what the source counts
}

// What a circuit knows of a record.
const (
	inThis = 1 << iota // shown by this walk
	ever               // shown by any of them
	twice              // by two of them
	asLate             // counted as late
	bygone             // by one before the number of rows changed
)

// A round is one walk of a circuit.
type round struct {
	rows, ids   int             // of any age: also those out of the range take up places
	fresh       int             // older ones that no walk showed before
	young       map[string]bool // those that settle leaves for later: no less there, and once
	shown       int             // rows of any kind
	pages       int
	first, last int  // what the source counts at the beginning and at the end
	steady      bool // it counts as many on every page
	stated      bool // that nothing follows
	changed     bool // a row was news
	began       Instant
	came        int // rows that may not have been there when it began
}

// readUnordered reads [from, to) by walks. It returns whether nothing can have slipped.
func (r *Reader) readUnordered(ctx context.Context, from, to Instant, head bool) (whole bool, err error) {
	enough := strict
	if head {
		enough = calm
		if r.set.Unfiltered && r.seen != Beginning {
			enough = once
		}
	}
	c, whole, err := r.goRound(ctx, from, to, enough)
	if err != nil {
		return false, err
	}
	if head && whole {
		r.slipped = c.again
		r.advance(c.best)
		if !c.sure && r.env.Pulls.Awaited() {
			// That the next pull meets what has slipped helps nobody who waits for this one.
			if _, sure, err := r.goRound(ctx, from, to, strict); err != nil {
				return false, err
			} else if !sure {
				r.env.Pulls.Failing(errUnfinished)
			}
		}
	}
	return whole, r.stage(ctx)
}

// enough says when a reading by walks needs no second one.
type enough int

const (
	strict enough = iota
	// calm: when the first shows nothing new, but in a backfill. What may have slipped all
	// the same is newer than the cursor then, which the next pull asks from, or else the
	// trailing pass's.
	calm
	// once: always. The source shows everything at each pull, and the next is the second.
	once
)

// goRound walks until it is known that all was shown, but not for ever.
func (r *Reader) goRound(ctx context.Context, from, to Instant, needs enough) (*circuit, bool, error) {
	c := &circuit{from: from.Floor(r.set.Tick), began: Beginning, horizon: Beginning, best: Cursor{Instant: Beginning}, strange: map[string]byte{}}
	c.q = Query{From: c.from, To: r.ceil(to), Count: true}
	if r.set.Unfiltered {
		c.q.From, c.q.To = Beginning, Forever
	}
	var before round
	complete := 0 // walks that came to their end
	for walks := 1; ; walks++ {
		now, err := r.walkAll(ctx, c)
		if errors.As(err, new(*AnewError)) {
			if walks >= mostWalks {
				return c, false, nil // the next pull tries again
			}
			continue
		}
		if err != nil {
			return c, false, err
		}
		complete++
		if now.short() {
			if walks < 2 {
				before = now
				continue
			}
			c.short = fmt.Sprintf("the listing ends after %d records from %s on where the API counts %d", now.shown, c.q.From, now.last)
			r.env.Log.Warn("what was shown is published, and the cursor stays before what was not: see whether the API shows only so many of a listing", "why", c.short)
			return c, false, nil
		}
		if complete > 1 && (now.rows != before.rows || !before.steady) {
			c.anew()
		}
		c.again = now.rows-now.ids > c.late
		c.sure = c.whole(before, now, complete)
		if c.sure || needs == once || needs == calm && walks == 1 && !now.changed && !r.outruns(c) {
			return c, true, nil
		}
		// A list at rest in an order that changes is walked until all walks together have shown it.
		enough := shortPages
		if walks > 1 && now.rows == before.rows && now.first == before.first && now.fresh+now.rows-now.ids > 0 {
			enough = restPages
		}
		if c.pages += now.pages; walks >= mostWalks && c.pages+now.pages > enough {
			r.env.Log.Info("records move while they are read, and one may have slipped: what was shown is published, and it is read again", "walks", walks, "pages", c.pages, "records", now.ids)
			return c, false, nil
		}
		before = now
	}
}

// outruns says whether the cursor would go, by what was shown, over instants that no
// trailing pass reads: those of a backfill.
func (r *Reader) outruns(c *circuit) bool {
	at, trailing := r.mem.State.Cursor.Instant, r.mem.State.Trailing
	if r.hears {
		at, trailing = r.mem.State.Feed.Cursor.Instant, r.mem.State.Feed.Trailing
	}
	return !r.set.Unfiltered && c.best.Instant > at && (trailing == Beginning || at < trailing)
}

// short says whether the walk came to an end before what the source counts, which has not
// changed meanwhile: some show nothing beyond a number of records.
func (now *round) short() bool { return now.first == now.last && now.last > now.shown }

// whole says whether no record can have slipped between two pages.
func (c *circuit) whole(before, now round, walks int) bool {
	switch {
	case now.pages == 1 && (now.stated || now.shown == 0):
		return true // a page is one moment
	case now.first >= 0 && now.steady && now.first == now.ids+len(now.young)-now.came:
		return true
	case walks == 1:
		return false
	}
	moved := 0
	if now.pages > longWalk {
		// What was written has moved to the front and pushed others onto the next page. A
		// short walk can wait for a moment without that; a long one never meets one.
		moved = c.late
	}
	if now.fresh == 0 && now.rows-now.ids <= moved && before.rows-before.ids <= moved {
		return true
	}
	// In an order that changes with each request a walk shows some twice and others not at
	// all: then all walks together must have shown each twice.
	union, shownTwice := c.union()
	if now.first >= 0 && now.first == now.last && now.first == before.first && now.first == union+len(now.young) && c.late == 0 {
		return true // where the source counts, once is enough
	}
	return now.steady && now.rows == before.rows && union == now.rows && shownTwice == union
}

// walkAll reads page 1, 2, 3 … until the source says that nothing follows, or shows none.
func (r *Reader) walkAll(ctx context.Context, c *circuit) (now round, err error) {
	c.begin()
	now.first, now.last, now.young = -1, -1, map[string]bool{}
	for number := 1; ; number++ {
		q := c.q
		q.Page = number
		p, err := r.fetch(ctx, q)
		if err != nil {
			return now, err
		}
		if r.began == Beginning {
			r.began = p.Date
		}
		// The clocks of the API's machines may differ: a row must not be too young for one, and
		// behind the cursor of another.
		p.Date = max(p.Date, c.began)
		if c.began == Beginning {
			c.began, c.horizon = p.Date, r.horizon(p.Date)
		}
		if number == 1 {
			now.first, now.steady, now.began = p.Total, true, p.Date
		}
		now.steady = now.steady && p.Total == now.first
		bad := r.setAside(&p, c.from, &now)
		rows, _, err := r.admit(&p, q)
		if err != nil {
			return now, err
		}
		end := p.Last || len(p.Records) == 0 || !r.set.Paged
		if !end {
			q.Page++
			r.ahead(ctx, q)
		}
		r.take(rows, p.Date)
		now.changed = now.changed || !r.batch.empty()
		now.shown += len(p.Records)
		c.note(r.mem.Ledger, rows, &now)
		c.note(r.mem.Ledger, bad, &now)
		now.pages = number
		now.last, now.stated = p.Total, p.Last || !r.set.Paged
		if err := r.stage(ctx); err != nil {
			return now, err
		}
		if now.shown > 4*(now.ids+len(now.young))+endlessRows {
			return now, &StopError{
				What:   fmt.Sprintf("%d rows were shown by %d pages and only %d ids: the API ignores the number of the page", now.shown, number, now.ids),
				Remedy: "check `page` against the API's documentation, or leave it out if the API cannot page",
			}
		}
		if end {
			return now, nil
		}
	}
}

// setAside returns the rows of a page that cannot be published, and notes those that settle
// leaves for later. They take up places as others do: a bad record that is shown twice tells
// that another one slipped. One that was good a walk before is the same record.
func (r *Reader) setAside(p *Page, from Instant, now *round) (bad []Record) {
	for i := range p.Records {
		rec := &p.Records[i]
		why := r.unfit(*rec)
		if rec.Instant >= now.began && !r.stood(rec.ID, from) {
			now.came++
		}
		switch {
		case r.set.Settle > 0 && rec.Instant > r.horizon(p.Date):
			now.young["\x00"+receiptKey(rec)] = true
		case why != "":
			b := Record{ID: rec.ID, Instant: rec.Instant, Bad: why}
			if b.ID == "" || len(b.ID) > MaxID {
				b.ID = "\x00" + receiptKey(rec)
			}
			if b.Stamp = rec.Stamp; b.Instant == 0 { // it has none that counts, and may be any
				b.Instant, b.Stamp = from, ""
			}
			bad = append(bad, b)
		}
	}
	return bad
}

// stood says whether a record is known to have been in the range before it was written last.
func (r *Reader) stood(id string, from Instant) bool {
	e, known := r.mem.Ledger.Get(id)
	return known && !e.Mark && e.Instant >= from
}

// begin forgets what the last walk showed, but not that it did.
func (c *circuit) begin() {
	for i := range c.marks {
		c.marks[i] &^= inThis
	}
	for id, m := range c.strange {
		c.strange[id] = m &^ inThis
	}
}

// note counts the rows of a page, after they were diffed.
func (c *circuit) note(l *Ledger, rows []Record, now *round) {
	for i := range rows {
		rec := &rows[i]
		place, _, known := l.Index(rec.ID)
		if known && place >= len(c.marks) {
			c.marks = append(c.marks, make([]byte, max(l.Slots(), place+1)-len(c.marks))...)
		}
		m := c.strange[rec.ID]
		if known {
			m |= c.marks[place]
		}
		if rec.Instant <= c.horizon && rec.Instant > c.best.Instant && (rec.Bad == "" || rec.Stamp != "") {
			c.best = Cursor{Text: rec.Stamp, Instant: rec.Instant}
		}
		now.rows++
		if m&inThis == 0 {
			now.ids++
		}
		switch {
		case rec.Instant >= c.horizon:
			if m&asLate == 0 {
				c.late++
			}
			m |= asLate
		default:
			if m&ever == 0 {
				now.fresh++
			} else if m&inThis == 0 {
				m |= twice
			}
			m |= ever
		}
		m |= inThis
		if known {
			c.marks[place] = m
			delete(c.strange, rec.ID)
		} else {
			c.strange[rec.ID] = m
		}
	}
}

// lookAll reads once what all of the doubts are about, where each walk is dear. What no
// walk of a reading that cannot have missed it has shown is gone, and its doubt with it:
// nothing contradicts any more.
func (r *Reader) lookAll(ctx context.Context, due []string) error {
	from, to := Forever, Beginning
	var about []string
	for _, id := range due {
		if d := r.mem.Doubts[id]; !d.Absent {
			about = append(about, id)
			from, to = min(from, d.At.Floor(r.set.Tick)), max(to, d.At.Floor(r.set.Tick).Add(r.tick()))
		}
	}
	if r.set.Unfiltered {
		// The head has shown all there is, but its one walk may have missed these. That
		// something slipped any record may tell.
		from, to = Beginning, Forever
	}
	if len(about) == 0 || r.date < r.quiet {
		return nil
	}
	began := r.date
	whole, err := r.readUnordered(ctx, from, to, false)
	if err != nil {
		return err
	}
	if !whole {
		if r.set.Unfiltered {
			r.quiet = r.date.Add(r.set.Lookback) // the next head shows most of them anyway
		}
		return nil
	}
	for _, id := range about {
		if d, ok := r.mem.Doubts[id]; ok && began >= d.Since.Add(r.set.Lookback) && r.date >= d.Since.Add(r.set.Lookback) {
			r.settled(id)
		}
	}
	return r.stage(ctx)
}
