package connector

import (
	"fmt"
	"testing"
	"time"
)

// counted is an API of 23 records in the order of their ids, in pages of five, that counts
// them. Before it shows a page for the nth time, before is called.
func counted(t *testing.T, change func(*Settings), before func(s *swept, page, n int)) (s *swept, asked map[int]int) {
	t.Helper()
	asked = map[int]int{}
	s = sweeping(t, 23, func(set *Settings) {
		set.Unordered, set.Sweeps.Every = true, 0
		if change != nil {
			change(set)
		}
	})
	s.size = 5
	s.page = func(q Query) Page {
		asked[q.Page]++
		before(s, q.Page, asked[q.Page])
		p := s.listed(q)
		all := *s.shelf
		p.Total = len(all.page(q).Records)
		return p
	}
	return s, asked
}

// The one that went has moved r10 onto a page that was read, and the one that came stands
// for it in the number of those that were shown.
func TestACountIsNoProofWhereOneCameAsAnotherWent(t *testing.T) {
	young := func(s *swept) Record { return row("new", s.shelf.date, 1) }
	late := func(*swept) Record { return row("new", 200*sec, 1) }
	for name, c := range map[string]struct {
		came func(*swept) Record
		went int // before this page
	}{
		"between the same two pages":                      {young, 3},
		"between two others":                              {young, 4},
		"between two others, and has turned visible late": {late, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := counted(t, nil, func(s *swept, page, n int) {
				if page == 3 && n == 1 {
					s.shelf.rows = append(s.shelf.rows, c.came(s))
				}
				if page == c.went && n == 1 {
					s.remove("r3")
				}
			})
			s.pull(3)
			for i := range 23 {
				if _, ok := s.mem.Ledger.Get(fmt.Sprint("r", i)); !ok {
					t.Errorf("r%d is lost, and the cursor is at %s", i, s.mem.State.Cursor.Instant)
				}
			}
		})
	}
}

// A sweep of a busy source must not be two.
func TestAWalkThatShowsWhatIsCountedIsEnoughBesideUpdates(t *testing.T) {
	s, asked := counted(t, nil, func(s *swept, page, n int) {
		if n > 1 { // known by then
			i := len(s.shelf.rows) - 1
			s.shelf.rows[i] = row(s.shelf.rows[i].ID, s.shelf.date, byte(page))
		}
	})
	s.pull(1)
	backfill := asked[5]
	s.mem.State.Cursor = Cursor{Instant: 100 * sec} // all of it is asked for again
	s.seen = Beginning
	s.pull(1)
	if backfill != 1 || asked[5] != 2 {
		t.Errorf("the last page was asked for %d times, then %d times", backfill, asked[5]-backfill)
	}
}

// What one machine of the API takes for too young another does not: it must not stay behind
// the cursor.
func TestAWalkIsReadByTheClockOfItsFirstAnswer(t *testing.T) {
	s, _ := counted(t, func(set *Settings) { set.Settle = set.Lookback }, func(*swept, int, int) {})
	listed := s.page
	s.page = func(q Query) Page {
		p := listed(q)
		if q.Page > 1 {
			p.Date = p.Date.Add(-10 * time.Second)
		}
		return p
	}
	now := s.shelf.date.Add(s.set.Lookback)
	for i := range s.shelf.rows {
		old := time.Second // that on page 1
		if i > 5 {
			old = 2 * time.Second
		}
		s.shelf.rows[i].Instant = now.Add(-s.set.Settle - old)
	}
	s.pull(3)
	if n := s.mem.Ledger.Len(); n != 23 {
		t.Errorf("%d of 23 records are read, and the cursor is at %s", n, s.mem.State.Cursor.Instant)
	}
}

// In an order that changes with each request all walks together tell. But g, which went
// after two of them, must not stand for x, which none has shown.
func TestWhatHasGoneStandsForNoRecordThatNoWalkHasShown(t *testing.T) {
	walks, n := []string{"abcdga", "bacdgb", "abcda", "bacdb", "axcdb"}, -1
	s := sweeping(t, 0, func(set *Settings) { set.Unordered, set.Sweeps.Every = true, 0 })
	s.page = func(q Query) Page {
		if q.Page == 1 {
			n = min(n+1, len(walks)-1)
		}
		p := Page{Date: s.shelf.date, Total: -1, Last: q.Page == 2}
		for _, id := range walks[n][3*(q.Page-1) : min(3*q.Page, len(walks[n]))] {
			p.Records = append(p.Records, row(string(id), 100*sec, 1))
		}
		return p
	}
	s.pull(1)
	if _, ok := s.mem.Ledger.Get("x"); !ok || s.mem.State.Cursor.Instant != 100*sec {
		t.Errorf("x is read: %v, and the cursor is at %s", ok, s.mem.State.Cursor.Instant)
	}
}

// In an order that changes with each request one record goes amid a walk and another comes,
// so that as many are shown as by the walk before.
func TestARecordThatWentAmidAWalkStandsForNoneThatWasNotShown(t *testing.T) {
	p := simParams{
		seed: 1125271766483816412, records: 25, writes: 29, size: 11, cut: 5, stamp: time.Millisecond, tick: time.Microsecond, ends: true, totals: true, upper: true,
		late: 900 * time.Millisecond, failures: 0.031794521153443056, probe: 3, crashes: 3, ahead: true, hardDeletes: 0.15412944483951302, order: "random", feed: true,
		hostility: hostility{doubled: 0.11079613969123057, visits: 0.03053935309774973},
	}
	for _, fault := range p.run() {
		t.Error(fault)
	}
}
