package connector

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A shelf is a source of records whose clock stands at date.
type shelf struct {
	rows []Record
	date Instant
}

func (s *shelf) page(q Query) Page {
	p := Page{Date: s.date, Total: -1, Last: true}
	for _, x := range s.rows {
		if x.Instant >= q.From && x.Instant < q.To {
			p.Records = append(p.Records, x)
		}
	}
	return p
}

func basic() Settings {
	return Settings{Tick: time.Microsecond, Paged: true, Overlap: 5 * time.Second, Lookback: 300 * time.Second,
		Start: Start{At: Beginning}, OnBadRecord: StopOnBadRecord,
		Fingerprint: Fingerprint{HashVersion: 1, ID: "id", Instant: "updated_at"}}
}

func published(out *collector) (ids []string) {
	for _, b := range out.batches {
		for _, c := range b.Changes {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func TestACollectionMayStartLater(t *testing.T) {
	old, young := row("old", 100*sec, 1), row("young", 900*sec, 1)
	for name, c := range map[string]struct {
		start Start
		want  string
		floor Instant
	}{
		"from the beginning it publishes everything":             {Start{At: Beginning}, "old young", Beginning},
		"from an instant on what is not older":                   {Start{At: 500 * sec}, "young", 500 * sec},
		"from now on, by the server's clock, what changes later": {Start{Now: true}, "", 1000 * sec},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{rows: []Record{old, young}, date: 1000 * sec}
			set := basic()
			set.Start = c.start
			r, src, out := scripted(t, set, s.page)
			if err := r.Pull(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(published(out), " "); got != c.want {
				t.Errorf("published %q, want %q", got, c.want)
			}
			if m := r.Memory().State; m.Floor != c.floor || (c.floor != Beginning && (len(out.batches) == 0 || out.batches[0].State.Cursor.Instant != c.floor)) {
				t.Errorf("floor %s, first batch %+v", m.Floor, out.batches)
			}
			// Whatever goes back, goes back no further than the start.
			s.date = 2000 * sec
			s.rows = append(s.rows, row("new", 1500*sec, 1))
			asked := len(src.asked)
			for range 3 {
				if err := r.Pull(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, q := range src.asked[asked:] {
				if q.From < c.floor {
					t.Errorf("asked from %s, below the start %s", q.From, c.floor)
				}
			}
			if got := strings.Join(published(out), " "); got != strings.TrimSpace(c.want+" new") {
				t.Errorf("then published %q", got)
			}
		})
	}
}

// The time from such a start on is more than a Duration holds.
func TestACollectionThatStartsCenturiesAgoHasTrailingPasses(t *testing.T) {
	for _, year := range []int{1, 1500, 1601, 1700, 1970} {
		now := InstantOf(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))
		s := &shelf{rows: []Record{row("first", now.Add(-10*time.Second), 1)}, date: now}
		set := basic()
		set.Start.At = InstantOf(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		r, _, out := scripted(t, set, s.page)
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		// It is written to all the time, and a record turns visible late.
		s.rows = []Record{row("late", now.Add(-20*time.Second), 1), s.rows[0]}
		for range 3 {
			s.date = s.date.Add(set.Lookback)
			s.rows = append(s.rows, row(s.date.String(), s.date.Add(-time.Second), 1))
			if err := r.Pull(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(published(out), " "); !strings.Contains(got, "late") {
			t.Errorf("from the year %d on it published %s", year, got)
		}
	}
}

func TestTheTimeBetweenTwoInstantsIsAtMostWhatADurationHolds(t *testing.T) {
	ancient, future := InstantOf(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), InstantOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		t, u Instant
		want time.Duration
	}{
		{5, 3, 2 * time.Microsecond}, {3, 5, -2 * time.Microsecond}, {future, ancient, math.MaxInt64}, {ancient, future, math.MinInt64},
		{Forever, 0, math.MaxInt64}, {0, Beginning, math.MaxInt64}, {Beginning, 0, math.MinInt64}, {0, Forever, math.MinInt64}, {Forever - 1, -2, math.MaxInt64},
	} {
		if got := c.t.Sub(c.u); got != c.want {
			t.Errorf("%v - %v = %v, want %v", c.t, c.u, got, c.want)
		}
	}
}

// again makes a reader over what another one leaves, as a restart does.
func again(t *testing.T, set Settings, r *Reader, page func(Query) Page) (*Reader, *collector, error) {
	t.Helper()
	out := &collector{}
	world := &sim{p: simParams{stamp: 1, tick: 1}, versions: map[string][]simVersion{}}
	next, err := NewReader(set, &script{f: page}, out, r.Memory(), simEnvOf(world), NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
	return next, out, err
}

func TestAChangeOfTheHashPublishesNothingTwice(t *testing.T) {
	s := &shelf{rows: []Record{row("a", 900*sec, 1), row("b", 901*sec, 1)}, date: 1000 * sec}
	set := basic()
	r, _, _ := scripted(t, set, s.page)
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Other fields are hashed now, so that every hash is another one; b has changed too.
	set.Fingerprint.Exclude = []string{"x"}
	set.Overlap = 200 * time.Second
	s.rows = []Record{row("a", 900*sec, 2), row("b", 950*sec, 3)}
	next, out, err := again(t, set, r, s.page)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(published(out), " "); got != "b" {
		t.Errorf("published %q, want b alone", got)
	}
	if e, _ := next.Memory().Ledger.Get("a"); e.Hash != (Hash{2}) || e.Print != 2 {
		t.Errorf("the entry of a is %+v: not rewritten", e)
	}
	// Back to the first: its number is used again.
	set.Fingerprint.Exclude = nil
	if _, _, err := again(t, set, next, s.page); err != nil {
		t.Fatal(err)
	}
	if p := next.Memory().State.Prints; len(p) != 2 || p[1].Number != 1 {
		t.Errorf("fingerprints %+v", p)
	}
}

func TestAChangeOfIDInstantOrDeletionsStopsTheCollection(t *testing.T) {
	for name, change := range map[string]func(*Fingerprint){
		"id": func(f *Fingerprint) { f.ID = "uuid" }, "instant": func(f *Fingerprint) { f.Instant = "changed_at" },
		"deletions": func(f *Fingerprint) { f.Deletions = "deleted_at" },
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{rows: []Record{row("a", 900*sec, 1)}, date: 1000 * sec}
			set := basic()
			r, _, _ := scripted(t, set, s.page)
			if err := r.Pull(t.Context()); err != nil {
				t.Fatal(err)
			}
			change(&set.Fingerprint)
			var stop *StopError
			if _, _, err := again(t, set, r, s.page); !errors.As(err, &stop) || !strings.Contains(stop.Remedy, "another source name") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestALargerLookbackReadsAgainWhatTheSmallerOneHadLeft(t *testing.T) {
	s := &shelf{rows: []Record{row("a", 900*sec, 1)}, date: 1000 * sec}
	set := basic()
	r, _, _ := scripted(t, set, s.page)
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := r.Memory().State.Trailing
	set.Lookback = 400 * time.Second
	next, _, err := again(t, set, r, s.page)
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Memory().State.Trailing; got != was.Add(-100*time.Second) {
		t.Errorf("trailing went from %s to %s, want 100 s back", was, got)
	}
}

func TestARecordThatCannotBePublished(t *testing.T) {
	bad := row("", 900*sec, 1)
	bad.Bad = "it has no id"
	large := row("large", 901*sec, 1)
	large.Value = make([]byte, 2000)
	for name, rec := range map[string]Record{"has no id": bad, "is 2010 bytes long": large} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{rows: []Record{row("a", 800*sec, 1), rec, row("z", 902*sec, 1)}, date: 1000 * sec}
			set := basic()
			set.MaxRecord = 1000
			r, _, _ := scripted(t, set, s.page)
			var stop *StopError
			if err := r.Pull(t.Context()); !errors.As(err, &stop) || !strings.Contains(stop.What, name) || !strings.Contains(stop.Remedy, "on_bad_record: skip") {
				t.Errorf("stop: got %v", err)
			}
			set.OnBadRecord = SkipBadRecord
			r, _, out := scripted(t, set, s.page)
			if err := r.Pull(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(published(out), " "); got != "a z" {
				t.Errorf("skip: published %q", got)
			}
		})
	}
}

func TestAnAPIThatIgnoresWhatItIsAskedStopsItsCollection(t *testing.T) {
	rows := []Record{row("a", 100*sec, 1), row("b", 500*sec, 1), row("c", 900*sec, 1)}
	for name, c := range map[string]struct {
		page func(q Query) Page
		says string
	}{
		"the order": {func(Query) Page {
			return Page{Date: 1000 * sec, Total: -1, Last: true, Records: []Record{rows[2], rows[1]}}
		}, "ignores the order"},
		"the filter": {func(Query) Page {
			return Page{Date: 1000 * sec, Total: -1, Records: append([]Record(nil), rows...)}
		}, "ignores the filter"},
		"the end: it says that more follows and shows the same": {func(q Query) Page {
			return Page{Date: 1000 * sec, Total: -1, Records: []Record{row("x", max(q.From-5, 5*sec), 1)}}
		}, "no progress"},
		"the number of the page": {func(q Query) Page {
			return Page{Date: 1000 * sec, Total: -1, Records: []Record{row("x", 5*sec, 1), row("y", 5*sec, 1)}}
		}, "ignores the number of the page"},
	} {
		t.Run(name, func(t *testing.T) {
			r, src, _ := scripted(t, basic(), c.page)
			err := r.Pull(t.Context())
			if err == nil {
				err = r.Pull(t.Context())
			}
			var stop *StopError
			if !errors.As(err, &stop) || !strings.Contains(stop.What, c.says) {
				t.Errorf("after %d requests: %v", len(src.asked), err)
			}
		})
	}
}

func TestPullsBeginAnIntervalApart(t *testing.T) {
	for name, c := range map[string]struct {
		took, low, high time.Duration
	}{
		"after a short pull":                 {time.Second, 8 * time.Second, 10 * time.Second},
		"after one longer than the interval": {time.Minute, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for _, random := range []float64{0, 0.5, 0.99} {
				p := NewPulls(Settings{Interval: 10 * time.Second, Jitter: 0.1}, time.Now, func() float64 { return random })
				if got := p.pause(c.took); got < c.low || got > c.high {
					t.Errorf("pauses %s at %v", got, random)
				}
			}
		})
	}
}
