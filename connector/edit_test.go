package connector

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"
)

// edited applies an edit to a copy of m, as whoever resumes from it would.
func edited(t *testing.T, m *Memory, batches iter.Seq[*Batch]) (*Memory, []Change) {
	t.Helper()
	got := NewMemory()
	got.fold(m)
	var changes []Change
	seq, partial := m.State.Seq, ""
	for b := range batches {
		for _, c := range b.Entries {
			if old, had := got.Ledger.Get(c.ID); had != c.Had || old != c.Old {
				t.Errorf("the change of entry %q is over %v %+v, which is %v %+v: the sum would be wrong", c.ID, c.Had, c.Old, had, old)
			}
		}
		for _, c := range b.Doubts {
			if old, had := got.Doubts[c.ID]; had != c.Had || old != c.Old {
				t.Errorf("the change of doubt %q is over %v %+v, which is %v %+v", c.ID, c.Had, c.Old, had, old)
			}
		}
		if n := len(b.Entries) + len(b.Doubts); n > editPiece {
			t.Errorf("a piece of %d changes", n)
		}
		if b.State.Seq <= seq {
			t.Errorf("batch %d after %d", b.State.Seq, seq)
		}
		seq, partial = b.State.Seq, b.Partial
		changes = append(changes, b.Changes...)
		got.Apply(b)
	}
	if partial != "" {
		t.Error("the last piece is partial: nobody could go on")
	}
	return got, changes
}

// held is a memory with n live records, a mark and two doubts.
func held(n int) *Memory {
	m := NewMemory()
	for i := range n {
		m.Ledger.Put(fmt.Sprint(i), Entry{Instant: Instant(1000 + i), Hash: Hash{byte(i), 1}, Print: 2})
	}
	m.Ledger.Put("dead", Entry{Instant: 999, Mark: true})
	m.Doubts["1"], m.Doubts["2"] = Doubt{Since: 5, At: 3}, Doubt{Since: 6, Absent: true}
	m.State = State{
		Cursor: Cursor{Text: "t", Instant: 2000}, Trailing: 1500, Floor: 100, Lookback: time.Minute, Seq: 41,
		Prints: []Numbered{{Number: 3, Fingerprint: Fingerprint{ID: "id", HashVersion: 1}}, {Number: 2, Fingerprint: Fingerprint{ID: "id", HashVersion: 2}}},
	}
	return m
}

func TestMovedGoesBackToReadAgainAndForwardsToPassOver(t *testing.T) {
	s := held(1).State
	for _, c := range []struct {
		to, cursor, trailing, floor Instant
		text                        string
	}{
		{1200, 1200, 1500, 100, Instant(1200).String()},
		{50, 50, 1500, 50, Instant(50).String()},
		{Beginning, Beginning, 1500, Beginning, ""},
		{3000, 3000, 3000, 100, Instant(3000).String()},
	} {
		got := s.Moved(c.to, Forever)
		if got.Cursor != (Cursor{c.text, c.cursor}) || got.Trailing != c.trailing || got.Floor != c.floor || got.Seq != 41 {
			t.Errorf("moved to %s: %+v", c.to, got)
		}
	}
}

// A cursor that was moved forwards by mistake and back again: what is late in between is
// found by the trailing pass as if nothing had happened.
func TestMovedBackNothingYoungerThanTwoLookbacksIsTakenForSettled(t *testing.T) {
	now := 1000 * sec
	s := State{Cursor: Cursor{Instant: 990 * sec}, Trailing: 900 * sec, Lookback: 60 * time.Second}
	if got := s.Moved(999*sec, now).Moved(980*sec, now); got.Trailing != 980*sec {
		t.Errorf("trailing at %s", got.Trailing)
	}
	if got := s.Moved(999*sec, now).Moved(100*sec, now); got.Trailing != 880*sec {
		t.Errorf("trailing at %s", got.Trailing)
	}
	if got := s.Moved(Beginning, now); got.Trailing != 880*sec {
		t.Errorf("trailing at %s", got.Trailing)
	}
}

