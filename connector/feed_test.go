package connector

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// hearing is a collection of ten records and a feed of what was deleted of them. Every
// pull is a lookback after the one before.
type hearing struct {
	*swept
	events []Record
	asked  []Query
	order  func(n int, swap func(i, j int)) // of the events that a request is shown
	fail   error
	now    time.Time
	// ignores the number of the page
	ignores bool
	tries   int
}

func (h *hearing) answer(q Query) Page {
	h.asked = append(h.asked, q)
	s := shelf{rows: h.events, date: h.shelf.date}
	p := s.page(q)
	if h.order != nil {
		h.order(len(p.Records), func(i, j int) { p.Records[i], p.Records[j] = p.Records[j], p.Records[i] })
	}
	if h.ignores {
		q.Page = 1
	}
	if h.size > 0 {
		from, to := min((q.Page-1)*h.size, len(p.Records)), min(q.Page*h.size, len(p.Records))
		p.Last = to == len(p.Records)
		p.Records = p.Records[from:to]
	}
	return p
}

func hearingOf(t *testing.T, change func(*Settings)) *hearing {
	t.Helper()
	h := &hearing{now: time.Unix(1, 0)}
	h.swept = sweeping(t, 10, func(set *Settings) {
		set.Sweeps.Every, set.Probe = 0, 0
		set.Feed = Feed{Interval: time.Minute, Tick: time.Microsecond, Paged: true}
		if change != nil {
			change(set)
		}
	})
	h.world = func(env *Env) {
		env.Feed = fails(&script{f: h.answer}, func(Query) error {
			if h.tries++; h.tries > 1000 {
				return &StopError{What: "asked for ever"}
			}
			return h.fail
		})
		env.Now = func() time.Time { return h.now }
	}
	h.again()
	return h
}

// again begins another life.
func (h *hearing) again() {
	h.start(h.mem)
}

// A feed without anything that is news to the ledger moves its cursor all the same.
func TestTheCursorOfAFeedIsCommitted(t *testing.T) {
	h := hearingOf(t, nil)
	h.pull(1)
	h.delete("unknown", 900_000*sec)
	h.pull(1)
	last := h.out.batches[len(h.out.batches)-1].State.Feed
	if last.Cursor.Instant != 900_000*sec || last.Trailing == 0 {
		t.Errorf("committed %+v", last)
	}
}

func (h *hearing) pull(times int) {
	h.t.Helper()
	for range times {
		h.now = h.now.Add(h.set.Lookback)
		h.swept.pull(1)
	}
}

func (h *hearing) delete(id string, at Instant) {
	h.events = append(h.events, Record{ID: id, Instant: at, Stamp: at.String(), Deleted: true})
	h.remove(id)
}

func TestAnEventOfTheFeedIsADeletionOnce(t *testing.T) {
	h := hearingOf(t, nil)
	h.pull(1)
	h.delete("r3", h.shelf.date)
	h.delete("unknown", h.shelf.date)
	h.pull(1)
	if got := h.buried(); got != "r3" {
		t.Fatalf("buried %q", got)
	}
	if e, _ := h.mem.Ledger.Get("r3"); !e.Mark {
		t.Errorf("the entry is %+v, want a mark", e)
	}
	h.again()
	h.pull(4)
	if got := h.buried(); got != "r3" {
		t.Errorf("buried %q", got)
	}
	batches, asked := len(h.out.batches), len(h.asked)
	h.pull(3)
	if len(h.out.batches) != batches || len(h.asked) != asked+3 {
		t.Errorf("idle: %d batches, %d requests", len(h.out.batches)-batches, len(h.asked)-asked)
	}
	if from := h.asked[len(h.asked)-1].From; from != h.mem.State.Feed.Cursor.Instant || from == Beginning {
		t.Errorf("asked from %s, the cursor is at %s", from, h.mem.State.Feed.Cursor.Instant)
	}
}

func TestTheFeedHasAnIntervalOfItsOwn(t *testing.T) {
	h := hearingOf(t, func(set *Settings) { set.Feed.Interval = time.Hour })
	h.pull(24) // 300 s each
	if n := len(h.asked); n != 2 {
		t.Errorf("asked %d times in two hours", n)
	}
}

