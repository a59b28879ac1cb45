package rest

import (
	"errors"
	"net/http"
	"time"

	"tributary/connector"
)

const (
	// After a 429 that does not say for how long, all wait that long, doubled each time.
	holdMin = 500 * time.Millisecond
	holdMax = time.Minute
	// One request tries whether an API takes requests again before all others do, and for
	// at most so long.
	trialMax = 5 * time.Second
	// A 429 that comes while more than this part of the budget is left is not about it: some
	// APIs have a limit of the moment beside it, and do not state that.
	contradicts = 0.1
)

// done takes what came of the request: the headers and the Date of its answer (none where
// there was no answer), and its error.
func (t *turn) done(header http.Header, date time.Time, err error) {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	a := l.account
	a.learn(date, t.sent, now)
	a.pass(now)
	l.settle(t, header, now)
	a.ended(t.cost, t.minute, date)
	if s, ok := a.b.read(header, date); ok {
		l.count(a.state(s, t.number, date, now))
	}
	a.fill(now)
	var again *connector.RetryError
	throttled := errors.As(err, &again) && again.Reason == connector.RetryThrottled
	if throttled {
		l.hold(t, again.After, header.Get("Retry-After") != "", date, now)
	} else if t.number > l.heldAt && err == nil {
		l.strikes = 0
	}
	l.tried(t, throttled)
	l.dispatch(now)
}

// settle corrects what the request was expected to cost by what its answer states.
func (l *limiter) settle(t *turn, header http.Header, now time.Duration) {
	if name := l.account.b.Cost.Header; name != "" {
		if cost, ok := number(header.Get(name)); ok && cost > 0 {
			if limit := l.account.limit(); limit > 0 {
				// More than there is in a window it cannot have been, and would be owed for as long
				// as nobody lives.
				cost = min(cost, limit)
			}
			l.account.correct(cost-t.cost, now)
			l.account.inflight += cost - t.cost
			t.cost, l.costs[t.key] = cost, cost
		}
	}
	if l.m != nil {
		l.m.BudgetSpent[t.priority].Add(t.cost)
	}
}

func (l *limiter) count(others float64) {
	if l.m == nil {
		return
	}
	l.m.BudgetForeign.Add(others)
	if l.account.stated.known {
		l.m.BudgetRemaining.Set(max(0, l.account.remaining()))
	}
}

// hold keeps every request of the source back after an answer that says "too many". One
// such answer is enough: each request that is sent in spite of it may prolong the ban.
func (l *limiter) hold(t *turn, after time.Duration, said bool, date time.Time, now time.Duration) {
	if t.number > l.heldAt {
		l.strikes++
		l.heldAt = l.turns
	}
	a := l.account
	until := now + min(holdMax, holdMin<<min(max(l.strikes, 1)-1, 10))
	switch ends := a.statedEnd(); {
	case after > 0:
		until = now + after
	case said: // at once, which is not to be believed twice
	case a.stated.known && a.remaining() > contradicts*a.limit(): // it was about something else
	case a.stated.known && a.remaining() <= 0 && ends > now:
		until = min(ends, now+longestHold)
	case a.ends != 0 && !date.IsZero() && date.Unix()/60 < a.minute: // that minute is over
	case a.ends != 0:
		until = a.ends
	}
	l.held = max(l.held, until)
	l.tries = true
}

// tried ends a trial: all others may follow, or the next one tries.
func (l *limiter) tried(t *turn, again bool) {
	if t == l.trial {
		l.trial, l.tries = nil, again
	}
}