func TestPublishIsRefusedToACollectionThatIsAboutToBegin(t *testing.T) {
	m := held(1)
	m.State.Trailing = Beginning
	if _, _, err := m.Publish(m.State.Prints[1].Fingerprint, []Record{{ID: "0", Instant: 5000}}); err == nil {
		t.Error("its entry would be forgotten at the next start, and the record published once more")
	}
}

// "now" was when the collection began. To begin again now would never publish again what
// was deleted from the topic.
func TestAnewACollectionThatStartedNowStartsWhereItStartedThen(t *testing.T) {
	s := held(1).State
	if got := s.Anew(Settings{Start: Start{Now: true}}); got.Cursor.Instant != 100 || got.Floor != 100 || got.Trailing != 1500 {
		t.Errorf("%+v", got)
	}
}

func TestAgainMakesEveryLiveRecordOlderThanAllAndLeavesTheRest(t *testing.T) {
	m := held(12_000)
	got, changes := edited(t, m, m.Again(m.State.Moved(Beginning, Forever)))
	if len(changes) > 0 || got.Ledger.Len() != 12_000 || len(got.Ledger.Marks()) != 1 || len(got.Doubts) != 2 {
		t.Fatalf("%d changes, %d live, %d marks, %d doubts", len(changes), got.Ledger.Len(), len(got.Ledger.Marks()), len(got.Doubts))
	}
	for id, e := range got.Ledger.All() {
		if !e.Mark && e != (Entry{Instant: Beginning}) {
			t.Fatalf("entry %q is %+v", id, e)
		}
	}
}

func TestWhatIsToComeAgainIsPublishedOnceWhenItIsRead(t *testing.T) {
	api := &shelf{rows: []Record{row("1", sec, 1), row("2", 2*sec, 2)}, date: 10_000 * sec}
	r, _, out := scripted(t, Settings{Tick: time.Microsecond, Lookback: time.Minute}, api.page)
	pull := func() (ids []string) {
		t.Helper()
		out.batches = nil
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, b := range out.batches {
			for _, c := range b.Changes {
				ids = append(ids, c.ID)
			}
		}
		return ids
	}
	pull()
	if again := pull(); len(again) > 0 {
		t.Fatalf("published again without being asked: %v", again)
	}
	for b := range r.mem.Again(r.mem.State.Moved(Beginning, Forever)) {
		r.mem.Apply(b)
	}
	if got := pull(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("published %v, want each once", got)
	}
	if again := pull(); len(again) > 0 {
		t.Errorf("and then %v again", again)
	}
}

func TestEmptyForgetsEverythingAndWithTombstonesDeletesWhatIsLive(t *testing.T) {
	m := held(6000)
	got, changes := edited(t, m, m.Empty(m.State.Anew(Settings{Lookback: time.Hour}), "state reset", true, 77))
	if got.Ledger.Len()+len(got.Ledger.Marks())+len(got.Doubts) != 0 || got.State.Trailing != Beginning || got.State.Lookback != time.Hour {
		t.Errorf("left: %d live, %+v", got.Ledger.Len(), got.State)
	}
	ids := map[string]bool{}
	for _, c := range changes {
		if c.Value != nil || c.Instant != 77 {
			t.Fatalf("change %+v", c)
		}
		ids[c.ID] = true
	}
	if len(ids) != 6000 || len(changes) != 6000 || ids["dead"] {
		t.Errorf("%d tombstones of %d keys", len(changes), len(ids))
	}
	if _, changes := edited(t, m, m.Empty(m.State.Anew(Settings{}), "state reset", false, 77)); len(changes) != 0 {
		t.Errorf("%d tombstones that were not asked for", len(changes))
	}
}