// The record was made again since, and its first deletion is read again and again.
func TestAnEventThatIsOlderThanTheRecordDeletesNothing(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"alone":       nil,
		"with probes": func(set *Settings) { set.Probe = 10 },
		"with sweeps": func(set *Settings) { set.Probe, set.Sweeps.Every = 10, time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			h := hearingOf(t, change)
			h.pull(1)
			h.shelf.rows = append(h.shelf.rows, row("again", h.shelf.date, 1))
			h.events = append(h.events, Record{ID: "again", Instant: h.shelf.date.Add(-time.Second), Stamp: "x", Deleted: true})
			for range 4 {
				h.pull(3)
				h.again()
			}
			if got := h.buried(); got != "" || len(h.mem.Doubts) != 0 {
				t.Errorf("buried %q, doubts %v", got, h.mem.Doubts)
			}
		})
	}
}

// A deletion that waited for a lock has an older stamp than the record.
func TestAnEventWithAnOldStampIsFoundByProbeOrSweep(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"probe": func(set *Settings) { set.Probe = 10 },
		"sweep": func(set *Settings) { set.Probe, set.Sweeps.Every = 10, time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			h := hearingOf(t, change)
			h.pull(1)
			h.shelf.rows = append(h.shelf.rows, row("locked", h.shelf.date, 1))
			h.pull(1)
			h.delete("locked", h.shelf.date.Add(-2*h.set.Lookback))
			h.pull(5)
			if got := h.buried(); got != "locked" {
				t.Errorf("buried %q", got)
			}
		})
	}
}

// It came back as it was, with the stamp it had, and the feed still tells of its deletion.
func TestARestoredRecordIsNotDeletedAgainByTheSameEvent(t *testing.T) {
	h := hearingOf(t, func(set *Settings) { set.Probe, set.Sweeps.Every = 10, time.Second })
	h.pull(2)
	was := h.shelf.rows
	h.delete("r3", h.shelf.date)
	h.pull(3)
	h.shelf.rows = was
	h.pull(6)
	for range 3 {
		h.again()
		h.pull(2)
	}
	if got := h.buried(); got != "r3" || h.mem.Ledger.Len() != 10 {
		t.Errorf("buried %q, %d live", got, h.mem.Ledger.Len())
	}
}

func TestAFeedThatFailsHoldsUpNothing(t *testing.T) {
	h := hearingOf(t, nil)
	h.pull(1)
	h.fail = &RetryError{Reason: RetryRefused, Err: errors.New("403")}
	h.delete("r3", h.shelf.date)
	h.shelf.rows = append(h.shelf.rows, row("new", h.shelf.date, 1))
	h.pull(2)
	if got := published(h.out); got[len(got)-1] != "new" {
		t.Errorf("published %v", got)
	}
	h.fail = nil
	h.pull(3)
	if got := h.buried(); got != "r3" {
		t.Errorf("buried %q once the feed is back", got)
	}
}

// What a feed has to tell is part of what who asks for a pull waits for.
func TestWhoWaitsForAPullIsToldWhatTheFeedTells(t *testing.T) {
	h := hearingOf(t, func(set *Settings) { set.Feed.Interval = time.Hour })
	p := NewPulls(h.set, func() time.Time { return h.now }, func() float64 { return 0.5 })
	world := h.world
	h.world = func(env *Env) { world(env); env.Pulls = p }
	h.again()
	p.Enter(0, nil)
	ask := func() error {
		ticket, err := p.Ask(Reason{Name: ReasonAfterDelete})
		if err != nil {
			return err
		}
		p.Begin()
		h.pull(1)
		p.End()
		_, err = ticket.Wait(t.Context())
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	h.delete("r3", h.shelf.date)
	if err := ask(); err != nil || h.buried() != "r3" {
		t.Fatalf("within the feed's interval: buried %q, %v", h.buried(), err)
	}
	h.delete("r4", h.shelf.date)
	h.fail = &RetryError{Reason: RetryRefused, Err: errors.New("403")}
	tries := h.tries
	for _, c := range []struct {
		when  string
		wait  time.Duration
		tries int
	}{{"as it fails", 0, 1}, {"a moment later", 0, 1}, {"two seconds later", 2 * time.Second, 2}, {"a moment after that", time.Second, 2}} {
		h.now = h.now.Add(c.wait - h.set.Lookback) // for which the pull waits
		if err := ask(); err == nil || !strings.Contains(err.Error(), "403") || h.tries != tries+c.tries {
			t.Errorf("%s: told %v, %d tries", c.when, err, h.tries-tries)
		}
	}
	h.fail = nil
	h.now = h.now.Add(2*time.Second - h.set.Lookback)
	if err := ask(); err != nil || h.buried() != "r3 r4" {
		t.Errorf("once it is back, although it is put off: buried %q, %v", h.buried(), err)
	}
}
