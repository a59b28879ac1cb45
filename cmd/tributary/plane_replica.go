package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tributary/connector"
	"tributary/connector/control"
)

// arrived returns when a source's replica, if there is one, has everything up to those
// positions.
func (p *plane) arrived(ctx context.Context, source string, positions []connector.Position) error {
	return nil
}

func (p *plane) List(ctx context.Context, n control.Name, query json.RawMessage) (json.RawMessage, error) {
	return nil, noReplica(n.Source)
}

func (p *plane) Aggregate(ctx context.Context, n control.Name, query json.RawMessage) (json.RawMessage, error) {
	return nil, noReplica(n.Source)
}

func noReplica(source string) error {
	return &control.Error{Kind: control.Conflict, Detail: fmt.Sprintf("source %s has no replica", source), Remedy: "give it one in its config: `replica: {path: FILE}`"}
}
