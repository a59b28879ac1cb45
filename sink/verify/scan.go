package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
	"tributary/sink"
)

// A scan reads one data topic against the state and ledger of the consistent point.
type scan struct {
	lane   *lane
	c      *Collection
	name   offsets.Name
	state  connector.State
	ledger *connector.Ledger

	headers *sink.HeaderReader
	place   kgo.TopicPartitioner
	pinned  int // partitions by the state
	parts   []*part
	batches *batches
	fold    *fold
	// beyond are records of batches after the state's that were not found to be of
	// later ones yet.
	beyond []beyond
}

// beyond is a record of a batch after the state's.
type beyond struct {
	seq       uint64
	partition int32
	offset    int64
	key       string
	dead      bool
}

// maxBeyond is how many records of later batches are kept before the lane is asked
// whether there were such batches.
const maxBeyond = 4096

func newScan(l *lane, c *Collection, state *offsets.Collection, partitions int32) *scan {
	s := &scan{
		lane: l, c: c, name: state.Name, state: state.Memory.State, ledger: state.Memory.Ledger,
		headers: sink.NewHeaderReader(c.Source, c.Collection),
		place:   kgo.StickyKeyPartitioner(nil).ForTopic(state.Topic), pinned: int(state.Partitions),
		fold: newFold(state.Memory.Ledger),
	}
	s.batches = newBatches(func(b *batch, what string) { c.find(CheckBatch, b.partition, b.offset, "", what) })
	for p := range partitions {
		s.parts = append(s.parts, newPart(l.v, state.Topic, p))
	}
	return s
}

func (s *scan) run(ctx context.Context) error {
	for _, p := range s.parts {
		if err := p.read(ctx, func(r *kgo.Record) error { return s.record(ctx, p, r) }); err != nil {
			return err
		}
		if !p.past && p.holeAtEnd() {
			s.batches.hole(p.number, p.sure, math.MaxUint64)
		}
		p.tail.Hole = nil
		if p.cut {
			s.c.note(fmt.Sprintf("the log of partition %d begins at offset %d: what lay below was deleted", p.number, p.tail.Start))
		}
	}
	s.batches.end()
	s.c.Whole, s.c.Unjudged = s.batches.whole, s.batches.unjudged
	if err := s.settleBeyond(ctx); err != nil {
		return err
	}
	return s.conclude(ctx)
}

// record judges one record by itself and against the one before, and folds it in.
func (s *scan) record(ctx context.Context, p *part, r *kgo.Record) error {
	s.c.Records++
	if r.Value == nil {
		s.c.Tombstones++
	}
	p.step(r.Offset)
	find := func(check, what string) { s.c.find(check, p.number, r.Offset, string(r.Key), what) }
	h, err := s.headers.Read(r)
	if err != nil {
		find(CheckHeaders, err.Error())
	}
	if h.Renamed {
		s.c.Renamed++
	}
	if r.Value != nil && h.Digest != ([16]byte{}) {
		if sum := sha256.Sum256(r.Value); [16]byte(sum[:16]) != h.Digest {
			find(CheckDigest, fmt.Sprintf("the value's digest is %x and tributary_digest says %x", sum[:16], h.Digest))
		}
	}
	if n := len(r.Key); n == 0 || n > connector.MaxID {
		find(CheckHeaders, fmt.Sprintf("the key is %d bytes long", n))
		return nil
	}
	placed := true
	if want := s.place.Partition(r, s.pinned); s.pinned > 0 && want != int(p.number) {
		placed = false
		find(CheckPartition, fmt.Sprintf("the key lies in partition %d and belongs in partition %d of %d", p.number, want, s.pinned))
	}
	s.inBatch(p, r, h, placed, find)
	if h.N > 0 && h.Seq > s.state.Seq {
		return s.newer(ctx, p, r, h)
	}
	s.fold.add(r, h)
	return nil
}

// inBatch judges the place of a record in its batch, and among the others.
func (s *scan) inBatch(p *part, r *kgo.Record, h sink.Header, placed bool, find func(check, what string)) {
	if h.N == 0 {
		return
	}
	ordered := h.Seq > p.seq || h.Seq == p.seq && h.I > p.i
	if !ordered {
		find(CheckOrder, fmt.Sprintf("record %d of batch %d stands behind record %d of batch %d", h.I, h.Seq, p.i, p.seq))
	}
	p.seq, p.i = h.Seq, h.I
	if !ordered || !placed || p.past {
		return // it would not make its batch any more whole
	}
	if p.gap {
		s.batches.hole(p.number, p.sure, h.Seq)
		p.gap = false
	}
	if p.past = h.Seq > s.state.Seq; p.past {
		return
	}
	if len(s.parts) == 1 && h.Seq > p.sure {
		s.batches.judge(h.Seq)
	}
	p.sure = h.Seq
	s.batches.add(h.Seq, h.I, h.N, p.number, r.Offset)
}

// newer notes a record of a batch that was committed after the consistent point, or
// never.
func (s *scan) newer(ctx context.Context, p *part, r *kgo.Record, h sink.Header) error {
	s.fold.newer(r, h)
	s.beyond = append(s.beyond, beyond{h.Seq, p.number, r.Offset, string(r.Key), r.Value == nil})
	if len(s.beyond) < maxBeyond {
		return nil
	}
	return s.settleBeyond(ctx)
}

// settleBeyond asks the lane up to which batch it has come meanwhile: whatever was read
// of a data topic before is of a batch that is committed there by then.
func (s *scan) settleBeyond(ctx context.Context) error {
	if len(s.beyond) == 0 {
		return nil
	}
	if err := s.lane.read(ctx); err != nil {
		return err
	}
	now := s.seq()
	for _, b := range s.beyond {
		if b.seq > now {
			what := "a version"
			if b.dead {
				what = "a deletion"
			}
			s.c.find(CheckAhead, b.partition, b.offset, b.key, fmt.Sprintf("%s of batch %d, while the state has come to batch %d", what, b.seq, now))
		}
	}
	s.beyond = s.beyond[:0]
	return nil
}

// seq is the number of the last batch that the lane is known to hold.
func (s *scan) seq() uint64 {
	d := s.lane.delta(s.name)
	if d.gone {
		return math.MaxUint64 // a command edits the state: there is nothing to compare with
	}
	return max(d.seq, s.state.Seq)
}
