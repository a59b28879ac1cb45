package contract

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
)

// Level says how much a finding matters.
type Level string

// The levels. A note is something to know; a warning is a promise that is weaker than
// it could be, or a stop that will come; a failure is what would stop the collection or
// lose records now.
const (
	OK   Level = "ok"
	Note Level = "note"
	Warn Level = "warn"
	Fail Level = "fail"
)

// A Finding is what one rule came to.
type Finding struct {
	// Rule is the rule in a word, such as "bound" or "late".
	Rule  string
	Level Level
	// Found is what was seen, Means what follows from it, and Set what to do.
	Found, Means, Set string
}

// Options say what is asked and how the collection is configured.
type Options struct {
	Settings connector.Settings
	// Size is the number of records that a page is asked for, 0: the source's default.
	Size int
	// Upper says that the source takes an upper bound, Counts that it is asked for
	// totals.
	Upper, Counts bool
	// Deleted is the path of the field that announces a deletion; "" without one.
	Deleted string
	// Remedy says what to do about a request that failed.
	Remedy func(connector.RetryReason) string
	// Sleep waits, or returns the context's error.
	Sleep func(context.Context, time.Duration) error
}

// MaxRequests is how many requests a check sends at most, repeated ones not counted.
const MaxRequests = 24

// retries is how often a request is sent again that failed by accident.
const retries = 3

// A Check looks at one collection. It is for one goroutine.
type Check struct {
	src  connector.Source
	o    Options
	tick time.Duration

	found []Finding
	asked int
	// unique says that no id stood for two records of the first page: else what is said of
	// one may be about the other.
	unique bool

	rows  []connector.Record // all that were seen and are not bad
	at    map[string]int     // where in rows a key is
	first connector.Page     // from the beginning
	date  connector.Instant  // of the last answer
	skew  time.Duration      // by how much our clock was ahead of it
	watch watch
	of    *Check // of the collection, where this looks at its list of deletions
}

// New returns a check of the collection that src reads.
func New(src connector.Source, o Options) *Check {
	return &Check{src: src, o: o, tick: max(o.Settings.Tick, time.Microsecond), at: map[string]int{}}
}

// Findings returns what was found since the last call.
func (c *Check) Findings() []Finding {
	f := c.found
	c.found = nil
	return f
}

// Asked returns how many requests were sent.
func (c *Check) Asked() int { return c.asked }

func (c *Check) add(rule string, level Level, found, means, set string) {
	c.found = append(c.found, Finding{rule, level, found, means, set})
}

// Begin asks everything but what needs time to pass. It reports whether there is
// something that End can look at again.
func (c *Check) Begin(ctx context.Context) bool {
	page, ok := c.ask(ctx, "order", connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1})
	if !ok {
		return false
	}
	c.first = page
	if len(page.Records) == 0 {
		c.empty()
		return false
	}
	if !c.records(page) {
		return false
	}
	set := &c.o.Settings
	if set.Unfiltered {
		c.unfiltered()
	}
	if set.Unfiltered || c.filter(ctx) {
		c.again(ctx)
		c.pages(ctx) // at once: the way to a second page may lead through the first
		switch {
		case set.Unfiltered:
		case set.Unordered:
			c.walked(ctx)
		default:
			c.bounds(ctx)
		}
		if c.unique {
			c.probe(ctx)
		}
		c.begin(ctx)
		c.counted(ctx)
	}
	c.stamps()
	c.ties()
	if c.of == nil {
		c.deletions()
	} else {
		c.events(ctx)
	}
	c.clock()
	return len(c.watch.seen) > 0
}

func (c *Check) empty() {
	if c.of != nil {
		c.add("records", Note, "the API answers, and tells of no deletion", "whether it honours bound and order, and whether its ids are those of the records, shows only when something was deleted", "delete a record for a trial and check again")
		return
	}
	c.add("records", Note, "the API answers, and shows no record", "whether it honours bound and order shows only with records", "")
}

func (c *Check) unfiltered() {
	means := "every pull reads the whole collection, and the ledger says what is new: its cost grows with the collection"
	if c.of != nil {
		means = "each reading of the list reads all of it: its cost grows with what was ever deleted"
	}
	c.add("bound", Note, "the API is not asked from an instant on", means, "if it has a filter on the instant of the last change, set `cursor.from`")
}

// key tells records apart. A record is listed once, and deleted as often as it was made again.
func (c *Check) key(r connector.Record) string {
	if c.of != nil {
		return r.ID + " of " + r.Instant.String()
	}
	return r.ID
}

var errSpent = errors.New("the check has sent all the requests that it may")

