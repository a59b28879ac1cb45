package connector

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Triggers say when a collection is pulled beside its interval.
type Triggers struct {
	// OnRestart pulls as soon as the process has started, and not an interval later.
	OnRestart bool
	// Cron are further times.
	Cron []Cron
	// BeforeAccess pulls before a read of the replica, AfterWrite takes it that somebody
	// says so when he has written through the API's own interface.
	BeforeAccess, AfterWrite bool
	// Delay is for how long a pull that was asked for waits for others to ask, so that
	// they share it.
	Delay time.Duration
}

// Cron is an expression, and when it says that the next time is.
type Cron struct {
	Text string
	// Next returns the first time behind t, or the zero time where there is none.
	Next func(t time.Time) time.Time
}

// Pulls decide when the next pull of a collection, or of a handler, runs and why, and know
// who waits for it. They outlive the poller: what was asked for in one life of its lane and
// did not come to its end is pulled in the next. Ask, Hold and what looks are safe for
// concurrent use; the rest is the poller's.
type Pulls struct {
	interval time.Duration
	jitter   float64
	triggers Triggers
	now      func() time.Time
	random   func() float64

	mu      sync.Mutex
	gap     time.Duration // as it was at gapAt
	gapAt   time.Time
	entered bool
	next    time.Time // by the schedule; zero: never
	first   ReasonName
	asked   []Reason
	weight  int       // of what they say
	askedAt time.Time // when the first of them came
	waiting []*Ticket // for the pull that begins next
	running []*Ticket // for the one that runs
	reasons []Reason  // of the one that runs, or ran last
	began   time.Time
	ran     time.Time               // when the last one by a cron expression began, zero before the first
	refusal error                   // why nothing is pulled any more
	held    error                   // while nothing is to be pulled
	stuck   error                   // while what was read cannot be committed
	sound   context.Context         // until then
	breaks  context.CancelCauseFunc // ends it
	failing bool                    // those who waited were told so, and nothing was sent since
	again   bool                    // something was
	hurried bool                    // what waits is to go on
	woken   context.CancelCauseFunc // ends the poller's sleep
}

// NewPulls returns those of a collection of these settings. Now and random are as in Env.
func NewPulls(set Settings, now func() time.Time, random func() float64) *Pulls {
	p := &Pulls{interval: set.Interval, jitter: set.Jitter, triggers: set.Triggers, now: now, random: random, woken: func(error) {}}
	p.sound, p.breaks = context.WithCancelCause(context.Background())
	return p
}

// A Ticket is who waits for a pull. Whoever waits for the same one shares it: a pull may
// take hours, and those who ask again and again meanwhile are not to be remembered each.
type Ticket struct {
	done chan struct{}
	pull Pull
	err  error
	sent bool // a request was sent again since it was given: it gets the outcome
}

// Pull is a pull that read everything there was.
type Pull struct {
	Began, Ended time.Time
	// Reasons are those of everybody who shared it.
	Reasons []ReasonName
}

// ErrHeld is a pull of what an operator has made rest.
var ErrHeld = errors.New("it is paused by an operator")

// Ask has a pull begin after the call, a delay later at most, or when the one that runs
// has ended.
func (p *Pulls) Ask(r Reason) (*Ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, why := range []error{p.refusal, p.held, p.stuck} {
		if why != nil {
			return nil, why
		}
	}
	if r.At.IsZero() {
		r.At = p.now()
	}
	if len(p.asked) == 0 {
		p.askedAt = p.now()
	}
	p.note(r)
	if n := len(p.waiting); n == 0 || p.waiting[n-1].sent {
		p.waiting = append(p.waiting, &Ticket{done: make(chan struct{})})
	}
	p.nudge()
	return p.waiting[len(p.waiting)-1], nil
}

// Wait returns when everything that the pull found is committed, or why it was not found.
func (t *Ticket) Wait(ctx context.Context) (Pull, error) {
	select {
	case <-t.done:
		return t.pull, t.err
	case <-ctx.Done():
		return Pull{}, context.Cause(ctx)
	}
}

// Triggers returns what pulls it.
func (p *Pulls) Triggers() Triggers { return p.triggers }

