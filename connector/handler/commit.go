package handler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// item is one change of a response, checked.
type item struct {
	c   *collection
	id  string
	rec *connector.Record // nil: a deletion
}

// An answer is a response that was checked.
type answer struct {
	Response
	items []item // deletions first
}

// check holds a response against the contract. Nothing of one that breaks it is used.
func (r *Runner) check(resp Response, dump bool) (*answer, error) {
	a := &answer{Response: resp}
	var err error
	if a.NextState, err = r.checkState("next_state", resp.NextState); err != nil {
		return nil, err
	}
	if a.NextDeltaState, err = r.checkState("next_delta_state", resp.NextDeltaState); err != nil {
		return nil, err
	}
	switch {
	case resp.NextDeltaState != nil && (!dump || resp.More):
		return nil, errors.New(`only the last response of a dump has a "next_delta_state"`)
	case dump && !resp.More && resp.NextState != nil:
		return nil, errors.New(`the last response of a dump has no "next_state": what the next delta gets is its "next_delta_state"`)
	case dump && len(resp.Deleted) > 0:
		return nil, errors.New(`a dump has nothing "deleted": what it does not show is gone`)
	}
	a.items, err = r.changes(resp.NewOrUpdated, resp.Deleted)
	return a, err
}

// maxDepth bounds the nesting of a state, and is what rest.Config.OfHandler has for records.
const maxDepth = 64

// withDepth says of what is nested too deep how deep a state, or a field of a record, may
// be: no config of a handler has a key for it.
func withDepth(err error) error {
	if errors.Is(err, canon.ErrDeep) {
		return fmt.Errorf("%w: more than %d levels", err, maxDepth)
	}
	return err
}

// checkState returns a state without the white space between its tokens, so that one that
// is written otherwise is still the same. Nil stays nil.
func (r *Runner) checkState(what string, state json.RawMessage) (json.RawMessage, error) {
	if state == nil {
		return nil, nil
	}
	plain, err := ParseState(state)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, withDepth(err))
	}
	if r.cfg.MaxState > 0 && len(plain) > r.cfg.MaxState {
		return nil, fmt.Errorf("%s is %d bytes long, and the offsets topic takes %d: keep less in it, or raise max.message.bytes of that topic", what, len(plain), r.cfg.MaxState)
	}
	return plain, nil
}

// ParseState returns a state as it comes back to the handler. Its error says why it is none.
func ParseState(state json.RawMessage) (json.RawMessage, error) {
	if err := canon.Check(state, maxDepth); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Compact(&b, state); err != nil {
		return nil, errors.New("it is not JSON")
	}
	_, _, err := canon.NewHasher(nil, nil, nil, maxDepth).Sum(b.Bytes(), 0, 1)
	return b.Bytes(), err
}

// changes checks entries and deletions, and puts the deletions first.
func (r *Runner) changes(entries []Entry, deleted []Deletion) ([]item, error) {
	items := make([]item, 0, len(entries)+len(deleted))
	for i, d := range deleted {
		c := r.named[d.Collection]
		switch {
		case c == nil:
			return nil, r.unknown("deleted", i, d.Collection)
		case d.ID == "":
			return nil, fmt.Errorf("deleted[%d] has no id", i)
		case len(d.ID) > connector.MaxID:
			return nil, fmt.Errorf("deleted[%d] has an id of %d bytes, more than the %d that a key may have", i, len(d.ID), connector.MaxID)
		}
		if err := c.parser.CheckKey(d.ID); err != nil {
			return nil, fmt.Errorf("deleted[%d], of %s, names no record: %w", i, c.name, err)
		}
		items = append(items, item{c: c, id: d.ID})
	}
	for i, e := range entries {
		c := r.named[e.Collection]
		if c == nil {
			return nil, r.unknown("new_or_updated", i, e.Collection)
		}
		rec, err := c.parser.Parse("", e.Record)
		if err != nil {
			return nil, fmt.Errorf("new_or_updated[%d], a record of %s, is refused: %w", i, c.name, withDepth(err))
		}
		if why := c.Flaw(&rec); why != "" && c.Refuses() {
			return nil, fmt.Errorf("new_or_updated[%d], a record of %s, cannot be published: %s (`on_bad_record` may pass it over)", i, c.name, why)
		}
		items = append(items, item{c: c, id: rec.ID, rec: &rec})
	}
	return items, nil
}

func (r *Runner) unknown(list string, i int, name string) error {
	var names []string
	for _, c := range r.cols {
		names = append(names, c.name)
	}
	return fmt.Errorf("%s[%d] is of a collection %.60q, which the config does not have; there are %s", list, i, name, strings.Join(names, ", "))
}

// commit stages what of the items is new, with the state that comes of it. What says
// nothing at all is not staged. It says whether anything is published.
func (r *Runner) commit(ctx context.Context, items []item, next connector.HandlerState, reasons string) (changed bool, err error) {
	batches, err := r.tell(items, reasons)
	if err != nil || len(batches) == 0 && sameState(next.State, r.state.State) {
		return false, err
	}
	return len(batches) > 0, r.stage(ctx, next, batches)
}

// tell tells the collections, and returns what is new of it.
func (r *Runner) tell(items []item, reasons string) (map[string]*connector.Batch, error) {
	now := connector.InstantOf(r.env.Now())
	for _, c := range r.cols {
		c.Begin(now, reasons)
	}
	touched := map[*collection]bool{}
	for _, i := range items {
		if touched[i.c] = true; i.rec == nil {
			i.c.Delete(i.id)
		} else if err := i.c.Put(i.rec); err != nil {
			return nil, err
		}
	}
	batches := map[string]*connector.Batch{}
	for c := range touched {
		c.m.Pages.Inc()
		if b := c.Batch(); b != nil {
			batches[c.name] = b
		}
	}
	return batches, nil
}

// stage hands a group over.
func (r *Runner) stage(ctx context.Context, next connector.HandlerState, batches map[string]*connector.Batch) error {
	next.Seq = r.state.Seq + 1
	if err := r.out.Stage(ctx, &connector.Group{Batches: batches, Handler: next}); err != nil {
		return err
	}
	r.state = next
	for name := range batches {
		r.named[name].Staged()
	}
	return nil
}

// digest tells one state from another.
type digest [16]byte

func digestOf(state json.RawMessage) digest {
	if state == nil {
		state = null
	}
	sum := sha256.Sum256(state)
	return digest(sum[:])
}
