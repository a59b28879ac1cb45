package rest

import (
	"context"
	"math"

	"golang.org/x/time/rate"
)

// Budget is how often a source may be asked. The zero value is no limit.
type Budget struct {
	// PerMinute is what the API grants its account in a minute, Share the part of it
	// (0 to 1) that is ours: other programs may use the same account.
	PerMinute int
	Share     float64
}

// limiter spreads a budget evenly over the minute: spent in one go, it would leave
// nothing to whoever comes later. At most a second's worth is saved up.
func (b Budget) limiter() *rate.Limiter {
	if b.PerMinute <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	second := float64(b.PerMinute) * b.Share / 60
	return rate.NewLimiter(rate.Limit(second), max(1, int(math.Ceil(second))))
}

// wait waits until the budget allows a request.
func (c *Client) wait(ctx context.Context) error { return c.budget.Wait(ctx) }
