package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestASweepGoesOnWhereItWas(t *testing.T) {
	s := sweeping(t, 60, func(set *Settings) { set.Sweeps.Pages = 4 })
	s.size = 5
	s.pull(2)
	ends := 0
	for range 12 {
		at := s.mem.State.Sweep.Ended
		s.pull(1)
		s.start(s.mem)
		if s.mem.State.Sweep.Ended != at {
			ends++
		}
	}
	if ends < 2 {
		t.Errorf("%d sweeps of 12 pages came to their end in 12 lives of 4 pages: %+v", ends, s.mem.State.Sweep)
	}
}

func TestATieThatDoesNotComeToRestHidesNothing(t *testing.T) {
	s := sweeping(t, 0, nil)
	for i := range 9 {
		s.shelf.rows = append(s.shelf.rows, row(fmt.Sprint("r", i), 100*sec, 1))
	}
	s.shelf.rows = append(s.shelf.rows, row("z", 200*sec, 1))
	s.size = 3
	s.pull(2)
	s.remove("r4")
	pass := 0
	s.page = func(q Query) Page {
		p := s.listed(q)
		if q.Count && q.From == 100*sec && q.Page == 1 {
			pass++ // each pass shows another number of records
			p.Records = p.Records[:len(p.Records)-pass%2]
		}
		return p
	}
	s.pull(1)
	if n := s.mem.Absent(); n != 0 {
		t.Errorf("%d records of the tie are in doubt", n)
	}
	if s.mem.State.Sweep.Ended != s.shelf.date {
		t.Errorf("the sweep did not go on behind the tie: %+v", s.mem.State.Sweep)
	}
}

func TestAChangedFilterDeletesNothing(t *testing.T) {
	s := sweeping(t, 10, nil)
	s.pull(2)
	s.set.Sweeps.Listing = "b" // and it leaves one out
	s.start(s.mem)
	s.remove("r3")
	s.pull(5)
	if got := s.buried(); got != "" || s.mem.State.Sweep.Guard == "" {
		t.Errorf("buried %q; guard %q", got, s.mem.State.Sweep.Guard)
	}
	s.mem.State = s.mem.State.Swept(true)
	s.start(s.mem)
	s.pull(3)
	if got := s.buried(); got != "r3" {
		t.Errorf("buried %q after a person had said that it is meant so", got)
	}
	s.remove("r5")
	s.pull(3)
	if got := s.buried(); got != "r3 r5" {
		t.Errorf("then buried %q", got)
	}
}

func TestAChangedFilterBeginsTheSweepAnew(t *testing.T) {
	s := sweeping(t, 60, func(set *Settings) { set.Sweeps.Pages = 4 })
	s.size = 5
	s.pull(1)
	s.remove("r2")
	s.pull(1)
	if s.mem.Absent() != 1 || !s.mem.State.Sweep.Running {
		t.Fatalf("%+v", s.mem.State.Sweep)
	}
	s.set.Sweeps.Listing = "b"
	s.start(s.mem)
	if s.mem.State.Sweep.Running {
		t.Error("it goes on with another filter")
	}
	s.pull(1)
	if sw := s.mem.State.Sweep; !sw.Running || sw.Started != s.shelf.date || sw.Listing != "b" {
		t.Errorf("it did not begin anew: %+v", sw)
	}
}

func TestTheEndOfAListingIsAskedForTwice(t *testing.T) {
	s := sweeping(t, 60, nil)
	s.size = 5
	s.pull(2)
	empty := true
	s.page = func(q Query) Page {
		if q.From == 128*sec && q.Priority == Sweeping && empty {
			empty = false
			return Page{Date: s.shelf.date, Total: -1}
		}
		return s.listed(q)
	}
	s.pull(1)
	if empty {
		t.Fatal("no page was empty")
	}
	if n, guard := s.mem.Absent(), s.mem.State.Sweep.Guard; n != 0 || guard != "" {
		t.Errorf("%d records are in doubt by one empty page, guard %q", n, guard)
	}
}

func TestARecordThatCannotBePublishedIsNotGone(t *testing.T) {
	for name, c := range map[string]struct {
		bad   Record
		first bool // it is listed first, and else last
	}{
		"too large":      {Record{ID: "r1", Instant: 500 * sec, Stamp: "x", Bad: "it is too large"}, false},
		"without a time": {Record{ID: "r9", Bad: "its instant is null"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := sweeping(t, 10, func(set *Settings) {
				set.Sweeps.Confirm, set.OnBadRecord = ConfirmNone, SkipBadRecord
			})
			s.size = 4
			s.pull(2)
			s.remove(c.bad.ID)
			s.page = func(q Query) Page {
				p := s.listed(q)
				if c.first == (q.From == Beginning) && (c.first || q.From > 106*sec) {
					p.Records = append([]Record{c.bad}, p.Records...)
				}
				return p
			}
			s.pull(8)
			if got := s.buried(); got != "" {
				t.Errorf("buried %q", got)
			}
		})
	}
}

func TestARecordInDoubtForAnotherReasonIsLeftToTheNextSweep(t *testing.T) {
	s := sweeping(t, 10, func(set *Settings) { set.Sweeps.Every = 1000 * time.Hour })
	s.pull(1)
	s.mem.Doubts["r3"] = Doubt{Since: s.shelf.date, At: 50 * sec}
	s.remove("r3")
	s.pull(4)
	if got := s.buried(); got != "" || len(s.mem.Doubts) != 0 {
		t.Errorf("buried %q, doubts %v", got, s.mem.Doubts)
	}
}

