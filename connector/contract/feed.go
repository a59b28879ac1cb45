package contract

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/connector"
)

// NewFeed returns a check of the list of deletions that src reads, of the collection that
// of has begun to look at. The settings in o are the collection's.
func NewFeed(src connector.Source, o Options, of *Check) *Check {
	o.Settings = o.Settings.OfFeed()
	o.Settings.Probe = 0 // its events cannot be asked for by id
	c := New(src, o)
	c.of = of
	return c
}

// events looks at what only a list of deletions has: how far back it reaches, and whether
// it speaks of records of the collection.
func (c *Check) events(ctx context.Context) {
	c.reach()
	if c.alike() {
		c.died(ctx)
	}
}

// tells says that something else than the list finds deletions.
func (c *Check) tells() (sweeps, probes bool) {
	set := &c.of.o.Settings
	return set.Sweeps.Every > 0, set.Probe > 1
}

// reach says of when the oldest event is.
func (c *Check) reach() {
	if c.o.Settings.Unordered && !c.first.Last {
		return
	}
	oldest := connector.Forever
	for _, r := range c.first.Records {
		if r.Bad == "" {
			oldest = min(oldest, r.Instant)
		}
	}
	found := fmt.Sprintf("its oldest event is of %s, %s ago", oldest, short(c.date.Sub(oldest).Round(time.Minute)))
	if sweeps, _ := c.tells(); sweeps {
		c.add("reach", OK, found+"; a sweep finds what was deleted before", "", "")
		return
	}
	c.add("reach", Note, found, "if the API forgets what is older, a deletion is never heard of when the connector does not run for longer than that", "set `deletions: {sweep: {every: 24h}}` beside it")
}

// behind reports events whose stamps are coarser than those of the records that they
// speak of, and says whether they are.
func (c *Check) behind(shown time.Duration) bool {
	records := c.of.shownPrecision()
	if records == 0 || records >= shown {
		return false
	}
	level, means := Note, "a record that was changed and deleted within one "+short(shown)+" seems to be newer than its deletion: "
	set := ""
	switch sweeps, probes := c.tells(); {
	case sweeps:
		means += "it is deleted by the next sweep"
	case probes:
		means += "it is asked for by its id, and deleted a lookback later"
	default:
		level, means, set = Warn, means+"it is not deleted", "set `deletions: {sweep: {every: 24h}}` beside it"
	}
	c.add("stamps", level, fmt.Sprintf("its stamps are shown in whole %s, and those of the records as fine as %s", short(shown), short(records)), means, set)
	return true
}

// alike compares the form of the ids with that of the collection's, and says whether they
// may be the same.
func (c *Check) alike() bool {
	forms := func(rows []connector.Record) []string {
		var all []string
		for _, r := range rows {
			all = append(all, form(r.ID))
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	here, there := forms(c.rows), forms(c.of.rows)
	if len(there) == 0 || slices.ContainsFunc(here, func(f string) bool { return slices.Contains(there, f) }) {
		return true
	}
	c.add("events", Warn, fmt.Sprintf("it tells of %q, and the collection has ids such as %q", c.rows[0].ID, c.of.rows[0].ID),
		"what it says to be deleted is no record of this collection: no deletion would be published", "check `id`: it is to be the id of the record that was deleted, as the collection shows it, and not that of the event")
	return false
}

// form tells ids of different kinds apart.
func form(id string) string {
	at := strings.LastIndexAny(id, "/_:") + 1
	head, tail := id[:at], id[at:]
	if strings.ContainsAny(strings.TrimSuffix(head, "_"), "/_:") {
		head = "" // a parent, which is another for each
	}
	if _, err := strconv.ParseUint(tail, 10, 64); err == nil {
		return head + "number"
	}
	if len(tail) == 36 && strings.Count(tail, "-") == 4 {
		return head + "uuid"
	}
	return head + "text"
}

// died asks for records by the ids of the newest events: they should be gone, or made
// again since.
func (c *Check) died(ctx context.Context) {
	if c.of.o.Settings.Probe < 2 || len(c.of.rows) == 0 {
		c.add("events", Note, "whether the records are gone that it tells of cannot be asked: the collection has no `probe` for two ids", "", "")
		return
	}
	at := map[string]connector.Instant{}
	beside := c.of.rows[0].ID // what is there, so that an answer says something; it may be told of too
	ids := []string{beside}
	rows := slices.Clone(c.rows)
	slices.SortStableFunc(rows, func(a, b connector.Record) int { return cmp.Compare(b.Instant, a.Instant) })
	for _, r := range rows {
		_, twice := at[r.ID]
		switch {
		case twice:
		case r.ID == beside:
			at[r.ID] = r.Instant
		case len(ids) < min(6, c.of.o.Settings.Probe):
			at[r.ID], ids = r.Instant, append(ids, r.ID)
		}
	}
	page, err := c.fetchFrom(ctx, c.of.src, connector.Query{From: connector.Beginning, To: connector.Forever, IDs: ids})
	if err != nil {
		c.failed("events", err)
		return
	}
	for _, r := range page.Records {
		if died, told := at[r.ID]; told && r.Bad == "" && !r.Deleted && r.Instant <= died {
			c.add("events", Warn, fmt.Sprintf("it tells that record %q was deleted at %s, and the record is there, as of %s", r.ID, died, r.Instant),
				"an event is believed: such a record gets a tombstone although it is there", "check `id`: it is to be the id of the record, and not that of the event; if records come back as they were, set `deletions: {sweep: {every: 24h}}` beside it, which finds them")
			return
		}
	}
	switch {
	case !shows(page, beside):
		c.add("events", Note, fmt.Sprintf("whether the records are gone that it tells of cannot be seen: asked for them by id, beside %q, which was there, the API shows nothing of that either", beside), "", "")
	case len(at) == 1:
		c.add("events", OK, "the one record that it tells of is not there as it was", "", "")
	default:
		c.add("events", OK, fmt.Sprintf("none of %d records that it tells of is there as it was", len(at)), "", "")
	}
}
