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
	// collection and so passed over. Newest is the newest instant published.
	Records, Foreign int
	Newest           connector.Instant

	deleted map[string]connector.Instant // keys whose last record is a tombstone
	print   uint16                       // the largest number of a fingerprint
	unlike  map[uint16]bool              // fingerprints with which a value has another hash than parse finds
}

// Rebuild reads a data topic from its beginning to its end. parse reads a value with the
// present config: whether it finds the hashes in the headers tells whether they were made
// with the same.
func Rebuild(ctx context.Context, cl *kgo.Client, name offsets.Name, topic string, parse func([]byte) (connector.Record, error)) (*Rebuilt, error) {
	r := &Rebuilt{Memory: connector.NewMemory(), Newest: connector.Beginning, deleted: map[string]connector.Instant{}, unlike: map[uint16]bool{}}
	var err error
	if r.Identity, err = identify(ctx, cl, topic); err != nil {
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

func (r *Rebuilt) add(headers *HeaderReader, rec *kgo.Record, parse func([]byte) (connector.Record, error)) {
	r.Records++
	h, err := headers.Read(rec)
	if err != nil {
		r.Foreign++
		return
	}
	id := string(rec.Key)
	s := &r.Memory.State
	s.Seq, r.Newest = max(s.Seq, h.Seq), max(r.Newest, h.Time)
	if h.Deleted {
		r.Memory.Ledger.Drop(id)
		r.deleted[id] = h.Time
		return
	}
	delete(r.deleted, id)
	r.Memory.Ledger.Put(id, connector.Entry{Instant: h.Time, Hash: h.Hash, Print: h.Print})
	r.print = max(r.print, h.Print)
	if v, err := parse(rec.Value); err != nil || v.ID != id || v.Hash != h.Hash {
		r.unlike[h.Print] = true
	}
}

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
	s := &m.State
	s.Prints = []connector.Numbered{{Number: number, Fingerprint: set.Fingerprint}}
	s.Lookback, s.Floor = set.Lookback, set.Start.At
	if set.Start.Now {
		s.Floor = from
	}
	*s = s.Moved(from)
	// Beginning would be a collection that was never read, whose ledger is forgotten.
	s.Trailing = from
	if from == connector.Beginning {
		s.Trailing = max(r.Newest, 0)
	}
	return m
}

// Alike says whether the hashes of the versions published last were made with the
// present config: then a change is known by its hash, else by its instant alone.
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