// The API takes three ids; or none.
func TestFewerIdsAreAskedForWhereTheAPIFails(t *testing.T) {
	for most, want := range map[int]string{3: "r1 r2 r3 r4 r5", 1: ""} {
		s := sweeping(t, 20, nil)
		s.pull(2)
		s.remove("r1", "r2", "r3", "r4", "r5")
		asked := 0
		s.src = fails(s.src, func(q Query) error {
			asked++
			if len(q.IDs) > most {
				return &RetryError{Reason: RetryRefused, Err: errors.New("414")}
			}
			return nil
		})
		s.pull(3)
		if got := s.buried(); got != want {
			t.Errorf("an API that takes %d: buried %q, want %q", most, got, want)
		}
		if most == 1 && asked > 40 {
			t.Errorf("asked %d times", asked)
		}
	}
}

type failing struct {
	Source
	f func(Query) error
}

func (s failing) Fetch(ctx context.Context, q Query) (Page, error) {
	if err := s.f(q); err != nil {
		return Page{}, err
	}
	return s.Source.Fetch(ctx, q)
}

func fails(s Source, f func(Query) error) Source { return failing{s, f} }

// What cannot be listed as a whole must not keep the head from what is new.
func TestASweepThatIsRefusedHoldsUpNothing(t *testing.T) {
	s := sweeping(t, 10, nil)
	s.pull(1)
	now := time.Unix(1, 0)
	s.env.Now = func() time.Time { now = now.Add(time.Hour); return now }
	refused := 0
	s.src = fails(s.src, func(q Query) error {
		if q.Priority == Sweeping {
			refused++
			return &RetryError{Reason: RetryRefused, Err: errors.New("403")}
		}
		return nil
	})
	for i := range 5 {
		s.shelf.rows = append(s.shelf.rows, row(fmt.Sprint("new", i), s.shelf.date, 1))
		s.pull(1)
	}
	if got := published(s.out); !slices.Contains(got, "new4") || refused != 5 {
		t.Errorf("published %v, the sweep was refused %d times", got, refused)
	}
	if s.mem.Absent() != 0 {
		t.Error("what is refused is missed")
	}
}

// It is written to all the time, so that it is never older than settle when it is listed, and
// more young ones than a page holds come before it.
func TestARecordThatIsTooYoungIsNotGone(t *testing.T) {
	s := sweeping(t, 10, func(set *Settings) {
		set.Settle, set.Sweeps.Confirm = 1000*time.Second, ConfirmNone
	})
	s.size = 4
	s.pull(2)
	for i := range 8 {
		s.remove("r3")
		s.shelf.rows = s.shelf.rows[:9]
		for n := range 9 {
			s.shelf.rows = append(s.shelf.rows, row(fmt.Sprint("young", i, n), s.shelf.date.Add(290*time.Second), 1))
		}
		s.shelf.rows = append(s.shelf.rows, row("r3", s.shelf.date.Add(295*time.Second), byte(i+2)))
		s.pull(1)
	}
	if got := s.buried(); got != "" {
		t.Errorf("buried %q", got)
	}
}

// A record that is updated between the window where it was and that where it is.
func TestWhatIsWrittenWhileTheSweepReadsIsNotGone(t *testing.T) {
	s := sweeping(t, 20, func(set *Settings) { set.Sweeps.Confirm, set.Sweeps.Pages = ConfirmNone, 1 })
	s.size = 4
	s.pull(1)
	for i := range 40 {
		id := fmt.Sprint("r", i%20)
		s.remove(id)
		s.shelf.rows = append(s.shelf.rows, row(id, s.shelf.date, byte(i+2)))
		s.pull(1)
	}
	s.pull(20)
	if got := s.buried(); got != "" {
		t.Errorf("buried %q", got)
	}
}

func TestWhatIsRestoredComesBack(t *testing.T) {
	s := sweeping(t, 10, nil)
	s.pull(2)
	was := s.shelf.rows
	s.remove("r3")
	s.pull(3)
	s.shelf.rows = was // with the stamp it had, long before the cursor
	s.pull(2)
	got := published(s.out)
	if n := len(got); s.buried() != "r3" || got[n-1] != "r3" || s.mem.Ledger.Len() != 10 {
		t.Errorf("published %v", got)
	}
}

// Between two pulls nothing else is to do: a sweep of 1000 pages does not wait for 200.
func TestASweepGoesOnWhileNothingIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sweeping(t, 2000, func(set *Settings) { set.Interval, set.Sweeps.Pages, set.Triggers.OnRestart = 30*time.Second, 5, true })
		s.size = 4
		s.env.Now = time.Now
		s.env.Pulls = NewPulls(s.set, time.Now, s.env.Random)
		s.env.Sleep = func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		began, heads, late := time.Now(), 0, time.Duration(0)
		var last time.Time
		over, ran, ended := make(chan struct{}), false, Sweep{}
		s.page = func(q Query) Page {
			switch sweep := s.mem.State.Sweep; {
			case sweep.Running:
				ran = true
			case ran && ended.Ended == 0:
				ended = sweep
				close(over)
			}
			if q.Priority == Live && s.mem.State.Sweep.Running && len(q.IDs) == 0 {
				heads++
				if !last.IsZero() {
					late = max(late, time.Since(last))
				}
				last = time.Now()
			}
			time.Sleep(200 * time.Millisecond)
			s.shelf.date = 1_000_000*sec + Instant(time.Since(began).Microseconds())
			return s.listed(q)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		select {
		case <-over:
		case <-time.After(time.Hour):
			t.Error("the sweep does not end")
		}
		cancel()
		<-done
		took := ended.Ended.Sub(ended.Started)
		if took > 10*time.Minute || heads < 5 || late > 40*time.Second {
			t.Errorf("took %s, with %d head readings, the latest after %s", took, heads, late)
		}
		t.Logf("500 pages of 200 ms in %s, %d head readings meanwhile, at most %s apart", took, heads, late)
	})
}
