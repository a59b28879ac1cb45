package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// swept is a reader of n records, a second apart from 100 s on, that sweeps at every pull
// of a shelf whose clock goes on by a lookback, 300 s, each time.
type swept struct {
	*Reader
	t     *testing.T
	shelf *shelf
	out   *collector
	page  func(Query) Page
	set   Settings
	size  int // of a page; 0: any
	world func(*Env)
}

func sweeping(t *testing.T, n int, change func(*Settings)) *swept {
	t.Helper()
	s := &swept{t: t, shelf: &shelf{date: 1_000_000 * sec}}
	for i := range n {
		s.shelf.rows = append(s.shelf.rows, row(fmt.Sprint("r", i), (100+Instant(i))*sec, 1))
	}
	s.set = basic()
	s.set.Probe = 10
	s.set.Sweeps = Sweeps{Every: time.Second, Confirm: ConfirmIDs, MaxRatio: 0.5, MaxCount: 100, Pages: 1000, Listing: "a"}
	if change != nil {
		change(&s.set)
	}
	s.page = s.listed
	s.out = &collector{}
	s.start(NewMemory())
	return s
}

// listed answers as the shelf stands; ids are answered from all of it.
func (s *swept) listed(q Query) Page {
	if len(q.IDs) > 0 {
		return Page{Date: s.shelf.date, Total: -1, Last: true, Records: slices.DeleteFunc(slices.Clone(s.shelf.rows), func(rec Record) bool {
			return !slices.Contains(q.IDs, rec.ID)
		})}
	}
	p := s.shelf.page(q)
	if s.size > 0 {
		from, to := min((q.Page-1)*s.size, len(p.Records)), min(q.Page*s.size, len(p.Records))
		p.Last = to == len(p.Records)
		p.Records = p.Records[from:to]
	}
	return p
}

