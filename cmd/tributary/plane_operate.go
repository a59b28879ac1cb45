package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/offsets"
	"tributary/sink"
)

// Hold commits what an operator wants and then does it, so that no restart forgets it. Of two
// who want something else at once, what is committed last is done last.
func (p *plane) Hold(ctx context.Context, n control.Name, h control.Hold) error {
	c, err := p.find(n)
	if err != nil {
		return err
	}
	together := c.together()
	together[0].holding.Lock()
	defer together[0].holding.Unlock()
	for _, c := range together {
		if err := p.hold(ctx, c, h); err != nil {
			return err
		}
	}
	return nil
}

// together are the collections that rest when this one does: a handler tells of all of its
// own at once.
func (c *collection) together() []*collection {
	if c.handler != nil {
		return c.handler.collections
	}
	return []*collection{c}
}

// rests says why nothing is pulled, nil if something is.
func (c *collection) rests() error {
	for _, c := range c.together() {
		c.mu.Lock()
		hold := c.hold
		c.mu.Unlock()
		switch hold {
		case control.HoldNone:
		case control.HoldStopped:
			return errClosed
		default:
			return connector.ErrHeld
		}
	}
	return nil
}

// errClosed is connector.ErrHeld of what an operator has stopped.
var errClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "it is stopped by an operator" }
func (closedError) Is(target error) bool { return target == connector.ErrHeld }

// closed says whether an operator has stopped it, and does not merely let it rest.
func (c *collection) closed() bool {
	return slices.ContainsFunc(c.together(), func(c *collection) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.hold == control.HoldStopped
	})
}

func (p *plane) hold(ctx context.Context, c *collection, h control.Hold) error {
	n := c.name()
	for {
		lane, err := p.lane(ctx, c)
		if err != nil {
			return err
		}
		if holdOf(lane.Lane, offsets.Name(n)) != h {
			err = lane.CommitHold(n.Source, n.Collection, string(h))
		}
		if err == nil {
			break
		}
		if !lane.Spent() {
			return asControl(err)
		}
		if err := p.next(ctx, c, lane); err != nil {
			return err
		}
	}
	c.setHold(h)
	return nil
}

// setHold makes the collection rest, or go on.
func (c *collection) setHold(h control.Hold) {
	c.mu.Lock()
	was := c.hold
	c.hold = h
	c.mu.Unlock()
	if was != h {
		c.log.Info("an operator has changed what is to be done", "from", holdText(was), "to", holdText(h))
	}
	switch h {
	case control.HoldNone:
		c.m.SetHeld("")
	case control.HoldStopped:
		c.m.SetHeld(connector.StateStopped)
	default:
		c.m.SetHeld(connector.StatePaused)
	}
	c.pulls.Hold(c.rests())
}

func holdText(h control.Hold) string {
	if h == control.HoldNone {
		return "running"
	}
	return string(h)
}

