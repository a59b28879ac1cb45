//go:build unix

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// reader is the consumer at the end: read_committed, from the beginning of a topic of
// one partition.
type reader struct {
	cl       *kgo.Client
	topic    string
	seen     []bool // by id
	missing  int
	repeats  int
	position int64
	// arrived is called with the index of each record that comes for the first time.
	arrived func(i int, at time.Time)
}

func newReader(brokers, topic string, n int) (*reader, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// They make the position known where a transaction ends the topic.
		kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	return &reader{cl: cl, topic: topic, seen: make([]bool, n), missing: n, arrived: func(int, time.Time) {}}, nil
}

func (r *reader) close() { r.cl.Close() }

// poll takes what has come.
func (r *reader) poll(ctx context.Context) error {
	fetches := r.cl.PollFetches(ctx)
	now := time.Now()
	if err := fetches.Err(); err != nil {
		return fmt.Errorf("read %s with %d records missing: %w", r.topic, r.missing, err)
	}
	for it := fetches.RecordIter(); !it.Done(); {
		rec := it.Next()
		r.position = rec.Offset + 1
		if rec.Attrs.IsControl() {
			continue
		}
		id, err := strconv.Atoi(string(rec.Key))
		if i := id - firstID; err == nil && i >= 0 && i < len(r.seen) {
			r.take(i, now)
			continue
		}
		return fmt.Errorf("read %s: key %q is none of the API's", r.topic, rec.Key)
	}
	return nil
}

func (r *reader) take(i int, now time.Time) {
	if r.seen[i] {
		r.repeats++
		return
	}
	r.seen[i] = true
	r.missing--
	r.arrived(i, now)
}

// readAll returns when every record has been seen, and the time of the last.
func (r *reader) readAll(ctx context.Context) (time.Time, error) {
	for r.missing > 0 {
		if err := r.poll(ctx); err != nil {
			return time.Time{}, err
		}
	}
	return time.Now(), nil
}

// readToEnd reads what is committed by now, for repeats at the end.
func (r *reader) readToEnd(ctx context.Context) error {
	ends, err := kadm.NewClient(r.cl).ListCommittedOffsets(ctx, r.topic)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(r.topic, 0)
	if end.Err != nil {
		return end.Err
	}
	for r.position < end.Offset {
		if err := r.poll(ctx); err != nil {
			return err
		}
	}
	return nil
}
