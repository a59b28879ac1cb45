package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// newestFirst is an API that cannot sort ascending, of pages of five. Before it answers,
// before is called.
type newestFirst struct {
	*swept
	requests int
	before   func(q Query)
	mute     bool // it does not say where the list ends
}

func newestFirstOf(t *testing.T, n int, change func(*Settings)) *newestFirst {
	t.Helper()
	a := &newestFirst{before: func(Query) {}}
	a.swept = sweeping(t, n, func(set *Settings) {
		set.Unordered, set.Sweeps.Every = true, 0
		if change != nil {
			change(set)
		}
	})
	a.swept.page = a.answer
	return a
}

func (a *newestFirst) answer(q Query) Page {
	if len(q.IDs) > 0 {
		return a.listed(q)
	}
	a.requests++
	a.before(q)
	p := a.shelf.page(q)
	if a.set.Unfiltered {
		p.Records = slices.Clone(a.shelf.rows)
	}
	slices.SortStableFunc(p.Records, func(x, y Record) int { return cmp.Compare(y.Instant, x.Instant) })
	from, to := min((q.Page-1)*5, len(p.Records)), min(q.Page*5, len(p.Records))
	p.Last = to == len(p.Records) && !a.mute
	p.Records = p.Records[from:to]
	return p
}

func TestAnIdleSourceWithoutAnOrderIsOneRequestAndNoCommit(t *testing.T) {
	for _, mute := range []bool{false, true} {
		a := newestFirstOf(t, 23, nil)
		a.mute = mute
		a.pull(2)
		if n := a.mem.Ledger.Len(); n != 23 {
			t.Fatalf("%d records are known", n)
		}
		requests, batches := a.requests, len(a.out.batches)
		a.pull(3)
		// Where nothing says that the list ends, an empty page does.
		want := map[bool]int{false: 3, true: 6}[mute]
		if a.requests-requests != want || len(a.out.batches) != batches {
			t.Errorf("three pulls took %d requests and %d commits, want %d", a.requests-requests, len(a.out.batches)-batches, want)
		}
	}
}

// The longer a walk, the more is written meanwhile: to wait for a quiet one is to wait
// for ever.
func TestASourceThatIsWrittenToComesToRest(t *testing.T) {
	a := newestFirstOf(t, 1000, nil)
	n := 0
	a.before = func(q Query) {
		a.shelf.date = a.shelf.date.Add(100 * time.Millisecond)
		i := (n * 7919) % 1000
		n++
		a.shelf.rows[i] = row(a.shelf.rows[i].ID, a.shelf.date, byte(n))
		if n%5 == 0 {
			a.shelf.rows = append(a.shelf.rows, row(fmt.Sprint("new", n), a.shelf.date, byte(n)))
		}
	}
	a.pull(1)
	if n < 300 {
		t.Fatalf("%d writes only", n)
	}
	if c := a.mem.State.Cursor.Instant; c == Beginning {
		t.Errorf("the cursor has not moved after %d requests", a.requests)
	} else if began := 1_000_000*sec + 300*sec + sec/10; c > began {
		t.Errorf("the cursor went to %s, and what was written since %s may have been missed", c, began)
	}
	// What moved to the front behind the walk's back comes with the next pull.
	a.before = func(Query) {}
	a.pull(2)
	for _, rec := range a.shelf.rows {
		if e, _ := a.mem.Ledger.Get(rec.ID); e.Hash != rec.Hash {
			t.Errorf("%s is not what it is at the source", rec.ID)
		}
	}
}

func TestTheCursorStaysWhileRecordsMaySlip(t *testing.T) {
	a := newestFirstOf(t, 1000, nil)
	n := 0
	a.before = func(Query) { // each walk shows what the one before did not
		n++
		a.shelf.rows = append(a.shelf.rows, row(fmt.Sprint("late", n), (100+Instant(n))*sec, 1))
	}
	a.pull(1)
	if c := a.mem.State.Cursor.Instant; c != Beginning {
		t.Errorf("the cursor went to %s", c)
	}
	a.before = func(Query) {}
	a.pull(1)
	if c := a.mem.State.Cursor.Instant; c == Beginning || a.mem.Ledger.Len() != len(a.shelf.rows) {
		t.Errorf("the cursor is at %s, %d of %d records are known", c, a.mem.Ledger.Len(), len(a.shelf.rows))
	}
}

// A record that vanishes pulls the others one place to the front.
func TestWhatSlipsBetweenTwoPagesIsMetByASecondWalk(t *testing.T) {
	for _, unfiltered := range []bool{false, true} {
		a := newestFirstOf(t, 23, func(set *Settings) { set.Unfiltered = unfiltered })
		a.before = func(q Query) {
			if q.Page == 2 {
				a.before = func(Query) {}
				a.remove("r22")
			}
		}
		a.pull(1)
		if got := published(a.out); !slices.Contains(got, "r17") || len(got) != 23 {
			t.Errorf("unfiltered %v: published %v", unfiltered, got)
		}
	}
}

