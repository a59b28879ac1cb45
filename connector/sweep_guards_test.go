package connector

import (
	"testing"
	"time"
)

// Two sweeps within one tick of the server's clock, as when a person asks for one.
func TestGuardsHoldForASweepWithinTheSecondOfTheLast(t *testing.T) {
	for _, back := range []time.Duration{0, time.Second, time.Hour} {
		s := sweeping(t, 10, nil)
		s.pull(2)
		passed := s.mem.State.Sweep.Passed
		if passed == 0 {
			t.Fatalf("%+v", s.mem.State.Sweep)
		}
		s.mem.State = s.mem.State.Swept(false)
		s.start(s.mem)
		s.shelf.date = passed.Add(-back)
		rows := s.shelf.rows
		s.shelf.rows = rows[:3]
		if err := s.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g := s.mem.State.Sweep; g.Guard == "" || s.mem.Absent() != 0 {
			t.Errorf("%s back: 7 of 10 are missed, guard %q, absent %d, %+v", back, g.Guard, s.mem.Absent(), g)
		}
	}
}

func TestASweepThatWasGivenUpHasMissedNothingTwice(t *testing.T) {
	for name, giveUp := range map[string]func(s *swept){
		"its listing was changed and changed back": func(s *swept) {
			s.set.Sweeps.Listing = "b"
			s.start(s.mem)
			s.pull(1)
			s.set.Sweeps.Listing = "a"
			s.start(s.mem)
		},
		"it is read again from its start": func(s *swept) {
			s.pull(1)
			s.mem.State = s.mem.State.Restarted(s.set, s.shelf.date)
			s.start(s.mem)
		},
	} {
		s := sweeping(t, 60, func(set *Settings) { set.Sweeps.Confirm, set.Sweeps.Pages = ConfirmNone, 20 })
		s.size = 5
		s.pull(2)
		all := s.shelf.rows
		s.remove("r3")
		s.pull(1) // missed once
		s.set.Sweeps.Pages = 2
		s.start(s.mem)
		s.shelf.date = s.shelf.date.Add(2 * s.set.Lookback)
		giveUp(s)
		s.shelf.rows = all
		s.set.Sweeps.Pages = 20
		s.start(s.mem)
		s.pull(3)
		if got := s.buried(); got != "" {
			t.Errorf("%s: buried %q", name, got)
		}
	}
}
