package connector

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func unfit(id string, at Instant, h byte, why string) Record {
	r := row(id, at, h)
	r.Bad = why
	return r
}

// told returns the letters that were staged, each as id@second:hash of its value.
func told(out *collector) string {
	var all []string
	for _, b := range out.batches {
		for _, l := range b.Letters {
			all = append(all, l.ID+":"+strings.TrimPrefix(string(l.Value), l.ID))
		}
	}
	return strings.Join(all, " ")
}

func letterWorld(t *testing.T, s *shelf) (*Reader, *collector, func(want, receipts string)) {
	t.Helper()
	set := basic()
	set.OnBadRecord, set.MaxRecord = DeadLetterQueue, 1000
	set.Overlap = 200 * time.Second // everything young is read again by every pull
	r, _, out := scripted(t, set, s.page)
	seen := 0
	return r, out, func(want, receipts string) {
		t.Helper()
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := told(&collector{batches: out.batches[seen:]}); got != want {
			t.Errorf("letters %q, want %q", got, want)
		}
		seen = len(out.batches)
		var keys []string
		for key := range r.Memory().Receipts {
			keys = append(keys, key[:min(len(key), 7)]) // of a digest its first digit
		}
		if got := strings.Join(slices.Sorted(slices.Values(keys)), " "); got != receipts {
			t.Errorf("receipts %q, want %q", got, receipts)
		}
	}
}

func TestABadRecordIsALetterOnceHoweverOftenItIsRead(t *testing.T) {
	s := &shelf{rows: []Record{row("a", 900*sec, 1), unfit("", 901*sec, 1, "it has no id"), unfit("", 901*sec, 2, "it has no id"),
		unfit("b", 902*sec, 1, "it is too odd"), row("z", 903*sec, 1)}, date: 1000 * sec}
	r, out, pull := letterWorld(t, s)
	pull(":1 :2 b:1", "id:b value:6 value:d")
	for range 3 {
		pull("", "id:b value:6 value:d")
	}
	if got := strings.Join(published(out), " "); got != "a z" {
		t.Errorf("published %q", got)
	}
	if n := Value(r.m.Unpublished); n != 3 {
		t.Errorf("the gauge says %v", n)
	}
	// Nor after a restart.
	next, out, err := again(t, r.set, r, s.page)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Pull(t.Context()); err != nil || len(out.batches) > 0 {
		t.Errorf("%d batches after a restart (%v)", len(out.batches), err)
	}
}

func TestABadRecordThatChangesIsAnotherLetterAndOneThatIsMendedIsPublished(t *testing.T) {
	s := &shelf{rows: []Record{unfit("b", 900*sec, 1, "odd")}, date: 1000 * sec}
	_, out, pull := letterWorld(t, s)
	pull("b:1", "id:b")
	s.rows[0] = unfit("b", 910*sec, 1, "odd") // nothing that is cared about
	pull("", "id:b")
	s.rows[0] = unfit("b", 920*sec, 2, "odd")
	pull("b:2", "id:b")
	s.rows[0] = unfit("b", 910*sec, 1, "odd") // a replica that lags
	pull("", "id:b")
	s.rows[0] = row("b", 905*sec, 7) // and shows a version that was good
	pull("", "id:b")
	s.rows[0] = unfit("b", 920*sec, 2, "odd")
	pull("", "id:b")
	s.rows[0] = row("b", 930*sec, 3)
	pull("", "")
	s.rows[0] = unfit("b", 920*sec, 2, "odd") // a replica that lags
	pull("", "")
	if got := strings.Join(published(out), " "); got != "b b" {
		t.Errorf("published %q", got)
	}
	s.rows[0] = unfit("b", 940*sec, 4, "odd")
	pull("b:4", "id:b")
	s.rows[0] = Record{ID: "b", Instant: 950 * sec, Deleted: true}
	pull("", "")
}

func TestABadRecordWithoutAnInstantIsALetterOnceForEachOfItsVersions(t *testing.T) {
	rec := func(h byte) Record {
		x := row("b", 0, h)
		x.Bad, x.Stamp = "it has no instant", ""
		return x
	}
	rows := []Record{rec(1), row("z", 900*sec, 1)}
	page := func(Query) Page { return Page{Date: 1000 * sec, Total: -1, Last: true, Records: rows} }
	set := basic()
	set.OnBadRecord = DeadLetterQueue
	r, _, out := scripted(t, set, page)
	for i, want := range []string{"b:1", "b:1", "b:1 b:2", "b:1 b:2"} {
		rows[0] = rec(byte(1 + i/2))
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := told(out); got != want {
			t.Errorf("pull %d: letters %q, want %q", i, got, want)
		}
	}
}

