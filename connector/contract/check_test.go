package contract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/connector"
)

// now is the API's clock in tests.
var now = connector.InstantOf(time.Date(2031, 5, 6, 7, 8, 42, 0, time.UTC))

// shelf is an API that does what it is asked, unless it is told otherwise.
type shelf struct {
	rows []connector.Record
	size int
	cut  time.Duration // what bounds are cut down to
	// spoil changes an answer before it is given.
	spoil func(q connector.Query, p *connector.Page) error
	last  connector.Query
}

func (s *shelf) Fetch(_ context.Context, q connector.Query) (connector.Page, error) {
	led := q.Page <= 1 || s.last.From == q.From && s.last.To == q.To && s.last.Page == q.Page-1
	s.last = q
	if !led {
		return connector.Page{}, &connector.AnewError{Err: errors.New("nothing leads to that page")}
	}
	p := connector.Page{Date: now, Total: -1}
	var rows []connector.Record
	for _, r := range s.rows {
		if len(q.IDs) > 0 && slices.Contains(q.IDs, r.ID) || len(q.IDs) == 0 && r.Instant >= q.From.Floor(s.cut) && r.Instant < q.To.Floor(s.cut) {
			rows = append(rows, r)
		}
	}
	from := min(len(rows), max(0, q.Page-1)*s.size)
	if len(q.IDs) > 0 {
		from = 0
	}
	to := min(len(rows), from+s.size)
	p.Records, p.Last = slices.Clone(rows[from:to]), to == len(rows)
	if q.Count {
		p.Total = len(rows)
	}
	if s.spoil != nil {
		if err := s.spoil(q, &p); err != nil {
			return connector.Page{}, err
		}
	}
	return p, nil
}

// fill puts n records on the shelf, odd microseconds apart.
func fill(n int) *shelf {
	s := &shelf{size: 20}
	for i := range n {
		at := now.Add(-time.Hour + time.Duration(i)*7654321*time.Microsecond)
		s.rows = append(s.rows, record(fmt.Sprint("r", i), at))
	}
	return s
}

func record(id string, at connector.Instant) connector.Record {
	return connector.Record{ID: id, Instant: at, Stamp: at.String(), Value: []byte(`{"id":"` + id + `"}`)}
}

func options() Options {
	return Options{
		Settings: connector.Settings{Tick: time.Microsecond, Paged: true, Probe: 10, Lookback: 5 * time.Minute, OnBadRecord: connector.StopOnBadRecord},
		Size:     20, Upper: true, Counts: true,
		Remedy: func(r connector.RetryReason) string { return "remedy for " + string(r) },
		Sleep:  func(context.Context, time.Duration) error { return nil },
	}
}

// look returns what a check finds, the first of each rule and the worst.
func look(t *testing.T, src connector.Source, o Options, between func()) map[string]Finding {
	t.Helper()
	return looked(t, New(src, o), between)
}

func looked(t *testing.T, c *Check, between func()) map[string]Finding {
	t.Helper()
	more := c.Begin(t.Context())
	all := c.Findings()
	if between != nil {
		between()
	}
	if more {
		c.End(t.Context())
		all = append(all, c.Findings()...)
	}
	if c.Asked() > MaxRequests+1 {
		t.Errorf("%d requests", c.Asked())
	}
	by := map[string]Finding{}
	for _, f := range all {
		if had, ok := by[f.Rule]; !ok || had.Level == OK {
			by[f.Rule] = f
		}
		if (f.Level == Warn || f.Level == Fail) && (f.Set == "" || f.Means == "" && f.Rule != "answer") {
			t.Errorf("%+v does not say what it means and what to do", f)
		}
	}
	return by
}

func TestEachRuleFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	refused := func(text string) error {
		return &connector.RetryError{Reason: connector.RetryRefused, Err: errors.New(text)}
	}
	for _, c := range []struct {
		name  string
		shelf *shelf
		with  func(*Options)
		spoil func(q connector.Query, p *connector.Page) error
		rule  string
		level Level
		says  string
	}{
		{name: "an exclusive bound", spoil: func(q connector.Query, p *connector.Page) error {
			p.Records = slices.DeleteFunc(p.Records, func(r connector.Record) bool { return r.Instant == q.From })
			return nil
		}, rule: "bound", level: Fail, says: "exclusive"},
		{name: "a bound that is generous by a tick", spoil: func(q connector.Query, p *connector.Page) error {
			if q.From != connector.Beginning && q.From < now && q.From != connector.Forever {
				p.Records = append([]connector.Record{record("below", q.From.Add(-time.Microsecond))}, p.Records...)
			}
			return nil
		}, rule: "bound", level: OK, says: "a little below"},
		{name: "a bound that refuses a fraction", spoil: func(q connector.Query, _ *connector.Page) error {
			if q.From != connector.Beginning && q.From.Floor(time.Second) != q.From || q.From > now {
				return refused("400")
			}
			return nil
		}, rule: "tick", level: Fail, says: "`cursor.tick: 1s`"},
		{name: "a bound in the future that is refused", spoil: func(q connector.Query, _ *connector.Page) error {
			if q.From > now && q.From != connector.Forever {
				return refused("400")
			}
			return nil
		}, rule: "bound", level: OK, says: "begins there"},
		{name: "a bound that is never taken", spoil: func(q connector.Query, _ *connector.Page) error {
			if q.From != connector.Beginning {
				return refused("422")
			}
			return nil
		}, rule: "answer", level: Fail, says: "remedy for refused"},
		{name: "an inclusive upper bound", spoil: func(q connector.Query, p *connector.Page) error {
			if q.To != connector.Forever {
				p.Records = append(p.Records, record("late", q.To))
			}
			return nil
		}, rule: "upper", level: Fail, says: "exclusive bound (lt)"},
		{name: "a total of something else", spoil: func(q connector.Query, p *connector.Page) error {
			p.Total = 1000
			return nil
		}, rule: "total", level: Fail, says: "says that there are 1000"},
		{name: "no total", spoil: func(q connector.Query, p *connector.Page) error {
			p.Total = -1
			return nil
		}, rule: "total", level: Warn, says: "page.total"},
		{name: "a page number that is ignored", shelf: func() *shelf {
			s := fill(100)
			s.spoil = func(q connector.Query, p *connector.Page) error {
				if q.Page == 2 {
					p.Records = slices.Clone(s.rows[:s.size])
				}
				return nil
			}
			return s
		}(), rule: "page", level: Fail, says: "shows the records of the first"},
		{name: "pages that are ordered by themselves", spoil: func(q connector.Query, p *connector.Page) error {
			if q.Page == 2 {
				p.Records = []connector.Record{record("x", now.Add(-2*time.Hour))}
			}
			return nil
		}, rule: "page", level: Fail, says: "within a page alone"},
		{name: "an id twice", spoil: func(_ connector.Query, p *connector.Page) error {
			if len(p.Records) > 1 {
				p.Records[1].ID = p.Records[0].ID
			}
			return nil
		}, rule: "ids", level: Fail, says: "twice"},
		{name: "ids that are no ids, which is said once", spoil: func(_ connector.Query, p *connector.Page) error {
			for i := range p.Records {
				p.Records[i].ID = fmt.Sprint("half of ", i/2)
			}
			return nil
		}, rule: "ids", level: Fail, says: "9 more of this page"},
		{name: "a total of the page alone", spoil: func(q connector.Query, p *connector.Page) error {
			if q.Page == 1 && len(q.IDs) == 0 {
				p.Total, p.Last = len(p.Records), true
			}
			return nil
		}, rule: "total", level: Fail, says: "it counts a page"},
		{name: "a total of everything, without an upper bound", with: func(o *Options) { o.Upper = false }, spoil: func(q connector.Query, p *connector.Page) error {
			if q.Count {
				p.Total = 45
			}
			return nil
		}, rule: "total", level: Fail, says: "there are 45 records, and shows"},
		{name: "a bad record", spoil: func(_ connector.Query, p *connector.Page) error {
			p.Records[0].Bad = "it has no id"
			return nil
		}, rule: "records", level: Fail, says: "it has no id"},
		{name: "a bad record that is skipped", with: func(o *Options) { o.Settings.OnBadRecord = connector.SkipBadRecord }, spoil: func(_ connector.Query, p *connector.Page) error {
			if len(p.Records) > 0 {
				p.Records[0].Bad = "it has no id"
			}
			return nil
		}, rule: "records", level: Note, says: "on_bad_record"},
		{name: "a probe that shows nothing", spoil: func(q connector.Query, p *connector.Page) error {
			if len(q.IDs) > 0 {
				p.Records = nil
			}
			return nil
		}, rule: "probe", level: Warn, says: "shows 0"},
		{name: "nothing at all", shelf: fill(0), rule: "records", level: Note, says: "shows no record"},
		{name: "no upper bound", with: func(o *Options) { o.Upper = false }, rule: "upper", level: Note, says: "cursor.to"},
		{name: "no way to page", with: func(o *Options) { o.Settings.Paged = false }, rule: "page", level: Note, says: "under `page`"},
		{name: "no deletions", rule: "deletions", level: Note, says: "deletions: {sweep"},
		{name: "no deletions, and a sweep", with: func(o *Options) { o.Settings.Sweeps.Every = 24 * time.Hour }, rule: "deletions", level: OK, says: "every 24h"},
		{name: "a field of deletions that is not configured", spoil: valued(`{"archivedAt":"2024-01-01"}`), rule: "deletions", level: Note, says: "deletions: {field: archivedAt}"},
		{name: "a field of deletions that is not there", with: func(o *Options) { o.Deleted = "gone" }, rule: "deletions", level: Warn, says: "deletions.field"},
		{name: "deletions that are listed", with: func(o *Options) { o.Deleted = "gone" }, spoil: valued(`{"gone":true}`), rule: "deletions", level: OK, says: "are listed"},
		{name: "stamps without a fraction", shelf: func() *shelf {
			s := fill(2)
			for i := range s.rows {
				s.rows[i].Instant = s.rows[i].Instant.Floor(time.Second)
				s.rows[i].Stamp = s.rows[i].Instant.Time().Format(time.RFC3339)
			}
			return s
		}(), rule: "stamps", level: Warn, says: "`cursor.tick: 1s`"},
		{name: "a clock that is not ours", rule: "clock", level: Note, says: "differ"},
		{name: "too few stamps to tell", shelf: fill(2), rule: "stamps", level: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, o := c.shelf, options()
			if s == nil {
				s = fill(100)
			}
			if c.spoil != nil {
				s.spoil = c.spoil
			}
			if c.with != nil {
				c.with(&o)
			}
			by := look(t, s, o, nil)
			if got := by[c.rule]; got.Level != c.level || !strings.Contains(got.Found+got.Means+got.Set, c.says) {
				t.Errorf("want %s %s with %q, got %+v\nof %+v", c.level, c.rule, c.says, got, by)
			}
		})
	}
}

