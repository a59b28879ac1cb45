package sink

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/offsets"
)

type edit func(*connector.Memory) iter.Seq[*connector.Batch]

// edited makes a visit that stages an edit of the collection of a feed.
func (k *kafka) edited(f *feed, edit edit) error {
	cfg := k.config("a", "visitor")
	return Visit(context.Background(), cfg, 0, func(ctx context.Context, l *Lane) error {
		w, err := l.Take(ctx, "s", f.name, f.topic(), 0, cfg.Metrics.Collection("s", f.name))
		if err != nil {
			return err
		}
		for b := range edit(w.Memory()) {
			if err := w.Stage(ctx, b); err != nil {
				return err
			}
		}
		return w.Flush(ctx)
	})
}

func moved(to connector.Instant) edit {
	return func(m *connector.Memory) iter.Seq[*connector.Batch] {
		s := m.State
		s.Cursor = connector.Cursor{Text: "moved", Instant: to}
		return m.Move(s)
	}
}

// collection returns the committed state of the feed's collection.
func (k *kafka) collection(f *feed) (*offsets.Collection, *offsets.Table) {
	k.t.Helper()
	table := offsets.NewTable()
	for _, r := range k.records("crm.offsets") {
		if err := (&Lane{table: table}).fold(r); err != nil {
			k.t.Fatal(err)
		}
	}
	return table.Collection(offsets.Name{Source: "s", Collection: f.name}), table
}

func TestAVisitChangesTheStateAndTheRunningLaneGoesOnByItself(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	l := k.live(k.config("a", "owner"), f.run)
	await(t, "the versions are there", k.holds(f.topic(), 3))
	if err := k.edited(f, moved(77)); err != nil {
		t.Fatal(err)
	}
	c, table := k.collection(f)
	if c.Memory.State.Cursor.Text != "moved" || c.Memory.State.Seq != 4 {
		t.Errorf("after the visit the state is %+v", c.Memory.State)
	}
	if !table.Claim.Visit || !table.Claim.Released {
		t.Errorf("the visit left the claim %+v", table.Claim)
	}
	f.next.Store(10)
	await(t, "the owner has gone on", k.holds(f.topic(), 10))
	c, table = k.collection(f)
	if c.Memory.State.Cursor.Text != "moved" {
		t.Error("the owner went on from its memory and not from what the visit committed")
	}
	if table.Claim.Run != "owner" {
		t.Errorf("the lane is claimed by %+v", table.Claim)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 10)
}

func TestAnIdleLaneNoticesAVisitAndASuccessor(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	cfg := k.config("a", "owner")
	cfg.ask = 50 * time.Millisecond
	l := k.live(cfg, f.run)
	await(t, "the versions are there", k.holds(f.topic(), 3))
	if err := k.edited(f, moved(77)); err != nil {
		t.Fatal(err)
	}
	await(t, "the idle owner has acquired its lane again", func() bool { return f.opened.Load() == 2 })
	successor := k.live(k.config("a", "successor"), f.run)
	var fenced *FencedError
	if err := l.ended(); !errors.As(err, &fenced) || fenced.By.Run != "successor" {
		t.Errorf("the idle owner ended with %v, want a FencedError that names its successor", err)
	}
	if err := successor.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 3)
}

// An idle lane that nobody takes asks and asks, and neither loses its lane nor writes.
func TestAnIdleLaneStaysAsItIs(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	cfg := k.config("a", "owner")
	cfg.ask = time.Millisecond
	l := k.live(cfg, f.run)
	await(t, "the versions are there", k.holds(f.topic(), 3))
	before := len(k.records("crm.offsets"))
	time.Sleep(200 * time.Millisecond)
	if after := len(k.records("crm.offsets")); after != before || f.opened.Load() != 1 {
		t.Errorf("%d records in the offsets topic after idling, %d before; acquired %d times", after, before, f.opened.Load())
	}
	f.next.Store(6)
	await(t, "the versions are there", k.holds(f.topic(), 6))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 6)
}