// start begins another life of the reader.
func (s *swept) start(m *Memory) {
	s.t.Helper()
	src := &script{f: func(q Query) Page { return s.page(q) }}
	world := &sim{p: simParams{stamp: 1, tick: 1}, versions: map[string][]simVersion{}}
	env := simEnvOf(world)
	if s.world != nil {
		s.world(&env)
	}
	r, err := NewReader(s.set, src, s.out, m, env, NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Reader = r
}

func (s *swept) pull(times int) {
	s.t.Helper()
	for range times {
		s.shelf.date = s.shelf.date.Add(s.set.Lookback)
		if err := s.Pull(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// buried are the records that got a tombstone.
func (s *swept) buried() string {
	var ids []string
	for _, b := range s.out.batches {
		for _, c := range b.Changes {
			if c.Value == nil {
				ids = append(ids, c.ID)
			}
		}
	}
	return strings.Join(ids, " ")
}

// remove takes records off the shelf.
func (s *swept) remove(ids ...string) {
	s.shelf.rows = slices.DeleteFunc(slices.Clone(s.shelf.rows), func(rec Record) bool { return slices.Contains(ids, rec.ID) })
}

func TestWhatASweepMissesIsAskedForALookbackLater(t *testing.T) {
	s := sweeping(t, 10, nil)
	s.pull(2)
	s.remove("r3", "r9") // the newest too
	s.pull(1)
	if got, n := s.buried(), s.mem.Absent(); got != "" || n != 2 {
		t.Fatalf("buried %q at once, %d in doubt", got, n)
	}
	if err := s.Pull(t.Context()); err != nil { // at the same moment
		t.Fatal(err)
	}
	if got := s.buried(); got != "" {
		t.Errorf("buried %q before a lookback was over", got)
	}
	s.pull(1)
	if got := s.buried(); got != "r3 r9" || s.mem.Ledger.Len() != 8 || len(s.mem.Doubts) != 0 {
		t.Errorf("buried %q, %d live, %d doubts", got, s.mem.Ledger.Len(), len(s.mem.Doubts))
	}
}

func TestWhatASweepMissesAndAProbeShowsIsThere(t *testing.T) {
	s := sweeping(t, 10, nil)
	s.pull(2)
	s.page = func(q Query) Page { // the listing forgets r3
		p := s.listed(q)
		if len(q.IDs) == 0 {
			p.Records = slices.DeleteFunc(slices.Clone(p.Records), func(rec Record) bool { return rec.ID == "r3" })
		}
		return p
	}
	s.pull(6)
	if got := s.buried(); got != "" {
		t.Errorf("buried %q", got)
	}
}

func TestWhoAsksForNoRecordWaitsForASecondSweep(t *testing.T) {
	s := sweeping(t, 10, func(set *Settings) { set.Sweeps.Confirm = ConfirmNone })
	s.pull(2)
	s.remove("r3")
	s.pull(2) // noted by the first, and a lookback later by the second
	if got := s.buried(); got != "" {
		t.Errorf("buried %q within two lookbacks", got)
	}
	s.pull(2)
	if got := s.buried(); got != "r3" {
		t.Errorf("buried %q", got)
	}
	// With probes at hand it asks for nothing all the same.
	for _, b := range s.out.batches {
		for _, d := range b.Doubts {
			if d.New.Twice && d.New.Since == s.shelf.date {
				t.Errorf("%+v", d)
			}
		}
	}
}

// The limits are those of the settings: half of ten, and a hundred.
func TestTheGuardsOfASweep(t *testing.T) {
	gone := func(n int) func(*swept) {
		return func(s *swept) {
			for i := range n {
				s.remove(fmt.Sprint("r", i))
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*Settings)
		happen func(*swept)
		why    string // "": it passes
	}{
		"as many as max_ratio lets pass":        {nil, gone(5), ""},
		"one more":                              {nil, gone(6), "6 of 10"},
		"as many as max_count lets pass":        {func(set *Settings) { set.Sweeps.MaxCount = 3 }, gone(3), ""},
		"one more than max_count":               {func(set *Settings) { set.Sweeps.MaxCount = 3 }, gone(4), "more than 3"},
		"nothing at all, whatever the ratio is": {func(set *Settings) { set.Sweeps.MaxRatio = 1 }, gone(10), "not one of 10"},
		"fewer than the source counts": {nil, func(s *swept) {
			s.page = func(q Query) Page {
				p := s.listed(q)
				if q.Count {
					p.Total = 10
				}
				return p
			}
			s.remove("r9")
		}, "the API counts 10"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sweeping(t, 10, c.change)
			s.pull(2)
			c.happen(s)
			s.pull(4)
			guard := s.mem.State.Sweep.Guard
			if (c.why == "") != (guard == "") || !strings.Contains(guard, c.why) {
				t.Errorf("the guard says %q, want %q", guard, c.why)
			}
			if buried := s.buried(); (c.why == "") != (buried != "") || c.why != "" && s.mem.Absent() != 0 {
				t.Errorf("buried %q, %d still in doubt", buried, s.mem.Absent())
			}
		})
	}
}

func TestAPersonLetsOneSweepPass(t *testing.T) {
	s := sweeping(t, 10, nil)
	s.pull(2)
	s.remove("r0", "r1", "r2", "r3", "r4", "r5")
	s.pull(2)
	s.mem.State = s.mem.State.Swept(true)
	s.start(s.mem)
	s.pull(2)
	if got := s.buried(); got != "r0 r1 r2 r3 r4 r5" {
		t.Errorf("buried %q", got)
	}
	s.remove("r6", "r7", "r8")
	s.pull(3)
	if guard := s.mem.State.Sweep.Guard; !strings.Contains(guard, "3 of 4") {
		t.Errorf("the next one passed too: %q, buried %q", guard, s.buried())
	}
}

func TestNobodyIsAskedForBeforeTheSweepHasEnded(t *testing.T) {
	s := sweeping(t, 30, func(set *Settings) { set.Sweeps.Pages, set.Sweeps.MaxRatio = 1, 0.1 })
	s.size = 3
	s.pull(12)
	for i := range 9 {
		s.remove(fmt.Sprint("r", i))
	}
	s.pull(25) // two pages a pull: sweeps that take longer than a lookback
	if got := s.buried(); got != "" {
		t.Errorf("buried %q although the guard stops every sweep", got)
	}
	if s.mem.State.Sweep.Guard == "" {
		t.Error("no sweep was stopped")
	}
}

// A crash at each commit, and whatever is left in doubt then stands no guard.
func TestACrashInTheMiddleOfAGuardLetsNothingPass(t *testing.T) {
	for crash := 1; ; crash++ {
		s := sweeping(t, 10, func(set *Settings) { set.Sweeps.MaxRatio = 0.3 })
		s.size = 2
		s.pull(2)
		s.remove("r0", "r1", "r2", "r3", "r4", "r5")
		committed, left := memoryOf(s.out), crash
		s.Reader.out = stager(func(b *Batch) error {
			if left--; left == 0 {
				return errCrash
			}
			committed.Apply(b)
			return s.out.Stage(t.Context(), b)
		})
		s.shelf.date = s.shelf.date.Add(s.set.Lookback)
		err := s.Pull(t.Context())
		if err == nil {
			if crash < 3 {
				t.Fatalf("a sweep that is stopped commits %d times", crash-1)
			}
			return
		}
		if !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		s.start(committed)
		s.pull(5)
		if got := s.buried(); got != "" {
			t.Errorf("crash at commit %d: buried %q", crash, got)
		}
	}
}

type stager func(*Batch) error

func (f stager) Stage(_ context.Context, b *Batch) error { return f(b) }
func (f stager) Flush(context.Context) error             { return nil }

// memoryOf is the fold of what was staged.
func memoryOf(out *collector) *Memory {
	m := NewMemory()
	for _, b := range out.batches {
		m.Apply(&b)
	}
	return m
}
