package contract

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/connector"
)

func TestASourceWithoutAnOrder(t *testing.T) {
	t.Parallel()
	unordered := func(o *Options) { o.Settings.Unordered = true }
	for _, c := range []struct {
		name  string
		with  func(*Options)
		spoil func(q connector.Query, p *connector.Page) error
		rule  string
		level Level
	}{
		{"is fine", unordered, nil, "bound", OK},
		{"is fine without a filter", func(o *Options) { o.Settings.Unordered, o.Settings.Unfiltered = true, true }, nil, "bound", Note},
		{"that cannot page", func(o *Options) { o.Settings.Unordered, o.Settings.Paged = true, false }, nil, "page", Fail},
		{"with a bound that is cut", unordered, func(q connector.Query, p *connector.Page) error {
			if q.From != connector.Beginning && q.From < now && q.Page == 1 {
				p.Records = append(p.Records, record("below", q.From.Floor(time.Minute)))
			}
			return nil
		}, "tick", Fail},
		{"that finds late records", unordered, nil, "late", OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, o := fill(45), options()
			slices.Reverse(s.rows)
			s.spoil = c.spoil
			c.with(&o)
			by := look(t, s, o, nil)
			if got := by[c.rule]; got.Level != c.level {
				t.Errorf("want %s, got %+v\nof %+v", c.level, got, by)
			}
			for rule, f := range by {
				if c.level == OK && (f.Level == Fail || f.Level == Warn) {
					t.Errorf("%s: %+v", rule, f)
				}
			}
		})
	}
}

// Below a parent that has changed everything is read, whatever the bound.
func TestParentsThatChangeAreNoBoundThatIsCutAndNothingThatIsLate(t *testing.T) {
	t.Parallel()
	s, o := fill(45), options()
	slices.Reverse(s.rows)
	o.Settings.Unordered, o.Counts = true, false
	newest, moved, shown := s.rows[0].Instant, false, 0
	s.spoil = func(q connector.Query, p *connector.Page) error {
		if len(q.IDs) == 0 && q.From != connector.Beginning && q.From < now && q.Page == 1 && (moved || q.From < newest) {
			p.Records, p.Older = append(p.Records, record("below", q.From.Floor(time.Minute).Add(-time.Microsecond))), true
			shown++
		}
		return nil
	}
	by := look(t, s, o, func() { moved = true })
	if by["bound"].Level != Note || by["late"].Level != OK || shown < 2 {
		t.Errorf("%+v after %d pages", by, shown)
	}
	for rule, f := range by {
		if f.Level == Fail || f.Level == Warn {
			t.Errorf("%s: %+v", rule, f)
		}
	}
}

func TestASourceThatKeepsTheContractIsNeverBlamed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := &shelf{size: rapid.IntRange(1, 40).Draw(rt, "size")}
		tick := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Minute}).Draw(rt, "tick")
		s.cut = rapid.SampledFrom([]time.Duration{time.Microsecond, tick}).Draw(rt, "cut")
		for i, back := range rapid.SliceOfN(rapid.Int64Range(0, int64(3*time.Hour/time.Microsecond)), 0, 120).Draw(rt, "rows") {
			at := now.Add(-time.Duration(back) * time.Microsecond).Floor(tick)
			s.rows = append(s.rows, record(fmt.Sprint(i), at))
		}
		slices.SortStableFunc(s.rows, func(a, b connector.Record) int { return cmp.Compare(a.Instant, b.Instant) })
		o := options()
		o.Settings.Tick, o.Size = tick, s.size
		for rule, f := range look(t, s, o, nil) {
			if f.Level == Fail || f.Level == Warn {
				rt.Fatalf("%s: %+v", rule, f)
			}
		}
	})
}

// TestTheTickIsFoundWhereverTheRecordsLie moves the records against seconds, minutes and hours.
// The one in the middle lies at the very end of all of them by turns.
func TestTheTickIsFoundWhereverTheRecordsLie(t *testing.T) {
	t.Parallel()
	for _, unordered := range []bool{false, true} {
		for _, cut := range []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour} {
			for shift := range 120 {
				s, o := fill(40), options()
				s.cut, o.Settings.Unordered = cut, unordered
				by := time.Duration(shift) * 31_010_007 * time.Microsecond
				if ends := []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}; shift%10 < len(ends) {
					at := s.rows[len(s.rows)/4].Instant // the middle of the first page
					g := ends[shift%10]
					by = at.Floor(g).Add(g).Sub(at) - time.Duration(shift/10)*50*time.Microsecond
				}
				for i := range s.rows {
					s.rows[i] = record(s.rows[i].ID, s.rows[i].Instant.Add(by))
				}
				got := look(t, s, o, nil)["tick"]
				if got.Level != Fail || !strings.Contains(got.Set, " "+short(cut)+"`") {
					t.Errorf("bounds of %s, unordered %t, shift %d: %+v", cut, unordered, shift, got)
				}
			}
		}
	}
}
