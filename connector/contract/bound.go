package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/connector"
)

// ladder are the precisions that APIs have.
var ladder = []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour}

// far is further than the coarsest bound.
const far = 48 * time.Hour

// filter asks from the future, where there can be nothing: what is shown all the same
// was not filtered. It reports whether there is a filter.
func (c *Check) filter(ctx context.Context) bool {
	from := c.first.Date.Add(far).Floor(c.tick)
	page, err := c.fetch(ctx, connector.Query{From: from, To: connector.Forever, Page: 1})
	var refused *connector.RetryError
	if errors.As(err, &refused) && refused.Reason == connector.RetryRefused {
		return c.refusesFuture(ctx, refused)
	}
	if err != nil {
		c.failed("bound", err)
		return false
	}
	for _, r := range page.Records {
		if r.Bad == "" && r.Instant < from.Add(-far/2) {
			c.add("bound", Fail, fmt.Sprintf("asked from %s, in the future, the API shows record %q of %s: it ignores the filter", from, r.ID, r.Instant),
				"every poll would read everything from the beginning, and never end", "check `cursor.from` and `cursor.format` against the API's documentation")
			return false
		}
	}
	return true
}

// refusesFuture finds out why a bound in the future was refused: for its fraction of a
// second, as any bound, or only because it lies in the future. It reports whether there is
// a bound that is taken.
func (c *Check) refusesFuture(ctx context.Context, refused *connector.RetryError) bool {
	at := middle(c.first.Records, c.tick)
	_, err := c.fetch(ctx, connector.Query{From: at.Floor(c.tick), To: connector.Forever, Page: 1})
	if err == nil && (c.tick >= time.Second || at.Floor(time.Second) != at) {
		c.add("future", Note, "a bound in the future is refused", "no reading asks for one", "")
		return true
	}
	_, whole := c.fetch(ctx, connector.Query{From: at.Floor(time.Second), To: connector.Forever, Page: 1})
	_, other := c.fetch(ctx, connector.Query{From: at.Floor(time.Second).Add(c.tick), To: connector.Forever, Page: 1})
	if whole == nil && other != nil && c.tick < time.Second {
		c.add("tick", Fail, "the API takes a bound of whole seconds and refuses one with a fraction: "+refused.Error(),
			"no bound that is a record's instant could be asked for", "set `cursor.format` to one without a fraction and `cursor.tick: 1s`")
		return false
	}
	if whole == nil && other == nil {
		c.add("future", Note, "a bound in the future is refused", "no reading asks for one", "")
		return true
	}
	c.failed("bound", refused)
	return false
}

// bounds looks at both bounds, around an instant that the first page has shown.
func (c *Check) bounds(ctx context.Context) {
	for _, at := range edges(c.first.Records, c.tick) {
		seen, ok, sure := c.lower(ctx, at)
		if ok {
			c.precision(ctx, seen)
			c.upper(ctx, at)
		}
		if ok || sure {
			return
		}
	}
	c.add("bound", Fail, "asked twice from an instant that it had shown a record of, the API begins behind it: the bound seems to be exclusive",
		"records that share an instant with the last one of a page would be lost", "`cursor.from` must be an inclusive bound (gte); for an exclusive one set `cursor.operator: gt`")
}

// walked asks a source without an order from an instant that it has shown.
func (c *Check) walked(ctx context.Context) {
	at := middle(c.first.Records, c.tick)
	from := at.Floor(c.tick)
	page, ok := c.ask(ctx, "bound", connector.Query{From: from, To: connector.Forever, Page: 1})
	if !ok {
		return
	}
	if page.Older {
		c.add("bound", Note, fmt.Sprintf("asked from %s it begins with a parent that has changed since, below which everything is read", from),
			"whether bounds are honoured, and how fine they are taken, was not seen", "check again when fewer parents change")
		c.upper(ctx, at)
		return
	}
	oldest, shown := connector.Forever, false
	for _, r := range page.Records {
		if r.Bad == "" {
			oldest, shown = min(oldest, r.Instant), shown || r.Instant == at
		}
	}
	var seen cut
	switch {
	case oldest < from:
		seen = c.coarse(from, oldest)
	case !shown && page.Last:
		c.add("bound", Warn, fmt.Sprintf("asked from %s, of which it has shown a record, it does not show it: the bound seems to be exclusive", from),
			"records that share an instant with the newest would be lost, unless this one was just changed", "`cursor.from` must be an inclusive bound (gte); for an exclusive one set `cursor.operator: gt`")
	default:
		c.add("bound", OK, fmt.Sprintf("asked from %s it shows nothing older", from), "", "")
	}
	c.precision(ctx, seen)
	c.upper(ctx, at)
}

