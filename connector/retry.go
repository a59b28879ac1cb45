package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// How long to wait before a request is sent again: doubled each time, and between
// half and all of it by chance, so that many collections do not come back at once.
const (
	backoffMin = 500 * time.Millisecond
	backoffMax = time.Minute
	// What a person must mend first is asked for slowly.
	refusedMin = 10 * time.Second
	refusedMax = 5 * time.Minute
)

// loud is from which attempt on a failure is more than what networks do.
const loud = 3

// fetch asks until there is a page. A request that failed is sent again as it was: a
// pull goes on from where it stands and not from its beginning, or an API that fails
// now and then is never caught up.
func (r *Reader) fetch(ctx context.Context, q Query) (Page, error) {
	q.Priority, q.By = r.urgency(), r.by
	var again Failures
	crowd, joined := r.env.Crowd, false
	defer func() {
		if joined {
			crowd.leave()
		}
	}()
	for {
		if err := r.env.Pulls.Pass(ctx, r.env.Sleep); err != nil {
			return Page{}, err
		}
		r.env.Pulls.Sending()
		p, err := r.ask(ctx, q)
		if err == nil {
			if n := 1 + again.times + again.asked; n >= loud {
				crowd.log(ctx, r.env.Log, r.env.Now(), slog.LevelInfo, "request succeeded again", "attempts", n)
			}
			r.m.SetState(StateRunning)
			r.date = p.Date
			r.pages++
			return p, nil
		}
		if ctx.Err() != nil {
			return Page{}, context.Cause(ctx)
		}
		if errors.Is(err, ErrPutOff) {
			return Page{}, ErrPutOff
		}
		var failed *RetryError
		var stop *StopError
		var anew *AnewError
		switch {
		case errors.As(err, &anew):
			r.env.Log.Warn("pages are read from the first again", "err", err)
			return Page{}, anew
		case errors.As(err, &stop):
			return Page{}, stop
		case !errors.As(err, &failed):
			return Page{}, &StopError{What: err.Error(), Remedy: "this is not a matter of trying again: mend the config, or report it"}
		}
		r.m.Failed(r.env.Now(), err)
		began := r.env.Now()
		next := r.env.Again(failed, &again)
		if r.yields(failed.Reason, again.times, q) {
			r.m.Retries.WithLabelValues(string(failed.Reason)).Inc()
			return Page{}, failed
		}
		if next.GivesUp {
			return Page{}, &StopError{What: fmt.Sprintf("%v (%d times)", err, again.times), Remedy: "mend it and start again"}
		}
		if !joined {
			joined = true
			crowd.join()
		}
		next.Wait = max(next.Wait, crowd.wait(r.env.Random))
		r.m.SetState(next.State)
		level := slog.LevelInfo
		if next.Loud {
			level = slog.LevelWarn
			r.env.Pulls.Failing(err)
		}
		crowd.log(ctx, r.env.Log, began, level, "request failed, trying again", "err", err, "reason", failed.Reason, "attempt", again.times, "wait", next.Wait.Round(time.Millisecond))
		r.m.Retries.WithLabelValues(string(failed.Reason)).Inc()
		if err := r.env.Pulls.Rest(ctx, r.env.Sleep, began, next, &again); err != nil {
			return Page{}, err
		}
	}
}

// yields says whether what failed is put off by who asked: a sweep, a probe or a
// feed must not hold up what keeps the collection fresh. Its error is then a *RetryError.
func (r *Reader) yields(why RetryReason, attempt int, q Query) bool {
	again := attempt < yieldAfter || r.set.Unordered && r.priority == Sweeping // which would begin anew
	return (r.priority == Sweeping || len(q.IDs) > 0 || r.hears) && (refused(why) || !again)
}

// yieldAfter is how often a request is sent that can be put off.
const yieldAfter = 4

// Again is what becomes of a request that failed.
type Again struct {
	// Wait is how long to wait before it is sent again, State that of the collection
	// meanwhile.
	Wait  time.Duration
	State string
	// Asked is how long to wait if somebody asks for a pull, Held whatever anybody asks for:
	// the server has said so, or has had too many requests.
	Asked, Held time.Duration
	// Loud says that it is more than what networks do, GivesUp that it is not to be sent
	// again.
	Loud, GivesUp bool
}

// Failures are those of one request in a row: how often it was sent by itself, and how often
// because somebody has asked. The latter make no wait longer.
type Failures struct {
	times, asked int
	short        bool // the last wait was cut short
}

// count counts one more.
func (f *Failures) count() {
	if f.short {
		f.asked++
	} else {
		f.times++
	}
}

// Again decides about a request that has failed once more. Who is to give up does so soon at
// what a person must mend, and later at bodies that are refused again and again, since a
// proxy may spoil one.
func (e *Env) Again(err *RetryError, f *Failures) Again {
	f.count()
	attempt := f.times
	a := Again{State: StateBackoff, Loud: attempt >= loud || refused(err.Reason)}
	if err.Reason == RetryUnauthorized {
		a.State = StateReauthRequired
	}
	switch {
	case e.GiveUp == 0:
	case refused(err.Reason):
		a.GivesUp = attempt >= e.GiveUp
	default:
		a.GivesUp = err.Reason == RetryBody && attempt >= 4*e.GiveUp
	}
	a.Wait = backoff(err, attempt, e.Random(), e.GiveUp == 0)
	a.Asked, a.Held = f.shorter(err, a.Wait)
	return a
}

// shorter returns how long to wait if somebody asks, and whatever anybody asks for.
func (f *Failures) shorter(err *RetryError, wait time.Duration) (asked, held time.Duration) {
	if err.After > 0 || err.Reason == RetryThrottled {
		return wait, wait
	}
	return min(wait, askedMax, askedMin<<min(f.asked, 10)), 0
}

func refused(why RetryReason) bool { return why == RetryUnauthorized || why == RetryRefused }

// backoff returns how long to wait: what the server asked for at the least, and some
// more by chance. Patient is who has a person to wait for.
func backoff(e *RetryError, attempt int, random float64, patient bool) time.Duration {
	low, high := backoffMin, backoffMax
	if refused(e.Reason) && patient {
		low, high = refusedMin, refusedMax
	}
	if e.After > 0 {
		return max(e.After, low/2) + time.Duration(random*float64(min(e.After/10, time.Second)))
	}
	wait := high
	if attempt < 16 {
		wait = min(high, low<<(attempt-1))
	}
	if e.AtMost > 0 {
		wait = min(wait, e.AtMost)
	}
	return wait/2 + time.Duration(random*float64(wait/2))
}
