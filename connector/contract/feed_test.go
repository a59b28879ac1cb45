package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/connector"
)

// feedOf is a list of n deletions of records that fill never made, of the last half hour.
func feedOf(n int) *shelf {
	s := &shelf{size: 20}
	for i := range n {
		at := now.Add(-30*time.Minute + time.Duration(i)*17_654_321*time.Microsecond)
		s.rows = append(s.rows, event(fmt.Sprint("gone", i), at))
	}
	return s
}

// told is a list of one deletion.
func told(id string, at connector.Instant) *shelf {
	return &shelf{size: 20, rows: []connector.Record{event(id, at)}}
}

func event(id string, at connector.Instant) connector.Record {
	return connector.Record{ID: id, Instant: at, Stamp: at.String(), Value: []byte(`{}`), Deleted: true}
}

func feedOptions() Options {
	o := options()
	o.Settings.Feed = connector.Feed{Interval: time.Minute, Tick: time.Microsecond, Paged: true}
	return o
}

// listen returns what a check of a list of deletions finds, beside one of its collection.
func listen(t *testing.T, feed, of *shelf, o Options, between func()) map[string]Finding {
	t.Helper()
	collection := New(of, o)
	collection.Begin(t.Context())
	return looked(t, NewFeed(feed, o, collection), between)
}

func TestEachRuleOfAFeedFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	sweeps := func(o *Options) { o.Settings.Sweeps.Every = 24 * time.Hour }
	for _, c := range []struct {
		name  string
		feed  *shelf
		with  func(*Options)
		spoil func(q connector.Query, p *connector.Page) error
		of    func(*shelf) // changes the collection
		rule  string
		level Level
		says  string
	}{
		{name: "nothing at all", feed: feedOf(0), rule: "records", level: Note, says: "tells of no deletion"},
		{name: "a filter that is ignored", spoil: func(q connector.Query, p *connector.Page) error {
			p.Records = slices.Clone(feedOf(20).rows)
			return nil
		}, rule: "bound", level: Fail, says: "ignores the filter"},
		{name: "an order that is ignored", spoil: func(_ connector.Query, p *connector.Page) error {
			slices.Reverse(p.Records)
			return nil
		}, rule: "order", level: Fail, says: "`order`"},
		{name: "no filter", with: func(o *Options) { o.Settings.Feed.Unordered, o.Settings.Feed.Unfiltered = true, true },
			rule: "bound", level: Note, says: "ever deleted"},
		{name: "bounds of seconds", feed: func() *shelf { s := feedOf(60); s.cut = time.Second; return s }(), rule: "tick", level: Fail, says: "`cursor.tick: 1s`"},
		{name: "an event without an instant", spoil: func(_ connector.Query, p *connector.Page) error {
			p.Records[0].Bad = "it has no instant"
			return nil
		}, rule: "records", level: Fail, says: "it has no instant"},
		{name: "an API that refuses", spoil: func(connector.Query, *connector.Page) error {
			return &connector.RetryError{Reason: connector.RetryRefused, Err: errors.New("403")}
		}, rule: "answer", level: Fail, says: "are not heard of"},
		{name: "ids of another kind", spoil: func(_ connector.Query, p *connector.Page) error {
			for i := range p.Records {
				p.Records[i].ID = "77" + p.Records[i].ID[len("gone"):]
			}
			return nil
		}, rule: "events", level: Warn, says: "`id`"},
		{name: "records that are there", of: func(s *shelf) {
			s.rows = append(s.rows, record("gone59", now.Add(-20*time.Minute)))
		}, rule: "events", level: Warn, says: `"gone59"`},
		{name: "records that were made again", of: func(s *shelf) {
			s.rows = append(s.rows, record("gone59", now.Add(-time.Minute)))
		}, rule: "events", level: OK, says: "as it was"},
		{name: "the record beside, made again", feed: told("r0", now.Add(-24*time.Hour)), rule: "events", level: OK, says: "the one record that it tells of is not there as it was"},
		{name: "the record beside, which is there", feed: told("r0", now), rule: "events", level: Warn, says: `"r0" was deleted at`},
		{name: "an API that shows nothing by id", of: func(s *shelf) {
			s.spoil = func(q connector.Query, p *connector.Page) error {
				if len(q.IDs) > 0 {
					p.Records = nil
				}
				return nil
			}
		}, rule: "events", level: Note, says: "cannot be seen"},
		{name: "no probe", with: func(o *Options) { o.Settings.Probe = 0 }, rule: "events", level: Note, says: "no `probe`"},
		{name: "how far back it reaches", rule: "reach", level: Note, says: "deletions: {sweep"},
		{name: "how far back it reaches, and a sweep", with: sweeps, rule: "reach", level: OK, says: "30m ago"},
		{name: "stamps that are coarser than the records', and nothing else", feed: wholeSeconds(feedOf(60)), with: func(o *Options) { o.Settings.Probe = 0 },
			rule: "stamps", level: Warn, says: "it is not deleted"},
		{name: "stamps that are coarser than the records'", feed: wholeSeconds(feedOf(60)), rule: "stamps", level: Note, says: "a lookback later"},
		{name: "stamps that are coarser than the records', and a sweep", feed: wholeSeconds(feedOf(60)), with: sweeps, rule: "stamps", level: Note, says: "next sweep"},
		{name: "a record that was deleted twice", feed: func() *shelf {
			s := feedOf(60)
			s.rows[7].ID = s.rows[3].ID
			return s
		}(), rule: "ids", level: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, of, o := c.feed, fill(100), feedOptions()
			if s == nil {
				s = feedOf(60)
			}
			s.spoil = c.spoil
			if c.with != nil {
				c.with(&o)
			}
			if c.of != nil {
				c.of(of)
			}
			by := listen(t, s, of, o, nil)
			if got := by[c.rule]; got.Level != c.level || !strings.Contains(got.Found+got.Means+got.Set, c.says) {
				t.Errorf("want %s %s with %q, got %+v\nof %+v", c.level, c.rule, c.says, got, by)
			}
		})
	}
}

