package hostile

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Budget is what the API grants its account, as Salesloft does: points in each calendar
// minute of its own clock, counted over all who use the account.
type Budget struct {
	// PerMinute is how many points there are; 0 is no budget.
	PerMinute int
	// Silent leaves out the headers that say what is left.
	Silent bool
}

// A Minute is what became of one calendar minute's points.
type Minute struct {
	Began time.Time
	// Points and Requests are those of requests that were answered, Refused how many were
	// not; Foreign are the points of others, ForeignRefused those that they were refused.
	Points, Requests, Refused int
	Foreign, ForeignRefused   int
}

// minute returns the minute of an instant. The caller holds the lock.
func (a *API) minute(now int64) *Minute {
	began := micro(now).Truncate(time.Minute)
	if n := len(a.minutes); n == 0 || a.minutes[n-1].Began.Before(began) {
		a.minutes = append(a.minutes, Minute{Began: began})
	}
	return &a.minutes[len(a.minutes)-1]
}

// charge takes the points of a request, and says whether there were enough. The caller
// holds the lock.
func (a *API) charge(w http.ResponseWriter, r *http.Request, now int64) bool {
	b := a.cfg.Budget
	if b.PerMinute == 0 {
		return true
	}
	m := a.minute(now)
	price := cost(number(r.URL.Query().Get("page"), 1, 1<<31-1))
	fits := m.Points+m.Foreign+price <= b.PerMinute
	if fits {
		m.Points += price
		m.Requests++
	} else {
		m.Refused++
		a.fired["over_budget"]++
	}
	if !b.Silent {
		w.Header().Set("X-Ratelimit-Endpoint-Cost", strconv.Itoa(price))
		w.Header().Set("X-Ratelimit-Remaining-Minute", strconv.Itoa(b.PerMinute-m.Points-m.Foreign))
	}
	return fits
}

// Spend takes points of the account for somebody else, and says whether there were enough.
func (a *API) Spend(points int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.minute(a.now())
	if m.Points+m.Foreign+points > a.cfg.Budget.PerMinute {
		m.ForeignRefused += points
		return false
	}
	m.Foreign += points
	return true
}

// Minutes returns what became of every minute in which something was asked for.
func (a *API) Minutes() []Minute {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Minute(nil), a.minutes...)
}

// A Stranger is another user of the account: one who spends evenly, and one who spends all
// at once when a minute begins, with Burst.
type Stranger struct {
	API       *API
	PerMinute int
	Burst     bool
}

// Run spends until ctx is done.
func (s *Stranger) Run(ctx context.Context) {
	every := time.Minute / time.Duration(max(1, s.PerMinute))
	for {
		wait := every
		if s.Burst {
			now := s.API.Now()
			wait = now.Truncate(time.Minute).Add(time.Minute).Sub(now)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if !s.Burst {
			s.API.Spend(1)
			continue
		}
		for range s.PerMinute {
			s.API.Spend(1)
		}
	}
}
