package handler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/connector/contract"
)

// CheckOptions say what a check does beside calling Delta with the state that there is.
type CheckOptions struct {
	// Follow calls Delta with the states that it returns, and Dump calls Dump, and Delta with
	// the state that this returns. Nothing of what leads to these states is committed: a
	// handler that takes them for receipts forgets what Kafka does not have.
	Follow, Dump bool
	// MaxBody is how many bytes a response may have.
	MaxBody int
	// Remedy says what to do about a call that failed.
	Remedy func(connector.RetryReason) string
}

// MaxCalls is how often a check calls Delta to follow it, and Dump, at most.
const MaxCalls = 100

// A check looks at what no single response shows: whether a call can be made again, and
// where the states lead.
type check struct {
	t     *Trial
	o     CheckOptions
	found []contract.Finding
	calls int
	told  map[recordKey]fate // by deltas, as it was told last
}

type recordKey struct{ collection, id string }

func (k recordKey) String() string { return fmt.Sprintf("%.100q of %s", k.id, k.collection) }

// fate is what was told of a record.
type fate struct {
	deleted bool
	hash    connector.Hash
}

// Check holds a handler against its contract, and says what each finding means for what is
// published. It publishes and commits nothing.
func (t *Trial) Check(ctx context.Context, o CheckOptions) []contract.Finding {
	c := &check{t: t, o: o, told: map[recordKey]fate{}}
	if first, ok := c.ask(ctx, "answer", t.Delta); ok {
		c.answered(first)
		c.records(first)
		c.sizes(first)
		c.repeat(ctx, first)
		if o.Dump {
			c.dump(ctx)
		}
	}
	c.add("calls", contract.OK, fmt.Sprintf("calls: %d; nothing was published, and nothing is committed", c.calls), "", "")
	return c.found
}

func (c *check) add(rule string, level contract.Level, found, means, set string) {
	c.found = append(c.found, contract.Finding{Rule: rule, Level: level, Found: found, Means: means, Set: set})
}

const failing = "nothing of the answer is committed, and run calls again with the same state: until it answers as the contract wants it, nothing is published"

// ask calls once. What fails is not called again: it would be called into its trouble.
func (c *check) ask(ctx context.Context, rule string, call func(context.Context) (*Answer, error)) (*Answer, bool) {
	c.calls++
	a, err := call(ctx)
	var stop *connector.StopError
	var again *connector.RetryError
	switch {
	case err == nil:
		return a, true
	case errors.As(err, &stop):
		c.add(rule, contract.Fail, stop.What, "the source would stop here", stop.Remedy)
	case errors.As(err, &again):
		c.add(rule, contract.Fail, err.Error(), failing, c.o.Remedy(again.Reason))
	default:
		c.add(rule, contract.Fail, err.Error(), failing, "")
	}
	return nil, false
}

// answered says how the first call went, and how far it was from taking too long.
func (c *check) answered(a *Answer) {
	took, most := a.Took, c.t.r.cfg.Timeout
	found := fmt.Sprintf("it answers in %s what keeps to the contract: %d changes in %d bytes, more: %v", took.Round(time.Millisecond/10), len(a.Items), a.Bytes, a.More)
	c.add("answer", contract.OK, found, "", "")
	if took > most/2 {
		c.add("time", contract.Warn, fmt.Sprintf("that is more than half of the %s that it has", most),
			"on a slower day the answer is not waited for: it is called again and again, and nothing is published", "let it return less at once and say `more`, or raise `handler.timeout`")
	}
}

// records looks at what a response says of one record twice, and at what cannot be published.
func (c *check) records(a *Answer) {
	deleted, put := map[recordKey]bool{}, map[recordKey]connector.Hash{}
	flawed := map[string]int{}
	twice, both, versions := 0, 0, recordKey{}
	for _, i := range a.Items {
		k := recordKey{i.Collection, i.ID}
		switch was, had := put[k]; {
		case i.Flaw != "":
			flawed[i.Flaw]++
			continue
		case i.Record == nil:
			deleted[k] = true
			continue
		case had && was != i.Record.Hash:
			twice, versions = twice+1, k
		case deleted[k] && !had:
			both, versions = both+1, k
		}
		put[k] = i.Record.Hash
	}
	for why, n := range flawed {
		c.add("records", contract.Note, fmt.Sprintf("%d records cannot be published: %s", n, why), "they are passed over, or go to the dead letter queue, as `on_bad_record` says", "")
	}
	if twice > 0 {
		c.add("ids", contract.Note, fmt.Sprintf("%d versions follow another of the same id, such as %s", twice, versions),
			"both are published, in that order: if they are different records consumers lose the first", "check `id`: is it unique in the whole collection?")
	}
	if both > 0 {
		c.add("ids", contract.Note, fmt.Sprintf("%d ids are deleted and told of, such as %s", both, versions),
			"deletions come first: the record ends up present", "to delete what was just told, end the response between them")
	}
}

// sizes looks at what is close to a bound, above which a response is refused.
func (c *check) sizes(a *Answer) {
	if c.o.MaxBody > 0 && a.Bytes > c.o.MaxBody/2 {
		c.add("size", contract.Warn, fmt.Sprintf("its answer of %d bytes is more than half of what is read of one (%d)", a.Bytes, c.o.MaxBody), "a larger one is refused, and nothing is published until it is smaller", "let it return less at once and say `more`, or raise `handler.max_body`")
	}
	if most := c.t.r.cfg.MaxState; most > 0 && len(a.NextState) > most/2 {
		c.add("state", contract.Warn, fmt.Sprintf("its next state of %d bytes is more than half of what the offsets topic takes (%d)", len(a.NextState), most), "if it grows with the collection, there comes the day on which each answer is refused", "keep less in it, or raise max.message.bytes of the offsets topic")
	}
	largest, of, most := 0, recordKey{}, 0
	for _, i := range a.Items {
		if i.Record == nil || i.Flaw != "" {
			continue
		}
		n, limit := len(i.Record.Value)+2*len(i.ID), c.t.maxRecord(i.Collection)
		if limit > 0 && n > limit/2 && n > largest {
			largest, of, most = n, recordKey{i.Collection, i.ID}, limit
		}
	}
	if largest > 0 {
		c.add("size", contract.Note, fmt.Sprintf("record %s is %d bytes long, of %d that its topic takes", of, largest, most), "a larger one cannot be published", "raise max.message.bytes of the topic, or keep less in the record")
	}
}

// maxRecord is how large a record of a collection may be; 0: nobody knows.
func (t *Trial) maxRecord(collection string) int {
	for _, c := range t.r.cfg.Collections {
		if c.Settings.Collection == collection {
			return c.Settings.MaxRecord
		}
	}
	return 0
}
