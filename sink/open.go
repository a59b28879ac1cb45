package sink

import (
	"context"
	"fmt"

	"tributary/connector"
	"tributary/offsets"
)

// Open makes a collection ready to be written: its topic is there and is the one that
// its state belongs to, and its state is whole. A *connector.StopError is about this
// collection alone; any other error is about the lane.
func (l *Lane) Open(ctx context.Context, source, collection, topic string, m *connector.CollectionMetrics) (*Writer, error) {
	name := offsets.Name{Source: source, Collection: collection}
	c := l.table.Collection(name)
	id, err := l.ensure(ctx, name, topic, c.Known)
	if err != nil {
		return nil, err
	}
	if c.Known {
		err = l.resume(c, id)
	} else {
		err = l.bootstrap(ctx, c, id)
	}
	if err != nil {
		return nil, err
	}
	limit := maxMessageBytes(ctx, l.cl, topic)
	w := &Writer{
		lane: l, name: name, topic: topic, identity: id, memory: c.Memory, m: m, limit: int(limit),
		encoder: offsets.NewEncoder(l.cfg.Topic, l.Number, c, id, l.cfg.Instance),
		headers: newHeaders(source, collection), changed: make(chan struct{}),
		suspect: l.suspects.of(topic),
	}
	m.SetQuarantined(w.suspect != nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writers[topic], l.limits[topic] = w, limit
	return w, l.err
}

// resume checks what a collection is resumed from.
func (l *Lane) resume(c *offsets.Collection, id offsets.Identity) error {
	if err := sameTopic(c.Name, c.Identity, id); err != nil {
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
		found, _, err := scan(ctx, l.cl, id, true)
		if err != nil {
			return fmt.Errorf("look into topic %s: %w", id.Topic, err)
		}
		if found || left > 0 {
			return &connector.StopError{
				What: fmt.Sprintf("%s has no state in topic %s (%d entries of its ledger are left) while its topic %s holds records",
					c.Name, l.cfg.Topic, left, id.Topic),
				Remedy: "restore the offsets topic, or start once with --bootstrap, which reads everything and publishes it again",
			}
		}
		return nil
	}
	_, seq, err := scan(ctx, l.cl, id, false)
	if err != nil {
		return fmt.Errorf("look into topic %s: %w", id.Topic, err)
	}
	// Batch numbers never fall along a topic.
	c.Memory.State.Seq = seq
	c.Adopt()
	l.log.Warn("beginning without state, as told", "source", c.Name.Source, "collection", c.Name.Collection, "seq", seq)
	return nil
}