// Next returns when the next pull is due, the zero time if none is.
func (p *Pulls) Next() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, _ := p.due()
	return at
}

// due is when the next pull is due, if one is. The mutex is held.
func (p *Pulls) due() (time.Time, bool) {
	if p.held != nil {
		return time.Time{}, false
	}
	at := p.next
	if len(p.asked) > 0 {
		if asked := p.askedAt.Add(p.triggers.Delay); at.IsZero() || asked.Before(at) {
			at = asked
		}
	}
	return at, !at.IsZero()
}

// nudge wakes the poller. The mutex is held.
func (p *Pulls) nudge() { p.woken(errWoken) }

// Hold makes the poller rest at its next request, until it is called with nil. Whoever
// waits is told why.
func (p *Pulls) Hold(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held = why; why != nil {
		p.resolve(&p.running, why)
		p.resolve(&p.waiting, why)
		p.asked, p.weight = nil, 0
	}
	p.nudge()
}

// Enter begins a life of the poller, one of that crowd. Ran is when the last pull by a cron
// expression ended, as it was committed; Beginning or 0 where there was none.
func (p *Pulls) Enter(ran Instant, crowd *Crowd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	turn := crowd.turn(now, p.interval)
	p.refusal = nil
	if ran > 0 {
		p.ran = ran.Time()
	}
	if len(p.running) > 0 { // their pull did not come to its end
		if len(p.asked) == 0 {
			p.askedAt = now
		}
		p.waiting = append(p.running, p.waiting...)
		again := append(slices.Clone(p.reasons), p.asked...)
		p.asked, p.weight = nil, 0
		for _, r := range again {
			p.note(r)
		}
		p.running = nil
	}
	switch {
	case p.entered:
		p.first = ReasonSchedule
		if p.next.After(now) { // a life that ends before its turn does not cost it
			turn = earliest(turn, p.next)
		}
		p.next = turn
	case p.triggers.OnRestart:
		p.next, p.first = turn, ReasonStartup
	default:
		p.next, p.first = p.scheduled(now, now, ran), ReasonSchedule
		if !p.next.IsZero() { // a run that was missed
			p.next = latest(p.next, turn)
		}
	}
	p.entered = true
}

// Due says whether a pull is due.
func (p *Pulls) Due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.due()
	return ok && !at.After(p.now())
}

// Begin begins the pull that is due and returns its reasons.
func (p *Pulls) Begin() []Reason {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = p.now()
	p.reasons = p.asked
	if !p.next.IsZero() && !p.next.After(p.began) || len(p.asked) == 0 {
		p.reasons = append([]Reason{{Name: p.first, At: p.began}}, p.reasons...)
	}
	p.first = ReasonSchedule
	p.running, p.waiting, p.asked, p.weight = append(p.running, p.waiting...), nil, nil, 0
	return p.reasons
}

// ByCron says whether the pull that runs is one of a cron expression: beside an interval
// most are not, and an idle one of those commits nothing. So is the first of all, from which
// on it is known what is missed.
func (p *Pulls) ByCron() bool {
	if len(p.triggers.Cron) == 0 || !slices.ContainsFunc(p.reasons, func(r Reason) bool { return r.Name == ReasonSchedule }) {
		return false
	}
	return p.ran.IsZero() || slices.ContainsFunc(p.triggers.Cron, func(c Cron) bool {
		next := c.Next(p.ran)
		return !next.IsZero() && !next.After(p.began)
	})
}

// Awaited says whether somebody waits for the pull that runs.
func (p *Pulls) Awaited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.running) > 0
}

// Reached says that the pull has read and committed everything there was: who waits for
// that need not wait for what the past owes.
func (p *Pulls) Reached() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resolve(&p.running, nil)
}

// End ends the pull. Whoever still waits did so for an end that it did not come to.
func (p *Pulls) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resolve(&p.running, errUnfinished)
	if p.ByCron() {
		p.ran = p.began
	}
	p.next = p.scheduled(p.began, p.now(), 0)
}

var errUnfinished = errors.New("the reading did not come to its end: what is read is changing too fast")
