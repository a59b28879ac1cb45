//go:build unix

package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReadCommitted returns what a read_committed consumer sees of a topic from its
// beginning to the high watermark of now, partition after partition in the order of
// their numbers. It waits for transactions that are open below that, as long as ctx
// allows, and never returns less: what cannot be read fails the test.
func (b *Broker) ReadCommitted(ctx context.Context, t testing.TB, topic string) []*kgo.Record {
	t.Helper()
	records, err := readCommitted(ctx, b.Client(t), topic)
	if err != nil {
		t.Fatalf("read %s: %v", topic, err)
	}
	return records
}

func readCommitted(ctx context.Context, cl *kgo.Client, topic string) ([]*kgo.Record, error) {
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(ctx, topic)
	if err := errors.Join(err, topics.Error()); err != nil {
		return nil, err
	}
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err := errors.Join(err, starts.Error()); err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return nil, err
	}
	var all []*kgo.Record
	for _, p := range topics[topic].Partitions.Sorted() {
		start, _ := starts.Lookup(topic, p.Partition)
		end, _ := ends.Lookup(topic, p.Partition)
		r := partitionReader{cl: cl, topic: topic, id: topics[topic].ID, partition: p.Partition}
		records, err := r.read(ctx, start.Offset, end.Offset)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", p.Partition, err)
		}
		all = append(all, records...)
	}
	return all, nil
}

// partitionReader reads one partition by fetch requests of its own. A consumer of the
// client would not do: it does not tell its position, so with a commit marker, an
// aborted batch or a compacted hole at the end one waits for a record that never comes.
type partitionReader struct {
	cl        *kgo.Client
	topic     string
	id        kadm.TopicID
	partition int32
}

func (r partitionReader) read(ctx context.Context, position, end int64) ([]*kgo.Record, error) {
	var all []*kgo.Record
	for position < end {
		fetched, next, err := r.fetch(ctx, position)
		if err != nil {
			return nil, fmt.Errorf("at offset %d of %d (an open transaction may be in the way): %w", position, end, err)
		}
		for _, rec := range fetched {
			if rec.Offset < end {
				all = append(all, rec)
			}
		}
		position = next
	}
	return all, nil
}

// fetch returns the committed records from position on, as far as one response goes,
// and the position after them.
func (r partitionReader) fetch(ctx context.Context, position int64) ([]*kgo.Record, int64, error) {
	const readCommitted = 1
	req := kmsg.NewPtrFetchRequest()
	req.IsolationLevel = readCommitted
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 1, 16<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.topic, r.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = r.partition, position, 16<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	raw, err := r.cl.Broker(nodeID).RetriableRequest(ctx, req)
	if err != nil {
		return nil, position, err
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, position, err
	}
	if len(resp.Topics) == 0 || len(resp.Topics[0].Partitions) == 0 {
		return nil, position, nil
	}
	opts := kgo.ProcessFetchPartitionOpts{
		Offset: position, IsolationLevel: kgo.ReadCommitted(), Topic: r.topic, Partition: r.partition,
	}
	fp, next := kgo.ProcessFetchPartition(opts, &resp.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	if kerr.IsRetriable(fp.Err) {
		// A leader that has just started: soon it knows what it leads.
		time.Sleep(20 * time.Millisecond)
		return nil, position, nil
	}
	return fp.Records, next, fp.Err
}
