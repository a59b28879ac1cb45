package offsets

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// rawBatch is the header of a record batch: offsets base to last, and how many records.
func rawBatch(base, last int64, records int32, payload int) []byte {
	b := make([]byte, batchHeader+payload)
	binary.BigEndian.PutUint64(b, uint64(base))
	binary.BigEndian.PutUint32(b[batchLength:], uint32(len(b)-batchLength-4))
	b[batchMagic] = 2
	binary.BigEndian.PutUint32(b[batchLast:], uint32(last-base))
	binary.BigEndian.PutUint32(b[batchRecords:], uint32(records))
	return b
}

func TestHolesAreWhereTheLogHoldsNothing(t *testing.T) {
	whole := rawBatch(10, 19, 10, 5)
	for name, c := range map[string]struct {
		next    int64
		batches [][]byte
		want    string
	}{
		"nothing":                       {0, nil, "[]"},
		"one behind the other":          {10, [][]byte{whole, rawBatch(20, 20, 1, 0)}, "[]"},
		"asked for from within":         {15, [][]byte{whole}, "[]"},
		"a gap before":                  {7, [][]byte{whole}, "[7-9]"},
		"a gap between":                 {10, [][]byte{whole, rawBatch(25, 26, 2, 3)}, "[20-24]"},
		"records missing":               {10, [][]byte{rawBatch(10, 19, 9, 0)}, "[10-19]"},
		"missing, asked from within":    {15, [][]byte{rawBatch(10, 19, 9, 0)}, "[15-19]"},
		"a batch that was emptied":      {10, [][]byte{rawBatch(10, 12, 0, 0), rawBatch(13, 13, 1, 0)}, "[10-12]"},
		"the last one cut":              {10, [][]byte{whole, rawBatch(30, 30, 1, 9)[:65]}, "[]"},
		"a length that is not one":      {10, [][]byte{append([]byte{0, 0, 0, 0, 0, 0, 0, 9, 0xff}, make([]byte, 90)...)}, "[]"},
		"another version of the format": {0, [][]byte{make([]byte, 100)}, "[]"},
	} {
		var raw []byte
		for _, b := range c.batches {
			raw = append(raw, b...)
		}
		got := []string{}
		holes(c.next, raw, func(from, to int64) { got = append(got, fmt.Sprintf("%d-%d", from, to)) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
	}
}