// ask fetches a page whose order is right, and reports what is wrong with it. An
// accident is asked again.
func (c *Check) ask(ctx context.Context, rule string, q connector.Query) (connector.Page, bool) {
	page, err := c.fetch(ctx, q)
	if err == nil {
		ordered := q
		ordered.From = connector.Beginning // a row below the bound has rules of its own here
		err = c.o.Settings.CheckOrder(page, ordered)
	}
	if err != nil {
		c.failed(rule, err)
		return page, false
	}
	c.date, c.skew = page.Date, connector.InstantOf(time.Now()).Sub(page.Date)
	c.see(page.Records)
	return page, true
}

// see remembers records for what is common to them, each once, as it was shown last.
func (c *Check) see(rows []connector.Record) {
	for _, r := range rows {
		if r.Bad != "" {
			continue
		}
		key := c.key(r)
		if i, seen := c.at[key]; seen {
			c.rows[i] = r
			continue
		}
		c.at[key] = len(c.rows)
		c.rows = append(c.rows, r)
	}
}

func (c *Check) fetch(ctx context.Context, q connector.Query) (connector.Page, error) {
	return c.fetchFrom(ctx, c.src, q)
}

func (c *Check) fetchFrom(ctx context.Context, src connector.Source, q connector.Query) (connector.Page, error) {
	if c.asked++; c.asked > MaxRequests {
		return connector.Page{}, errSpent
	}
	for try := 0; ; try++ {
		page, err := src.Fetch(ctx, q)
		var again *connector.RetryError
		if !errors.As(err, &again) || try == retries || !accident(again.Reason) {
			return page, err
		}
		if err := c.o.Sleep(ctx, min(max(again.After, again.AtMost, time.Second<<try/4), time.Minute)); err != nil {
			return connector.Page{}, err
		}
	}
}

// accident says whether the same request may succeed if it is sent again at once.
func accident(r connector.RetryReason) bool {
	switch r {
	case connector.RetryThrottled, connector.RetryServer, connector.RetryTimeout, connector.RetryNetwork, connector.RetryBody:
		return true
	}
	return false
}

func (c *Check) failed(rule string, err error) {
	var stop *connector.StopError
	var again *connector.RetryError
	var anew *connector.AnewError
	switch {
	case errors.As(err, &anew):
		c.add("page", Fail, err.Error(), "a tie larger than a page could not be drained: its pages would be begun anew again and again", "check `page`: what the first page says of the second must lead to it")
	case errors.Is(err, errSpent):
		c.add("answer", Note, err.Error(), "not everything was looked at", "")
	case errors.As(err, &stop):
		c.add(rule, Fail, stop.What, "the collection would stop here", stop.Remedy)
	case errors.As(err, &again):
		c.add("answer", Fail, err.Error(), c.failing(), c.o.Remedy(again.Reason))
	default:
		c.add("answer", Fail, err.Error(), "", "")
	}
}

// failing says what follows from a request that fails and is tried again.
func (c *Check) failing() string {
	if c.of == nil {
		return ""
	}
	return "the list is put off and tried again while the collection is read: its deletions are not heard of"
}

// records looks at what the first page holds. Without ids and instants nothing else can
// be asked.
func (c *Check) records(p connector.Page) bool {
	ids := map[string]bool{}
	var bad, twice []string // the first of each is named, and the others are counted
	for _, r := range p.Records {
		if r.Bad != "" {
			bad = append(bad, fmt.Sprintf("record %q cannot be published: %s", r.ID, r.Bad))
			if c.o.Settings.OnBadRecord == connector.StopOnBadRecord {
				c.add("records", Fail, bad[0], "the collection would stop here", "check `id` and `cursor.field`, or set `on_bad_record: dlq` or `skip`")
				return false
			}
			continue
		}
		if ids[r.ID] && c.of == nil {
			twice = append(twice, fmt.Sprintf("one page shows id %q twice", r.ID))
		}
		ids[r.ID] = true
	}
	if len(bad) > 0 {
		c.add("records", Note, bad[0]+others(bad), "it is passed over, or goes to the dead letter queue, as `on_bad_record` says", "")
	}
	if c.unique = len(twice) == 0; !c.unique {
		c.add("ids", Fail, twice[0]+others(twice), "the versions of one key overwrite each other: records are lost to consumers",
			"check `id`: is it unique in the whole collection, or only below a parent?")
	}
	return len(ids) > 0
}

func others(all []string) string {
	if len(all) < 2 {
		return ""
	}
	return fmt.Sprintf(" (and %d more of this page)", len(all)-1)
}
