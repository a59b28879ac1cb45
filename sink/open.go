package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// TopicError is a data topic that refuses us: its collection waits until it does no
// more, and others go on.
type TopicError struct {
	Topic string
	Err   error
}

func (e *TopicError) Error() string {
	return fmt.Sprintf("topic %s does not take records: %v", e.Topic, e.Err)
}
func (e *TopicError) Unwrap() error { return e.Err }

// Open makes a collection ready to be written: its topic is there and is the one that
// its state belongs to, and its state is whole. A *connector.StopError and a *TopicError
// are about this collection alone; any other error is about the lane. Collections may be
// opened side by side, and each once in a lane's life: the error for a second time is about
// the lane, whose next life may open it.
func (l *Lane) Open(ctx context.Context, source, collection, topic string, m *connector.CollectionMetrics) (*Writer, error) {
	w, err := l.open(ctx, l.strand(topic), offsets.Name{Source: source, Collection: collection}, topic, m)
	if err == nil && w.memory.State.Trailing == connector.Beginning {
		err = w.clean(ctx)
	}
	return w, err
}

// open makes a collection ready to be written as part of a strand.
func (l *Lane) open(ctx context.Context, t *strand, name offsets.Name, topic string, m *connector.CollectionMetrics) (*Writer, error) {
	l.mu.Lock()
	c, again := l.table.Collection(name), l.writers[topic] != nil
	l.mu.Unlock()
	if again {
		// Its memory may hold what was never committed: there is one way to forget that.
		return nil, fmt.Errorf("%s is opened again: its lane is acquired anew for it", name)
	}
	var id offsets.Identity
	err := l.notHung(ctx, c.Name, topic)
	if err == nil {
		id, err = l.prepare(ctx, c, topic)
	}
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
	box, err := l.letters(ctx, c.Name, topic)
	switch {
	case err == nil:
	case refusal(err) && !errors.As(err, &refused) && !errors.As(err, &stop):
		return nil, &TopicError{Topic: l.cfg.Letters[c.Name], Err: err}
	default:
		return nil, err
	}
	w, err := l.writer(ctx, t, c, id, m)
	w.box = box
	return w, err
}

// writer lets a collection stage batches to its topic.
func (l *Lane) writer(ctx context.Context, t *strand, c *offsets.Collection, id offsets.Identity, m *connector.CollectionMetrics) (*Writer, error) {
	limit := l.maxMessageBytes(ctx, id.Topic)
	w := &Writer{
		strand: t, name: c.Name, topic: id.Topic, identity: id, memory: c.Memory, m: m, limit: int(limit),
		encoder: offsets.NewEncoder(l.cfg.Topic, l.Number, c, id, l.cfg.Instance),
		headers: newHeaders(c.Name.Source, c.Name.Collection), ends: unknownEnds(id.Partitions),
	}
	m.SetQuarantined(t.suspicion())
	l.mu.Lock()
	defer l.mu.Unlock()
	t.writers = append(t.writers, w)
	l.writers[id.Topic], l.limits[id.Topic] = w, limit
	return w, l.err
}

// prepare looks the topic up or makes it, and checks that the collection can go on
// with it.
func (l *Lane) prepare(ctx context.Context, c *offsets.Collection, topic string) (offsets.Identity, error) {
	if l.cfg.Bootstrap && !c.Known {
		return l.bootstrap(ctx, c, topic)
	}
	id, exists, err := Belongs(ctx, l.cl, l.identify, c, l.cfg.Topic, topic)
	if err != nil || exists {
		return id, err
	}
	return l.create(ctx, c.Name, topic)
}

