package verify

import (
	"context"
	"errors"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
)

// A part is one partition of a data topic, read from its first record on.
type part struct {
	v      *verifier
	topic  string
	number int32
	tail   *offsets.Tail

	// at is the offset of the record before, holes the ranges from there on at which the
	// log holds nothing.
	at    int64
	holes []span
	// cut says that the log does not begin with the first record that was written.
	cut bool

	// The record before that was in order: its batch, and its place in it.
	seq uint64
	i   uint32
	// gap says that offsets are missing since the record before that was in order, of
	// batch sure.
	gap  bool
	sure uint64
	// past says that a record beyond the consistent point was met: batches after it are
	// not judged.
	past bool
}

// A span is a range of offsets, both ends included.
type span struct{ from, to int64 }

func newPart(v *verifier, topic string, number int32) *part {
	p := &part{v: v, topic: topic, number: number, at: -1}
	p.restart()
	return p
}

// restart reads from the first record again.
func (p *part) restart() {
	p.tail = offsets.NewTail(p.v.cl, p.topic, p.number)
	p.tail.Hole = func(from, to int64) { p.holes = append(p.holes, span{from, to}) }
}

// read reads on to what is the end now, open transactions included: everything that was
// committed before lies below.
func (p *part) read(ctx context.Context, each func(*kgo.Record) error) error {
	end, err := offsets.HighWatermark(ctx, p.v.cl, p.topic, p.number)
	if err != nil || end == 0 {
		return err
	}
	w := watch{v: p.v, topic: p.topic, partition: p.number, tail: p.tail}
	for p.tail.Next < end {
		err := p.tail.Fetch(ctx, each)
		if errors.Is(err, offsets.ErrTruncated) {
			// The log was cut while it was read: it goes on where it begins now.
			p.restart()
			p.cut, p.gap, w.tail = true, true, p.tail
			continue
		}
		if err == nil {
			err = w.moved(end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step notes that a record was read, and whether the log has a gap before it.
func (p *part) step(offset int64) {
	if p.at < 0 {
		p.at = p.tail.Start - 1
		if p.tail.Start > 0 {
			p.cut, p.gap = true, true
		}
	}
	p.gap = p.gap || p.holeBefore(offset)
	p.at = offset
}

// holeBefore says whether there is a hole between the record before and offset.
func (p *part) holeBefore(offset int64) bool {
	drop := 0
	for drop < len(p.holes) && p.holes[drop].to <= p.at {
		drop++
	}
	p.holes = p.holes[drop:]
	return offset > p.at+1 && len(p.holes) > 0 && p.holes[0].from < offset
}

// holeAtEnd says whether there is one behind the last record.
func (p *part) holeAtEnd() bool {
	if p.at < 0 && p.tail.Start > 0 { // and no record was shown
		p.cut, p.gap = true, true
	}
	return p.gap || p.holeBefore(math.MaxInt64)
}
