package connector

import (
	"fmt"
	"testing"
	"time"
)

// A stretch of records that cannot be published is behind the last one that can.
func TestTheCursorGoesOverRecordsThatCannotBePublished(t *testing.T) {
	for _, on := range []OnBadRecord{SkipBadRecord, DeadLetterQueue} {
		for name, c := range map[string]struct {
			apart  time.Duration
			change func(*Settings)
			most   int // requests of an idle poll
		}{
			"seconds apart":    {time.Second, nil, 1},
			"in one tick":      {0, nil, 1},
			"without an order": {time.Second, func(set *Settings) { set.Unordered = true }, 1},
			"beside settle":    {time.Second, func(set *Settings) { set.Settle = 10 * time.Second }, 1},
		} {
			t.Run(fmt.Sprintf("%s, %s", on, name), func(t *testing.T) {
				s := sweeping(t, 3, func(set *Settings) {
					set.Sweeps.Every, set.OnBadRecord = 0, on
					if c.change != nil {
						c.change(set)
					}
				})
				s.size = 100
				for i := range 1000 {
					rec := row("", Instant(1000*sec).Add(time.Duration(i)*c.apart), byte(i))
					rec.Value, rec.Bad = fmt.Append(nil, i), "it has no id"
					s.shelf.rows = append(s.shelf.rows, rec)
				}
				asked, date := 0, s.shelf.date
				listed := s.page
				s.page = func(q Query) Page { asked++; return listed(q) }
				s.pull(3)
				s.shelf.date = date.Add(10 * s.set.Lookback)
				asked = 0
				batches := len(s.out.batches)
				s.pull(5)
				if asked > 5*c.most || len(s.out.batches) != batches {
					t.Errorf("an idle poll takes %v requests, five of them %d commits", float64(asked)/5, len(s.out.batches)-batches)
				}
				if n := Value(s.m.Skipped.WithLabelValues("bad_record")); n != 1000 {
					t.Errorf("%v were counted", n)
				}
				if at := s.mem.State.Cursor; at.Instant < s.shelf.rows[len(s.shelf.rows)-1].Instant || at.Text == "" {
					t.Errorf("the cursor is at %+v", at)
				}
				s.shelf.rows = append(s.shelf.rows, row("new", s.shelf.date, 1))
				s.pull(1)
				if got := published(s.out); got[len(got)-1] != "new" {
					t.Errorf("published %v", got)
				}
			})
		}
	}
}