// lane returns the lane of a collection as soon as it is acquired, within a moment.
func (p *plane) lane(ctx context.Context, c *collection) (*ownedLane, error) {
	for until := time.Now().Add(5 * time.Second); ; {
		if l := p.e.lane(c.lane); l != nil {
			return l, nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
		if time.Now().After(until) {
			return nil, &control.Error{Kind: control.Unavailable, Detail: fmt.Sprintf("lane %d is being acquired", c.lane), Remedy: "the log says what it waits for"}
		}
	}
}

// next waits for the life of a lane behind this one.
func (p *plane) next(ctx context.Context, c *collection, was *ownedLane) error {
	for {
		now, err := p.lane(ctx, c)
		if err != nil || now != was {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// visit changes committed state as the commands do, and returns when our own lane goes on
// from there: it would learn that it was fenced with its next transaction only. That may take
// longer than a moment, for the lane reads all of its state again; who is told that it is not
// back yet is told too that what he wanted is done.
func (p *plane) visit(ctx context.Context, c *collection, edit func(context.Context) error) error {
	was, err := p.lane(ctx, c)
	if err != nil {
		return err
	}
	whole, done, err := p.edits.begin(ctx)
	if err != nil {
		return err
	}
	err = edit(whole)
	done()
	switch {
	case err != nil && p.edits.cut.Err() != nil:
		return &control.Error{Kind: control.Unavailable, Detail: "the end of the connector has cut it short: " + err.Error(), Remedy: "send it again when it has started; it begins where it stands, or anew"}
	case err != nil:
		return asControl(err)
	}
	was.again(sink.ErrAgain)
	ctx, cancel := context.WithTimeout(ctx, returnTime)
	defer cancel()
	for now := p.e.lane(c.lane); now == nil || now == was; now = p.e.lane(c.lane) {
		if p.edits.ending.Err() != nil {
			return &control.Error{Kind: control.TooLate, Detail: "it is done and committed, and the connector is ending", Remedy: "it need not be sent again; the next start goes on from there"}
		}
		if err := sleep(ctx, 10*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
			return &control.Error{
				Kind:   control.TooLate,
				Detail: fmt.Sprintf("it is done and committed, but lane %d, which is acquired anew for it, is not back yet", c.lane),
				Remedy: "it need not be sent again; the log says what the lane waits for",
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// returnTime is how long who has changed committed state waits for the lane to go on.
const returnTime = time.Minute

func (p *plane) Restart(ctx context.Context, n control.Name) error {
	c, err := p.find(n)
	if err != nil {
		return err
	}
	c.mu.Lock()
	stopped := c.stopped != nil
	c.mu.Unlock()
	if stopped {
		// What it holds in memory is not the fold of what is committed any more: its lane is
		// acquired again, as after any failure.
		return p.visit(ctx, c, func(context.Context) error { return nil })
	}
	c.pulls.Hurry(connector.Reason{Name: connector.ReasonManual, Collection: n.Collection})
	return nil
}

func (p *plane) Sweep(ctx context.Context, n control.Name, approve bool) error {
	c, err := p.find(n)
	if err != nil {
		return err
	}
	if c.handler != nil {
		return p.askDump(ctx, c, approve)
	}
	if c.Settings.Sweeps.Every == 0 {
		return &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("%s is not swept", n), Remedy: "say so in its config: `deletions: {sweep: {every: 24h}}`"}
	}
	return p.visit(ctx, c, func(ctx context.Context) error { return p.editor.sweep(ctx, c.CollectionConfig, approve, false) })
}

func (p *plane) Reset(ctx context.Context, n control.Name, republish bool) error {
	c, err := p.stopped(n, "reset")
	if err != nil {
		return err
	}
	return p.visit(ctx, c, func(ctx context.Context) error {
		return p.editor.reset(ctx, c.CollectionConfig, resetFlags{republish: republish})
	})
}

func (p *plane) SetCursor(ctx context.Context, n control.Name, instant string) error {
	c, err := p.stopped(n, "moved")
	if err != nil {
		return err
	}
	if err := c.isTold("moved to an instant"); err != nil {
		return &control.Error{Kind: control.Conflict, Detail: err.Error(), Remedy: "reset it, which has the handler begin anew"}
	}
	to, err := past("instant", instant)
	if err != nil {
		return &control.Error{Kind: control.Invalid, Detail: err.Error(), Remedy: "send an instant such as 2026-01-31T00:00:00Z, or beginning"}
	}
	return p.visit(ctx, c, func(ctx context.Context) error { return p.editor.set(ctx, c.CollectionConfig, to, false) })
}

// stopped returns a collection that an operator has stopped.
func (p *plane) stopped(n control.Name, what string) (*collection, error) {
	c, err := p.find(n)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold != control.HoldStopped {
		return nil, &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("%s is not stopped by an operator, so it cannot be %s", n, what), Remedy: "stop it first, and resume it afterwards"}
	}
	return c, nil
}

// Changes reads the topic, for what a record was before is nowhere else.
func (p *plane) Changes(ctx context.Context, n control.Name, key string, limit int) (control.Changes, error) {
	c, err := p.find(n)
	if err != nil {
		return control.Changes{}, err
	}
	found, err := sink.LastChanges(ctx, p.e.kafka, c.Topic, key, limit, 0)
	if err != nil {
		return control.Changes{}, asControl(err)
	}
	v := control.Changes{Key: key, Partition: found.Partition, Since: found.Since, Until: found.Until, Whole: found.Whole, Changes: []control.Change{}}
	for _, f := range found.Changes {
		change := control.Change{Offset: f.Offset, Timestamp: f.Timestamp.UTC(), Batch: f.Batch, Value: f.Value}
		if f.Instant != connector.Beginning {
			change.Instant = f.Instant.String()
		}
		switch {
		case f.Value == nil:
			change.Value = json.RawMessage("null")
		case !json.Valid(f.Value): // written by somebody else
			change.Value, _ = json.Marshal(string(f.Value))
		}
		v.Changes = append(v.Changes, change)
	}
	return v, nil
}

// holdOf reads a hold as it was committed.
func holdOf(l *sink.Lane, n offsets.Name) control.Hold {
	return control.Hold(l.Hold(n.Source, n.Collection))
}
