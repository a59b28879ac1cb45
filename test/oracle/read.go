package oracle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// partition is how far one partition was read.
type partition struct {
	next int64 // the offset after the last record or marker seen
	end  int64 // the offset to read up to
	// last is the batch of the record just before next, nil behind a marker.
	last   *batch
	seq, i int64 // the place of the last data record among the batches
}

// read reads every partition up to its high watermark of now.
func (o *Oracle) read(ctx context.Context) error {
	if err := o.aim(ctx); err != nil {
		return err
	}
	for {
		name, p, behind := o.short()
		if !behind {
			return nil
		}
		fetches := o.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("oracle: partition %s/%d was read up to %d of %d: %w (is a transaction open?)", name, p, o.topics[name].partitions[p].next, o.topics[name].partitions[p].end, err)
		}
		for _, e := range fetches.Errors() {
			if !kerr.IsRetriable(e.Err) {
				return fmt.Errorf("oracle: read %s/%d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		fetches.EachRecord(o.see)
	}
}

// aim sets the end of each partition, and begins to read those that are new.
func (o *Oracle) aim(ctx context.Context) error {
	ends, err := kadm.NewClient(o.client).ListEndOffsets(ctx, slices.Collect(maps.Keys(o.topics))...)
	if err != nil {
		return fmt.Errorf("oracle: list end offsets: %w", err)
	}
	added := make(map[string]map[int32]kgo.Offset)
	var failed error
	ends.Each(func(l kadm.ListedOffset) {
		switch {
		case errors.Is(l.Err, kerr.UnknownTopicOrPartition):
			return
		case l.Err != nil:
			failed = fmt.Errorf("oracle: end of %s/%d: %w", l.Topic, l.Partition, l.Err)
			return
		}
		t := o.topics[l.Topic]
		p := t.partitions[l.Partition]
		if p == nil {
			p = &partition{}
			t.partitions[l.Partition] = p
			if added[l.Topic] == nil {
				added[l.Topic] = make(map[int32]kgo.Offset)
			}
			added[l.Topic][l.Partition] = kgo.NewOffset().AtStart()
		}
		p.end = l.Offset
	})
	if len(added) > 0 {
		o.client.AddConsumePartitions(added)
	}
	return failed
}

// short returns a partition that was not read to its end.
func (o *Oracle) short() (string, int32, bool) {
	for name, t := range o.topics {
		for n, p := range t.partitions {
			if p.next < p.end {
				return name, n, true
			}
		}
	}
	return "", 0, false
}

// see takes one record or marker of a partition, in the order of the offsets.
func (o *Oracle) see(r *kgo.Record) {
	t := o.topics[r.Topic]
	p := t.partitions[r.Partition]
	hole := r.Offset != p.next
	if hole && p.last != nil {
		p.last.hole = true
	}
	p.next = r.Offset + 1
	if r.Attrs.IsControl() {
		p.last = nil
		return
	}
	o.records++
	if r.Value == nil {
		o.tombstones++
	}
	h, problems := parseHeaders(r)
	for _, what := range problems {
		o.report(Header, r, "%s", what)
	}
	if r.Value != nil && h.digest != "" && h.digest != digest(r.Value) {
		o.report(Digest, r, "%s is not the digest of the value, %s", h.digest, digest(r.Value))
	}
	p.last = o.place(t, p, r, h)
	if p.last != nil && hole {
		p.last.hole = true
	}
	o.judgeRecord(t, r, h)
}

// report notes a violation at a record.
func (o *Oracle) report(kind Kind, r *kgo.Record, format string, args ...any) {
	o.found.add(Violation{kind, r.Topic, r.Partition, r.Offset, string(r.Key), fmt.Sprintf(format, args...)})
}
