package connector

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A replica that lags shows a record alive whose deletion was read, as it was before.
func TestAStalePageRevivesNoDeletedRecord(t *testing.T) {
	for name, known := range map[string]bool{"that was published": true, "that was not published yet": false} {
		t.Run(name, func(t *testing.T) {
			alive, dead := row("a", 990*sec, 1), row("a", 995*sec, 2)
			dead.Deleted = true
			s := &shelf{date: 1000 * sec}
			set := basic()
			set.Overlap = 250 * time.Second
			r, _, out := scripted(t, set, s.page)
			pull := func(rec Record) {
				s.rows = []Record{rec}
				if err := r.Pull(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if known {
				pull(alive)
			}
			pull(dead)
			want := published(out)
			pull(alive)
			s.date = 1160 * sec // half a lookback later there is a trailing pass
			pull(dead)
			pull(alive)
			if got := published(out); !slices.Equal(got, want) {
				t.Errorf("published %v, want %v: what was read as deleted is shown by a stale page", got, want)
			}
		})
	}
}

// A doubt is about the version that its entry stands for. It must not be old already when
// a stale page contradicts a later one.
func TestADoubtEndsWithTheVersionItIsAbout(t *testing.T) {
	s := &shelf{rows: []Record{row("a", 900*sec, 2)}, date: 1000 * sec}
	set := basic()
	set.Overlap = 500 * time.Second
	r, _, out := scripted(t, set, s.page)
	for _, step := range []struct {
		date, at Instant
		hash     byte
	}{
		{1000 * sec, 900 * sec, 2},
		{1000 * sec, 800 * sec, 1}, // stale: a doubt
		{1101 * sec, 1100 * sec, 3},
		{1301 * sec, 900 * sec, 2}, // stale again, a lookback after the first
	} {
		s.date, s.rows = step.date, []Record{row("a", step.at, step.hash)}
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(published(out), " "); got != "a a" {
		t.Errorf("published %q, want two versions", got)
	}
	if e, _ := r.Memory().Ledger.Get("a"); e.Hash != (Hash{3}) {
		t.Errorf("the entry is %+v, want the newest version", e)
	}
}

// probed reads a and b, doubts a, and answers the probes of as many pulls, a lookback
// apart, with the ids that shown says. It returns how many tombstones were published.
func probed(t *testing.T, d Doubt, shown ...string) (r *Reader, tombstones int) {
	t.Helper()
	all := []Record{row("a", 900*sec, 1), row("b", 910*sec, 1)}
	s := &shelf{rows: all, date: 1000 * sec}
	set := basic()
	set.Probe = 10
	now := ""
	r, _, out := scripted(t, set, func(q Query) Page {
		if len(q.IDs) == 0 {
			return s.page(q)
		}
		return Page{Date: s.date, Total: -1, Last: true, Records: slices.DeleteFunc(slices.Clone(all), func(rec Record) bool {
			return !strings.Contains(now, rec.ID)
		})}
	})
	pull := func() {
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	pull()
	r.mem.Doubts["a"] = d
	s.rows = all[1:] // the listing says no more of it: only probes do
	for _, now = range shown {
		s.date += 301 * sec
		pull()
	}
	for _, b := range out.batches {
		for _, c := range b.Changes {
			if c.Value == nil {
				tombstones++
			}
		}
	}
	return r, tombstones
}

func TestWhenAProbeIsBelieved(t *testing.T) {
	older, absent := Doubt{Since: 1000 * sec, At: 800 * sec}, Doubt{Since: 1000 * sec, Absent: true}
	for name, c := range map[string]struct {
		doubt Doubt
		shown []string
		dead  bool
	}{
		"an answer that shows nothing at all is an outage":            {absent, []string{"", "", ""}, false},
		"it is one for an older instant too":                          {older, []string{"", "", ""}, false},
		"absence alone is believed when it is a lookback old":         {absent, []string{"b"}, true},
		"absence under another doubt is new":                          {older, []string{"b"}, false},
		"and is believed a lookback later":                            {older, []string{"b", "b"}, true},
		"what is shown once more was never gone":                      {older, []string{"b", "ab", "ab"}, false},
		"after an outage it is as before":                             {absent, []string{"", "b", "b"}, true},
		"after an outage what is there is there, however long it was": {absent, []string{"", "", "ab"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, tombstones := probed(t, c.doubt, c.shown...)
			_, live := r.mem.Ledger.Get("a")
			if want := map[bool]int{true: 1}[c.dead]; tombstones != want || live == c.dead {
				t.Errorf("%d tombstones, its entry is there: %v; dead: %v", tombstones, live, c.dead)
			}
		})
	}
}

func TestWhatIsYoungerThanSettleIsLeftForLater(t *testing.T) {
	s := &shelf{rows: []Record{row("old", 900*sec, 1), row("young", 980*sec, 1)}, date: 1000 * sec}
	set := basic()
	set.Settle = 60 * time.Second
	r, _, out := scripted(t, set, s.page)
	for _, want := range []string{"old", "old young"} {
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(published(out), " "); got != want {
			t.Errorf("at %s published %q, want %q", s.date, got, want)
		}
		if c := r.Memory().State.Cursor.Instant; c > s.date.Add(-set.Settle) {
			t.Errorf("at %s the cursor is at %s", s.date, c)
		}
		s.date += 60 * sec
	}
}

// A tie whose order is not stable: its first pass shows one member twice and another not
// at all, and in the second a member leaves, so that there are as many rows as ids.
func TestADrainBeginsAnewWhenTheNumberOfRecordsChanges(t *testing.T) {
	member := func(ids string) (rows []Record) {
		for _, id := range ids {
			rows = append(rows, row(string(id), 100*sec, 1))
		}
		return rows
	}
	passes := [][]string{{"ab", "bd", ""}, {"ab", "d", ""}, {"bc", "d", ""}}
	n := -1
	set := basic()
	set.Tick = time.Second
	r, _, out := scripted(t, set, func(q Query) Page {
		p := Page{Date: 1000 * sec, Total: -1}
		switch {
		case q.From > 100*sec:
			p.Records, p.Last = []Record{row("a", 200*sec, 2)}, true
		case !q.Count:
			p.Records = member("ab")
		default:
			if q.Page == 1 {
				n = min(n+1, len(passes)-1)
			}
			p.Records = member(passes[n][q.Page-1])
		}
		return p
	})
	if err := r.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := published(out); !slices.Contains(got, "c") {
		t.Errorf("published %v and the cursor is at %s: c slipped", got, r.Memory().State.Cursor.Instant)
	}
}
