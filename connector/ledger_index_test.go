package connector

import (
	"strconv"
	"testing"
)

func TestAnIndexStaysUntilItsIdIsDropped(t *testing.T) {
	var l Ledger
	if _, _, ok := l.Index("1"); ok || l.Slots() != 0 {
		t.Fatal("an empty ledger has an index")
	}
	at := map[string]int{}
	for i := range 10_000 {
		id := strconv.Itoa(i)
		if i%3 == 0 {
			id = "text-" + id
		}
		l.Put(id, Entry{Instant: Instant(i), Print: 1})
		at[id], _, _ = l.Index(id)
	}
	for i := 0; i < 10_000; i += 2 {
		id := strconv.Itoa(i)
		if i%3 == 0 {
			id = "text-" + id
		}
		l.Drop(id)
		if _, _, ok := l.Index(id); ok {
			t.Fatalf("%s is still there", id)
		}
		if _, _, ok := l.At(at[id]); ok {
			t.Fatalf("the place of %s is still taken", id)
		}
		delete(at, id)
	}
	seen := map[int]bool{}
	for id, want := range at {
		got, e, ok := l.Index(id)
		back, same, _ := l.At(got)
		if !ok || got != want || got >= l.Slots() || seen[got] || back != id || same != e {
			t.Fatalf("%s: at %d, was at %d; there is %q", id, got, want, back)
		}
		seen[got] = true
	}
}
