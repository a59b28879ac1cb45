package verify

import (
	"fmt"
	"math"
	"slices"
)

// batches judges whether each batch of a topic has all its records. Beside gaps in the
// log it cannot be judged: what compaction removed looks like what was never written.
type batches struct {
	open map[uint64]*batch
	// gaps are, for each partition, the ranges of batches within which the log has gaps,
	// rising and apart.
	gaps            map[int32][]gap
	whole, unjudged int
	// broken is told of a batch that lacks records where there is no gap.
	broken func(b *batch, what string)
}

// A batch is one of which records are missing yet.
type batch struct {
	seq    uint64
	n, has uint32
	low    uint64   // records 0 to 63 that were seen
	rest   []uint64 // and those above
	// where one of its records lies
	partition int32
	offset    int64
}

// A gap says that between a record of batch from and one of batch to, which may be the
// same, offsets are missing.
type gap struct{ from, to uint64 }

// maxBatch is more than any batch has: a header that says more must not cost memory.
const maxBatch = 1 << 22

func newBatches(broken func(*batch, string)) *batches {
	return &batches{open: map[uint64]*batch{}, gaps: map[int32][]gap{}, broken: broken}
}

// hole notes a gap of a partition; they come in the order of the log.
func (b *batches) hole(partition int32, from, to uint64) {
	if to < from { // where records stand out of order
		from, to = to, from
	}
	gaps := b.gaps[partition]
	if n := len(gaps); n > 0 && from <= gaps[n-1].to {
		gaps[n-1].to = max(gaps[n-1].to, to)
		return
	}
	b.gaps[partition] = append(gaps, gap{from, to})
}

// add notes record i of n of batch seq.
func (b *batches) add(seq uint64, i, n uint32, partition int32, offset int64) {
	if n == 1 {
		b.whole++
		return
	}
	if n > maxBatch {
		b.broken(&batch{seq: seq, n: n, partition: partition, offset: offset}, fmt.Sprintf("batch %d says that it has %d records", seq, n))
		return
	}
	o := b.open[seq]
	if o == nil {
		o = &batch{seq: seq, n: n, partition: partition, offset: offset}
		b.open[seq] = o
	}
	switch {
	case o.n != n:
		b.broken(o, fmt.Sprintf("batch %d has %d records by one of them and %d by another", seq, o.n, n))
	case !o.set(i):
		b.broken(o, fmt.Sprintf("record %d of batch %d is there twice", i, seq))
	case o.has == o.n:
		b.whole++
		delete(b.open, seq)
	}
}

// judge closes the batches below seq: nothing more can come of them.
func (b *batches) judge(seq uint64) {
	for s, o := range b.open {
		if s >= seq {
			continue
		}
		delete(b.open, s)
		if b.gapAt(s) {
			b.unjudged++
			continue
		}
		b.broken(o, fmt.Sprintf("batch %d has %d of its %d records (the first that is missing is %d), and the log has no gap there", s, o.has, o.n, o.missing()))
	}
}

// end closes every batch.
func (b *batches) end() { b.judge(math.MaxUint64) }

func (b *batches) gapAt(seq uint64) bool {
	for _, gaps := range b.gaps {
		i, _ := slices.BinarySearchFunc(gaps, seq, func(g gap, s uint64) int {
			switch {
			case g.to < s:
				return -1
			case g.from > s:
				return 1
			}
			return 0
		})
		if i < len(gaps) && gaps[i].from <= seq && seq <= gaps[i].to {
			return true
		}
	}
	return false
}

// set notes that record i is there, and returns whether it is the first time.
func (o *batch) set(i uint32) bool {
	word, bit := &o.low, uint64(1)<<(i%64)
	if i >= 64 {
		if k := int(i/64) - 1; k < len(o.rest) {
			word = &o.rest[k]
		} else {
			o.rest = append(o.rest, make([]uint64, k+1-len(o.rest))...)
			word = &o.rest[k]
		}
	}
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	o.has++
	return true
}

// missing returns the first record that is not there.
func (o *batch) missing() uint32 {
	for i := uint32(0); ; i++ {
		word := o.low
		if i >= 64 {
			if int(i/64)-1 >= len(o.rest) {
				return i
			}
			word = o.rest[i/64-1]
		}
		if word&(1<<(i%64)) == 0 {
			return i
		}
	}
}