func valued(value string) func(connector.Query, *connector.Page) error {
	return func(_ connector.Query, p *connector.Page) error {
		for i := range p.Records {
			p.Records[i].Value = []byte(value)
		}
		return nil
	}
}

func TestTheSecondLookSeesWhatIsLateAndWhatWentBack(t *testing.T) {
	t.Parallel()
	late := now.Add(-30 * time.Second)
	for _, c := range []struct {
		name    string
		between func(*shelf)
		with    func(*Options)
		rule    string
		level   Level
	}{
		{"nothing", func(*shelf) {}, nil, "late", OK},
		{"a record that is listed late", func(s *shelf) { s.rows = append(s.rows, record("late", late)) }, nil, "late", Note},
		{"a record that is later than the lookback", func(s *shelf) { s.rows = append(s.rows, record("late", late)) }, func(o *Options) { o.Settings.Lookback = 40 * time.Second }, "late", Warn},
		{"a change that is backdated", func(s *shelf) { s.rows[len(s.rows)-1].Instant = late.Add(10 * time.Second) }, nil, "late", Note},
		{"a change of now", func(s *shelf) { s.rows = append(s.rows, record("new", now.Add(time.Second))) }, nil, "late", OK},
		{"a record as it was before", func(s *shelf) { s.rows[len(s.rows)-1].Instant-- }, nil, "replica", Warn},
		{"a record that is gone", func(s *shelf) { s.rows = s.rows[:len(s.rows)-1] }, nil, "gone", Note},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, o := fill(10), options()
			s.rows[8].Instant, s.rows[9].Instant = now.Add(-35*time.Second), now.Add(-32*time.Second)
			if c.with != nil {
				c.with(&o)
			}
			by := look(t, s, o, func() {
				c.between(s)
				slices.SortStableFunc(s.rows, func(a, b connector.Record) int { return cmp.Compare(a.Instant, b.Instant) })
			})
			if got := by[c.rule]; got.Level != c.level {
				t.Errorf("want %s, got %+v\nof %+v", c.level, got, by)
			}
		})
	}
}

func TestAnAccidentIsAskedAgainAndMoreOfThemIsReported(t *testing.T) {
	t.Parallel()
	for failures, level := range map[int]Level{retries: "", retries + 1: Fail} {
		s, left := fill(5), failures
		s.spoil = func(connector.Query, *connector.Page) error {
			if left--; left >= 0 {
				return &connector.RetryError{Reason: connector.RetryServer, Err: errors.New("500")}
			}
			return nil
		}
		if got := look(t, s, options(), nil)["answer"]; got.Level != level {
			t.Errorf("%d failures: %+v", failures, got)
		}
	}
}

// TestASourceThatKeepsTheContractIsNeverBlamed draws friendly sources.
