package rest

import (
	"math"
	"time"

	"tributary/connector"
)

// An account is what is known of a budget: what we spent, what the API says is left, and
// what others are expected to take. It is pure: it is told what time it is, as a duration
// since a beginning of its owner's, and never waits.
//
// Points come to a level at a rate and are taken from it. The rate is what spreads what is
// left of the window over the rest of it, never more than our share evenly: so a window is
// used up at its end and not before, whatever happened in it. Others are left out of "what
// is left" as soon as the API's own count shows them.
type account struct {
	b     Budget
	clock serverClock

	at    time.Duration // level is of this instant
	level float64

	// The window: its number where they are calendar minutes, when it began and ends (0:
	// it does not), and what we had granted by then.
	minute      int64
	begin, ends time.Duration
	granted     float64 // since the beginning of time
	start       float64 // granted before this window, less what may count in it
	inflight    float64
	slots       slots

	stated stated
	// anchor is from where on others' spending is measured in this window.
	anchor   anchor
	foreign  float64 // what others spent in this window, as far as it is sure
	expected float64 // what they spend in one, from the windows before
}

// stated is what the API said last of the account's budget.
type stated struct {
	known     bool
	remaining float64
	granted   float64       // ours by then, less what may not have been counted
	limit     float64       // of a window; 0: it did not say
	resets    time.Duration // when on our clock; 0: it did not say
	window    time.Duration // how long its window is; 0: unknown
	turn      uint64        // of the request that it answered
	at        time.Duration // when
}

type anchor struct {
	known              bool
	remaining, granted float64
}

// Of a budget that is short, each class leaves that part of what can be saved up to the
// more urgent ones, who come in bursts.
var reserves = [...]float64{connector.Live: 0, connector.Trailing: 0.25, connector.Sweeping: 0.5, connector.Dumping: 0.75}

const (
	// yielded is the least part of what is left that is ours, however much others take.
	yielded = 0.1
	// slidingReserve is the largest reserve in a window without an end, where what is kept
	// back is never used.
	slidingReserve = 0.05
	// believed is for how long a count is believed that does not say when it changes.
	believed = 5 * time.Second
	// longestHold ends a wait for a budget that is said to begin anew later than that.
	longestHold = time.Hour
)

func newAccount(b Budget, unix time.Duration) *account {
	a := &account{b: b, clock: serverClock{low: unix}}
	a.open(0)
	// Little at first: a process that is started over and over must not spend what is saved
	// up each time.
	a.level = math.Max(1, b.even())
	return a
}

// open begins the window of this instant.
func (a *account) open(now time.Duration) {
	a.begin, a.ends = now, 0
	if a.b.window() == WindowMinute {
		a.minute, a.ends = a.clock.minute(now)
	}
}

// limit is what the API grants in a window, 0: unknown.
func (a *account) limit() float64 {
	if a.stated.limit > 0 {
		return a.stated.limit
	}
	return float64(a.b.PerMinute)
}

func (a *account) spent() float64 { return a.granted - a.start }

// pass lets time pass up to now.
func (a *account) pass(now time.Duration) {
	for {
		end := a.renewal()
		if end == 0 || end > now {
			break
		}
		if now-end > time.Hour { // nobody asked for so long: nothing of it holds
			a.stated, a.anchor, a.foreign, a.expected = stated{}, anchor{}, 0, 0
			a.start, a.at, a.level = a.granted-a.inflight, now, math.Inf(1)
			a.open(now)
			break
		}
		a.fill(end)
		a.renew(end)
	}
	a.fill(now)
}

// statedEnd is until when what the API stated holds, 0: nobody knows.
func (a *account) statedEnd() time.Duration {
	if a.stated.resets != 0 {
		return a.stated.resets
	}
	return a.ends
}

// renewal is when the window ends that the API counts in, 0: it does not, or nobody knows.
func (a *account) renewal() time.Duration {
	if a.ends != 0 {
		return a.ends
	}
	return a.stated.resets
}

// renew begins the next window. What is in flight may count in it as well.
func (a *account) renew(now time.Duration) {
	if a.anchor.known {
		a.expected = (a.expected + a.foreign) / 2
	}
	limit, whole := a.limit(), max(now-a.begin, time.Second)
	a.foreign, a.start = 0, a.granted-a.inflight
	if a.stated.window > 0 {
		whole = a.stated.window
	}
	switch s := &a.stated; {
	case s.known && s.resets > now: // a longer one that the API states goes on
		limit = a.remaining() + a.inflight
	case a.b.PerMinute == 0 && s.limit > 0:
		s.remaining, s.granted, s.resets = s.limit, a.start, now+whole // until it says more
	default:
		s.known, s.resets = false, 0
	}
	a.anchor = anchor{known: limit > 0, remaining: limit, granted: a.start}
	a.open(now)
	// A reserve is there from the first moment, for nobody has spent of this window yet; what
	// is owed stays owed. Windows that the API states beside what we were granted are no
	// reason to spend more of that.
	if a.level >= 0 && (a.ends != 0 || a.b.PerMinute == 0) {
		a.level = math.Max(a.level, reserves[connector.Dumping]*a.capacity(now))
	}
}

