package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestBatchesAreJudgedWhereTheLogHasNoGap(t *testing.T) {
	for name, c := range map[string]struct {
		records         []string // PARTITION SEQ.I.N
		holes           []gap    // of partition 0
		whole, unjudged int
		broken          string
	}{
		"none":                          {nil, nil, 0, 0, ""},
		"alone":                         {[]string{"0 1.0.1"}, nil, 1, 0, ""},
		"whole":                         {[]string{"0 1.0.2", "0 1.1.2", "0 2.0.1"}, nil, 2, 0, ""},
		"over two partitions":           {[]string{"0 1.0.3", "0 2.1.2", "1 1.1.3", "1 1.2.3", "1 2.0.2"}, nil, 2, 0, ""},
		"one missing":                   {[]string{"0 1.0.3", "0 1.2.3"}, nil, 0, 0, "batch 1 has 2 of its 3 records (the first that is missing is 1)"},
		"the last missing":              {[]string{"0 1.0.3", "0 1.1.3"}, nil, 0, 0, "the first that is missing is 2"},
		"missing in a hole":             {[]string{"0 5.0.3", "0 5.2.3"}, []gap{{1, 2}, {4, 5}}, 0, 1, ""},
		"a hole elsewhere":              {[]string{"0 5.0.3", "0 5.2.3"}, []gap{{1, 4}, {6, 9}}, 0, 0, "batch 5"},
		"a hole over all":               {[]string{"0 5.0.3", "1 6.0.2"}, []gap{{1, math.MaxUint64}}, 0, 2, ""},
		"a hole does not matter":        {[]string{"0 5.0.2", "0 5.1.2"}, []gap{{5, 5}}, 1, 0, ""},
		"a record twice":                {[]string{"0 1.0.3", "1 1.0.3"}, []gap{{1, 1}}, 0, 1, "record 0 of batch 1 is there twice"},
		"two numbers of records":        {[]string{"0 1.0.3", "0 1.1.4"}, []gap{{1, 1}}, 0, 1, "has 3 records by one of them and 4 by another"},
		"more than there can be":        {[]string{"0 1.0.4294967295"}, nil, 0, 0, "says that it has 4294967295 records"},
		"holes that touch become one":   {[]string{"0 3.0.2"}, []gap{{1, 3}, {3, 4}, {4, 4}}, 0, 1, ""},
		"holes of records out of order": {[]string{"0 3.0.2"}, []gap{{4, 2}}, 0, 1, ""},
	} {
		var broken []string
		b := newBatches(func(_ *batch, what string) { broken = append(broken, what) })
		for _, h := range c.holes {
			b.hole(0, h.from, h.to)
		}
		for _, r := range c.records {
			var p int32
			var seq uint64
			var i, n uint32
			if _, err := fmt.Sscanf(r, "%d %d.%d.%d", &p, &seq, &i, &n); err != nil {
				t.Fatal(err)
			}
			b.add(seq, i, n, p, 0)
		}
		b.end()
		if b.whole != c.whole || b.unjudged != c.unjudged || (c.broken == "") != (broken == nil) || !strings.Contains(strings.Join(broken, "; "), c.broken) {
			t.Errorf("%s: %d whole, %d not judged, %q", name, b.whole, b.unjudged, broken)
		}
	}
}

func TestALargeBatchMissesNoRecord(t *testing.T) {
	for _, missing := range []uint32{0, 63, 64, 65, 4095, 4999} {
		var broken []string
		b := newBatches(func(_ *batch, what string) { broken = append(broken, what) })
		for i := range uint32(5000) {
			if i != missing {
				b.add(7, i, 5000, 0, 0)
			}
		}
		b.judge(7)
		b.judge(8)
		if len(broken) != 1 || !strings.Contains(broken[0], fmt.Sprintf("has 4999 of its 5000 records (the first that is missing is %d)", missing)) {
			t.Errorf("%d: %q", missing, broken)
		}
	}
}

func TestGapsAreFound(t *testing.T) {
	b := newBatches(nil)
	for _, g := range []gap{{2, 3}, {5, 5}, {5, 7}, {10, math.MaxUint64}} {
		b.hole(1, g.from, g.to)
	}
	b.hole(2, 8, 8)
	var in []uint64
	for s := range uint64(12) {
		if b.gapAt(s) {
			in = append(in, s)
		}
	}
	if want := []uint64{2, 3, 5, 6, 7, 8, 10, 11}; !slices.Equal(in, want) || len(b.gaps[1]) != 3 {
		t.Errorf("got %v, want %v, from %v", in, want, b.gaps)
	}
}