func TestALetterSaysWhetherTheRecordIsOnlyTooLarge(t *testing.T) {
	large := row("l", 900*sec, 1)
	large.Value = make([]byte, 2000)
	s := &shelf{rows: []Record{large, unfit(strings.Repeat("x", MaxID+1), 901*sec, 1, ""), unfit("b", 902*sec, 1, "odd")}, date: 1000 * sec}
	_, out, _ := letterWorld(t, s)
	r, _, _ := letterWorld(t, s)
	r.out = out
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := out.batches[0].Letters
	if len(l) != 3 || !l[0].TooLarge || !strings.Contains(l[0].Why, "max.message.bytes") || l[1].ID != "" || !strings.Contains(l[1].Why, "its id is") || l[2].TooLarge {
		t.Errorf("letters %+v", l)
	}
}

// Pages on which nothing can be published lead on all the same, by their instants.
func TestAPageOfBadRecordsDoesNotEndAReading(t *testing.T) {
	var rows []Record
	for i := range 10 {
		rows = append(rows, unfit("", Instant(900+i)*sec, byte(i), "it has no id"))
	}
	rows = append(rows, unfit("", 909*sec, 10, "it has no id"), unfit("", 909*sec, 11, "it has no id")) // a tie of them
	rows = append(rows, row("z", 950*sec, 1))
	set := basic()
	set.OnBadRecord = DeadLetterQueue
	r, _, out := scripted(t, set, func(q Query) Page {
		p := Page{Date: 1000 * sec, Total: -1}
		skip := 2 * (q.Page - 1)
		for _, x := range rows {
			if x.Instant < q.From || x.Instant >= q.To {
				continue
			}
			if skip--; skip < 0 && len(p.Records) < 2 {
				p.Records = append(p.Records, x)
			}
		}
		return p
	})
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(published(out), " "); got != "z" || len(r.Memory().Receipts) != 12 {
		t.Errorf("published %q, %d letters", got, len(r.Memory().Receipts))
	}
}

func TestManyBadRecordsStopTheCollection(t *testing.T) {
	s := &shelf{rows: []Record{unfit("b", 900*sec, 1, "odd")}, date: 1000 * sec}
	r, _, _ := letterWorld(t, s)
	for i := range maxReceipts {
		r.mem.Receipts[fmt.Sprint("id:", i)] = Receipt{}
	}
	if err := r.Pull(t.Context()); err == nil || !strings.Contains(err.Error(), "100000 records cannot be published") {
		t.Errorf("got %v", err)
	}
}

// A state that is replaced, emptied or published again takes its receipts along.
func TestEditsCarryReceipts(t *testing.T) {
	s := &shelf{rows: []Record{unfit("b", 900*sec, 1, "odd"), unfit("c", 901*sec, 1, "odd"), row("z", 902*sec, 1)}, date: 1000 * sec}
	r, _, _ := letterWorld(t, s)
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := r.Memory()
	other := NewMemory()
	other.Receipts["id:c"], other.Receipts["id:d"] = Receipt{Print: 7}, Receipt{Print: 8}
	for name, edit := range map[string]struct {
		batches func(m *Memory) func(func(*Batch) bool)
		want    map[string]Receipt
	}{
		"replace": {func(m *Memory) func(func(*Batch) bool) { return m.Replace(other, "x") }, other.Receipts},
		"empty":   {func(m *Memory) func(func(*Batch) bool) { return m.Empty(NewState(), "x", true, 0) }, map[string]Receipt{}},
		"again":   {func(m *Memory) func(func(*Batch) bool) { return m.Again(m.State) }, map[string]Receipt{}},
	} {
		was := *m
		was.Receipts = maps.Clone(m.Receipts)
		was.Ledger = &Ledger{}
		for b := range edit.batches(m) {
			was.Apply(b)
		}
		if !maps.Equal(was.Receipts, edit.want) {
			t.Errorf("%s: receipts %v, want %v", name, was.Receipts, edit.want)
		}
	}
}
