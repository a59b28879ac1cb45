package connector

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Records that cannot be published take up places on pages as any others do.
func TestATieInNoOrderComesToRestBesideBadRecords(t *testing.T) {
	for seed := range uint64(20) {
		counts := seed%2 == 0
		s := sweeping(t, 0, func(set *Settings) { set.Sweeps.Every, set.OnBadRecord = 0, SkipBadRecord })
		for i := range 12 {
			rec := row(fmt.Sprint("r", i), 100*sec, 1)
			if i%4 == 0 {
				rec.Bad = "spoilt"
			}
			s.shelf.rows = append(s.shelf.rows, rec)
		}
		s.size = 5
		rnd := rand.New(rand.NewPCG(seed, 4))
		s.page = func(q Query) Page {
			rnd.Shuffle(len(s.shelf.rows), func(i, j int) {
				s.shelf.rows[i], s.shelf.rows[j] = s.shelf.rows[j], s.shelf.rows[i]
			})
			p := s.listed(q)
			if counts {
				p.Total = 12
			}
			return p
		}
		s.pull(1)
		if c := s.mem.State.Cursor.Instant; c < 100*sec || s.mem.Ledger.Len() != 9 {
			t.Errorf("counts %v: the cursor is at %s, %d live", counts, c, s.mem.Ledger.Len())
		}
	}
}

func TestAWalkInNoOrderIsWholeAndComesToRestBesideBadRecords(t *testing.T) {
	for seed := range uint64(100) {
		a := newestFirstOf(t, 12, func(set *Settings) { set.OnBadRecord = SkipBadRecord })
		for i := range a.shelf.rows {
			a.shelf.rows[i].Instant = 100 * sec
			if i%2 == 0 {
				a.shelf.rows[i].Bad = "spoilt"
			}
		}
		rnd := rand.New(rand.NewPCG(seed, 4))
		a.before = func(Query) {
			rnd.Shuffle(len(a.shelf.rows), func(i, j int) {
				a.shelf.rows[i], a.shelf.rows[j] = a.shelf.rows[j], a.shelf.rows[i]
			})
		}
		a.pull(1)
		if c, n := a.mem.State.Cursor.Instant, a.mem.Ledger.Len(); c != 100*sec || n != 6 {
			t.Errorf("seed %d: the cursor is at %s, %d live", seed, c, n)
		}
	}
}

// One walk after another may miss the same record of a tie in no order.
func TestWhatWalksOfEverythingMayHaveMissedIsReadWhenItIsALookbackOld(t *testing.T) {
	for seed := range uint64(100) {
		a := newestFirstOf(t, 12, func(set *Settings) { set.Unfiltered = true })
		for i := range a.shelf.rows {
			a.shelf.rows[i].Instant = 100 * sec
		}
		rnd := rand.New(rand.NewPCG(seed, 4))
		a.before = func(Query) {
			rnd.Shuffle(len(a.shelf.rows), func(i, j int) {
				a.shelf.rows[i], a.shelf.rows[j] = a.shelf.rows[j], a.shelf.rows[i]
			})
		}
		a.pull(2)
		at := a.shelf.date
		for i, rec := range a.shelf.rows {
			a.shelf.rows[i] = row(rec.ID, at, 7)
		}
		a.pull(1) // shows most of them, and moves the cursor there
		if c := a.mem.State; c.Cursor.Instant != at || c.Trailing != at {
			t.Fatalf("seed %d: the cursor is at %s, the trailing pass at %s", seed, c.Cursor.Instant, c.Trailing)
		}
		for _, rec := range a.shelf.rows {
			if e, _ := a.mem.Ledger.Get(rec.ID); e.Hash != rec.Hash {
				t.Errorf("seed %d: %s was not read", seed, rec.ID)
			}
		}
	}
}

// Their last good versions are in the ledger where they stood.
func TestRecordsThatHaveBecomeBadStopNoSweep(t *testing.T) {
	s := sweeping(t, 20, func(set *Settings) { set.OnBadRecord, set.Sweeps.MaxCount, set.Sweeps.Pages = SkipBadRecord, 3, 1000 })
	s.size = 5
	s.pull(2)
	for i := range 6 {
		s.shelf.rows[i].Bad = "spoilt"
		s.shelf.rows[i].Instant = s.shelf.date.Add(time.Second)
	}
	s.shelf.rows = append(s.shelf.rows[6:], s.shelf.rows[:6]...)
	s.pull(1)
	s.remove("r15")
	s.pull(4)
	if got := s.buried(); got != "r15" || s.mem.State.Sweep.Guard != "" {
		t.Errorf("buried %q, guard %q", got, s.mem.State.Sweep.Guard)
	}
}

// A bad record that two walks show twice hides one that slipped, which then looks gone.
func TestASweepInNoOrderMissesNothingBesideBadRecords(t *testing.T) {
	for seed := range uint64(100) {
		a := newestFirstOf(t, 12, func(set *Settings) {
			set.OnBadRecord, set.Sweeps.Every, set.Sweeps.MaxRatio = SkipBadRecord, time.Second, 0
		})
		for i := range a.shelf.rows {
			a.shelf.rows[i].Instant = 100 * sec
			if i%2 == 0 {
				a.shelf.rows[i].Bad = "spoilt"
			}
		}
		rnd := rand.New(rand.NewPCG(seed, 4))
		a.before = func(Query) {
			rnd.Shuffle(len(a.shelf.rows), func(i, j int) {
				a.shelf.rows[i], a.shelf.rows[j] = a.shelf.rows[j], a.shelf.rows[i]
			})
		}
		for range 5 {
			a.pull(1)
			if why := a.mem.State.Sweep.Guard; why != "" {
				t.Fatalf("seed %d: %s", seed, why)
			}
		}
		if a.mem.State.Sweep.Passed == 0 {
			t.Errorf("seed %d: no sweep came to its end", seed)
		}
	}
}
