package connector

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// A walk by stretches of any size says what a look at each entry says.
func TestAWalkMeetsEachEntryOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		most, spread := 1+r.IntN(6), 1+r.IntN(40)
		var l Ledger
		want := map[string]Instant{}
		for i := range r.IntN(60) {
			id, e := fmt.Sprint("r", i), Entry{Instant: Instant(r.IntN(spread)), Mark: r.IntN(5) == 0}
			if l.Put(id, e); !e.Mark {
				want[id] = e.Instant
			}
		}
		got := map[string]Instant{}
		last := Beginning
		for from := Beginning; ; {
			stretch, to := l.stretch(from, most, nil)
			for _, s := range stretch {
				id, e, ok := l.At(int(s.place))
				if _, twice := got[id]; !ok || twice || e.Instant != s.at || s.at < from || s.at >= to || s.at < last {
					t.Fatalf("stretch from %d to %d has %q of %d behind one of %d", from, to, id, s.at, last)
				}
				got[id], last = s.at, s.at
			}
			if to == Forever {
				break
			}
			from = to
		}
		if len(got) != len(want) {
			t.Fatalf("%d entries, want %d", len(got), len(want))
		}
		oldest := Forever
		for _, at := range want {
			oldest = min(oldest, at)
		}
		if l.oldest() != oldest {
			t.Fatalf("oldest %s, want %s", l.oldest(), oldest)
		}
	})
}

func TestAWalkSkipsWhatIsShownOrHasChanged(t *testing.T) {
	r := &Reader{mem: NewMemory(), priority: Sweeping}
	for i := range 10 {
		r.mem.Ledger.Put(fmt.Sprint("r", i), Entry{Instant: Instant(i)})
	}
	w := newWalk()
	absent := func(from, to Instant) (ids []string) {
		w.absent(r.mem.Ledger, from, to, func(id string, _ Instant) bool {
			ids = append(ids, id)
			return true
		})
		return ids
	}
	w.show(r, []Record{{ID: "r0"}, {ID: "r2"}, {ID: "unknown"}})
	if got := absent(Beginning, 4); !slices.Equal(got, []string{"r1", "r3"}) {
		t.Errorf("missed %v", got)
	}
	r.mem.Ledger.Put("r4", Entry{Instant: 100})
	r.mem.Ledger.Put("r5", Entry{Instant: 5, Mark: true})
	r.mem.Ledger.Drop("r6")
	w.elsewhere["r8"] = true
	if got := absent(4, Forever); !slices.Equal(got, []string{"r7", "r9"}) {
		t.Errorf("missed %v", got)
	}
}

// Ten million entries, and what a sweep adds to them.
func BenchmarkAWalkOverTenMillion(b *testing.B) {
	if testing.Short() {
		b.Skip("it takes 600 MB")
	}
	const n = 10_000_000
	var l Ledger
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		l.Put(strconv.Itoa(i), Entry{Instant: Instant(r.Int64N(1e15)), Print: 1})
	}
	for b.Loop() {
		w := newWalk()
		missed := 0
		for at := Instant(0); at < 1e15; at += 1e11 {
			w.absent(&l, at, at+1e11, func(string, Instant) bool { missed++; return true })
		}
		if missed != n {
			b.Fatalf("%d", missed)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB")
		runtime.KeepAlive(w)
	}
}
