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
	"tributary/connector/handler"
)

// Push hands changes to a handler's source, and returns when they can be read. What comes
// while its lane is acquired waits for that: a push has an id, so that it may be handed over
// again when it is not known what became of it.
func (p *plane) Push(ctx context.Context, source string, body json.RawMessage) (json.RawMessage, error) {
	h, err := p.handler(source)
	if err != nil {
		return nil, err
	}
	if h.collections[0].closed() {
		return nil, &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("source %s is stopped by an operator, so that it may be reset: nothing is pushed to it", source), Remedy: "resume it first"}
	}
	push, err := handler.ParsePush(body)
	if err != nil {
		return nil, asPushed(err)
	}
	if err := h.pulls.IsStuck(); err != nil {
		p.hasten(h.collections)
		return nil, notPushed(err)
	}
	sound, done := h.pulls.WhileSound(ctx)
	defer done()
	var resp handler.PushResponse
	err = h.whileRunning(sound, func(r *handler.Runner) (err error) {
		resp, err = r.Push(sound, push)
		return err
	})
	if err != nil && sound.Err() != nil && ctx.Err() == nil {
		return nil, notPushed(context.Cause(sound))
	}
	if err == nil {
		err = p.arrived(ctx, source, resp.Positions)
	}
	if err != nil {
		return nil, asPushed(err)
	}
	return json.Marshal(resp)
}

// notPushed says why a push waits, for longer than who sent it should. It may have come so far
// that it is committed when the topic takes records again.
func notPushed(why error) error {
	return &control.Error{
		Kind: control.Failed, Detail: "the push is not committed: " + why.Error(),
		Remedy: remedyQuarantined + "; then send the push again with the same id: it is applied once",
	}
}

// handler finds the handler of a source.
func (p *plane) handler(source string) (*handlerSource, error) {
	i := slices.IndexFunc(p.e.handlers, func(h *handlerSource) bool { return h.Name == source })
	switch {
	case i >= 0:
		return p.e.handlers[i], nil
	case slices.ContainsFunc(p.e.cfg.Sources, func(s SourceConfig) bool { return s.Name == source }):
		return nil, &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("source %s has no handler, so nothing can be pushed to it", source)}
	}
	return nil, &control.Error{Kind: control.Unknown, Detail: fmt.Sprintf("there is no source %q", source)}
}

// whileRunning does something with the runner of now, and again with the next one when the
// lane fails meanwhile.
func (h *handlerSource) whileRunning(ctx context.Context, do func(*handler.Runner) error) error {
	for {
		if r := h.running(); r != nil {
			err := do(r)
			var stop *connector.StopError
			var invalid *handler.InvalidError
			var stale *handler.StaleError
			if err == nil || ctx.Err() != nil || errors.As(err, &stop) || errors.As(err, &invalid) || errors.As(err, &stale) {
				return err
			}
		}
		if stop := h.collections[0].stoppedBy(); stop != nil {
			return stop
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// stoppedBy returns the error that stopped the collection, nil if none has.
func (c *collection) stoppedBy() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		return nil // and no *connector.StopError that is nil
	}
	return c.stopped
}

// asPushed gives an error of a push its kind.
func asPushed(err error) error {
	var invalid *handler.InvalidError
	var stale *handler.StaleError
	switch {
	case errors.As(err, &invalid):
		return &control.Error{Kind: control.Invalid, Detail: err.Error(), Remedy: "nothing of it was applied"}
	case errors.As(err, &stale):
		return &control.Error{Kind: control.Conflict, Detail: err.Error(), Remedy: "nothing of it was applied"}
	case errors.Is(err, context.DeadlineExceeded):
		return &control.Error{Kind: control.TooLate, Detail: "the push was not committed in time, or it is not known: a pull may be running", Remedy: "send it again with the same id: it is applied once"}
	}
	return asControl(err)
}

// askDump has a dump of a handler be due.
func (p *plane) askDump(ctx context.Context, c *collection, approve bool) error {
	if !c.dumped() {
		return &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("source %s is told of by a handler without dumps", c.Settings.Source), Remedy: "say so in its config: `dump: {}`"}
	}
	return asPushed(c.handler.whileRunning(ctx, func(r *handler.Runner) error { return r.Sweep(ctx, c.Settings.Collection, approve) }))
}
