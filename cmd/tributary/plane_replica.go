package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/sink/replica"
)

// arrived returns when a source's replica, if there is one, has everything up to those
// positions.
func (p *plane) arrived(ctx context.Context, source string, positions []connector.Position) error {
	if r := p.e.replica(source); r != nil {
		return r.Await(ctx, positions)
	}
	return nil
}

func (p *plane) List(ctx context.Context, n control.Name, query json.RawMessage) (json.RawMessage, error) {
	asked, err := replica.CheckList(query)
	r := connector.Reason{Name: connector.ReasonBeforeList, At: time.Now(), Filter: asked.Filter, Projection: asked.Projection}
	return p.access(ctx, n, r, asked.Pull, err, func(r *replica.Replica) (json.RawMessage, error) { return r.List(ctx, n.Collection, query) })
}

func (p *plane) Aggregate(ctx context.Context, n control.Name, query json.RawMessage) (json.RawMessage, error) {
	asked, err := replica.CheckAggregate(query)
	r := connector.Reason{Name: connector.ReasonBeforeAggregate, At: time.Now(), Filter: asked.Filter, Aggregation: query}
	return p.access(ctx, n, r, asked.Pull, err, func(r *replica.Replica) (json.RawMessage, error) { return r.Aggregate(ctx, n.Collection, query) })
}

// access reads the replica. Where before_access is set it is brought up to date first: a
// pull that fails fails the reading too, so that nobody reads what is old unaware. A query
// that is bad pulls nothing.
func (p *plane) access(ctx context.Context, n control.Name, reason connector.Reason, pull bool, bad error, read func(*replica.Replica) (json.RawMessage, error)) (json.RawMessage, error) {
	c, err := p.find(n)
	if err != nil {
		return nil, err
	}
	r := p.e.replica(n.Source)
	if r == nil {
		return nil, noReplica(n.Source)
	}
	if bad != nil {
		return nil, ofReplica(bad)
	}
	if pull && c.pulls.Triggers().BeforeAccess {
		if _, err := p.Pull(ctx, n, reason); err != nil {
			return nil, err
		}
	}
	answer, err := read(r)
	return answer, ofReplica(err)
}

// ofReplica gives an error of a replica its kind.
func ofReplica(err error) error {
	var query *replica.QueryError
	var restoring *replica.RestoringError
	switch {
	case errors.As(err, &query):
		return &control.Error{Kind: control.Invalid, Detail: err.Error(), Remedy: "docs/replica.md has what may be asked"}
	case errors.As(err, &restoring):
		return &control.Error{Kind: control.Unavailable, Detail: err.Error(), Remedy: "ask again in a while"}
	case errors.Is(err, context.DeadlineExceeded):
		return &control.Error{Kind: control.TooLate, Detail: err.Error(), Remedy: "ask for less, or give what is looked for an index (`replica.indexes`)"}
	}
	return asControl(err)
}

func noReplica(source string) error {
	return &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("source %s has no replica", source), Remedy: "give it one in its config: `replica: {path: FILE}`"}
}
