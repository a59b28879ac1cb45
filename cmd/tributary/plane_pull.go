package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/rest"
	"tributary/sink"
)

func (p *plane) Pull(ctx context.Context, n control.Name, r connector.Reason) (control.Pulled, error) {
	c, err := p.find(n)
	if err != nil {
		return control.Pulled{}, err
	}
	if r.Name.AfterWrite() && !c.pulls.Triggers().AfterWrite {
		return control.Pulled{}, &control.Error{
			Kind: control.Conflict, Detail: fmt.Sprintf("%s is not pulled after writes", n), Remedy: "set triggers.after_write in its config, or ask with the reason manual",
		}
	}
	if r.Collection == "" {
		r.Collection = n.Collection
	}
	pull, positions, err := c.pull(ctx, r, p.e.clients[n.Source])
	if refused := (*sink.TopicError)(nil); errors.As(err, &refused) {
		p.hasten(c.together())
	}
	if err == nil {
		err = p.arrived(ctx, n.Source, positions)
	}
	if err != nil {
		return control.Pulled{}, c.explain(ctx, err)
	}
	return control.Pulled{Name: n, Began: pull.Began.UTC(), Ended: time.Now().UTC(), Reasons: pull.Reasons, Positions: positions}, nil
}

// hasten has the topics of collections that are quarantined together tried sooner: who asked is
// told at once how they stand, and asks again when somebody has mended them.
func (p *plane) hasten(together []*collection) {
	if l := p.e.lane(together[0].lane); l != nil && l.hasten != nil {
		for _, c := range together {
			l.hasten(c.Settings.Source, c.Settings.Collection)
		}
	}
	together[0].pulls.Hasten()
}

// pull asks for a pull that begins now or later, and returns when everything that it has
// read is committed and can be read.
func (c *collection) pull(ctx context.Context, r connector.Reason, api *rest.Client) (connector.Pull, []connector.Position, error) {
	ticket, err := c.pulls.Ask(r)
	if err != nil {
		return connector.Pull{}, nil, err
	}
	pull, err := c.await(ctx, ticket, api)
	if err != nil {
		return connector.Pull{}, nil, err
	}
	positions, err := c.readable(ctx)
	return pull, positions, err
}

// await waits for a pull, but not for one that is held back for longer than there is time.
func (c *collection) await(ctx context.Context, ticket *connector.Ticket, api *rest.Client) (connector.Pull, error) {
	for since := 0; ; since++ {
		// A hold that came while it waited may be about a request that was not its own.
		if err := c.heldBeyond(ctx, api); err != nil && since != 1 {
			return connector.Pull{}, err
		}
		look, cancel := context.WithTimeout(ctx, time.Second)
		pull, err := ticket.Wait(look)
		over := look.Err() != nil
		cancel()
		if !over || ctx.Err() != nil {
			return pull, err
		}
	}
}

// heldBeyond is an error where the API has had too many requests, and takes none until the
// time is over.
func (c *collection) heldBeyond(ctx context.Context, api *rest.Client) error {
	deadline, ok := ctx.Deadline()
	held := api.Held()
	if !ok || held < time.Until(deadline) {
		return nil
	}
	return &control.Error{
		Kind:   control.TooLate,
		Detail: fmt.Sprintf("%s is not pulled in the time given: the API has had too many requests and takes none for %v", c.name(), held.Round(time.Second)),
		Remedy: "the pull goes on then: ask again, or with a longer timeout",
	}
}

// readable returns when everything that is committed can be read, and up to where. A lane
// that fails meanwhile makes no difference to what was committed: its next life is asked,
// unless it stops at an error, or Kafka refuses the topic.
func (c *collection) readable(ctx context.Context) ([]connector.Position, error) {
	for {
		c.mu.Lock()
		ask := c.positions
		c.mu.Unlock()
		if ask != nil {
			positions, err := ask(ctx)
			if err == nil || ctx.Err() != nil {
				return positions, err
			}
		}
		if stop := c.stoppedBy(); stop != nil {
			return nil, stop
		}
		if stuck := c.pulls.IsStuck(); ask == nil && stuck != nil {
			return nil, stuck // its next life cannot open it
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// explain says of a wait that took too long what is known. One that was called off did not:
// who asked has gone, or the connector is being stopped and no pull goes on.
func (c *collection) explain(ctx context.Context, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return asControl(err)
	}
	v := c.status(time.Now())
	detail := fmt.Sprintf("%s was not pulled to its end in time: it is %s", v.Name, v.State)
	if v.Why != "" {
		detail += ": " + v.Why
	}
	return &control.Error{Kind: control.TooLate, Detail: detail, Remedy: "the pull goes on: ask again, or with a longer timeout"}
}