func TestReplaceMakesOneMemoryTheOther(t *testing.T) {
	m, o := held(7000), held(3)
	o.Ledger.Drop("2")
	o.Ledger.Put("new", Entry{Instant: 5, Hash: Hash{5}, Print: 2})
	o.Ledger.Put("dead", Entry{Instant: 1, Hash: Hash{6}, Print: 2})
	delete(o.Doubts, "1")
	o.Doubts["2"], o.Doubts["3"] = Doubt{Since: 1}, Doubt{Since: 2}
	o.State.Seq = 9 // less than ours: the numbers go on above the larger
	got, changes := edited(t, m, m.Replace(o, "state import"))
	if len(changes) != 0 {
		t.Errorf("%d changes", len(changes))
	}
	entries := func(m *Memory) map[string]Entry { return maps.Collect(m.Ledger.All()) }
	if !maps.Equal(entries(got), entries(o)) || !maps.Equal(got.Doubts, o.Doubts) || got.State.Cursor != o.State.Cursor {
		t.Errorf("got %d entries, doubts %v", got.Ledger.Len(), got.Doubts)
	}
	if first := first(m.Replace(o, "state import")); first.Partial != "state import" {
		t.Error("whoever finds the first piece alone would go on from it")
	}
}

func first(batches iter.Seq[*Batch]) Batch {
	for b := range batches {
		return *b
	}
	return Batch{}
}

func TestPublishPublishesUnchangedRecordsAndPassesOverWhatTheLedgerKnowsBetter(t *testing.T) {
	m := held(4)
	f := m.State.Prints[1].Fingerprint
	batches, passed, err := m.Publish(f, []Record{
		{ID: "0", Instant: 1000, Hash: Hash{0, 1}, Value: []byte("same")},
		{ID: "1", Instant: 1500, Hash: Hash{8}, Value: []byte("newer")},
		{ID: "1", Instant: 1500, Hash: Hash{8}, Value: []byte("shown twice")},
		{ID: "2", Instant: 500, Value: []byte("older")},
		{ID: "3", Instant: 2000, Deleted: true, Value: []byte("deleted")},
		{ID: "dead", Instant: 1200, Deleted: true},
		{ID: "new", Instant: 50, Hash: Hash{9}, Value: []byte("new")},
		{ID: "bad", Bad: "it has no instant"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, changes := edited(t, m, batches)
	var published []string
	for _, c := range changes {
		published = append(published, c.ID+"="+string(c.Value))
	}
	if want := []string{"0=same", "1=newer", "3=", "new=new"}; !slices.Equal(published, want) {
		t.Errorf("published %q, want %q", published, want)
	}
	var not []string
	for _, p := range passed {
		not = append(not, p.ID)
	}
	if want := []string{"2", "dead", "bad"}; !slices.Equal(not, want) {
		t.Errorf("passed over %v, want %v", passed, want)
	}
	if e, _ := got.Ledger.Get("3"); !e.Mark {
		t.Errorf("the deleted one's entry is %+v", e)
	}
	if _, doubted := got.Doubts["1"]; doubted {
		t.Error("the doubt about 1 outlived its entry")
	}
	if e, _ := got.Ledger.Get("new"); e.Print != 2 {
		t.Errorf("the new one's entry is %+v", e)
	}
	if _, _, err := m.Publish(Fingerprint{ID: "other"}, nil); err == nil {
		t.Error("another id was taken")
	}
}

func TestAnewUsesNoNumberOfAFingerprintTwice(t *testing.T) {
	s := held(1).State
	for _, c := range []struct {
		f    Fingerprint
		want uint16
	}{
		{Fingerprint{ID: "id", HashVersion: 2}, 2}, {Fingerprint{ID: "id", HashVersion: 1}, 3}, {Fingerprint{ID: "other"}, 4},
	} {
		got := s.Anew(Settings{Fingerprint: c.f})
		if len(got.Prints) != 1 || got.Prints[0].Number != c.want || got.Seq != 41 {
			t.Errorf("%+v: %+v", c.f, got)
		}
	}
	if got := NewState().Anew(Settings{}); got.Prints[0].Number != 1 {
		t.Errorf("the first: %+v", got)
	}
}

func TestRestartedBeginsAtTheStartOfTheConfig(t *testing.T) {
	s := held(1).State
	for _, c := range []struct {
		start         Start
		cursor, floor Instant
	}{
		{Start{At: Beginning}, Beginning, Beginning}, {Start{At: 700}, 700, 700}, {Start{Now: true}, 100, 100},
	} {
		if got := s.Restarted(Settings{Start: c.start}, Forever); got.Cursor.Instant != c.cursor || got.Floor != c.floor || got.Trailing != 1500 {
			t.Errorf("%+v: %+v", c.start, got)
		}
	}
}
