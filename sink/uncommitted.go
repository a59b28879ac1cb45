package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// uncommitted reads a partition read_uncommitted from the offset of a hang to the high
// watermark, and calls each for every record and every marker, of all producers.
func (l *Lane) uncommitted(ctx context.Context, h hang, each func(*kgo.Record) error) error {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	meta, err := kadm.NewClient(l.cl).Metadata(ctx, h.topic)
	if err != nil {
		return fmt.Errorf("metadata of %s: %w", h.topic, err)
	}
	t := meta.Topics[h.topic]
	leader, ok := t.Partitions[h.partition]
	if t.Err == nil && !ok {
		return &doubtfulError{fmt.Sprintf("topic %s has no partition %d any more", h.topic, h.partition)}
	}
	if err := errors.Join(t.Err, leader.Err); err != nil {
		return fmt.Errorf("metadata of %s partition %d: %w", h.topic, h.partition, err)
	}
	unpack := kgo.DefaultDecompressor()
	for next, end := h.start, int64(-1); end < 0 || next < end; {
		part, err := l.fetch(ctx, h, t.ID, leader.Leader, next)
		if err != nil {
			return fmt.Errorf("fetch %s partition %d at offset %d: %w", h.topic, h.partition, next, err)
		}
		if end < 0 {
			end = part.HighWatermark
		}
		read, after := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			Offset: next, IsolationLevel: kgo.ReadUncommitted(), KeepControlRecords: true, Topic: h.topic, Partition: h.partition,
		}, part, unpack, nil)
		for _, r := range read.Records {
			if err := each(r); err != nil {
				return err
			}
		}
		if read.Err != nil {
			return fmt.Errorf("%s partition %d at offset %d: %w", h.topic, h.partition, next, read.Err)
		}
		next = max(next, after)
	}
	return nil
}

// fetch reads once.
func (l *Lane) fetch(ctx context.Context, h hang, id kadm.TopicID, leader int32, offset int64) (*kmsg.FetchResponseTopicPartition, error) {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = h.partition, offset, 1<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = h.topic, id
	topic.Partitions = append(topic.Partitions, part)
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 250, 1, 1<<20, -1
	req.Topics = append(req.Topics, topic)
	kresp, err := l.cl.Broker(int(leader)).RetriableRequest(ctx, req)
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
