package sink

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
)

// uncommitted reads a partition read_uncommitted from the offset of a hang to the high
// watermark, and calls each for every record and every marker, of all producers.
func (l *Lane) uncommitted(ctx context.Context, h hang, each func(*kgo.Record) error) error {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	end, err := offsets.HighWatermark(ctx, l.cl, h.topic, h.partition)
	if err != nil {
		return err
	}
	tail := offsets.NewTail(l.cl, h.topic, h.partition)
	tail.Uncommitted, tail.Next = true, h.start
	for tail.Next < end {
		if err := tail.Fetch(ctx, each); err != nil {
			return err
		}
	}
	return nil
}
