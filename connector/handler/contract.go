package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"tributary/connector"
)

// Handler tells what changed. Its methods are called by one goroutine at a time. They must
// end when their context does: nothing else is done for the source meanwhile. An error is
// tried again, with the same state; a *connector.RetryError says how soon, and a
// *connector.StopError ends the source until a person has acted.
type Handler interface {
	// Delta returns what changed since the previous state.
	Delta(ctx context.Context, r Request) (Response, error)
	// Dump returns everything there is, in as many responses as it likes. It is called
	// only where dumps are configured. Its state is one of its own: null at first. A
	// *connector.AnewError begins the dump anew.
	Dump(ctx context.Context, r Request) (Response, error)
}

// Request is a call of a handler.
type Request struct {
	// ID is the request's; it stays the same when the request is sent again.
	ID string `json:"id"`
	// Source is the name of the source.
	Source string `json:"source"`
	// PreviousState is the next_state of the response that was committed last, to the byte
	// but for white space between its tokens: null before the first. Of a delta it may be
	// the next_delta_state of a dump.
	PreviousState json.RawMessage `json:"-"`
	// Sequence numbers what was committed of the handler: a push may be based on it.
	Sequence uint64 `json:"sequence"`
	// AffectedCollections are those that may have changed, as far as the reasons know: all
	// of them, where they do not. A handler may tell of others too.
	AffectedCollections []string `json:"affected_collections"`
	// Reasons are why it is called.
	Reasons []connector.Reason `json:"reasons"`
	// Cache is where what was published can be read; nil without a replica.
	Cache *Cache `json:"cache,omitempty"`
	// Deadline is until when a response is waited for, by our clock, and DeadlineMS how
	// many milliseconds that is from when the request was sent.
	Deadline   time.Time `json:"deadline"`
	DeadlineMS int64     `json:"deadline_ms"`
	// Attempt counts from 1 how often the request was sent.
	Attempt int `json:"attempt"`
}

// Cache is where a handler can read what was published, over the control API.
type Cache struct {
	// URL is that of the source, such as http://127.0.0.1:8080/v1/sources/NAME.
	URL string `json:"url"`
	// TokenEnv names the environment variable in which the handler is expected to have
	// the token; empty: none is wanted.
	TokenEnv string `json:"token_env,omitempty"`
}

// Response is what a handler answers.
type Response struct {
	// More has the handler be called again at once.
	More bool `json:"more"`
	// NextState is the previous state of the next call; nil leaves it as it is. It is
	// wanted with More.
	NextState json.RawMessage `json:"next_state,omitempty"`
	// NextDeltaState, in the last response of a dump, is the previous state of the next
	// delta; nil leaves that as it is.
	NextDeltaState json.RawMessage `json:"next_delta_state,omitempty"`
	// NewOrUpdated are records as they are now, in the order in which they became so.
	NewOrUpdated []Entry `json:"new_or_updated,omitempty"`
	// Deleted are records that are gone. A dump has none: what it does not show is gone.
	Deleted []Deletion `json:"deleted,omitempty"`

	size int // bytes of the document, 0 without one
}

// Entry is a record as it is now.
type Entry struct {
	Collection string `json:"collection"`
	// Record is published as it is. Its id is where the collection's config says.
	Record json.RawMessage `json:"record"`
}

// Deletion is a record that is gone.
type Deletion struct {
	Collection string `json:"collection"`
	// ID is the record's key: the text of its id or, where that has several parts, what
	// Key makes of them.
	ID string `json:"id"`
}

// MarshalJSON puts the previous state in as it is.
func (r Request) MarshalJSON() ([]byte, error) {
	type plain Request
	rest, err := json.Marshal(plain(r))
	if err != nil {
		return nil, err
	}
	state := r.PreviousState
	if state == nil {
		state = json.RawMessage("null")
	}
	return append(append(append([]byte(`{"previous_state":`), state...), ','), rest[1:]...), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Request) UnmarshalJSON(b []byte) error {
	type plain Request
	whole := struct {
		*plain
		PreviousState json.RawMessage `json:"previous_state"`
	}{plain: (*plain)(r)}
	err := json.Unmarshal(b, &whole)
	r.PreviousState = whole.PreviousState
	return err
}

// sameState says whether two states are the same; no state is null.
func sameState(a, b json.RawMessage) bool {
	null := []byte("null")
	if a == nil {
		a = null
	}
	if b == nil {
		b = null
	}
	return bytes.Equal(a, b)
}
