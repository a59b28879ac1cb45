package contract

import (
	"context"
	"fmt"
	"time"

	"tributary/connector"
)

// again asks for the first page once more.
func (c *Check) again(ctx context.Context) {
	page, ok := c.ask(ctx, "order", connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1})
	if !ok {
		return
	}
	first := c.first
	c.first = page
	was, same := c.instants(first.Records), len(page.Records) == len(first.Records)
	for i, r := range page.Records {
		same = same && r.ID == first.Records[i].ID
		if at, shown := was[c.key(r)]; shown && r.Instant < at {
			c.older(r, at)
			return
		}
	}
	if same {
		c.add("repeat", OK, "the same page asked twice is the same", "", "")
		return
	}
	shuffled := len(page.Records) == len(first.Records)
	for i, r := range page.Records {
		_, there := was[c.key(r)]
		shuffled = shuffled && (r.Instant.Floor(c.tick) == first.Records[i].Instant.Floor(c.tick) || c.o.Settings.Unordered && there)
	}
	if shuffled {
		c.add("repeat", Note, "the same page asked twice shows records of one instant in another order, or others of them", "a tie larger than a page takes more passes; nothing is lost by it", "")
		return
	}
	c.add("repeat", Note, "the same page asked twice differs", "the oldest records are being changed, or several machines answer that do not agree", "if the second: `lookback` must exceed by how much they lag")
}

// older reports that a record was shown as it was before.
func (c *Check) older(r connector.Record, was connector.Instant) {
	if !c.unique {
		return
	}
	c.add("replica", Warn, fmt.Sprintf("record %q was shown as of %s, and then as of %s: a machine that lags has answered", r.ID, was, r.Instant),
		"a change may turn visible and vanish again; it is published once, as long as the lag is below `lookback`", "make sure that `lookback` exceeds the lag of the API's replicas")
}

// pages asks for the second page and looks at how it goes on from the first.
func (c *Check) pages(ctx context.Context) {
	if c.first.Last && c.first.Total == len(c.first.Records) {
		c.ofPage(ctx)
	}
	if c.first.Last || len(c.first.Records) == 0 {
		return
	}
	if !c.o.Settings.Paged && c.o.Settings.Unordered {
		c.add("page", Fail, "the API does not sort by the instant, and is asked for one page alone", "what is on other pages would never be read", "say under `page` how to ask for the next one")
		return
	}
	if !c.o.Settings.Paged {
		c.add("page", Note, "within the same bounds the API is asked for one page alone",
			fmt.Sprintf("more records within one %s than a page holds would stop the collection", short(c.tick)), "if it can page, say how under `page`")
		return
	}
	second, ok := c.ask(ctx, "order", connector.Query{From: connector.Beginning, To: connector.Forever, Page: 2})
	if !ok {
		return
	}
	c.size(second)
	was, twice := c.instants(c.first.Records), 0
	for _, r := range second.Records {
		if _, shown := was[c.key(r)]; shown && r.Bad == "" {
			twice++
		}
	}
	newest := c.first.Records[len(c.first.Records)-1].Instant
	switch {
	case len(second.Records) > 0 && twice == len(second.Records):
		c.add("page", Fail, "the second page shows the records of the first", "a tie larger than a page could not be drained: the collection would stop", "check `page`: the API ignores how the second page is asked for")
	case !c.o.Settings.Unordered && len(second.Records) > 0 && second.Records[0].Bad == "" && second.Records[0].Instant.Floor(c.tick) < newest.Floor(c.tick):
		c.add("page", Fail, fmt.Sprintf("the first page ends at %s and the second begins with %s", newest, second.Records[0].Instant), "the order holds within a page alone", "check `order` and `page`")
	case twice > 0:
		c.add("page", Note, fmt.Sprintf("%d records of the second page are on the first one too", twice), "records of one instant have no order of their own, or the API is written to; ties are read until two passes agree", "")
	default:
		c.add("page", OK, "the second page goes on where the first ends", "", "")
	}
}

// size sees a page that was cut without a word.
func (c *Check) size(second connector.Page) {
	n := len(c.first.Records)
	if c.o.Size == 0 || n >= c.o.Size || len(second.Records) == 0 {
		return
	}
	set := fmt.Sprintf("set `page.size: %d`", n)
	if c.o.Settings.Probe > n {
		set += fmt.Sprintf(" and `probe.max: %d`", n)
	}
	c.add("size", Warn, fmt.Sprintf("asked for %d records on a page it shows %d, and more follow: it cuts the size down in silence", c.o.Size, n),
		"more requests than the config suggests; a probe for more ids than fit would show too few of them", set)
}

// ties looks for records that share a tick, on all that was seen.
func (c *Check) ties() {
	if c.o.Settings.Unordered {
		return // a walk over all pages has none
	}
	shared := map[connector.Instant]int{}
	largest, at := 0, connector.Beginning
	for _, r := range c.rows {
		tick := r.Instant.Floor(c.tick)
		if shared[tick]++; shared[tick] > largest {
			largest, at = shared[tick], tick
		}
	}
	n := len(c.first.Records)
	switch found := fmt.Sprintf("%d records share %s of %s", largest, tickName(c.tick), at); {
	case largest < 2:
		c.add("ties", OK, fmt.Sprintf("no two of %d records share %s", len(c.rows), tickName(c.tick)), "", "")
	case largest < n || c.first.Last:
		c.add("ties", OK, found, "", "")
	case c.o.Settings.Paged:
		c.add("ties", Note, found+", a page or more", "they are read by page until two passes agree: several requests each time the cursor stands there", "larger pages help (`page.size`)")
	default:
		c.add("ties", Fail, found+", a page or more", "the API is not asked for a second page: the collection would stop here", "say under `page` how to ask for the next one, or ask for larger pages (`page.size`)")
	}
}

func tickName(d time.Duration) string {
	if d == time.Microsecond {
		return "the instant"
	}
	return "one " + short(d)
}

func (c *Check) instants(rows []connector.Record) map[string]connector.Instant {
	m := make(map[string]connector.Instant, len(rows))
	for _, r := range rows {
		if r.Bad == "" {
			m[c.key(r)] = r.Instant
		}
	}
	return m
}
