package connector

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A ledger is a map, but smaller: whatever is done to both, they hold the same.
func TestALedgerIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.Map(rapid.IntRange(0, 40), strconv.Itoa),
			rapid.SampledFrom([]string{"007", "00", "-1", "9223372036854775807", "9999999999999999999", "18446744073709551616", "a", "é", " ", strings.Repeat("x", MaxID)}),
			rapid.StringN(1, 20, -1),
		)
		var l Ledger
		want := map[string]Entry{}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			k := id.Draw(t, "id")
			if rapid.IntRange(0, 3).Draw(t, "drop") == 0 {
				l.Drop(k)
				delete(want, k)
				continue
			}
			e := Entry{Instant: Instant(rapid.Int64().Draw(t, "at")), Print: uint16(rapid.IntRange(0, maxPrint).Draw(t, "print")), Mark: rapid.Bool().Draw(t, "mark")}
			l.Put(k, e)
			want[k] = e
		}
		compare(t, &l, want)
	})
}

func compare(t interface{ Fatalf(string, ...any) }, l *Ledger, want map[string]Entry) {
	live, marks := 0, 0
	for k, e := range want {
		if got, ok := l.Get(k); !ok || got != e {
			t.Fatalf("%q: got %+v %v, want %+v", k, got, ok, e)
		}
		if e.Mark {
			marks++
			if l.Marks()[k] != e.Instant {
				t.Fatalf("mark of %q at %s, want %s", k, l.Marks()[k], e.Instant)
			}
		} else {
			live++
		}
	}
	if l.Len() != live || len(l.Marks()) != marks {
		t.Fatalf("%d live and %d marks, want %d and %d", l.Len(), len(l.Marks()), live, marks)
	}
	n := 0
	for k, e := range l.All() {
		n++
		if want[k] != e {
			t.Fatalf("All yields %q %+v, want %+v", k, e, want[k])
		}
	}
	if n != len(want) {
		t.Fatalf("All yields %d entries, want %d", n, len(want))
	}
	if _, ok := l.Live(0.7, func(string) bool { return false }); ok != (live > 0) {
		t.Fatalf("Live finds %v among %d", ok, live)
	}
}

func TestALedgerForgetsTheTextsOfDroppedIDs(t *testing.T) {
	var l Ledger
	want := map[string]Entry{}
	long := strings.Repeat("i", 1000)
	for i := range 20_000 {
		id := long + strconv.Itoa(i)
		l.Put(id, Entry{Instant: Instant(i)})
		if i%10 == 0 {
			want[id] = Entry{Instant: Instant(i)}
		}
	}
	for i := range 20_000 {
		if i%10 != 0 {
			l.Drop(long + strconv.Itoa(i))
		}
	}
	compare(t, &l, want)
	if held := l.ids.used; held > 8<<20 {
		t.Errorf("%d bytes of ids are held for 2 MB that are in use", held)
	}
}

func BenchmarkLedgerPut(b *testing.B) {
	for _, kind := range []string{"number", "text"} {
		b.Run(kind, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var l Ledger
			for range b.N {
				id := strconv.FormatUint(rand.Uint64N(1<<40), 10)
				if kind == "text" {
					id = "sent_email-" + id
				}
				l.Put(id, Entry{Instant: 1})
			}
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(l.Len()), "B/entry")
			runtime.KeepAlive(&l)
		})
	}
}

func ExampleLedger() {
	var l Ledger
	l.Put("42", Entry{Instant: 1})
	l.Put("42", Entry{Instant: 2})
	e, ok := l.Get("42")
	fmt.Println(e.Instant, ok, l.Len())
	// Output: 1970-01-01T00:00:00.000002Z true 1
}

func TestTheLedgerOfAFewRecordsIsSmall(t *testing.T) {
	const ledgers = 500
	fill := func() {
		for range ledgers {
			var l Ledger
			for id := range 5 {
				l.Put(strconv.Itoa(id), Entry{Instant: 1})
			}
			if l.Len() != 5 {
				t.Fatal(l.Len())
			}
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fill()
	runtime.ReadMemStats(&after)
	// Of ten thousand collections most hold little: with a chunk for each they took a gigabyte.
	if each := (after.TotalAlloc - before.TotalAlloc) / ledgers; each > 2000 {
		t.Errorf("a ledger of 5 records took %d bytes", each)
	}
}
