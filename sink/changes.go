package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Changes are the latest changes of one key, as its topic shows them.
type Changes struct {
	// Changes are the newest first.
	Changes []Change
	// Partition is where they are, searched from Until, its end, back to Since.
	Partition    int32
	Since, Until int64
	// Whole says that the topic holds nothing older of the key. Compaction may have taken
	// what was.
	Whole bool
}

// Change is one record of a data topic.
type Change struct {
	Offset    int64
	Timestamp time.Time // of the record
	// Instant is the version's own, Beginning where its header is missing or malformed;
	// Batch the number of its batch, 0 likewise.
	Instant connector.Instant
	Batch   uint64
	// Value is nil for a deletion.
	Value []byte
}

// DefaultLook is how many offsets LastChanges looks at for want of another number.
const DefaultLook = 100_000

// LastChanges looks for the latest changes of a key, at most limit of them, in the partition
// of the topic that the key maps to by as many partitions as the topic has now. It reads
// read_committed from the end backwards, over at most look offsets; 0 is DefaultLook. When
// ctx's deadline comes first, it returns what it has found. It fences nobody.
func LastChanges(ctx context.Context, opts []kgo.Opt, topic, key string, limit int, look int64) (*Changes, error) {
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.DisableClientMetrics())...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	id, err := Identify(ctx, cl, topic)
	if err != nil {
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("topic %s does not exist: %w", topic, kerr.UnknownTopicOrPartition)
		}
		return nil, err
	}
	s := search{cl: cl, topic: topic, key: key, limit: limit}
	s.Partition = int32(keyed().ForTopic(topic).Partition(&kgo.Record{Key: []byte(key)}, int(id.Partitions)))
	if err := s.bounds(ctx); err != nil {
		return nil, err
	}
	if look <= 0 {
		look = DefaultLook
	}
	err = s.back(ctx, max(s.start, s.Until-look))
	if err != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, err
	}
	return &s.Changes, nil
}

// A search for the changes of a key has read its partition from Until back to Since.
type search struct {
	Changes
	cl    *kgo.Client
	topic string
	key   string
	limit int
	start int64 // of the log
}

// bounds asks where the partition begins and ends.
func (s *search) bounds(ctx context.Context) error {
	adm := kadm.NewClient(s.cl)
	starts, err := adm.ListStartOffsets(ctx, s.topic)
	ends, err2 := adm.ListCommittedOffsets(ctx, s.topic)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("offsets of %s: %w", s.topic, err)
	}
	start, _ := starts.Lookup(s.topic, s.Partition)
	end, _ := ends.Lookup(s.topic, s.Partition)
	if err := errors.Join(start.Err, end.Err); err != nil {
		return fmt.Errorf("offsets of %s partition %d: %w", s.topic, s.Partition, err)
	}
	s.start, s.Since, s.Until = start.Offset, end.Offset, end.Offset
	return nil
}

// back reads piece by piece, each longer than the one behind it, down to an offset.
func (s *search) back(ctx context.Context, down int64) error {
	for piece := int64(1000); len(s.Changes.Changes) < s.limit && s.Since > down; piece *= 4 {
		from := max(down, s.Since-piece)
		found, more, err := s.piece(ctx, from)
		if err != nil {
			return err
		}
		slices.Reverse(found)
		s.Changes.Changes = append(s.Changes.Changes, found...)
		if s.Since = from; more {
			s.Since = found[len(found)-1].Offset // what is older was not kept
			return nil
		}
	}
	s.Whole = s.Since <= s.start
	return nil
}

// piece reads from an offset to where the search has come, and returns the last changes in
// it that are still wanted; more says that there are older ones.
func (s *search) piece(ctx context.Context, from int64) (found []Change, more bool, err error) {
	want := s.limit - len(s.Changes.Changes)
	tail := offsets.NewTail(s.cl, s.topic, s.Partition)
	tail.Next = from
	for tail.Next < s.Since {
		err := tail.Fetch(ctx, func(r *kgo.Record) error {
			if r.Offset < s.Since && r.Key != nil && string(r.Key) == s.key {
				found = append(found, changeOf(r))
			}
			if len(found) > want {
				found, more = slices.Delete(found, 0, 1), true
			}
			return nil
		})
		if errors.Is(err, offsets.ErrTruncated) {
			return nil, false, fmt.Errorf("%w while it was looked into: try again", err)
		}
		if err != nil {
			return nil, false, err
		}
	}
	return found, more, nil
}

func changeOf(r *kgo.Record) Change {
	c := Change{Offset: r.Offset, Timestamp: r.Timestamp, Instant: connector.Beginning, Batch: batchNumber(r), Value: slices.Clone(r.Value)}
	for _, h := range r.Headers {
		if h.Key == "ce_time" {
			if at, err := connector.ParseInstant(string(h.Value)); err == nil {
				c.Instant = at
			}
		}
	}
	return c
}
