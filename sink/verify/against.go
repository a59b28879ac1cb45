package verify

import (
	"context"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/offsets"
)

// Shown is what the source of a collection showed in one reading.
type Shown struct {
	// Ledger holds a live record as the version that was shown, made by the same code
	// as the collection's own; Deleted those that were shown as deleted.
	Ledger, Deleted *connector.Ledger
	// Fingerprint is the one by which all of it was hashed.
	Fingerprint connector.Fingerprint
	// Began is the source's clock when it was asked first; what is older than that by less
	// than three times Lookback may not be published yet.
	Began    connector.Instant
	Lookback time.Duration
	// Whole says that it was shown to its end: then what is missing is missing.
	Whole bool
}

// against compares what the ledger held as published with what the source shows.
func (l *lane) against(ctx context.Context, c *Collection, state *offsets.Collection) error {
	shown, err := l.v.o.Source(ctx, state.Name, state.Memory.State)
	if err != nil {
		return fmt.Errorf("read %s from its source: %w", state.Name, err)
	}
	if shown == nil {
		c.note("the config does not have it: it is not compared with its source")
		return nil
	}
	// What was committed while the source was read excuses a difference.
	if err := l.read(ctx); err != nil {
		return err
	}
	k := comparison{
		c: c, shown: shown, ledger: state.Memory.Ledger, doubts: state.Memory.Doubts, later: l.delta(state.Name),
		floor: state.Memory.State.Floor, cursor: state.Memory.State.Cursor.Instant, young: shown.Began.Add(-patience * shown.Lookback),
		out: &Against{Whole: shown.Whole, Began: shown.Began.String()},
	}
	for _, p := range state.Memory.State.Prints {
		if p.Fingerprint.Equal(shown.Fingerprint) {
			k.print = p.Number
		}
	}
	c.Against = k.out
	k.run()
	return nil
}

// patience is after how many lookbacks a version has to be published. What turned visible
// late is read when it is between one and one and a half of them old, by the first pull
// after that; the rest is for one that waits for its interval, its budget, or an API that
// hangs.
const patience = 3

// A comparison is that of one collection.
type comparison struct {
	c      *Collection
	shown  *Shown
	ledger *connector.Ledger
	doubts map[string]connector.Doubt
	later  *delta
	// print is the number by which the ledger refers to the fingerprint that the source
	// was read with, 0 if it does not.
	print                uint16
	floor, cursor, young connector.Instant
	out                  *Against
}

func (k *comparison) run() {
	for id, s := range k.shown.Ledger.All() {
		if s.Mark {
			continue // among the deleted
		}
		k.out.Shown++
		e, ok := k.ledger.Get(id)
		check, what := k.compare(s, e, ok && !e.Mark)
		switch {
		case ok && !e.Mark && e.Print == 0: // waits to be published again
		case check == "":
			k.out.Equal++
			if e.Print != k.print {
				k.out.NotCompared++
			}
		default:
			k.differ(id, s.Instant, check, what)
		}
	}
	for id, e := range k.ledger.All() {
		if e.Mark || e.Print == 0 {
			continue
		}
		if s, ok := k.shown.Ledger.Get(id); ok && !s.Mark {
			continue
		}
		if d, ok := k.shown.Deleted.Get(id); ok {
			k.differ(id, d.Instant, CheckSourceDeleted, fmt.Sprintf("published as alive (version of %s), and the source shows it as deleted at %s", e.Instant, d.Instant))
			continue
		}
		if k.shown.Whole && e.Instant >= k.floor {
			k.differ(id, e.Instant, CheckSourceGone, fmt.Sprintf("published (version of %s), and the source does not show it: a deletion that nobody announced, which only a sweep finds", e.Instant))
		}
	}
}

// compare says how what the source shows of a record differs from its entry e, "" for
// not at all.
func (k *comparison) compare(s, e connector.Entry, live bool) (check, what string) {
	ahead := ""
	if s.Instant > k.cursor {
		ahead = "; it lies beyond the cursor of the state, and was not read yet"
	}
	switch {
	case !live:
		return CheckSourceUnpublished, fmt.Sprintf("the source shows it (version of %s), and it is not published%s", s.Instant, ahead)
	case s.Instant > e.Instant:
		return CheckSourceOlder, fmt.Sprintf("the source shows a version of %s, and published is that of %s%s", s.Instant, e.Instant, ahead)
	case s.Instant < e.Instant:
		return CheckSourceNewer, fmt.Sprintf("the source shows a version of %s, and published is that of %s: a replica that lags, or a record that was put back", s.Instant, e.Instant)
	case e.Print == k.print && s.Hash != e.Hash:
		return CheckSourceDiffers, fmt.Sprintf("the version of %s has other fields at the source than were published", s.Instant)
	}
	return "", ""
}

// differ is a finding, unless the record changed meanwhile: it was committed anew, is in
// doubt, lies where a connector that was seen to commit has not come yet, or is so young
// that it need not be published yet.
func (k *comparison) differ(id string, at connector.Instant, check, what string) {
	_, changed := k.later.entries.Get(id)
	_, doubted := k.doubts[id]
	unread := k.later.seq > 0 && at > k.later.cursor // by a connector that runs, and is behind
	if changed || doubted || unread || k.later.doubts[id] || at > k.young {
		k.out.Changed++
		return
	}
	k.c.find(check, nowhere, nowhere, id, what)
}
