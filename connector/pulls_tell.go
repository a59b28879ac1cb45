package connector

import (
	"context"
	"fmt"
	"slices"
)

// Failing tells whoever waits that a request has failed again and again. The pull itself
// goes on. Who has asked while the request was on its way gets the outcome of the next one:
// it may have been hanging since before the API was well again.
func (p *Pulls) Failing(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resolve(&p.running, err)
	told, later := p.waiting, []*Ticket(nil)
	if p.again {
		n := slices.IndexFunc(p.waiting, func(t *Ticket) bool { return !t.sent })
		if n >= 0 {
			told, later = p.waiting[:n:n], p.waiting[n:]
		}
	}
	p.resolve(&told, err)
	p.waiting, p.failing, p.again = later, true, false
}

// Sending says that a request is sent, for the first time or again.
func (p *Pulls) Sending() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.failing { // whoever asks gets the outcome, if it is to be told
		return
	}
	p.failing, p.again = false, true
	for _, t := range p.waiting {
		t.sent = true
	}
}

// Stuck says why what was read cannot be committed for now, nil that it can: whoever waits,
// or asks meanwhile, is told. The pull itself goes on.
func (p *Pulls) Stuck(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.setStuck(why); why != nil {
		p.resolve(&p.running, why)
		p.resolve(&p.waiting, why)
	}
}

// IsStuck says why what was read cannot be committed, nil if it can, or nobody knows.
func (p *Pulls) IsStuck() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck
}

// Refuse says that nothing is pulled any more, until the next life.
func (p *Pulls) Refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = err
	p.resolve(&p.running, err)
	p.resolve(&p.waiting, err)
	p.asked, p.weight = nil, 0
}

// Anew says that another life begins: what nothing was pulled for in the last one is seen
// anew. Who asks waits until the poller enters it.
func (p *Pulls) Anew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = nil
	p.setStuck(nil)
}

// setStuck notes why what was read cannot be committed. The mutex is held.
func (p *Pulls) setStuck(why error) {
	switch {
	case why != nil:
		p.breaks(why)
	case p.stuck != nil:
		p.sound, p.breaks = context.WithCancelCause(context.Background())
		p.hurried = false // so was what waited for the topic
	}
	p.stuck = why
}

// WhileSound returns a context that is done, with the reason for its cause, as soon as what was
// read cannot be committed: for who waits for something else than a pull.
func (p *Pulls) WhileSound(ctx context.Context) (context.Context, context.CancelFunc) {
	p.mu.Lock()
	sound := p.sound
	p.mu.Unlock()
	within, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(sound, func() { cancel(context.Cause(sound)) })
	return within, func() { stop(); cancel(nil) }
}

// resolve tells tickets how their pull ended. The mutex is held.
func (p *Pulls) resolve(tickets *[]*Ticket, err error) {
	var names []ReasonName
	for _, n := range ReasonNames {
		if slices.ContainsFunc(p.reasons, func(r Reason) bool { return r.Name == n }) {
			names = append(names, n)
		}
	}
	for _, t := range *tickets {
		if err != nil {
			t.err = fmt.Errorf("the pull failed: %w", err)
		}
		t.pull = Pull{Began: p.began, Ended: p.now(), Reasons: names}
		close(t.done)
	}
	*tickets = nil
}
