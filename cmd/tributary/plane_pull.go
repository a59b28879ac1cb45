package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/connector/control"
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
	pull, positions, err := c.pull(ctx, r)
	if err == nil {
		err = p.arrived(ctx, n.Source, positions)
	}
	if err != nil {
		return control.Pulled{}, c.explain(ctx, err)
	}
	return control.Pulled{Name: n, Began: pull.Began.UTC(), Ended: time.Now().UTC(), Reasons: pull.Reasons, Positions: positions}, nil
}

// pull asks for a pull that begins now or later, and returns when everything that it has
// read is committed and can be read.
func (c *collection) pull(ctx context.Context, r connector.Reason) (connector.Pull, []connector.Position, error) {
	ticket, err := c.pulls.Ask(r)
	if err != nil {
		return connector.Pull{}, nil, err
	}
	pull, err := ticket.Wait(ctx)
	if err != nil {
		return connector.Pull{}, nil, err
	}
	positions, err := c.readable(ctx)
	return pull, positions, err
}

// readable returns when everything that is committed can be read, and up to where. A lane
// that fails meanwhile makes no difference to what was committed: its next life is asked,
// unless it stops at an error.
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
