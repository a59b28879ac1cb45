package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// PushRequest is a change that somebody hands over by himself.
type PushRequest struct {
	// ID is the push's: one of the last MaxPushes that is sent again is not applied again.
	ID string
	// BasedOn is the sequence of the handler's state from which it was made; nil: any.
	BasedOn *uint64
	// NextState is the previous state of the next delta; nil leaves it as it is.
	NextState    json.RawMessage
	NewOrUpdated []Entry
	Deleted      []Deletion
}

// PushResponse is a push that is committed.
type PushResponse struct {
	ID string `json:"id"`
	// Sequence is that of the handler's state that it led to.
	Sequence uint64 `json:"sequence"`
	// Repeated says that it had been committed before.
	Repeated bool `json:"repeated"`
	// Positions are up to where a read_committed consumer must have read to have seen it.
	Positions []connector.Position `json:"positions"`
}

// MaxPushes is how many pushes are remembered, and maxPushID how long the id of one may be:
// they are in every record of the handler's state, and take PushesSize of it at most.
const (
	MaxPushes  = 1000
	maxPushID  = 64
	PushesSize = MaxPushes * (maxPushID + 40)
)

// isPushID says whether a text can be the id of a push. What JSON would escape is left out,
// so that its length is known.
func isPushID(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= maxPushID
}

// An InvalidError is a push that breaks the contract: it was not applied.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return "the push is refused: " + e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

// A StaleError is a push that was made from a state which has moved: it was not applied.
type StaleError struct {
	// BasedOn is what it was made from, Sequence what is committed now.
	BasedOn, Sequence uint64
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("the push is based on sequence %d, and the handler's state is at %d: make it anew from what is there now", e.BasedOn, e.Sequence)
}

// ParsePush reads a push, which is one JSON document. Its error is an *InvalidError.
func ParsePush(body []byte) (PushRequest, error) {
	p, err := parsePush(body)
	if err != nil {
		return p, &InvalidError{err}
	}
	return p, nil
}

func parsePush(body []byte) (p PushRequest, err error) {
	var j pushJSON
	if err := canon.Check(body, maxDepth); err != nil {
		return p, err
	}
	if err := strictly(body, &j); err != nil {
		return p, err
	}
	if j.ID == nil {
		return p, errors.New(`it has no "id", by which it is known when it is sent again`)
	}
	p = PushRequest{ID: *j.ID, BasedOn: j.BasedOn, NextState: []byte(j.NextState)}
	p.NewOrUpdated, p.Deleted, err = j.changesJSON.read()
	return p, err
}

// Push applies changes between two pulls, and returns when they are committed and can be
// read. Its error is an *InvalidError, a *StaleError, ErrEnded, the context's own, after which it
// may still be applied, or one that says that its outcome is unknown: with all of these but
// the first two the same push can be sent again.
func (r *Runner) Push(ctx context.Context, p PushRequest) (PushResponse, error) {
	answered := make(chan PushResponse, 1) // who asked may have gone by then
	err := r.inbox.ask(ctx, func(ctx context.Context) error {
		resp, err := r.push(ctx, p)
		answered <- resp
		return err
	})
	if err != nil {
		return PushResponse{}, err
	}
	return <-answered, nil
}

func (r *Runner) push(ctx context.Context, p PushRequest) (resp PushResponse, err error) {
	if !isPushID(p.ID) {
		return resp, &InvalidError{fmt.Errorf("its id is %.80q: it has from 1 to %d letters, digits or signs of ASCII, without spaces, quotation marks and backslashes", p.ID, maxPushID)}
	}
	resp.ID = p.ID
	touched, err := r.pushed(p)
	if err != nil {
		return resp, &InvalidError{err}
	}
	if i := slices.IndexFunc(r.state.Pushes, func(was connector.Push) bool { return was.ID == p.ID }); i >= 0 {
		resp.Sequence, resp.Repeated = r.state.Pushes[i].Seq, true
	} else {
		if p.BasedOn != nil && *p.BasedOn != r.state.Seq {
			return resp, &StaleError{*p.BasedOn, r.state.Seq}
		}
		if err := r.applyPush(ctx, p, touched); err != nil {
			return resp, &fault{err}
		}
		resp.Sequence = r.state.Seq
	}
	resp.Positions = []connector.Position{}
	if err := r.out.Flush(ctx); err != nil {
		return resp, &fault{err}
	}
	if r.cfg.Readable != nil {
		if at, err := r.cfg.Readable(ctx, namesOf(touched)); err != nil {
			return resp, fmt.Errorf("committed, but it is not known to be readable yet: %w", err)
		} else if at != nil {
			resp.Positions = at
		}
	}
	return resp, nil
}

// pushed checks a push as a response of a handler is checked.
func (r *Runner) pushed(p PushRequest) ([]item, error) {
	a, err := r.check(Response{NextState: p.NextState, NewOrUpdated: p.NewOrUpdated, Deleted: p.Deleted}, false)
	if err != nil {
		return nil, err
	}
	return a.items, nil
}

func (r *Runner) applyPush(ctx context.Context, p PushRequest, items []item) error {
	next := r.state
	next.Pushes = append(slices.Clone(next.Pushes), connector.Push{ID: p.ID, Seq: r.state.Seq + 1})
	next.Pushes = next.Pushes[max(0, len(next.Pushes)-MaxPushes):]
	if p.NextState != nil {
		next.State = p.NextState
	}
	batches, err := r.tell(items, "push")
	if err == nil {
		err = r.stage(ctx, next, batches)
	}
	r.forgetSeen() // it may have put the state back
	return err
}

func namesOf(items []item) (names []string) {
	for _, i := range items {
		names = append(names, i.c.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Sweep has a dump be due, which lets the guards of that collection pass with approve.
func (r *Runner) Sweep(ctx context.Context, name string, approve bool) error {
	return r.inbox.ask(ctx, func(ctx context.Context) error {
		c := r.named[name]
		switch {
		case c == nil:
			return &InvalidError{fmt.Errorf("there is no collection %q", name)}
		case r.cfg.Dump == nil:
			return &InvalidError{errors.New("the source has no dumps: say so in its config first (`dump: {}`)")}
		}
		c.Begin(connector.InstantOf(r.env.Now()), string(connector.ReasonManual))
		if err := r.stage(ctx, r.state, map[string]*connector.Batch{c.name: c.Ask(approve)}); err != nil {
			return &fault{err}
		}
		if err := r.out.Flush(ctx); err != nil {
			return &fault{err}
		}
		return nil
	})
}
