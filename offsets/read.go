package offsets

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Tail reads one partition in order, read_committed unless told otherwise, and knows its
// position, which a consumer does not: the end of a partition is mostly markers, so
// that waiting for a record there would wait for ever. It fences nobody.
type Tail struct {
	cl        *kgo.Client
	topic     string
	partition int32

	// Next is the offset that is read next, -1 before the first Fetch.
	Next int64
	// Start, Stable and High are the log's first offset, its last stable offset and
	// its high watermark as the last fetch told them.
	Start, Stable, High int64

	// Uncommitted shows what open and aborted transactions wrote as well, and markers, as
	// control records. Who sets Next before the first Fetch begins there.
	Uncommitted bool

	// Hole, if set, is told of each range of offsets, both ends included, at which the
	// log holds nothing any more, before the records of the same answer.
	Hole func(from, to int64)

	id           kadm.TopicID
	leader       int32
	decompressor kgo.Decompressor
}

// NewTail returns a reader of a partition from its first record.
func NewTail(cl *kgo.Client, topic string, partition int32) *Tail {
	return &Tail{cl: cl, topic: topic, partition: partition, Next: -1, Stable: math.MaxInt64, leader: -1, decompressor: kgo.DefaultDecompressor()}
}

// ErrTruncated says that the log no longer holds what was to be read next: what was
// read so far is to be forgotten.
var ErrTruncated = errors.New("the log was cut below the position read")

// fetchBytes bounds an answer, compressed: decoded it is many times larger.
const fetchBytes = 1 << 20

// fetchWait is how long a broker may hold a fetch back that has nothing to answer.
const fetchWait = 250 * time.Millisecond

// Fetch reads once and calls each for every record that it is to show. It waits a little when
// there is none. A change of leader is followed; other errors are returned.
func (t *Tail) Fetch(ctx context.Context, each func(*kgo.Record) error) error {
	if t.leader < 0 {
		if err := t.locate(ctx); err != nil {
			return err
		}
	}
	part, err := t.request(ctx)
	switch {
	case err == nil:
	case errors.Is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("%s partition %d at offset %d: %w", t.topic, t.partition, t.Next, ErrTruncated)
	case moved(err):
		t.leader = -1
		return sleep(ctx, 50*time.Millisecond)
	default:
		return fmt.Errorf("fetch %s partition %d at offset %d: %w", t.topic, t.partition, t.Next, err)
	}
	t.Start, t.Stable, t.High = part.LogStartOffset, part.LastStableOffset, part.HighWatermark
	if t.Hole != nil {
		holes(t.Next, part.RecordBatches, t.Hole)
	}
	opts := kgo.ProcessFetchPartitionOpts{Offset: t.Next, IsolationLevel: kgo.ReadCommitted(), Topic: t.topic, Partition: t.partition}
	if t.Uncommitted {
		opts.IsolationLevel, opts.KeepControlRecords = kgo.ReadUncommitted(), true
	}
	read, next := kgo.ProcessFetchPartition(opts, part, t.decompressor, nil)
	for _, r := range read.Records {
		if err := each(r); err != nil {
			return fmt.Errorf("%s partition %d offset %d: %w", t.topic, t.partition, r.Offset, err)
		}
	}
	t.Next = max(t.Next, next)
	if read.Err != nil {
		return fmt.Errorf("%s partition %d at offset %d: %w", t.topic, t.partition, t.Next, read.Err)
	}
	return nil
}

func moved(err error) bool {
	return kerr.IsRetriable(err) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)
}

// locate asks for the partition's leader and, the first time, for the log's start.
func (t *Tail) locate(ctx context.Context) error {
	starts, err := kadm.NewClient(t.cl).ListStartOffsets(ctx, t.topic)
	if err != nil {
		return fmt.Errorf("list start offsets of %s: %w", t.topic, err)
	}
	start, ok := starts.Lookup(t.topic, t.partition)
	if !ok {
		return fmt.Errorf("topic %s has no partition %d: it was not made yet (run makes it), or has another name", t.topic, t.partition)
	}
	if start.Err != nil {
		return fmt.Errorf("list start offsets of %s partition %d: %w", t.topic, t.partition, start.Err)
	}
	meta, err := kadm.NewClient(t.cl).Metadata(ctx, t.topic)
	if err != nil {
		return fmt.Errorf("metadata of %s: %w", t.topic, err)
	}
	d := meta.Topics[t.topic]
	p, ok := d.Partitions[t.partition]
	if d.Err != nil || !ok {
		return fmt.Errorf("metadata of %s partition %d: %w", t.topic, t.partition, errors.Join(d.Err, p.Err))
	}
	t.id, t.leader = d.ID, p.Leader
	if t.Next < 0 {
		t.Next, t.Start = start.Offset, start.Offset
	}
	if t.leader < 0 {
		return sleep(ctx, 100*time.Millisecond)
	}
	return nil
}

func (t *Tail) request(ctx context.Context) (*kmsg.FetchResponseTopicPartition, error) {
	if t.leader < 0 {
		return nil, kerr.LeaderNotAvailable
	}
	req := kmsg.NewPtrFetchRequest()
	// It is the partition's bound that cuts an answer: where the other one does, kfake leaves
	// out which transactions were aborted.
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(fetchWait.Milliseconds()), 1, 2*fetchBytes
	req.IsolationLevel, req.SessionEpoch = 1, -1 // read_committed, no fetch session
	if t.Uncommitted {
		req.IsolationLevel = 0
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = t.topic, t.id
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = t.partition, t.Next, fetchBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	kresp, err := t.cl.Broker(int(t.leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := kresp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("the broker answered about %d topics instead of 1", len(resp.Topics))
	}
	p := &resp.Topics[0].Partitions[0]
	return p, kerr.ErrorForCode(p.ErrorCode)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ReadLayout returns the layout that a lane says, nil if it says none. It fences nobody.
func ReadLayout(ctx context.Context, cl *kgo.Client, topic string, lane int32) (*Layout, error) {
	end, err := HighWatermark(ctx, cl, topic, lane)
	if err != nil || end == 0 {
		return nil, err
	}
	table, tail := NewTable(), NewTail(cl, topic, lane)
	for table.Layout == nil && (tail.Next < 0 || tail.Next < tail.Stable) {
		if err := tail.Fetch(ctx, func(r *kgo.Record) error { return table.Apply(r.Key, r.Value) }); err != nil {
			return nil, err
		}
	}
	return table.Layout, nil
}

// HighWatermark returns the end of a partition, open transactions included. It is the
// target of a restore and not the last stable offset: somebody else's open transaction
// below our commit would hide our own state.
func HighWatermark(ctx context.Context, cl *kgo.Client, topic string, partition int32) (int64, error) {
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("list end offsets of %s: %w", topic, err)
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok {
		return 0, fmt.Errorf("topic %s has no partition %d", topic, partition)
	}
	if end.Err != nil {
		return 0, fmt.Errorf("list end offsets of %s partition %d: %w", topic, partition, end.Err)
	}
	return end.Offset, nil
}
