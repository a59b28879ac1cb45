package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tributary/connector/contract"
)

// A difference is how a second response to one state is other than the first.
type difference struct {
	first  int         // how many records the first told of
	common int         // of how many of them the second did
	lost   []recordKey // those of which it did not
	other  map[recordKey][]string
	state  bool
}

func (d difference) none() bool { return len(d.lost) == 0 && len(d.other) == 0 && !d.state }

func differ(a, b *Answer) difference {
	was, is := lastOf(a), lastOf(b)
	d := difference{first: len(was), other: map[recordKey][]string{}, state: !sameState(a.NextState, b.NextState)}
	for k, old := range was {
		now, told := is[k]
		switch {
		case !told:
			d.lost = append(d.lost, k)
			continue
		case fateOf(old) != fateOf(now):
			d.other[k] = members(old, now)
		}
		d.common++
	}
	slices.SortFunc(d.lost, func(x, y recordKey) int { return strings.Compare(x.String(), y.String()) })
	return d
}

// lastOf returns what a response says of each record at last.
func lastOf(a *Answer) map[recordKey]Item {
	m := map[recordKey]Item{}
	for _, i := range a.Items {
		if i.Flaw == "" {
			m[recordKey{i.Collection, i.ID}] = i
		}
	}
	return m
}

func fateOf(i Item) fate {
	if i.Record == nil {
		return fate{deleted: true}
	}
	return fate{hash: i.Record.Hash}
}

// members are the names of those that are not the same in two versions.
func members(a, b Item) (names []string) {
	if a.Record == nil || b.Record == nil {
		return nil
	}
	var was, is map[string]json.RawMessage
	if json.Unmarshal(a.Record.Value, &was) != nil || json.Unmarshal(b.Record.Value, &is) != nil {
		return nil
	}
	for name := range was {
		if !bytes.Equal(was[name], is[name]) {
			names = append(names, name)
		}
	}
	for name := range is {
		if _, had := was[name]; !had {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// repeat calls with the same state again, as happens when an answer is lost. What a write
// between two calls could have caused is no failure: a difference is looked at a second time.
func (c *check) repeat(ctx context.Context, first *Answer) {
	second, ok := c.ask(ctx, "repeat", c.t.Delta)
	if !ok {
		return
	}
	last, d, again := second, differ(first, second), difference{}
	if !d.none() {
		if last, ok = c.ask(ctx, "repeat", c.t.Delta); !ok {
			return
		}
		again = differ(second, last)
	}
	switch {
	case len(first.Items) == 0 && d.none():
		c.add("repeat", contract.Note, "it has nothing to tell since this state", "whether it tells a change again when the first answer is lost shows only where there is one", "check again when something has changed, or from the beginning with `--state null`")
	case d.none():
		c.add("repeat", contract.OK, fmt.Sprintf("called again with the same state it tells the same %d changes", len(first.Items)), "", "")
	default:
		c.unstable(d, again)
	}
	for _, i := range last.Items {
		c.told[recordKey{i.Collection, i.ID}] = fateOf(i)
	}
	ended := false
	if c.o.Follow {
		ended = c.follow(ctx, last)
	} else {
		c.add("follow", contract.Note, "it was not called with a state that it returned", "whether its states lead on and come to an end was not seen",
			"`--follow` looks at that; not of a handler that takes a state for a receipt and forgets what led to it, for nothing of it is committed")
	}
	if second.More && c.o.Follow && len(d.lost) > 0 { // what a response with more leaves out may come behind it
		d.lost = slices.DeleteFunc(d.lost, func(k recordKey) bool { _, told := c.told[k]; return told })
		if len(d.lost) == 0 {
			c.add("repeat", contract.OK, "called again with the same state it tells of other records first, and of all of them before its end", "", "")
		}
	}
	c.lost(d, len(again.lost) > 0, second.More && !ended)
}

// lost reports what only the first answer told of.
func (c *check) lost(d difference, again, later bool) {
	if len(d.lost) == 0 {
		return
	}
	found := fmt.Sprintf("called again with the same state it does not tell of %d of %d records, such as %s", len(d.lost), d.first, d.lost[0])
	means := "a call whose answer is lost is made again with the same state, also after a crash: what only the first answer told of is never published"
	set := "tell what has changed since `previous_state`: forget a change only when a state comes back that stands for it"
	switch {
	case later:
		c.add("repeat", contract.Warn, found+", and has more", means+", unless what follows tells of it", "`--follow` calls until there is no more, and sees whether it does; "+set)
	case again || len(d.lost) == d.first && d.first > 1:
		c.add("repeat", contract.Fail, found, means, set)
	default:
		c.add("repeat", contract.Warn, found, means+", unless it was made and deleted in this moment", "check again; "+set)
	}
}

// unstable reports records and states that are told otherwise each time.
func (c *check) unstable(d, again difference) {
	both := maps.Clone(d.other)
	maps.DeleteFunc(both, func(k recordKey, _ []string) bool { _, ok := again.other[k]; return !ok })
	switch n := len(d.other); {
	case n == 0 && len(d.lost) == 0 && again.state:
		c.add("repeat", contract.Note, "called again with the same state it tells the same, and returns another state each time", "each pull commits a state, also where nothing has changed; what it says must be where the telling ended, and no clock of its own", "")
	case len(both) > 0 || n > 1 && n == d.common:
		k, names := oneOf(d.other)
		if len(both) > 0 {
			k, names = oneOf(both)
		}
		set := "let the record be the same as long as nothing has changed"
		if len(names) > 0 {
			set = fmt.Sprintf("leave it out of the record, or set `hash: {exclude: [%s]}`", strings.Join(names, ", "))
		}
		c.add("stable", contract.Warn, fmt.Sprintf("%d of %d records are other each time they are told of, such as %s (%s)", n, d.common, k, strings.Join(names, ", ")),
			"what is told again is dropped only if it is the same: each telling is published as a new version", set)
	case n > 0:
		k, names := oneOf(d.other)
		c.add("stable", contract.Note, fmt.Sprintf("%d of %d records were other when told of again, such as %s (%s)", n, d.common, k, strings.Join(names, ", ")), "they were changed in this moment, or are told otherwise each time; then each telling is published", "")
	case len(d.lost) == 0:
		c.add("repeat", contract.OK, "called again with the same state it tells the same, and another state: something was written meanwhile", "", "")
	}
}

// oneOf returns the first one, so that a check says the same each time.
func oneOf(m map[recordKey][]string) (recordKey, []string) {
	k := slices.MinFunc(slices.Collect(maps.Keys(m)), func(x, y recordKey) int { return strings.Compare(x.String(), y.String()) })
	return k, m[k]
}
