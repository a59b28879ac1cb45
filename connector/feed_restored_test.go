package connector

import (
	"slices"
	"testing"
	"time"
)

// What of a record is told by a feed, and undone at the source without a new stamp, only a
// reading that comes by its old stamp can show.
func TestARecordThatIsRestoredWithItsOldStampComesBackWithWhatReadsIt(t *testing.T) {
	sweeps := func(set *Settings) { set.Probe, set.Sweeps.Every = 10, time.Second }
	for _, c := range []struct {
		name   string
		change func(*Settings)
		old    Instant // how much older than the deletion its stamp is, in lookbacks
		after  int     // pulls from the deletion to the restoration
		back   bool
	}{
		{"by a sweep", sweeps, 1000, 4, true},
		{"by a sweep, while the mark stands", sweeps, 1000, 1, true},
		{"by a sweep that asks for none", func(set *Settings) { sweeps(set); set.Probe, set.Sweeps.Confirm = 0, ConfirmNone }, 1000, 4, true},
		{"by the head, which shows everything", func(set *Settings) { set.Unordered, set.Unfiltered = true, true }, 1000, 4, true},
		{"by a trailing pass, when it is young", nil, 0, 0, true},
		{"by nothing without a sweep", nil, 1000, 4, false},
		{"nor by probes, which nothing asks for", func(set *Settings) { set.Probe = 10 }, 1000, 4, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hearingOf(t, c.change)
			h.pull(2)
			if c.old == 0 {
				h.shelf.rows = append(h.shelf.rows, row("young", h.shelf.date.Add(h.set.Lookback-time.Second), 1))
			} else {
				h.shelf.rows = append(h.shelf.rows, row("young", 2*sec, 1))
				h.mem.Ledger.Put("young", Entry{Instant: 2 * sec, Hash: h.shelf.rows[len(h.shelf.rows)-1].Hash, Print: 1})
				slices.SortStableFunc(h.shelf.rows, func(a, b Record) int { return int(a.Instant - b.Instant) })
			}
			h.shelf.rows = append(h.shelf.rows, row("newest", h.shelf.date.Add(h.set.Lookback), 1))
			h.pull(1)
			was := h.shelf.rows
			h.delete("young", h.shelf.date.Add(time.Second))
			h.shelf.date = h.shelf.date.Add(2 * time.Second)
			h.now = h.now.Add(time.Hour)
			if err := h.Pull(t.Context()); err != nil || h.buried() != "young" {
				t.Fatalf("buried %q: %v", h.buried(), err)
			}
			h.pull(c.after)
			h.shelf.rows = was
			before := len(published(h.out))
			h.pull(8)
			if e, live := h.mem.Ledger.Get("young"); (live && !e.Mark) != c.back {
				t.Errorf("its entry is %+v %t", e, live)
			}
			if now := slices.Contains(published(h.out)[before:], "young"); now != c.back {
				t.Errorf("is it published again: %t", now)
			}
			if h.buried() != "young" || len(h.mem.Doubts) != 0 {
				t.Errorf("buried %q, doubts %v", h.buried(), h.mem.Doubts)
			}
		})
	}
}
