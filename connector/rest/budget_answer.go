package rest

import (
	"math"
	"time"
)

// learn takes the Date of an answer to a request that was sent and received then.
func (a *account) learn(date time.Time, sent, now time.Duration) {
	knew := a.clock.known
	a.clock.observe(date, sent, now)
	if a.ends == 0 || date.IsZero() {
		return
	}
	switch number, ends := a.clock.minute(now); {
	case !knew || number == a.minute:
		a.minute, a.ends = number, ends
	case number > a.minute:
		a.fill(now)
		a.renew(now)
	}
	// Back to a minute that was over never: of two machines of an API that disagree, the
	// later one has begun to count anew.
}

// ended takes a request out of flight. One that was still answered in an earlier minute
// than this does not count in it.
func (a *account) ended(cost float64, minute int64, date time.Time) {
	a.inflight = math.Max(0, a.inflight-cost)
	if a.ends != 0 && !date.IsZero() && minute < a.minute && date.Unix()/60 < a.minute {
		a.start += cost
		a.anchor.granted += cost
	}
}

// state takes what an answer says of the account's budget. Answers overtake each other:
// what answers an earlier request than the last, or is of a minute that is over, is not
// news. It returns what others were seen to have spent beyond what was known.
func (a *account) state(s statement, turn uint64, date time.Time, now time.Duration) (others float64) {
	if turn < a.stated.turn || a.ends != 0 && s.resets < 0 && date.Unix()/60 != a.minute {
		return 0
	}
	resets := time.Duration(0)
	if s.resets >= 0 {
		// Nothing is held for longer than that on the word of a header.
		resets = now + s.resets
		if s.remaining*a.b.share() < a.b.Cost.of(costKey{}) { // nothing can be sent until then
			resets = now + min(s.resets, longestHold)
		}
		resets = max(resets, now+time.Millisecond)
	}
	if old := a.stated.resets; a.ends == 0 && old != 0 && resets > old+2*time.Second && s.remaining > a.remaining() {
		a.fill(now)
		a.renew(now) // it began anew before we thought
	}
	a.stated = stated{known: true, remaining: s.remaining, granted: a.granted - a.inflight, limit: s.limit,
		resets: resets, window: s.window, turn: turn, at: now}
	if a.ends == 0 && resets == 0 && a.b.window() != WindowSliding {
		a.stated.known = false // for how long it is to last nobody knows
	}
	if a.ends == 0 && resets == 0 {
		return a.slide(now)
	}
	if !a.anchor.known {
		a.anchor = anchor{known: true, remaining: s.remaining, granted: a.granted - a.inflight}
		a.begin = now
	}
	seen := math.Max(0, a.anchor.remaining-s.remaining-(a.granted-a.anchor.granted))
	others = math.Max(0, seen-a.foreign)
	a.foreign = math.Max(a.foreign, seen)
	return others
}

// slide is state for a window without an end: what others spent in it is what is gone and
// was not ours, and is counted as often as a window passes.
func (a *account) slide(now time.Duration) (others float64) {
	if limit := a.limit(); a.stated.known && limit > 0 {
		seen := math.Max(0, limit-a.stated.remaining-a.slots.sum(now))
		others, a.foreign = math.Max(0, seen-a.foreign), seen
	}
	return others
}
