package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Writer commits the batches of one collection, in their order, through its lane.
type Writer struct {
	lane     *Lane
	name     offsets.Name
	topic    string
	identity offsets.Identity
	memory   *connector.Memory
	encoder  *offsets.Encoder
	headers  headers
	m        *connector.CollectionMetrics
	limit    int // bytes of a batch that the data topic takes
	box      *letterBox

	// The rest belongs to the lane's mutex.
	staged  int // batches that are not committed
	bytes   int
	held    []*staged // while quarantined: they are tried alone
	suspect *suspect  // non-nil while quarantined
	stopped error     // a *connector.StopError: nothing more will be committed
	changed chan struct{}
}

var _ connector.Committer = (*Writer)(nil)

// staged is a batch as records.
type staged struct {
	w       *Writer // nil for what belongs to no collection
	done    func()  // of such: called when it is committed, under the lane's mutex
	records []*kgo.Record
	bytes   int
	// upserted holds the instants of the upserts.
	upserted []connector.Instant
	deleted  int
	letters  int
}

// How much one collection may have staged: some pages to grow a transaction from, and
// no more memory than that.
const (
	maxStaged      = 64
	maxStagedBytes = 8 << 20
)

// Memory returns what the collection is resumed from. It belongs to the caller.
func (w *Writer) Memory() *connector.Memory { return w.memory }

// MaxRecord returns how many bytes a record's value and twice its id may have to be
// taken by the data topic.
func (w *Writer) MaxRecord() int {
	return w.limit - overhead - 3*len(w.name.Source) - 3*len(w.name.Collection)
}

// Stage hands over the next batch, to be committed with whatever else is staged on the
// lane as soon as the transaction before is done. It blocks while much is staged.
func (w *Writer) Stage(ctx context.Context, b *connector.Batch) error {
	s := &staged{w: w, letters: len(b.Letters)}
	s.records = make([]*kgo.Record, 0, len(b.Changes)+len(b.Letters)+len(b.Entries)+len(b.Doubts)+len(b.Receipts)+1)
	s.records = w.headers.appendRecords(s.records, w.topic, b)
	if err := w.stageLetters(s, b); err != nil {
		return err
	}
	for i := range b.Changes {
		c := &b.Changes[i]
		if len(c.Value)+2*len(c.ID) > w.MaxRecord() {
			return &connector.StopError{
				What:   fmt.Sprintf("record %q is %d bytes long, more than topic %s takes", c.ID, len(c.Value), w.topic),
				Remedy: "raise the topic's max.message.bytes, or set `on_bad_record: dlq` or `skip`",
			}
		}
		s.bytes += len(c.Value) + overhead
		if c.Value == nil {
			s.deleted++
		} else {
			s.upserted = append(s.upserted, c.Instant)
		}
	}
	var size int
	s.records, size = w.encoder.Records(s.records, b)
	s.bytes += size
	for _, r := range s.records[len(b.Changes)+len(b.Letters):] {
		if n := len(r.Key) + len(r.Value) + overhead; n > w.lane.stateLimit {
			return &connector.StopError{
				What:   fmt.Sprintf("a record of the state of %s is %d bytes long, more than the offsets topic takes (%.60s…)", w.name, n, r.Key),
				Remedy: "raise max.message.bytes of the offsets topic",
			}
		}
	}
	return w.enqueue(ctx, s)
}

func (w *Writer) enqueue(ctx context.Context, s *staged) error {
	l := w.lane
	room := func() bool { return w.staged == 0 || (w.staged < maxStaged && w.bytes+s.bytes <= maxStagedBytes) }
	return w.await(ctx, room, func() {
		w.staged++
		w.bytes += s.bytes
		if w.suspect != nil {
			w.held = append(w.held, s)
		} else {
			l.queue = append(l.queue, s)
		}
		l.nudge()
	})
}

// Flush returns when everything staged so far is committed.
func (w *Writer) Flush(ctx context.Context) error {
	return w.await(ctx, func() bool { return w.staged == 0 }, func() {})
}

// await waits until cond holds and does then, both under the lane's mutex. It ends
// early with the lane's error, or the collection's own.
func (w *Writer) await(ctx context.Context, cond func() bool, then func()) error {
	l := w.lane
	for {
		l.mu.Lock()
		if err := w.failure(); err != nil {
			l.mu.Unlock()
			return err
		}
		if cond() {
			then()
			l.mu.Unlock()
			return nil
		}
		changed := w.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (w *Writer) failure() error {
	if w.lane.err != nil {
		return w.lane.err
	}
	return w.stopped
}

// broadcast wakes whoever awaits. The lane's mutex is held.
func (w *Writer) broadcast() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// committed counts a batch as done. The lane's mutex is held.
func (w *Writer) committed(s *staged, now time.Time) {
	w.staged--
	w.bytes -= s.bytes
	w.m.Committed(now, len(s.upserted), s.deleted)
	w.m.Letters.Add(float64(s.letters))
	at := connector.InstantOf(now)
	for _, i := range s.upserted {
		w.m.EventAge.Observe(at.Sub(i).Seconds())
	}
	w.broadcast()
}
