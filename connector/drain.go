package connector

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"
)

// maxPasses ends a drain of a tie that does not change and whose records are not shown
// all the same. maxAnew is how often a drain begins anew before it is put off.
const (
	maxPasses = 400
	maxAnew   = 5
)

// putOff is a tie that did not come to rest, and until when it is left alone by the
// server's clock: to drain it costs a request a page, of a budget that all share.
type putOff struct {
	tick, until Instant
	times       int
}

// again puts the tie off. The tick of this very second comes to rest with it, and is tried
// again with the next pulls; one that does not is a bulk, and is left alone for twice as
// long each time, up to a lookback.
func (p *putOff) again(tick, date Instant, lookback time.Duration) time.Duration {
	if p.tick != tick {
		*p = putOff{tick: tick}
	}
	p.times++
	wait := time.Duration(0)
	if p.times > 3 {
		wait = min(lookback, min(lookback/8, 30*time.Second)<<min(p.times-4, 10))
	}
	p.until = date.Add(wait)
	return wait
}

// endlessRows is how many rows more than its ids a pass may show: in an unstable order it
// shows some of them again, but not the same for ever.
const endlessRows = 1000

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
	if r.put.tick == tick && r.date < r.put.until {
		return shown, false, nil
	}
	// One that is left begins anew: on a small budget it would never come to its end.
	defer func(by time.Time) { r.by = by }(r.by)
	r.by = time.Time{}
	times := map[string]int{}
	before, anew, order := -1, -1, uint64(0)
	for range maxPasses {
		l, err := r.pass(ctx, tick, &shown)
		count, date := l.count, l.date
		if lost := (*AnewError)(nil); errors.As(err, &lost) {
			times, before = map[string]int{}, -1
			if anew++; anew < maxAnew {
				continue
			}
			r.unrest(tick, r.date, -1)
			return shown, false, nil
		}
		if err != nil {
			return shown, false, err
		}
		for id := range l.ids {
			times[id]++
		}
		if count != before || len(times) > count {
			times = l.ids
			anew++
		}
		// A feed shows an id once more for each time that it was deleted within the tick.
		again := r.hears && count == before && l.order == order
		before, order = count, l.order
		if l.whole || again || (len(times) == count && shownTwice(times)) {
			// Behind the tick, or an idle poll would drain it for ever.
			if end := tick.Add(r.tick()); end <= r.horizon(date) {
				shown = Cursor{Text: end.String(), Instant: end}
			}
			r.put = putOff{}
			return shown, true, nil
		}
		if anew >= maxAnew {
			r.unrest(tick, date, count)
			return shown, false, nil
		}
	}
	return shown, false, &StopError{
		What:   fmt.Sprintf("the API does not show all of the %d records of the tick %s in %d passes, although their number does not change", before, tick, maxPasses),
		Remedy: "check `page.param` against the API's documentation; a larger `page.size` helps",
	}
}

// unrest puts off a tie that did not come to rest; -1 records are an unknown number.
func (r *Reader) unrest(tick, date Instant, count int) {
	wait := r.put.again(tick, date, r.set.Lookback)
	r.env.Log.Warn("a tie is being written to and does not come to rest: what is newer is read, the cursor and caught_up stay until it does",
		"tick", tick, "records", count, "again_in", wait)
}

func shownTwice(times map[string]int) bool {
	for _, n := range times {
		if n < 2 {
			return false
		}
	}
	return true
}

// A lap is what one pass over a tick has shown.
type lap struct {
	ids map[string]int // with one showing each
	// count is how many records there are by the source's own count or else by rows, order
	// a digest of their ids one behind the other.
	count int
	order uint64
	whole bool    // one page showed all of it: then no second pass is needed
	date  Instant // of its last page
}

// unfitIn names the rows of a page within [from, to) that cannot be published: they take up
// places like any other, each once.
func (r *Reader) unfitIn(p *Page, from, to Instant, name func(key string)) {
	for i := range p.Records {
		rec := &p.Records[i]
		young := r.set.Settle > 0 && rec.Instant > r.horizon(p.Date)
		within := rec.Instant == 0 || rec.Instant >= from && rec.Instant < to
		if !young && within && r.unfit(*rec) != "" {
			name("\x00" + receiptKey(rec))
		}
	}
}

// pass reads the tick by page number once.
func (r *Reader) pass(ctx context.Context, tick Instant, shown *Cursor) (l lap, err error) {
	ids, order := map[string]int{}, fnv.New64a()
	count, end, total := 0, tick.Add(r.tick()), -1
	for number := 1; ; number++ {
		q := Query{From: tick, To: end, Page: number, Count: true}
		p, err := r.fetch(ctx, q)
		if err != nil {
			return l, err
		}
		r.unfitIn(&p, tick, end, func(key string) { ids[key] = 1; count++ })
		rows, cut, err := r.admit(&p, q)
		if err != nil {
			return l, err
		}
		inside, beyond := rows[:0], false
		for _, rec := range rows {
			switch {
			case rec.Instant >= end:
				beyond = true
			case rec.Instant >= tick:
				inside = append(inside, rec)
				ids[rec.ID] = 1
				fmt.Fprintf(order, "%q", rec.ID)
			}
		}
		last := p.Last || cut || beyond || len(p.Records) == 0
		if !last {
			r.ahead(ctx, Query{From: tick, To: end, Page: number + 1, Count: true})
		}
		best, _ := r.take(inside, p.Date)
		if err := r.stage(ctx); err != nil {
			return l, err
		}
		if best.Instant > shown.Instant {
			*shown = best
		}
		count += len(inside)
		if p.Total >= 0 && !beyond {
			total = p.Total
		}
		if !last && count > 4*len(ids)+endlessRows {
			return l, &StopError{
				What:   fmt.Sprintf("%d rows of the tick %s were shown by %d pages and only %d ids: the API ignores the number of the page", count, tick, number, len(ids)),
				Remedy: "check `page.param` against the API's documentation, or leave it out if the API cannot page",
			}
		}
		if last {
			if total >= 0 && !beyond && !cut {
				count = total
			}
			return lap{ids, count, order.Sum64(), number == 1 && p.Last && count == len(ids), p.Date}, nil
		}
	}
}