// lower asks from an instant of which there is a record. Ok says that it was shown, sure
// that asking again from another one would tell no more.
func (c *Check) lower(ctx context.Context, at connector.Instant) (seen cut, ok, sure bool) {
	from := at.Floor(c.tick)
	page, ok := c.ask(ctx, "order", connector.Query{From: from, To: connector.Forever, Page: 1})
	if !ok {
		return cut{}, false, true
	}
	oldest := connector.Forever
	for _, r := range page.Records {
		if r.Bad == "" {
			oldest = min(oldest, r.Instant)
		}
	}
	if len(page.Records) > 0 && page.Records[0].Bad != "" {
		return cut{}, true, true // whether it is the one that was asked for cannot be told
	}
	if oldest.Floor(c.tick) > from {
		return cut{}, false, false
	}
	if oldest < from {
		return c.coarse(from, oldest), true, true
	}
	c.add("bound", OK, fmt.Sprintf("asked from %s it begins there, in ascending order", from), "", "")
	return cut{}, true, true
}

// A cut is how coarse bounds were seen to be taken, at least. The zero cut: not seen.
type cut struct {
	to   time.Duration
	seen string
}

// coarse reports that rows below a bound were shown: by how much says how it was cut.
func (c *Check) coarse(from, oldest connector.Instant) cut {
	if oldest >= from.Add(-max(c.tick, c.shownPrecision())) {
		c.add("bound", OK, fmt.Sprintf("asked from %s it begins a little below, with %s", from, oldest), "", "")
		return cut{}
	}
	for _, g := range ladder {
		if oldest >= from.Floor(g) {
			return cut{g, fmt.Sprintf("asked from %s it begins with %s", from, oldest)}
		}
	}
	c.add("bound", Fail, fmt.Sprintf("asked from %s it begins with %s, more than a day below", from, oldest), "the filter is ignored, or by another field than `cursor.field`",
		"check `cursor.from` and `cursor.field`: both must mean the same instant")
	return cut{}
}

// precision asks from just before the end of ever coarser ticks: a record at the beginning
// of one is shown only if the bound was cut. So it is found wherever the records lie, while
// what else is shown below a bound tells only of a cut that a record happens to lie in.
func (c *Check) precision(ctx context.Context, found cut) {
	if slices.ContainsFunc(c.found, func(f Finding) bool { return f.Rule == "tick" || f.Rule == "bound" && f.Level == Fail }) {
		return
	}
	at := c.telling()
	finer, whole := c.least(), true
	for _, g := range c.coarser() {
		from := c.beforeEnd(at, g)
		if from.Floor(finer) <= at.Add(c.least()) {
			finer = g
			continue // the end of a minute is that of a second too: it would not tell them apart
		}
		page, ok := c.ask(ctx, "order", connector.Query{From: from, To: connector.Forever, Page: 1})
		if !ok {
			return // why was said
		}
		if page.Older {
			whole = false // a parent has changed: everything below it is shown
			break
		}
		oldest := connector.Forever
		for _, r := range page.Records {
			if r.Bad == "" {
				oldest = min(oldest, r.Instant)
			}
		}
		if oldest > at {
			whole = !c.o.Settings.Unordered || page.Last // else the others may be on a later page
			break
		}
		finer = g
		if g > found.to {
			found = cut{g, fmt.Sprintf("asked from %s it begins with %s", from, oldest)}
		}
	}
	switch {
	case found.to > c.tick:
		c.add("tick", Fail, fmt.Sprintf("%s: the API cuts a bound down to whole %s, and `cursor.tick` is %s", found.seen, short(found.to), short(c.tick)),
			fmt.Sprintf("more records within one %s than a page holds would come again and again: the collection stops for want of progress", short(found.to)),
			"set `cursor.tick: "+short(found.to)+"`")
	case whole:
		c.add("tick", OK, "bounds are taken as fine as `cursor.tick` says, "+short(c.tick), "", "")
	}
}

