package handler

import (
	"context"
	"fmt"

	"tributary/connector/contract"
)

// keep takes an answer of Delta as if it were committed.
func (c *check) keep(ctx context.Context, a *Answer) (news int, ok bool) {
	if _, err := c.t.Keep(ctx, a); err != nil {
		c.add("records", contract.Fail, err.Error(), "the source would stop here", "")
		return 0, false
	}
	for _, i := range a.Items {
		c.told[recordKey{i.Collection, i.ID}] = fateOf(i)
		if i.News {
			news++
		}
	}
	return news, true
}

// follow calls with the states that come back until there is no more, and once more. It
// says whether it came to that end.
func (c *check) follow(ctx context.Context, a *Answer) bool {
	told := 0
	for n := 1; ; n++ {
		told += len(a.Items)
		if _, ok := c.keep(ctx, a); !ok {
			return false
		}
		if !a.More {
			c.add("more", contract.OK, fmt.Sprintf("it comes to its end with answer %d, after %d changes", n, told), "", "")
			break
		}
		if n == MaxCalls {
			c.add("more", contract.Note, fmt.Sprintf("after %d answers and %d changes it still has more", n, told), "each led on, as far as a check follows: whether it ends was not seen", "")
			return false
		}
		var ok bool
		if a, ok = c.ask(ctx, "more", c.t.Delta); !ok {
			return false
		}
	}
	before := c.t.State()
	c.t.r.forgetSeen() // it is another pull
	idle, ok := c.ask(ctx, "idle", c.t.Delta)
	if !ok {
		return true
	}
	news, ok := c.keep(ctx, idle)
	switch {
	case !ok:
	case news > 0:
		c.add("idle", contract.Note, fmt.Sprintf("called once more with its last state it tells of %d changes that are news", news), "something was written in this moment, or it tells otherwise each time; then each pull publishes", "check again while nothing is written")
	case !sameState(before, c.t.State()):
		c.add("idle", contract.Note, "called once more with its last state it tells nothing new, and moves the state", "each pull commits a transaction for the state alone, also where nothing has changed", "leave `next_state` out, or as it is, where there is nothing to tell")
	case len(idle.Items) > 0:
		c.add("idle", contract.Note, fmt.Sprintf("called once more with its last state it tells %d things again that are no news", len(idle.Items)), "they are dropped: a pull costs what it tells, and publishes nothing", "")
	default:
		c.add("idle", contract.OK, "called once more with its last state it tells nothing and leaves it as it is: an idle pull writes nothing", "", "")
	}
	return true
}

// dump reads the dump to its end, compares it with the deltas and the ledger, and calls the
// delta that follows.
func (c *check) dump(ctx context.Context) {
	c.t.BeginDump()
	shown := map[recordKey]fate{}
	var a *Answer
	for n := 1; ; n++ {
		var ok bool
		if a, ok = c.ask(ctx, "dump", c.t.Dump); !ok {
			return
		}
		for _, i := range a.Items {
			shown[recordKey{i.Collection, i.ID}] = fateOf(i)
		}
		if err := c.t.KeepDump(ctx, a); err != nil {
			c.add("dump", contract.Fail, err.Error(), "the source would stop here", "")
			return
		}
		if !a.More {
			c.add("dump", contract.OK, fmt.Sprintf("its dump comes to its end with answer %d, after %d records", n, len(shown)), "", "")
			break
		}
		if n == MaxCalls {
			c.add("dump", contract.Note, fmt.Sprintf("after %d answers and %d records its dump still has more", n, len(shown)), "each led on, as far as a check follows: what it does not show, and what the delta says behind it, was not seen", "")
			return
		}
	}
	c.compare(shown)
	c.missed()
	c.handOver(ctx, a)
}

// compare looks for records that a dump tells otherwise than a delta.
func (c *check) compare(shown map[recordKey]fate) {
	common, other, one := 0, 0, recordKey{}
	for k, was := range c.told {
		now, ok := shown[k]
		if !ok || was.deleted {
			continue
		}
		if common++; was != now {
			if other++; other == 1 || k.String() < one.String() {
				one = k
			}
		}
	}
	switch {
	case other > 1 && other == common:
		c.add("dump", contract.Warn, fmt.Sprintf("its dump tells all of %d records otherwise than the delta did, such as %s", other, one), "each dump publishes them again, and each delta publishes them back", "let both make a record in the same way")
	case other > 0:
		c.add("dump", contract.Note, fmt.Sprintf("its dump tells %d of %d records otherwise than the delta did, such as %s", other, common, one), "they were changed in this moment, or each dump publishes them again", "")
	}
}

// missed says what run would delete.
func (c *check) missed() {
	for _, col := range c.t.r.cols {
		n, guard := c.t.Missed(col.name)
		switch {
		case guard != "":
			c.add("dump", contract.Warn, fmt.Sprintf("of %s: %s", col.name, guard), "that is not believed: nothing is deleted, and the next dump looks again",
				"see whether it tells of everything, and whether the delta tells of the deletions; if the records are gone in truth, `tributary sweep --approve` lets the next one pass")
		case n > 0:
			c.add("dump", contract.Note, fmt.Sprintf("its dump does not show %d records of %s that the ledger has", n, col.name), "run would delete them at its end", "")
		}
	}
}

// handOver calls the delta with the state that the dump has ended with.
func (c *check) handOver(ctx context.Context, last *Answer) {
	if last.NextDeltaState == nil {
		c.add("handover", contract.Note, "the last answer of its dump has no `next_delta_state`", "the next delta goes on from the state that it had before the dump: what it tells of again is dropped, and published again where it has changed since", "")
		return
	}
	c.t.r.forgetSeen() // it is another pull
	a, ok := c.ask(ctx, "handover", c.t.Delta)
	if !ok {
		return
	}
	if news, ok := c.keep(ctx, a); ok {
		c.add("handover", contract.OK, fmt.Sprintf("the delta goes on from the `next_delta_state` of the dump, with %d changes of which %d are news", len(a.Items), news), "", "")
	}
}
