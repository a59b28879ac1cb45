package control

import (
	"context"
	"sync"
	"time"
)

// Event is one thing that happened.
type Event struct {
	// Number rises by one with each event of a process.
	Number uint64    `json:"number"`
	At     time.Time `json:"at"`
	Type   EventType `json:"type"`
	// Source and Collection are what it is about; empty: the process.
	Source     string `json:"source,omitempty"`
	Collection string `json:"collection,omitempty"`
	// Data is by type: see there.
	Data any `json:"data,omitempty"`
}

// EventType says what happened.
type EventType string

// The types of events, with the Data of each.
const (
	EventState  EventType = "state"  // StateChange
	EventPull   EventType = "pull"   // PullEnded
	EventCommit EventType = "commit" // Committed
	EventLane   EventType = "lane"   // Lane
	EventLog    EventType = "log"    // LogLine, of warnings and errors
)

// StateChange is a collection that came into another state.
type StateChange struct {
	From string `json:"from"`
	To   string `json:"to"`
	Why  string `json:"why,omitempty"`
}

// PullEnded is a pull that came to its end.
type PullEnded struct {
	Reasons []string `json:"reasons"`
	Seconds float64  `json:"seconds"`
	Changed bool     `json:"changed"`
	Error   string   `json:"error,omitempty"`
}

// Committed is a transaction's share of one collection.
type Committed struct {
	Upserts   int `json:"upserts"`
	Deletions int `json:"deletions"`
}

// LogLine is a line of the log.
type LogLine struct {
	Level   string `json:"level"`
	Message string `json:"message"`
}

// Hub hands events to whoever listens. It keeps the last ones, for those who come back.
type Hub struct {
	mu   sync.Mutex
	next uint64
	kept []Event // a ring: the event with number n is at n % len
	wake chan struct{}
}

// kept is how many events whoever comes back may have missed.
const kept = 4096

// NewHub returns a hub that has told nothing yet.
func NewHub() *Hub { return &Hub{next: 1, wake: make(chan struct{})} }

// Tell tells everybody who listens.
func (h *Hub) Tell(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kept == nil {
		h.kept = make([]Event, kept)
	}
	e.Number = h.next
	if e.At.IsZero() {
		e.At = time.Now()
	}
	h.kept[e.Number%kept] = e
	h.next++
	close(h.wake)
	h.wake = make(chan struct{})
}

// Last returns the number of the last event, 0 before the first.
func (h *Hub) Last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next - 1
}

// Listen waits for events behind the one with that number and returns them, with how many
// of them are lost because they are too long ago.
func (h *Hub) Listen(ctx context.Context, after uint64) (events []Event, lost uint64, err error) {
	for {
		h.mu.Lock()
		oldest := uint64(1)
		if h.next > kept {
			oldest = h.next - kept
		}
		if after >= h.next {
			after = h.next - 1 // a number of another process
		}
		from := max(after+1, oldest)
		lost = from - after - 1
		for n := from; n < h.next; n++ {
			events = append(events, h.kept[n%kept])
		}
		wake := h.wake
		h.mu.Unlock()
		if len(events) > 0 {
			return events, lost, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}
