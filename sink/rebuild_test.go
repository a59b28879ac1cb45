package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// parse reads the values of these tests, "ID/HASH": what a config makes of a record.
func parse(_ string, value []byte) (connector.Record, error) {
	id, hash, ok := strings.Cut(string(value), "/")
	if !ok {
		return connector.Record{}, errors.New("not a record")
	}
	return connector.Record{ID: id, Hash: connector.Hash{hash[0]}}, nil
}

func change(id string, at connector.Instant, hash byte) connector.Change {
	return connector.Change{ID: id, Instant: at, Value: fmt.Appendf(nil, "%s/%c", id, hash), Hash: connector.Hash{hash}}
}

func removed(id string, at connector.Instant) connector.Change {
	return connector.Change{ID: id, Instant: at}
}

// published makes a topic of people that holds batches, with that fingerprint number.
func (k *kafka) published(print uint16, name string, batches ...[]connector.Change) {
	k.t.Helper()
	var records []*kgo.Record
	for i, changes := range batches {
		b := &connector.Batch{Changes: changes, State: connector.State{Seq: uint64(i + 1), Prints: []connector.Numbered{{Number: print}}}}
		records = newHeaders(name, "people").appendRecords(records, "s.people", b)
	}
	if err := k.client().ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kafka) rebuilt() *Rebuilt {
	k.t.Helper()
	r, err := Rebuild(k.t.Context(), k.client(), offsets.Name{Source: "s", Collection: "people"}, "s.people", parse)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// settingsOf are those that a state is rebuilt for; now is some time that is over.
var settingsOf = connector.Settings{Lookback: time.Minute, Start: connector.Start{At: connector.Beginning}, Fingerprint: connector.Fingerprint{ID: "id"}}

const now = connector.Instant(1_700_000_000_000_000)

func TestARebuildKnowsWhatWasPublishedLast(t *testing.T) {
	k := newKafka(t)
	k.makeTopic("s.people")
	k.published(3, "s",
		[]connector.Change{change("1", now-1000, 'a'), change("2", now-900, 'a'), change("3", now-800, 'a'), change("4", 5, 'a')},
		[]connector.Change{change("1", now-100, 'b'), removed("2", now-50), removed("4", 6)},
		[]connector.Change{change("5", now, 'z')})
	if err := k.client().ProduceSync(t.Context(), &kgo.Record{Topic: "s.people", Key: []byte("9"), Value: []byte("9/x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := k.rebuilt()
	if r.Records != 9 || r.Foreign != 1 || r.Newest != now || !r.Alike() {
		t.Errorf("%+v", r)
	}
	m := r.Resume(settingsOf, now.Add(-time.Hour))
	for id, want := range map[string]connector.Entry{
		"1": {Instant: now - 100, Hash: connector.Hash{'b'}, Print: 3},
		"2": {Instant: now - 50, Mark: true}, // young enough that a stale page may show it alive
		"3": {Instant: now - 800, Hash: connector.Hash{'a'}, Print: 3},
		"5": {Instant: now, Hash: connector.Hash{'z'}, Print: 3},
	} {
		if e, ok := m.Ledger.Get(id); !ok || e != want {
			t.Errorf("entry %s is %+v, want %+v", id, e, want)
		}
	}
	if m.Ledger.Len() != 3 || len(m.Ledger.Marks()) != 1 {
		t.Errorf("%d live, %d marks", m.Ledger.Len(), len(m.Ledger.Marks()))
	}
	if s := m.State; s.Seq != 3 || s.Cursor.Instant != now.Add(-time.Hour) || s.Trailing != s.Cursor.Instant || len(s.Prints) != 1 || s.Prints[0].Number != 3 {
		t.Errorf("%+v", s)
	}
}

// A stamp in the future, or the time at which a command deleted something, says nothing of
// how far the source was read: a cursor there would never read again.
func TestARebuildIsNotLedAstrayByTheFuture(t *testing.T) {
	k := newKafka(t)
	k.makeTopic("s.people")
	future := connector.Instant(253_370_764_800_000_000)
	k.published(1, "s", []connector.Change{change("1", now, 'a'), change("2", future, 'a')}, []connector.Change{removed("1", future)})
	if r := k.rebuilt(); r.Newest > connector.InstantOf(time.Now()) {
		t.Errorf("newest %s", r.Newest)
	}
}

func TestARebuildUnderAnotherHashComparesWithWhatThatGives(t *testing.T) {
	k := newKafka(t)
	k.makeTopic("s.people")
	other := change("1", now, 'a')
	other.Hash = connector.Hash{'q'} // made with fields that the config leaves out now
	k.published(4, "old", []connector.Change{other, change("2", now, 'a')})
	r := k.rebuilt()
	if r.Alike() || r.Renamed != 2 || r.Foreign != 0 {
		t.Errorf("%+v", r)
	}
	m := r.Resume(settingsOf, connector.Beginning)
	for _, id := range []string{"1", "2"} {
		if e, _ := m.Ledger.Get(id); e.Print != 5 || e.Hash != (connector.Hash{'a'}) {
			t.Errorf("entry %s is %+v, want the present hash under a number of its own", id, e)
		}
	}
	if m.State.Prints[0].Number != 5 || m.State.Trailing == connector.Beginning || m.State.Trailing > now.Add(-settingsOf.Lookback) {
		t.Errorf("%+v: from the beginning it would be taken for one that was never read, or its last minutes for settled", m.State)
	}
}

func TestARebuildBeginsNoEarlierThanTheCollection(t *testing.T) {
	k := newKafka(t)
	k.makeTopic("s.people")
	k.published(1, "s", []connector.Change{change("1", now, 'a')})
	set := settingsOf
	set.Start.At = now - 500
	if s := k.rebuilt().Resume(set, now-1000).State; s.Cursor.Instant != now-500 || s.Floor != now-500 {
		t.Errorf("%+v", s)
	}
}

func TestAVisitorWhoseTopicRefusesItLeavesAtOnce(t *testing.T) {
	k := newKafka(t)
	cfg := k.config("a", "visitor")
	k.makeTopic("s.people")
	big := make([]byte, 2<<20)
	began := time.Now()
	err := Visit(t.Context(), cfg, 0, func(ctx context.Context, l *Lane) error {
		w, err := l.Take(ctx, "s", "people", "s.people", 0, cfg.Metrics.Collection("s", "people"))
		if err != nil {
			return err
		}
		w.limit = 4 << 20 // it does not know how much the topic takes
		b := &connector.Batch{Changes: []connector.Change{{ID: "1", Value: big}}, State: connector.State{Seq: 1, Prints: []connector.Numbered{{Number: 1}}}}
		if err := w.Stage(ctx, b); err != nil {
			return err
		}
		return w.Flush(ctx)
	})
	var refused *TopicError
	if !errors.As(err, &refused) || refused.Topic != "s.people" {
		t.Errorf("the visit ended with %v, want a TopicError", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it held the lane for %s", took)
	}
	if n := len(k.values("s.people")); n != 0 {
		t.Errorf("%d records were committed all the same", n)
	}
}
