package rest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestABudgetIsSpentEvenly(t *testing.T) {
	for name, c := range map[string]struct {
		budget   Budget
		requests int
		want     time.Duration
	}{
		"without one nothing waits":                {Budget{}, 10_000, 0},
		"600 a minute is 10 a second":              {Budget{PerMinute: 600, Share: 1}, 610, time.Minute},
		"a share of 0.8 leaves a fifth to others":  {Budget{PerMinute: 600, Share: 0.8}, 488, time.Minute},
		"6 a minute is one in 10 s, and never two": {Budget{PerMinute: 6, Share: 1}, 4, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := NewClient("test", c.budget, nil)
				began := time.Now()
				for range c.requests {
					if err := client.wait(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took < c.want-time.Millisecond || took > c.want+time.Second {
					t.Errorf("%d requests took %s, want %s", c.requests, took, c.want)
				}
			})
		})
	}
}
