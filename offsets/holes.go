package offsets

import "encoding/binary"

// A record batch begins with its base offset (8 bytes), its length behind that field
// (4), leader epoch (4), magic (1), checksum (4), attributes (2) and the last offset as
// a difference (4); the number of its records stands at the end of the header.
const (
	batchLength  = 8
	batchMagic   = 16
	batchLast    = 23
	batchRecords = 57
	batchHeader  = 61
)

// holes tells of each range of offsets, both ends included, at which an answer that was
// asked for from next shows that the log holds nothing any more: between two batches,
// or within one that has fewer records than offsets, as compaction leaves it. There the
// range is the whole batch's: where in it the gaps are, its records tell. What is there
// and is not shown (markers, aborted records) is no hole.
func holes(next int64, batches []byte, tell func(from, to int64)) {
	for len(batches) >= batchHeader {
		length := int64(int32(binary.BigEndian.Uint32(batches[batchLength:]))) + batchLength + 4
		if length < batchHeader || length > int64(len(batches)) || batches[batchMagic] != 2 {
			return
		}
		base := int64(binary.BigEndian.Uint64(batches))
		last := base + int64(int32(binary.BigEndian.Uint32(batches[batchLast:])))
		records := int64(int32(binary.BigEndian.Uint32(batches[batchRecords:])))
		if base > next {
			tell(next, base-1)
		}
		if records < last-base+1 {
			tell(max(base, next), last)
		}
		next = max(next, last+1)
		batches = batches[length:]
	}
}
