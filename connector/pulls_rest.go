package connector

import (
	"context"
	"time"
)

// How long after a request that failed those who ask have it sent again: doubled with each
// that failed too, so that a thousand readers of a list are no more to an API that is ill
// than one request in ten seconds.
const (
	askedMin = time.Second
	askedMax = 10 * time.Second
)

// Rest waits before a request that failed at began is sent again: as long as next says, or
// until somebody is in a hurry or has asked for a pull, and it may be sent for him, which is
// noted in f.
func (p *Pulls) Rest(ctx context.Context, sleep Sleep, began time.Time, next Again, f *Failures) error {
	for woken := true; woken; {
		var err error
		woken, err = p.sleepOnce(ctx, sleep, func(now time.Time) time.Duration {
			at := p.ends(began, next)
			f.short = at.Before(began.Add(next.Wait))
			return at.Sub(now)
		})
		if err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.hurried = false // who was in a hurry while the request was on its way was so until now
	p.mu.Unlock()
	return nil
}

// ends is until when a request rests, as things stand. The mutex is held.
func (p *Pulls) ends(began time.Time, next Again) time.Time {
	at := began.Add(next.Wait)
	if len(p.waiting)+len(p.running) > 0 {
		asked := began.Add(next.Asked)
		if shared := p.askedAt.Add(p.triggers.Delay); len(p.waiting) > 0 && shared.After(asked) {
			asked = shared
		}
		if asked.Before(at) {
			at = asked
		}
	}
	if held := began.Add(next.Held); p.hurried && held.Before(at) {
		at = held
	}
	return at
}

// Hastened waits before a topic that cannot be opened is tried again at once: for so long, or
// for askedMax where somebody asks.
func (p *Pulls) Hastened(ctx context.Context, sleep Sleep, wait time.Duration) error {
	return p.Rest(ctx, sleep, p.now(), Again{Wait: wait, Asked: wait, Held: min(wait, askedMax)}, &Failures{})
}

// Hasten has what Hastened waits for tried sooner.
func (p *Pulls) Hasten() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck == nil {
		return // it waits no more
	}
	p.hurried = true
	p.nudge()
}

// Hurry has what waits, for its next run or before it tries again, go on at once, unless the
// server has said for how long it does not want to be asked. It does not wait for what comes
// of it.
func (p *Pulls) Hurry(r Reason) {
	p.Ask(r) // what is refused or held says so to who looks
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hurried = true
	p.nudge()
}