func TestTheOwnerWaitsUntilAVisitIsOver(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	l := k.live(k.config("a", "owner"), f.run)
	await(t, "the versions are there", k.holds(f.topic(), 3))
	cfg := k.config("a", "visitor")
	err := Visit(t.Context(), cfg, 0, func(ctx context.Context, l *Lane) error {
		f.next.Store(5) // the owner wants to commit, and is refused
		time.Sleep(500 * time.Millisecond)
		w, err := l.Take(ctx, "s", f.name, f.topic(), 0, cfg.Metrics.Collection("s", f.name))
		if err != nil {
			return err
		}
		for b := range moved(77)(w.Memory()) {
			if err := w.Stage(ctx, b); err != nil {
				return err
			}
		}
		return w.Flush(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the owner has gone on", k.holds(f.topic(), 5))
	if c, _ := k.collection(f); c.Memory.State.Cursor.Text != "moved" {
		t.Error("the visit's state is lost")
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 5)
}

func TestAVisitThatFailsLeavesTheLane(t *testing.T) {
	k := newKafka(t)
	broken := errors.New("the file is cut")
	err := Visit(t.Context(), k.config("a", "visitor"), 0, func(context.Context, *Lane) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("the visit ended with %v", err)
	}
	if _, table := k.collection(newFeed("people")); !table.Claim.Released {
		t.Errorf("it left the claim %+v", table.Claim)
	}
}

// A change of everything that is interrupted must not be taken for a collection that
// begins: everything would be published again.
func TestACollectionOfWhichHalfAChangeIsCommittedIsStopped(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	l := k.live(k.config("a", "owner"), f.run)
	await(t, "the versions are there", k.holds(f.topic(), 3))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	err := k.edited(f, func(m *connector.Memory) iter.Seq[*connector.Batch] {
		o := connector.NewMemory()
		o.State = m.State
		for i := range 20_000 {
			o.Ledger.Put("n"+strings.Repeat("x", i%7)+string(rune('a'+i%26)), connector.Entry{Instant: 5, Print: 1})
		}
		return func(yield func(*connector.Batch) bool) {
			for b := range m.Replace(o, "state import") {
				if b.Partial == "" || !yield(b) { // it dies before the last piece
					return
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := k.collection(f)
	if c.Partial != "state import" || c.Left() == 0 {
		t.Fatalf("partial %q, %d records of the ledger", c.Partial, c.Left())
	}
	f.stopped = make(chan error, 1)
	l = k.live(k.config("a", "owner-2"), f.run)
	var stop *connector.StopError
	await(t, "it is opened again", func() bool { return len(f.stopped) > 0 || f.opened.Load() == 2 })
	if f.opened.Load() == 2 {
		t.Error("the collection goes on from half a change")
	} else if err := <-f.stopped; !errors.As(err, &stop) || !strings.Contains(stop.What, "`tributary state import` of s.people was interrupted") {
		t.Errorf("the collection opened with %v, want a StopError", err)
	}
	l.stop()
	l.ended()
}

func TestAnEditReplacesALedgerAndTheSumHolds(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(2)
	l := k.live(k.config("a", "owner"), f.run)
	await(t, "the versions are there", k.holds(f.topic(), 2))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	o := connector.NewMemory()
	for _, id := range []string{"k", "new"} {
		o.Ledger.Put(id, connector.Entry{Instant: 9, Print: 1, Hash: connector.Hash{9}})
	}
	o.Ledger.Put("dead", connector.Entry{Instant: 8, Mark: true})
	o.Doubts["k"] = connector.Doubt{Since: 9, At: 3}
	edits := map[string]edit{
		"replaced": func(m *connector.Memory) iter.Seq[*connector.Batch] {
			o.State = m.State
			return m.Replace(o, "state import")
		},
		"again": func(m *connector.Memory) iter.Seq[*connector.Batch] {
			return m.Again(m.State.Moved(connector.Beginning, connector.Forever))
		},
		"empty": func(m *connector.Memory) iter.Seq[*connector.Batch] { return m.Empty(m.State, "state reset", true, 99) },
	}
	for _, name := range []string{"replaced", "again", "empty"} {
		before, _ := k.collection(f)
		if err := k.edited(f, edits[name]); err != nil {
			t.Fatal(name, err)
		}
		c, _ := k.collection(f)
		if err := c.Verify(); err != nil || !c.Known {
			t.Errorf("%s: known %v, %v", name, c.Known, err)
		}
		if c.Memory.State.Seq <= before.Memory.State.Seq {
			t.Errorf("%s: batch %d after %d", name, c.Memory.State.Seq, before.Memory.State.Seq)
		}
		switch name {
		case "replaced":
			if c.Memory.Ledger.Len() != 2 || len(c.Memory.Ledger.Marks()) != 1 || len(c.Memory.Doubts) != 1 {
				t.Errorf("%s: %d live, %d marks, %d doubts", name, c.Memory.Ledger.Len(), len(c.Memory.Ledger.Marks()), len(c.Memory.Doubts))
			}
		case "again":
			for id, e := range c.Memory.Ledger.All() {
				if !e.Mark && e != (connector.Entry{Instant: connector.Beginning}) {
					t.Errorf("%s: entry of %s is %+v", name, id, e)
				}
			}
		case "empty":
			if c.Left() != 0 {
				t.Errorf("%s: %d left", name, c.Left())
			}
		}
	}
	values := k.values(f.topic())
	if !slices.Contains(values, "k=") {
		t.Errorf("no tombstone was published: %v", values)
	}
}
