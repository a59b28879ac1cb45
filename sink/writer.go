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
	*strand
	name     offsets.Name
	topic    string
	identity offsets.Identity
	memory   *connector.Memory
	encoder  *offsets.Encoder
	headers  headers
	m        *connector.CollectionMetrics
	limit    int // bytes of a batch that the data topic takes
	box      *letterBox
	// ends are, by partition, the offset behind the last record that is known to be
	// committed, -1 where none is. They belong to the lane's mutex.
	ends []int64
}

var _ connector.Committer = (*Writer)(nil)

// Memory returns what the collection is resumed from. It belongs to the caller.
func (w *Writer) Memory() *connector.Memory { return w.memory }

// MaxRecord returns how many bytes a record's value and twice its id may have to be
// taken by the data topic.
func (w *Writer) MaxRecord() int {
	return maxRecord(w.limit, w.name)
}

func maxRecord(limit int, name offsets.Name) int {
	return limit - overhead - 3*len(name.Source) - 3*len(name.Collection)
}

// Stage hands over the next batch, to be committed with whatever else is staged on the
// lane as soon as the transaction before is done. It blocks while much is staged.
func (w *Writer) Stage(ctx context.Context, b *connector.Batch) error {
	s := &staged{of: w.strand, records: make([]*kgo.Record, 0, records(b))}
	if err := w.add(s, b); err != nil {
		return err
	}
	return w.enqueue(ctx, s)
}

// records is how many records a batch makes.
func records(b *connector.Batch) int {
	return len(b.Changes) + len(b.Letters) + len(b.Entries) + len(b.Doubts) + len(b.Receipts) + 1
}

// add adds a batch to what is staged together.
func (w *Writer) add(s *staged, b *connector.Batch) error {
	p := part{w: w, letters: len(b.Letters)}
	from := len(s.records)
	s.records = w.headers.appendRecords(s.records, w.topic, b)
	p.changes = s.records[from:len(s.records):len(s.records)]
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
			p.deleted++
		} else {
			p.upserted = append(p.upserted, c.Instant)
		}
	}
	from = len(s.records)
	var size int
	s.records, size = w.encoder.Records(s.records, b)
	s.bytes += size
	s.parts = append(s.parts, p)
	for _, r := range s.records[from:] {
		if err := w.lane.fits(r, "a record of the state of "+w.name.String()); err != nil {
			return err
		}
	}
	return nil
}

// fits says whether the offsets topic takes a record.
func (l *Lane) fits(r *kgo.Record, what string) error {
	n := len(r.Key) + len(r.Value) + overhead
	if n <= l.stateLimit {
		return nil
	}
	return &connector.StopError{
		What:   fmt.Sprintf("%s is %d bytes long, more than the offsets topic takes (%.60s…)", what, n, r.Key),
		Remedy: "raise max.message.bytes of the offsets topic",
	}
}

// count counts a batch as committed. The lane's mutex is held.
func (w *Writer) count(p *part, now time.Time) {
	for _, r := range p.changes {
		for int(r.Partition) >= len(w.ends) { // keys stay in those of Open, and one that does not is no reason to end
			w.ends = append(w.ends, unknownEnds(1)...)
		}
		w.ends[r.Partition] = max(w.ends[r.Partition], r.Offset+1)
	}
	w.m.Committed(now, len(p.upserted), p.deleted)
	w.m.Letters.Add(float64(p.letters))
	at := connector.InstantOf(now)
	for _, i := range p.upserted {
		w.m.EventAge.Observe(at.Sub(i).Seconds())
	}
}
