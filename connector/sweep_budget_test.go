package connector

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// A source that has no budget for what can wait longer than a few pages after each pull.
type poor struct {
	s    *swept
	left int
}

func (p *poor) Fetch(_ context.Context, q Query) (Page, error) {
	if !q.By.IsZero() {
		if p.left == 0 {
			return Page{}, ErrPutOff
		}
		p.left--
	}
	return p.s.page(q), nil
}

func TestASweepOfALongTieEndsWithASmallBudget(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		s := sweeping(t, 0, func(set *Settings) { set.Interval = time.Minute; set.Unordered = unordered })
		for i := range 40 {
			s.shelf.rows = append(s.shelf.rows, row(fmt.Sprint("r", i), 100*sec, 1))
		}
		s.size = 5
		s.start(s.mem)
		src := &poor{s: s}
		s.src = src
		for range 50 {
			src.left = 3
			s.pull(1)
		}
		if s.mem.State.Sweep.Passed == 0 {
			t.Errorf("unordered %v: no sweep came to its end: %+v", unordered, s.mem.State.Sweep)
		}
	}
}