// Belongs compares a data topic with what the offsets topic holds of its collection, and
// says whether it exists. Its error is a *connector.StopError when the collection cannot
// go on with it: the topic is not the one that the state belongs to, the ledger does not
// add up, or there is no state although there was one. It changes nothing and fences
// nobody, so that check asks by it what a lane does.
func Belongs(ctx context.Context, cl *kgo.Client, identify Identifier, c *offsets.Collection, offsetsTopic, topic string) (id offsets.Identity, exists bool, err error) {
	if c.Partial != "" {
		return id, false, &connector.StopError{
			What:   fmt.Sprintf("`tributary %s` of %s was interrupted: half of it is committed", c.Partial, c.Name),
			Remedy: "run that command again; nothing is published until then",
		}
	}
	if c.Known && c.Identity.Topic != topic {
		return id, false, sameTopic(c.Name, c.Identity, offsets.Identity{Topic: topic})
	}
	id, err = identify(ctx, topic)
	switch gone := errors.Is(err, kerr.UnknownTopicOrPartition); {
	case gone && c.Known:
		return id, false, deleted(c.Name, topic)
	case gone && c.Left() > 0:
		return id, false, noState(c.Name, offsetsTopic, topic)
	case gone:
		return id, false, nil
	case err != nil:
		return id, false, err
	case c.Known:
		return id, true, resume(c, id, offsetsTopic)
	}
	found, _, err := scan(ctx, cl, id, true)
	switch {
	case err != nil:
		return id, true, fmt.Errorf("look into topic %s: %w", topic, err)
	case found || c.Left() > 0:
		return id, true, noState(c.Name, offsetsTopic, topic)
	}
	return id, true, nil
}

// resume checks what a collection is resumed from.
func resume(c *offsets.Collection, id offsets.Identity, offsetsTopic string) error {
	if err := sameTopic(c.Name, c.Identity, id); err != nil {
		return err
	}
	if err := c.Verify(); err != nil {
		return &connector.StopError{
			What:   err.Error(),
			Remedy: fmt.Sprintf("restore topic %s from a copy, or go on with what is left by `tributary state reset %s`, which publishes again what the ledger lost", offsetsTopic, c.Name),
		}
	}
	return nil
}

// bootstrap begins a collection without state, as told, whatever its topic holds.
func (l *Lane) bootstrap(ctx context.Context, c *offsets.Collection, topic string) (offsets.Identity, error) {
	id, err := l.take(ctx, c, topic, 0)
	if err != nil {
		return id, err
	}
	_, seq, err := scan(ctx, l.cl, id, false)
	if err != nil {
		return id, fmt.Errorf("look into topic %s: %w", topic, err)
	}
	// Batch numbers never fall along a topic. What is left of the ledger is taken as it
	// is, and dropped by the first batches.
	c.Memory.State.Seq = max(c.Memory.State.Seq, seq)
	l.log.Warn("beginning without state, as told", "source", c.Name.Source, "collection", c.Name.Collection, "seq", seq)
	return id, nil
}

// noState is a collection without state that was read before: its topic holds records, or
// something is left of its ledger.
func noState(name offsets.Name, offsetsTopic, topic string) *connector.StopError {
	return &connector.StopError{
		What: fmt.Sprintf("%s has no state in topic %s, but it was read before: its topic %s holds records, or its ledger entries", name, offsetsTopic, topic),
		Remedy: "if `group` was changed, or another group publishes to this topic, set `group` back or take another `topics.name`; if the state was lost, " +
			"restore the offsets topic, or make the state anew from the data topic by `tributary state rebuild " + name.String() + "`, which publishes nothing twice, " +
			"or start once with --bootstrap, which reads everything and publishes it again",
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
	for key, r := range w.memory.Receipts {
		b.Receipts = append(b.Receipts, connector.ReceiptChange{Key: key, Old: r, Had: true, Drop: true})
	}
	w.memory.Apply(b)
	for len(b.Entries)+len(b.Doubts)+len(b.Receipts) > 0 {
		entries, doubts, receipts := min(cleanPiece, len(b.Entries)), min(cleanPiece, len(b.Doubts)), min(cleanPiece, len(b.Receipts))
		w.memory.State.Seq++
		piece := &connector.Batch{Entries: b.Entries[:entries], Doubts: b.Doubts[:doubts], Receipts: b.Receipts[:receipts], State: w.memory.State}
		b.Entries, b.Doubts, b.Receipts = b.Entries[entries:], b.Doubts[doubts:], b.Receipts[receipts:]
		if err := w.Stage(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}