// Many an API shows but the first ten thousand of what it counts, and then empty pages.
func TestAListThatEndsBeforeItsCountIsNotWhole(t *testing.T) {
	for _, unfiltered := range []bool{false, true} {
		a := newestFirstOf(t, 23, func(set *Settings) {
			set.Unfiltered = unfiltered
			set.Sweeps.Every, set.Sweeps.Confirm = time.Hour, ConfirmNone
		})
		capped := true
		whole := a.swept.page
		a.swept.page = func(q Query) Page {
			if len(q.IDs) > 0 {
				return whole(q)
			}
			a.mute = capped
			p := whole(q)
			p.Total = len(a.shelf.page(Query{From: q.From, To: q.To, Page: 1}).Records)
			if a.set.Unfiltered {
				p.Total = len(a.shelf.rows)
			}
			if capped && q.Page > 2 {
				p.Records = nil
			}
			return p
		}
		a.pull(3)
		if c := a.mem.State.Cursor.Instant; c != Beginning || a.mem.Ledger.Len() != 10 {
			t.Errorf("unfiltered %v: the cursor went to %s, %d records are known", unfiltered, c, a.mem.Ledger.Len())
		}
		capped = false
		a.pull(2)
		if c := a.mem.State.Cursor.Instant; c == Beginning || a.mem.Ledger.Len() != 23 {
			t.Errorf("unfiltered %v: the cursor is at %s, %d records are known", unfiltered, c, a.mem.Ledger.Len())
		}
		capped = true
		a.mem.State.Sweep.Asked = true
		a.pull(2)
		if s := a.mem.State.Sweep; s.Guard == "" || a.absent > 0 {
			t.Errorf("unfiltered %v: a sweep was believed: %+v, %d absent", unfiltered, s, a.absent)
		}
	}
}

func TestAnAPIThatIgnoresThePageStops(t *testing.T) {
	a := newestFirstOf(t, 23, nil)
	answer := a.swept.page
	a.swept.page = func(q Query) Page {
		q.Page = 1
		return answer(q)
	}
	var stop *StopError
	if err := a.Pull(t.Context()); !errors.As(err, &stop) || !strings.Contains(stop.What, "ignores the number of the page") {
		t.Errorf("got %v", err)
	}
}

func TestAnAPIWithoutPagesIsTakenAtItsWord(t *testing.T) {
	a := newestFirstOf(t, 5, func(set *Settings) { set.Unfiltered, set.Paged = true, false })
	a.mute = true
	a.pull(3)
	if a.requests != 3 || a.mem.Ledger.Len() != 5 {
		t.Errorf("%d requests, %d records", a.requests, a.mem.Ledger.Len())
	}
}

func TestASourceWithoutAnOrderIsSwept(t *testing.T) {
	for _, unfiltered := range []bool{false, true} {
		for _, confirm := range []Confirm{ConfirmIDs, ConfirmNone} {
			t.Run(fmt.Sprint(confirm, unfiltered), func(t *testing.T) {
				a := newestFirstOf(t, 23, func(set *Settings) {
					set.Unfiltered = unfiltered
					set.Sweeps.Every, set.Sweeps.Confirm = time.Second, confirm
				})
				a.pull(2)
				a.remove("r7", "r22")
				moved := false
				a.before = func(q Query) { // a record that moves is not gone
					if q.Priority == Sweeping && q.Page == 3 && !moved {
						moved = true
						for i, rec := range a.shelf.rows {
							if rec.ID == "r9" {
								a.shelf.rows[i] = row("r9", a.shelf.date, 9)
							}
						}
					}
				}
				a.pull(1)
				if got, n := a.buried(), a.mem.Absent(); got != "" || n != 2 {
					t.Errorf("buried %q at once, %d are in doubt", got, n)
				}
				a.pull(4)
				if got := a.buried(); got != "r22 r7" {
					t.Errorf("buried %q", got)
				}
				if !moved {
					t.Error("nothing moved")
				}
			})
		}
	}
}

// Without an order a doubt is settled by what the range, or everything, shows.
func TestADoubtOfASourceWithoutAnOrderEnds(t *testing.T) {
	for _, unfiltered := range []bool{false, true} {
		a := newestFirstOf(t, 8, func(set *Settings) { set.Unfiltered, set.Probe = unfiltered, 0 })
		a.pull(2)
		a.mem.Doubts["r2"] = Doubt{Since: a.shelf.date, At: 50 * sec} // a stale page
		a.mem.Doubts["r3"] = Doubt{Since: a.shelf.date, At: 60 * sec} // the truth
		a.shelf.rows[3] = row("r3", 60*sec, 7)
		a.pull(2)
		if e, _ := a.mem.Ledger.Get("r3"); e.Hash != (Hash{7}) || len(a.mem.Doubts) != 0 {
			t.Errorf("unfiltered %v: r3 is %+v, doubts %v", unfiltered, e, a.mem.Doubts)
		}
	}
}

