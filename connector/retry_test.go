package connector

import (
	"errors"
	"testing"
	"time"
)

func TestHowLongARequestIsWaitedForIsNeverAHotLoop(t *testing.T) {
	for name, c := range map[string]struct {
		err       RetryError
		attempt   int
		low, high time.Duration
	}{
		"the first failure waits shortly":                   {RetryError{Reason: RetryServer}, 1, 250 * time.Millisecond, 500 * time.Millisecond},
		"the fourth eight times as long":                    {RetryError{Reason: RetryNetwork}, 4, 2 * time.Second, 4 * time.Second},
		"the hundredth a minute":                            {RetryError{Reason: RetryBody}, 100, 30 * time.Second, time.Minute},
		"what a person must mend is asked for slowly":       {RetryError{Reason: RetryRefused}, 1, 5 * time.Second, 10 * time.Second},
		"and ever more slowly":                              {RetryError{Reason: RetryUnauthorized}, 50, 150 * time.Second, 300 * time.Second},
		"a server's Retry-After is kept to":                 {RetryError{Reason: RetryThrottled, After: 30 * time.Second}, 1, 30 * time.Second, 31 * time.Second},
		"a Retry-After of a microsecond is no hot loop":     {RetryError{Reason: RetryThrottled, After: time.Microsecond}, 1, 250 * time.Millisecond, 251 * time.Millisecond},
		"waiting longer than until the budget is of no use": {RetryError{Reason: RetryThrottled, AtMost: 3 * time.Second}, 20, 1500 * time.Millisecond, 3 * time.Second},
		"a budget that begins anew late changes nothing":    {RetryError{Reason: RetryThrottled, AtMost: time.Hour}, 1, 250 * time.Millisecond, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			c.err.Err = errors.New("x")
			low, high := backoff(&c.err, c.attempt, 0, true), backoff(&c.err, c.attempt, 0.999999, true)
			if low < c.low || high > c.high || low > high {
				t.Errorf("waits %s to %s, want %s to %s", low, high, c.low, c.high)
			}
		})
	}
}
