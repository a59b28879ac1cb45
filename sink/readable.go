package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
)

// Readable returns when everything that this writer has committed, which is what a Flush
// before it made sure of, can be read by a read_committed consumer: Kafka answers the end
// of a transaction before its markers are written, and until then shows none of it. It
// returns for each partition up to where such a consumer must have read to have seen it.
//
// An Offset is that behind the last committed record, never one that only a marker fills:
// the position of most consumers is behind the last record that they were given, and so
// does not pass the markers at the end. It is 0 for a partition that shows no record at
// all. Of a partition to which this life of the lane has written nothing, the last record
// is looked for from its end backwards, once; if compaction has removed since what stood
// at the end, a consumer that begins only then finds no record there to come so far by.
//
// It asks until ctx is done. A lane that is spent meanwhile returns its error, though what
// was committed stays so.
func (w *Writer) Readable(ctx context.Context) ([]connector.Position, error) {
	ends, err := w.known()
	if err != nil {
		return nil, err
	}
	stable, err := w.stable(ctx, ends)
	if err == nil {
		stable, err = w.uncovered(ctx, ends, stable)
	}
	if err != nil {
		return nil, err
	}
	positions := make([]connector.Position, len(ends))
	for p := range ends {
		partition := int32(p)
		if ends[p] < 0 {
			if ends[p], err = lastRecord(ctx, w.lane.cl, w.topic, partition, stable[p]); err != nil {
				return nil, fmt.Errorf("look for the last record of topic %s partition %d: %w", w.topic, p, err)
			}
			w.found(partition, ends[p])
		}
		positions[p] = connector.Position{Topic: w.topic, Partition: partition, Offset: ends[p]}
	}
	return positions, nil
}

// unknownEnds are those of a topic of which this life has seen nothing.
func unknownEnds(partitions int32) []int64 {
	ends := make([]int64, partitions)
	for p := range ends {
		ends[p] = -1
	}
	return ends
}

func (w *Writer) known() ([]int64, error) {
	w.lane.mu.Lock()
	defer w.lane.mu.Unlock()
	return append([]int64(nil), w.ends...), w.failure()
}

// found remembers where a partition ends, which only this writer moves.
func (w *Writer) found(partition int32, end int64) {
	w.lane.mu.Lock()
	defer w.lane.mu.Unlock()
	w.ends[partition] = max(w.ends[partition], end)
}

// uncovered waits until what earlier lives of the lane have written is stable as well: a
// stranger's transaction that was open below it hides it, and this life does not know of it.
func (w *Writer) uncovered(ctx context.Context, ends, stable []int64) ([]int64, error) {
	until, covered := slices.Clone(ends), false
	for p := range ends {
		if ends[p] >= 0 {
			continue
		}
		at := hang{w.topic, int32(p), stable[p]}
		err := w.lane.uncommitted(ctx, at, func(r *kgo.Record) error {
			if !r.Attrs.IsControl() && batchNumber(r) > 0 {
				until[p], covered = r.Offset+1, true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for records behind an open transaction in topic %s partition %d: %w", w.topic, p, err)
		}
	}
	if !covered {
		return stable, nil
	}
	return w.stable(ctx, until)
}

// stable waits until the last stable offset of each partition has reached the end that is
// known of it, and returns them.
func (w *Writer) stable(ctx context.Context, ends []int64) ([]int64, error) {
	stable := unknownEnds(int32(len(ends)))
	for pause := 500 * time.Microsecond; ; pause = min(2*pause, 50*time.Millisecond) {
		why := w.askStable(ctx, ends, stable)
		late := -1
		for p := range ends {
			if stable[p] < max(ends[p], 0) {
				late = p
			}
		}
		if late < 0 {
			return stable, nil
		}
		if why == nil || ctx.Err() != nil && stable[late] >= 0 { // the question that was called off says less
			why = fmt.Errorf("partition %d is stable up to offset %d, and its records go up to %d", late, stable[late], ends[late])
		}
		if errors.Is(why, kerr.TopicAuthorizationFailed) {
			return nil, &TopicError{Topic: w.topic, Err: why}
		}
		if _, err := w.known(); err != nil {
			return nil, err
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("what was committed to topic %s cannot be read yet: %w (%w)", w.topic, why, err)
		}
	}
}

// askStable asks once for the last stable offsets of the partitions that are not known to
// have come far enough. Its error is of those of which it was not told.
func (w *Writer) askStable(ctx context.Context, ends, stable []int64) (failed error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = 1 // read_committed: the last stable offset
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = w.topic
	for p := range ends {
		if stable[p] < max(ends[p], 0) {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = int32(p), -1
			t.Partitions = append(t.Partitions, part)
		}
	}
	req.Topics = append(req.Topics, t)
	for _, shard := range w.lane.cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			failed = errors.Join(failed, shard.Err)
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					failed = errors.Join(failed, fmt.Errorf("partition %d: %w", p.Partition, err))
				} else if int(p.Partition) < len(stable) {
					stable[p.Partition] = p.Offset
				}
			}
		}
	}
	return failed
}

// lastRecord returns the offset behind the last record below stable that a read_committed
// consumer is shown, 0 if there is none. Only the end is read, in growing pieces: markers
// stand there, and what was aborted.
func lastRecord(ctx context.Context, cl *kgo.Client, topic string, partition int32, stable int64) (int64, error) {
	for piece := int64(16); ; piece *= 16 {
		tail := offsets.NewTail(cl, topic, partition)
		tail.Next = max(0, stable-piece)
		end, whole := int64(0), stable <= piece
		for tail.Next < stable {
			err := tail.Fetch(ctx, func(r *kgo.Record) error { end = r.Offset + 1; return nil })
			if errors.Is(err, offsets.ErrTruncated) {
				tail, whole = offsets.NewTail(cl, topic, partition), true // which begins at its start
				continue
			}
			if err != nil {
				return 0, err
			}
		}
		if end > 0 || whole {
			return end, nil
		}
	}
}
