package connector

import (
	"context"
	"encoding/json"
)

// HandlerState is what is committed of a handler beside its collections: always that of
// the last group, as a collection's state is that of its last batch.
type HandlerState struct {
	// Seq is the number of groups so far. It never falls.
	Seq uint64
	// State is the handler's own JSON, given back to it as it was; nil before the first.
	State json.RawMessage
	// Dumped is when the last dump began that came to its end, by our clock; 0: none has.
	Dumped Instant
	// Pushes are the last pushes that were committed, the oldest first, so that one that
	// is sent again is not applied again.
	Pushes []Push
}

// Push is a committed push: its id, and the number of its group.
type Push struct {
	ID  string
	Seq uint64
}

// Group is one response of a handler: a batch for each collection that it touches, and
// the state that it leads to. All of it is committed, or nothing.
type Group struct {
	// Batches are by collection, each with its collection's State. Within a batch,
	// deletions come first.
	Batches map[string]*Batch
	Handler HandlerState
}

// GroupCommitter takes the groups of one handler in their order; otherwise it is like a
// Committer.
type GroupCommitter interface {
	// Stage hands over the next group. It blocks while too much is staged already. It
	// must not keep g after it has returned.
	Stage(ctx context.Context, g *Group) error
	// Flush returns when everything staged so far is committed.
	Flush(ctx context.Context) error
}

// Position is how far a consumer must have read a partition to have seen something: its
// own position, the offset of the record that it would read next, is at Offset or beyond.
type Position struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}