func wholeSeconds(s *shelf) *shelf {
	for i := range s.rows {
		s.rows[i].Instant = s.rows[i].Instant.Floor(time.Second)
	}
	return s
}

func TestTheSecondLookSeesDeletionsThatAreToldLate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		told  connector.Record
		with  time.Duration
		level Level
	}{
		{"late", event("r1", now.Add(-30*time.Second)), 5 * time.Minute, Note},
		{"later than the lookback", event("r1", now.Add(-30*time.Second)), 40 * time.Second, Warn},
		{"at once", event("r1", now.Add(time.Second)), 5 * time.Minute, OK},
		{"late, of a record whose deletion was told before", event("gone9", now.Add(-30*time.Second)), 5 * time.Minute, Note},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, o := feedOf(10), feedOptions()
			s.rows[8].Instant, s.rows[9].Instant = now.Add(-35*time.Second), now.Add(-20*time.Second)
			o.Settings.Lookback = c.with
			by := listen(t, s, fill(10), o, func() {
				s.rows = append(s.rows, c.told)
				slices.SortStableFunc(s.rows, func(a, b connector.Record) int { return cmp.Compare(a.Instant, b.Instant) })
			})
			if got := by["late"]; got.Level != c.level {
				t.Errorf("want %s, got %+v\nof %+v", c.level, got, by)
			}
			if got := by["replica"]; got.Level != "" {
				t.Errorf("an earlier deletion passes for a machine that lags: %+v", got)
			}
		})
	}
}

func TestAFeedThatKeepsTheContractIsNeverBlamed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := &shelf{size: rapid.IntRange(1, 40).Draw(rt, "size")}
		for i, back := range rapid.SliceOfNDistinct(rapid.Int64Range(0, int64(3*time.Hour/time.Microsecond)), 0, 120, rapid.ID).Draw(rt, "events") {
			s.rows = append(s.rows, event(fmt.Sprint("gone", i/2), now.Add(-time.Duration(back)*time.Microsecond)))
		}
		slices.SortStableFunc(s.rows, func(a, b connector.Record) int { return cmp.Compare(a.Instant, b.Instant) })
		o := feedOptions()
		o.Size = s.size
		for rule, f := range listen(t, s, fill(rapid.IntRange(0, 60).Draw(rt, "records")), o, nil) {
			if f.Level == Fail || f.Level == Warn {
				rt.Fatalf("%s: %+v", rule, f)
			}
		}
	})
}