// fill raises the level.
func (a *account) fill(now time.Duration) {
	if now > a.at {
		rate, _ := a.pace(a.at)
		if math.IsInf(rate, 1) {
			a.level = rate
		} else {
			a.level += rate * (now - a.at).Seconds()
		}
		a.at = now
	}
	_, left := a.pace(now)
	a.level = math.Min(a.level, math.Min(left, a.capacity(now)))
}

// pace returns at what rate points come, in a second, and how many may be spent at once at
// the most.
func (a *account) pace(now time.Duration) (rate, left float64) {
	rate, left = a.b.even(), math.Inf(1)
	until := func(points float64, ends time.Duration) {
		left = math.Min(left, points)
		rate = math.Min(rate, math.Max(0, points-a.level)/math.Max((ends-now).Seconds(), 1e-3))
	}
	switch ours := a.b.ours(); {
	case a.b.PerMinute == 0:
	case a.ends != 0:
		until(ours-a.spent(), a.ends)
	case a.b.window() == WindowSliding:
		left = ours - a.slots.sum(now)
	}
	if !a.stated.known {
		return rate, left
	}
	remaining := math.Max(0, a.remaining())
	if ends := a.statedEnd(); ends > now {
		rest := math.Max(remaining-a.forecast(now, ends), yielded*remaining)
		until(a.b.share()*rest, ends)
	} else if a.b.window() == WindowSliding && now < a.stated.at+believed {
		ours := a.slots.sum(now)
		granted := a.b.share() * math.Max(remaining+ours, yielded*a.limit())
		left = math.Min(left, math.Min(granted-ours, remaining))
		rate = math.Min(rate, granted/60)
	}
	return rate, left
}

// remaining is what is left of the account's budget, as far as the API stated it and by
// what we sent since.
func (a *account) remaining() float64 { return a.stated.remaining - (a.granted - a.stated.granted) }

// forecast is what others will take until the window ends: what they take in one by
// experience and have not yet taken, and what they take beyond that, going on as it did. A
// quarter of the window has to pass before that is believed whole.
func (a *account) forecast(now, ends time.Duration) float64 {
	whole := ends - a.begin
	switch {
	case a.ends != 0:
		whole = time.Minute
	case a.stated.window > 0:
		whole = a.stated.window
	}
	seen := math.Max((now - a.begin).Seconds(), whole.Seconds()/4)
	more := math.Max(0, a.foreign-a.expected)
	return math.Max(0, a.expected-a.foreign) + more*(ends-now).Seconds()/math.Max(seen, 1)
}

// capacity is how many points can be saved up.
func (a *account) capacity(now time.Duration) float64 {
	rate := a.b.even()
	if ends := a.stated.resets; math.IsInf(rate, 1) && a.stated.known && ends > now {
		rate = math.Max(0, a.remaining()) * a.b.share() / (ends - now).Seconds()
		if a.stated.limit > 0 && a.stated.window > 0 {
			rate = a.stated.limit * a.b.share() / a.stated.window.Seconds()
		}
	}
	if math.IsInf(rate, 1) {
		return rate
	}
	dearest := a.b.Cost.largest()
	if a.b.PerMinute > 0 {
		dearest = math.Min(dearest, a.b.ours())
	}
	return math.Max(rate*a.b.burst().Seconds(), dearest)
}

// need is the level at which a request of a class may be sent. Towards the end of a window
// its reserve is given back, for it begins with a new one.
func (a *account) need(p connector.Priority, cost float64, now time.Duration) float64 {
	most := a.capacity(now)
	if math.IsInf(most, 1) {
		return 0
	}
	// The first minute builds the reserve up, and never waits for it: a process that lives
	// for seconds would serve nobody but the most urgent.
	keep := reserves[p] * most * math.Min(1, now.Minutes())
	if ends := a.renewal(); ends > now {
		keep *= math.Min(1, (ends-now).Seconds()/a.b.burst().Seconds())
	}
	if a.b.window() == WindowSliding {
		keep = math.Min(keep, slidingReserve*a.b.ours())
	}
	return math.Min(cost+keep, most)
}

// delay is how long to wait before such a request is looked at again, 0: it may be sent.
func (a *account) delay(p connector.Priority, cost float64, now time.Duration) time.Duration {
	const slack = 1e-6
	need := a.need(p, cost, now)
	if a.level >= need-slack {
		return 0
	}
	rate, left := a.pace(now)
	wait := time.Second // the reserves fall, and slots run out
	if rate > 0 && left >= need-slack {
		wait = min(wait, time.Duration((need-a.level)/rate*1e9)+time.Microsecond)
	}
	if ends := a.renewal(); ends > now {
		wait = min(wait, ends-now)
	}
	return wait
}

// grant takes the points of a request that is sent now.
func (a *account) grant(cost float64, now time.Duration) {
	a.granted += cost
	a.inflight += cost
	a.level -= cost
	a.slots.add(now, cost)
}

// correct takes more points, or gives some back, for a request that is answered now.
func (a *account) correct(more float64, now time.Duration) {
	a.granted += more
	a.level -= more
	a.slots.add(now, more)
}
