package sink

import (
	"context"
	"errors"
	"fmt"

	"tributary/connector"
	"tributary/offsets"
)

// TopicError is a data topic that refuses us: its collection waits until it does no
// more, and others go on.
type TopicError struct {
	Topic string
	Err   error
}

func (e *TopicError) Error() string { return fmt.Sprintf("topic %s: %v", e.Topic, e.Err) }
func (e *TopicError) Unwrap() error { return e.Err }

// Open makes a collection ready to be written: its topic is there and is the one that
// its state belongs to, and its state is whole. A *connector.StopError and a *TopicError
// are about this collection alone; any other error is about the lane. Collections may be
// opened side by side.
func (l *Lane) Open(ctx context.Context, source, collection, topic string, m *connector.CollectionMetrics) (*Writer, error) {
	l.mu.Lock()
	c := l.table.Collection(offsets.Name{Source: source, Collection: collection})
	l.mu.Unlock()
	id, err := l.prepare(ctx, c, topic)
	var stop *connector.StopError
	var refused *TopicError
	switch {
	case err == nil:
	case errors.As(err, &stop), errors.As(err, &refused):
		return nil, err
	case refusal(err):
		return nil, &TopicError{Topic: topic, Err: err}
	default:
		return nil, err
	}
	name := c.Name
	limit := maxMessageBytes(ctx, l.cl, topic)
	w := &Writer{
		lane: l, name: name, topic: topic, identity: id, memory: c.Memory, m: m, limit: int(limit),
		encoder: offsets.NewEncoder(l.cfg.Topic, l.Number, c, id, l.cfg.Instance),
		headers: newHeaders(source, collection), changed: make(chan struct{}),
		suspect: l.suspects.of(topic),
	}
	m.SetQuarantined(w.suspect != nil)
	l.mu.Lock()
	l.writers[topic], l.limits[topic] = w, limit
	err = l.err
	l.mu.Unlock()
	if err == nil && c.Memory.State.Trailing == connector.Beginning {
		err = w.clean(ctx)
	}
	return w, err
}

// prepare looks the topic up or makes it, and checks that the collection can go on
// with it.
func (l *Lane) prepare(ctx context.Context, c *offsets.Collection, topic string) (offsets.Identity, error) {
	if c.Known && c.Identity.Topic != topic {
		return c.Identity, SameTopic(c.Name, c.Identity, offsets.Identity{Topic: topic})
	}
	id, err := l.ensure(ctx, c.Name, topic, c.Known)
	switch {
	case err != nil:
		return id, err
	case c.Known:
		return id, l.resume(c, id)
	default:
		return id, l.bootstrap(ctx, c, id)
	}
}

// resume checks what a collection is resumed from.
func (l *Lane) resume(c *offsets.Collection, id offsets.Identity) error {
	if err := SameTopic(c.Name, c.Identity, id); err != nil {
		return err
	}
	if err := c.Verify(); err != nil {
		return &connector.StopError{
			What:   err.Error(),
			Remedy: fmt.Sprintf("restore topic %s from a copy, or read %s anew under another source name", l.cfg.Topic, c.Name.Collection),
		}
	}
	return nil
}

// bootstrap begins a collection without state. Beside a topic that holds records this
// is the loss of the state and would publish everything again: it is to be told.
func (l *Lane) bootstrap(ctx context.Context, c *offsets.Collection, id offsets.Identity) error {
	left := c.Memory.Ledger.Len() + len(c.Memory.Ledger.Marks()) + len(c.Memory.Doubts)
	if !l.cfg.Bootstrap {
		found, err := HoldsRecords(ctx, l.cl, id)
		if err != nil {
			return fmt.Errorf("look into topic %s: %w", id.Topic, err)
		}
		if found || left > 0 {
			return NoState(c.Name, l.cfg.Topic, id.Topic)
		}
		return nil
	}
	_, seq, err := scan(ctx, l.cl, id, false)
	if err != nil {
		return fmt.Errorf("look into topic %s: %w", id.Topic, err)
	}
	// Batch numbers never fall along a topic. What is left of the ledger is taken as it
	// is, and dropped by the first batches.
	c.Memory.State.Seq = seq
	c.Adopt()
	l.log.Warn("beginning without state, as told", "source", c.Name.Source, "collection", c.Name.Collection, "seq", seq)
	return nil
}

// NoState is a collection without state that was read before: its topic holds records, or
// something is left of its ledger.
func NoState(name offsets.Name, offsetsTopic, topic string) *connector.StopError {
	return &connector.StopError{
		What: fmt.Sprintf("%s has no state in topic %s, but it was read before: its topic %s holds records, or its ledger entries", name, offsetsTopic, topic),
		Remedy: "if `group` was changed, or another group publishes to this topic, set `group` back or take another `topics.name`; if the state was lost, " +
			"restore the offsets topic, or start once with --bootstrap, which reads everything and publishes it again",
	}
}

// cleanPiece is how many entries a batch drops, so that it is no more than a page's.
const cleanPiece = 5000

// clean drops what is left of the ledger of a collection that begins anew: with it,
// nothing that it knows would be published again. A collection that has entries and was
// never read to its first commit is one whose cleaning was interrupted.
func (w *Writer) clean(ctx context.Context) error {
	b := &connector.Batch{State: w.memory.State}
	for id, e := range w.memory.Ledger.All() {
		b.Entries = append(b.Entries, connector.EntryChange{ID: id, Old: e, Had: true, Drop: true})
	}
	for id, d := range w.memory.Doubts {
		b.Doubts = append(b.Doubts, connector.DoubtChange{ID: id, Old: d, Had: true, Drop: true})
	}
	w.memory.Apply(b)
	for len(b.Entries)+len(b.Doubts) > 0 {
		entries, doubts := min(cleanPiece, len(b.Entries)), min(cleanPiece, len(b.Doubts))
		w.memory.State.Seq++
		piece := &connector.Batch{Entries: b.Entries[:entries], Doubts: b.Doubts[:doubts], State: w.memory.State}
		b.Entries, b.Doubts = b.Entries[entries:], b.Doubts[doubts:]
		if err := w.Stage(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}
