package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Rebuilt is what a data topic tells of a collection whose state was lost. It cannot
// tell how far the source was read: only which version of each record was published
// last.
type Rebuilt struct {
	Identity offsets.Identity
	// Memory has an entry for each live record, and the number of the last batch.
	Memory *connector.Memory
	// Records were read, Foreign of them without the headers of a record of this
	// collection and so passed over, Renamed under another name of it. Newest is the
	// newest instant published.
	Records, Foreign, Renamed int
	Newest                    connector.Instant

	deleted map[string]connector.Instant // keys whose last record is a tombstone
	print   uint16                       // the largest number of a fingerprint
	unlike  map[uint16]bool              // fingerprints with which a value has another hash than parse finds
}

// Rebuild reads a data topic from its beginning to its end. parse reads a value, and the key it has, with the
// present config: whether it finds the hashes in the headers tells whether they were made
// with the same.
func Rebuild(ctx context.Context, cl *kgo.Client, name offsets.Name, topic string, parse func(key string, value []byte) (connector.Record, error)) (*Rebuilt, error) {
	r := &Rebuilt{Memory: connector.NewMemory(), Newest: connector.Beginning, deleted: map[string]connector.Instant{}, unlike: map[uint16]bool{}}
	var err error
	if r.Identity, err = Identify(ctx, cl, topic); err != nil {
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("topic %s of %s does not exist: there is nothing to rebuild from", topic, name)
		}
		return nil, err
	}
	headers := NewHeaderReader(name.Source, name.Collection)
	err = readTopic(ctx, cl, r.Identity, func(rec *kgo.Record) (more bool, err error) {
		r.add(headers, rec, parse)
		return true, nil
	})
	return r, err
}

func (r *Rebuilt) add(headers *HeaderReader, rec *kgo.Record, parse func(string, []byte) (connector.Record, error)) {
	r.Records++
	h, err := headers.Read(rec)
	if err != nil {
		r.Foreign++
		return
	}
	if h.Renamed {
		r.Renamed++
	}
	id := string(rec.Key)
	s := &r.Memory.State
	s.Seq = max(s.Seq, h.Seq)
	if h.Deleted {
		r.Memory.Ledger.Drop(id)
		r.deleted[id] = h.Time
		return
	}
	delete(r.deleted, id)
	// A deletion's instant may be that of a command, and a version's lie in the future:
	// neither says how far the source was read. Nothing was read later than it was written.
	r.Newest = max(r.Newest, min(h.Time, connector.InstantOf(rec.Timestamp)))
	r.print = max(r.print, h.Print)
	e := connector.Entry{Instant: h.Time, Hash: h.Hash, Print: h.Print}
	v, err := parse(id, rec.Value)
	if err != nil || v.ID != id || v.Hash != h.Hash {
		r.unlike[h.Print] = true
	}
	if err == nil && v.ID == id && v.Bad == "" {
		e.Hash, e.Print = v.Hash, present
	}
	r.Memory.Ledger.Put(id, e)
}

// present stands for the number of the present fingerprint until Resume has chosen it.
const present = 1<<14 - 1

// Resume makes of it a memory to go on from with those settings: reading begins again
// at from. Whatever was published by then is published no second time.
func (r *Rebuilt) Resume(set connector.Settings, from connector.Instant) *connector.Memory {
	m := r.Memory
	for id, at := range r.deleted {
		// The deletion may be younger than the slowest replica.
		if at.Add(2*set.Lookback) > r.Newest {
			m.Ledger.Put(id, connector.Entry{Instant: at, Mark: true})
		}
	}
	number := max(1, r.print)
	if r.unlike[number] {
		number++ // the hashes in the topic are those of another config
	}
	for id, e := range m.Ledger.All() {
		if e.Print == present {
			e.Print = number
			m.Ledger.Put(id, e) // over itself: nothing moves
		}
	}
	s := &m.State
	s.Prints = []connector.Numbered{{Number: number, Fingerprint: set.Fingerprint}}
	s.Lookback, s.Floor = set.Lookback, set.Start.At
	if set.Start.Now {
		s.Floor = from
	}
	from = max(from, s.Floor) // what lies below was never to be published
	*s = s.Moved(from, connector.Forever)
	// Beginning would be a collection that was never read, whose ledger is forgotten. And
	// nothing younger than a lookback has been read for good.
	s.Trailing = from
	if from == connector.Beginning {
		s.Trailing = max(r.Newest.Add(-2*set.Lookback), 0)
	}
	return m
}

// Alike says whether the hashes in the topic were made with the present config.
func (r *Rebuilt) Alike() bool { return !r.unlike[max(1, r.print)] }

// readTopic reads every partition of a data topic read_committed from its beginning to
// its high watermark of now, until each returns false.
func readTopic(ctx context.Context, cl *kgo.Client, id offsets.Identity, each func(*kgo.Record) (more bool, err error)) error {
	for p := range id.Partitions {
		end, err := offsets.HighWatermark(ctx, cl, id.Topic, p)
		if err != nil {
			return err
		}
		more := true
		tail := offsets.NewTail(cl, id.Topic, p)
		moved, at := time.Now(), tail.Next
		for end > 0 && tail.Next < end && more {
			if tail.Next != at {
				moved, at = time.Now(), tail.Next
			}
			if time.Since(moved) > stall {
				return &TopicError{Topic: id.Topic, Err: fmt.Errorf("reading partition %d makes no progress at offset %d of %d: "+
					"a transaction of another producer hangs there; find it with kafka-transactions.sh find-hanging and end it with its abort", p, tail.Next, end)}
			}
			err := tail.Fetch(ctx, func(r *kgo.Record) (err error) {
				if more {
					more, err = each(r)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
	return nil
}