// A record that vanishes pulls the others one place to the front, the doubted one past the
// only walk of a head reading.
func TestADoubtOutlivesAWalkThatMayHaveMissedItsRecord(t *testing.T) {
	a := newestFirstOf(t, 23, func(set *Settings) { set.Unfiltered, set.Probe = true, 0 })
	a.pull(2)
	a.shelf.rows[17] = row("r17", 117*sec-1, 7) // the first of page 2
	a.mem.Doubts["r17"] = Doubt{Since: a.shelf.date, At: 117*sec - 1}
	slipped := false
	a.before = func(q Query) {
		if q.Page == 2 && !slipped {
			slipped = true
			a.remove("r22")
		}
	}
	a.pull(1)
	if e, _ := a.mem.Ledger.Get("r17"); !slipped || e.Hash != (Hash{7}) || len(a.mem.Doubts) != 0 {
		t.Errorf("r17 is %+v, doubts %v", e, a.mem.Doubts)
	}
}

// Nothing shows it any more, and a sweep could not miss it as long as it is doubted.
func TestADoubtAboutWhatIsGoneEndsWithAReadingThatMissesNothing(t *testing.T) {
	a := newestFirstOf(t, 23, func(set *Settings) { set.Unfiltered, set.Probe = true, 0 })
	a.pull(2)
	a.remove("r9")
	a.mem.Doubts["r9"] = Doubt{Since: a.shelf.date, At: 50 * sec}
	lossy := &forgetful{a.src, 1000}
	a.src = lossy
	var took []int
	for _, pull := range []func(){func() { a.pull(1) }, func() { _ = a.Pull(t.Context()) }} {
		before := a.requests
		pull()
		took = append(took, a.requests-before)
	}
	if len(a.mem.Doubts) != 1 {
		t.Errorf("doubts %v after readings that came to no end", a.mem.Doubts)
	}
	if took[1]*2 != took[0] {
		t.Errorf("%d requests, then %d: what proved nothing is not read again at each pull", took[0], took[1])
	}
	lossy.times = 0
	a.pull(1)
	if len(a.mem.Doubts) != 0 {
		t.Errorf("doubts %v", a.mem.Doubts)
	}
}

// forgetful loses what leads to the third page, so many times.
type forgetful struct {
	Source
	times int
}

func (f *forgetful) Fetch(ctx context.Context, q Query) (Page, error) {
	if q.Page == 3 && f.times > 0 {
		f.times--
		return Page{}, &AnewError{Err: errors.New("the token has expired")}
	}
	return f.Source.Fetch(ctx, q)
}

func TestAWalkWhosePagesAreLostBeginsAnew(t *testing.T) {
	for times, whole := range map[int]bool{1: true, 1000: false} {
		a := newestFirstOf(t, 23, nil)
		a.src = &forgetful{a.src, times}
		a.pull(1)
		if c := a.mem.State.Cursor.Instant; (c != Beginning) != whole {
			t.Errorf("%d times: the cursor is at %s", times, c)
		}
		if n := a.mem.Ledger.Len(); whole && n != 23 {
			t.Errorf("%d times: %d records are known", times, n)
		}
	}
}

// One walk over everything may miss a record, which the next pull meets: whoever waits for
// this one is not told that it was read.
func TestWhoWaitsForAWalkGetsWhatHasSlipped(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(*Settings)
		restless, told bool
	}{
		"of a list at rest":      {change: func(set *Settings) { set.Unfiltered = true }},
		"of a list that goes on": {change: func(set *Settings) { set.Unfiltered = true }, restless: true, told: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newestFirstOf(t, 1000, c.change)
			p := NewPulls(a.set, time.Now, func() float64 { return 0.5 })
			a.world = func(env *Env) { env.Pulls = p }
			a.start(a.mem)
			a.pull(1)
			p.Enter(0, nil)
			// Five are written after the one that is waited for, which is the first of the
			// second page then; and one of them is gone when that page is asked for.
			a.shelf.rows[994] = row("r994", 1100*sec, 7)
			for i := range 5 {
				a.shelf.rows[i] = row(fmt.Sprint("r", i), (1101+Instant(i))*sec, 7)
			}
			removed := false
			a.before = func(q Query) {
				if q.Page == 2 && !removed {
					removed = true
					a.remove("r4")
				}
				if c.restless { // each walk shows what the one before did not
					late := row(fmt.Sprint("late", a.requests), 1099*sec+Instant(a.requests), 1)
					a.shelf.rows = append([]Record{late}, a.shelf.rows...)
				}
			}
			ticket, err := p.Ask(Reason{Name: ReasonAfterUpdate})
			if err != nil {
				t.Fatal(err)
			}
			p.Begin()
			a.pull(1)
			p.End()
			_, err = ticket.Wait(t.Context())
			e, _ := a.mem.Ledger.Get("r994")
			if !removed || (err != nil) != c.told || e.Hash != (Hash{7}) {
				t.Errorf("told %v, and what was written is read: %v", err, e.Hash == (Hash{7}))
			}
		})
	}
}