// least is the finest bound that tells anything.
func (c *Check) least() time.Duration { return max(c.tick, c.shownPrecision()) }

func (c *Check) coarser() []time.Duration {
	i := slices.IndexFunc(ladder, func(g time.Duration) bool { return g > c.least() })
	if i < 0 {
		return nil
	}
	return ladder[i:]
}

// beforeEnd is the last bound within the g that an instant lies in.
func (c *Check) beforeEnd(at connector.Instant, g time.Duration) connector.Instant {
	return at.Floor(g).Add(g).Add(-c.least()).Floor(c.tick)
}

// telling returns the instant of the record that tells the most ticks apart: one in the
// last millisecond of a second cannot tell bounds of seconds from bounds of milliseconds.
func (c *Check) telling() connector.Instant {
	best, most := middle(c.first.Records, c.tick), -1
	for _, r := range c.first.Records {
		if r.Bad != "" {
			continue
		}
		told, finer := 0, c.least()
		for _, g := range c.coarser() {
			if c.beforeEnd(r.Instant, g).Floor(finer) > r.Instant.Add(c.least()) {
				told++
			}
			finer = g
		}
		if told > most {
			best, most = r.Instant, told
		}
	}
	return best
}

// upper asks for what is before an instant, and for how much that is.
func (c *Check) upper(ctx context.Context, at connector.Instant) {
	to := at.Floor(c.tick)
	if !c.o.Upper {
		c.add("upper", Note, "the API is given no upper bound", "a tie larger than a page is drained by pages that hold all later records too",
			"if it has one (lt, until, end), set `cursor.to`")
		return
	}
	from := connector.Forever
	for _, r := range c.first.Records {
		if r.Bad == "" {
			from = min(from, r.Instant.Floor(c.tick))
		}
	}
	if from >= to {
		return // all that was shown lies within one tick
	}
	// From its oldest on: no reading has an upper bound without a lower one.
	page, ok := c.ask(ctx, "order", connector.Query{From: from, To: to, Page: 1, Count: c.o.Counts})
	if !ok {
		return
	}
	for _, r := range page.Records {
		if r.Bad == "" && r.Instant >= to {
			c.add("upper", Fail, fmt.Sprintf("asked for what is before %s, it shows record %q of %s", to, r.ID, r.Instant),
				"what a window or a tie holds could not be told from what follows it", "`cursor.to` must be an exclusive bound (lt); leave it out if the API has none")
			return
		}
	}
	c.add("upper", OK, fmt.Sprintf("asked for what is before %s it ends there", to), "", "")
	c.total(page)
}

// edges returns two instants of records that lie in other ticks than those before them,
// from the middle; the only one twice, for what is written to may have moved.
func edges(rows []connector.Record, tick time.Duration) []connector.Instant {
	var all []connector.Instant
	last := connector.Beginning
	for _, r := range rows {
		if r.Bad != "" {
			continue
		}
		if r.Instant.Floor(tick) != last.Floor(tick) {
			all = append(all, r.Instant)
		}
		last = r.Instant
	}
	if len(all) > 2 {
		m := len(all) / 2
		return []connector.Instant{all[m], all[m-1]}
	}
	slices.Reverse(all)
	if len(all) == 1 {
		all = append(all, all[0])
	}
	return all
}

func middle(rows []connector.Record, tick time.Duration) connector.Instant {
	return edges(rows, tick)[0]
}

// short writes a duration as a config has it: 1m, not 1m0s.
func short(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if d >= u.d && d%u.d == 0 {
			return fmt.Sprintf("%d%s", d/u.d, u.name)
		}
	}
	return d.String()
}
