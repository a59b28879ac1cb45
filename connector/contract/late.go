package contract

import (
	"context"
	"fmt"
	"time"

	"tributary/connector"
)

// watchPages bounds how many pages of what is recent are compared.
const watchPages = 3

// watch is what the first look at the recent past has shown.
type watch struct {
	from connector.Instant
	// until is up to where the look was whole.
	until connector.Instant
	date  connector.Instant // of its first answer
	seen  map[string]connector.Instant
}

// begin looks at the recent past for the first time.
func (c *Check) begin(ctx context.Context) {
	from := c.date.Add(-max(c.o.Settings.Lookback, time.Minute)).Floor(c.tick)
	newest := connector.Beginning
	for _, r := range c.rows {
		if r.Instant <= c.date {
			newest = max(newest, r.Instant)
		}
	}
	if newest < from && c.first.Last {
		from = newest.Floor(c.tick) // so that there is something to compare
	}
	c.watch = c.look(ctx, from)
	if len(c.watch.seen) == 0 && newest > connector.Beginning {
		c.watch = c.look(ctx, newest.Floor(c.tick))
	}
}

// look reads from an instant on, re-anchored as a pull does it.
func (c *Check) look(ctx context.Context, from connector.Instant) watch {
	w := watch{from: from, until: connector.Beginning, seen: map[string]connector.Instant{}}
	at, number := from, 1
	if c.o.Settings.Unfiltered {
		at = connector.Beginning
	}
	for n := 0; n < watchPages; n++ {
		page, ok := c.ask(ctx, "order", connector.Query{From: at, To: connector.Forever, Page: number})
		if !ok {
			return w
		}
		if n == 0 {
			w.date = page.Date
		}
		last := connector.Beginning
		for _, r := range page.Records {
			if r.Bad == "" && (!page.Older || r.Instant >= from) {
				key := c.key(r)
				w.seen[key], last = max(r.Instant, w.seen[key]), max(last, r.Instant)
			}
		}
		if page.Last || len(page.Records) == 0 {
			w.until = connector.Forever
			return w
		}
		if c.o.Settings.Unordered {
			number++ // until the walk is over nothing can be said
			continue
		}
		w.until = last.Floor(c.tick) // of the tick itself some may be missing
		if last.Floor(c.tick) <= at {
			return w
		}
		at = last.Floor(c.tick)
	}
	return w
}

// End looks at the recent past once more, some seconds after Begin: what is shown now
// with a stamp older than the first look, and was not shown then, is listed late.
func (c *Check) End(ctx context.Context) {
	first := c.watch
	if len(first.seen) == 0 {
		return
	}
	second := c.look(ctx, first.from)
	if first.until == connector.Beginning || second.until == connector.Beginning {
		if c.o.Settings.Unordered {
			c.add("late", Note, "the recent past has more pages than the check reads", "whether records are listed late was not seen", "")
		}
		return // or it is reported
	}
	late, id := time.Duration(0), ""
	for now, at := range second.seen {
		was, shown := first.seen[now]
		switch {
		case shown && at < was:
			c.older(connector.Record{ID: now, Instant: at}, was)
		case (!shown || at > was) && at < first.date && at < first.until:
			if by := first.date.Sub(at); by > late {
				late, id = by, now
			}
		}
	}
	c.late(late, id, second.date.Sub(first.date))
	c.vanished(first, second)
}

func (c *Check) late(by time.Duration, id string, between time.Duration) {
	set := c.o.Settings
	switch found := fmt.Sprintf("record %q turned visible at least %s after its stamp", id, by.Round(time.Millisecond)); {
	case by == 0:
		c.add("late", OK, fmt.Sprintf("in %s no record turned up behind the first look", between.Round(time.Second)), "", "")
	case 2*by > set.Lookback:
		c.add("late", Warn, found+fmt.Sprintf(", and `lookback` is %s", set.Lookback),
			"this API lists records late: those that come later than `lookback` are not found by polling",
			fmt.Sprintf("set `lookback` to the longest that a record may take to be listed, %s or more", short(roundUp(4*by))))
	default:
		c.add("late", Note, found, fmt.Sprintf("this API lists records late; `lookback` (%s) finds them again, as long as none is later than that", set.Lookback), "do not set `lookback` lower")
	}
}

// vanished counts what the second look should have shown and did not.
func (c *Check) vanished(first, second watch) {
	gone, id := 0, ""
	for was, at := range first.seen {
		if _, shown := second.seen[was]; !shown && at < second.until {
			gone, id = gone+1, was
		}
	}
	if gone > 0 {
		c.add("gone", Note, fmt.Sprintf("%d records that the first look showed are not there any more, %q for one", gone, id),
			"they were deleted, or a machine that lags has answered, or their new stamp lies behind the pages that were read", "")
	}
}

// roundUp rounds up to what one would write into a config.
func roundUp(d time.Duration) time.Duration {
	for _, u := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour} {
		if d <= u {
			return u
		}
	}
	return d.Truncate(time.Hour) + time.Hour
}
