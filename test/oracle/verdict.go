package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind names a way to be wrong.
type Kind string

// The violations. Lost and Undeleted compare the end of the topic with the truth, so
// they count only once the connector has had time to catch up; the others never may
// happen.
const (
	// Fabricated: a value that the API never served whole, or a tombstone of a
	// record that was never deleted or never published.
	Fabricated Kind = "fabricated"
	// Twice: a version published again, or a tombstone behind a tombstone.
	Twice Kind = "published twice"
	// Reordered: a version, or a deletion, after a newer version of the same key.
	Reordered Kind = "older after newer"
	// Torn: a batch that is not whole, or batches out of order in a partition.
	Torn Kind = "torn batch"
	// Touch: a version that differs from the one before only in excluded fields.
	Touch Kind = "touch published"
	// Resurrected: a version from before a deletion after its tombstone, or a
	// deleted version published as a live one.
	Resurrected Kind = "resurrected"
	// Split: a key in two partitions.
	Split Kind = "key in two partitions"
	// Digest: the header tributary_digest is not that of the value.
	Digest Kind = "digest mismatch"
	// Header: another header is missing, malformed, or contradicts the version.
	Header Kind = "bad header"
	// Lost: a live record is missing from the topic or stands there with an old state.
	Lost Kind = "lost"
	// Undeleted: a record that is deleted at the source is live in the topic.
	Undeleted Kind = "deletion without tombstone"
)

// Limit names a way in which a connector may be misled without being wrong.
type Limit string

// What is allowed; the package comment says when.
const (
	SameTick   Limit = "older version within one tick"
	NewerStamp Limit = "older version with a newer stamp"
	Rehashed   Limit = "published again for a new fingerprint"
)

// Violation is one thing found wrong, and where.
type Violation struct {
	Kind      Kind
	Topic     string
	Partition int32 // -1 where the matter is that no record is there
	Offset    int64 // -1 likewise
	Key       string
	What      string
}

func (v Violation) String() string {
	where := v.Topic
	if v.Partition >= 0 {
		where = fmt.Sprintf("%s/%d@%d", v.Topic, v.Partition, v.Offset)
	}
	return fmt.Sprintf("%s: %s key %q: %s", v.Kind, where, v.Key, v.What)
}

// Verdict is what a judgement found.
type Verdict struct {
	// Records counts data records, Tombstones those of them without a value; Keys
	// are the distinct keys, Live those of them that are not deleted.
	Records, Tombstones, Keys, Live int
	// Batches are those seen whole, Unjudged those that were not whole and touch a
	// hole in the partition, which compaction may have made.
	Batches, Unjudged int
	// Counts are the violations by kind, Allowed what was let pass by limit.
	Counts  map[Kind]int
	Allowed map[Limit]int
	// Examples are the first few violations of each kind.
	Examples []Violation
}

// Behind counts the records in which topic and truth still differ.
func (v *Verdict) Behind() int { return v.Counts[Lost] + v.Counts[Undeleted] }

// Safe says that nothing was published that must never be, whatever is still to come.
func (v *Verdict) Safe() bool {
	n := 0
	for _, c := range v.Counts {
		n += c
	}
	return n == v.Behind()
}

// OK says that the topics are right and, the source being at rest, complete.
func (v *Verdict) OK() bool { return v.Safe() && v.Behind() == 0 }

// String tells the verdict in lines: numbers, what was allowed, violations.
func (v *Verdict) String() string {
	var b strings.Builder
	word := "right"
	switch {
	case !v.Safe():
		word = "WRONG"
	case v.Behind() > 0:
		word = "behind"
	}
	fmt.Fprintf(&b, "%s: %d records, %d of them tombstones, in %d batches; %d keys, %d of them live", word, v.Records, v.Tombstones, v.Batches, v.Keys, v.Live)
	if v.Unjudged > 0 {
		fmt.Fprintf(&b, "; %d batches not judged", v.Unjudged)
	}
	for _, l := range slices.Sorted(maps.Keys(v.Allowed)) {
		fmt.Fprintf(&b, "\n  allowed: %s: %d", l, v.Allowed[l])
	}
	for _, k := range slices.Sorted(maps.Keys(v.Counts)) {
		fmt.Fprintf(&b, "\n  %s: %d", k, v.Counts[k])
		for _, e := range v.Examples {
			if e.Kind == k {
				fmt.Fprintf(&b, "\n    %s", e)
			}
		}
	}
	return b.String()
}

// tally collects violations and keeps the first few of each kind.
type tally struct {
	counts   map[Kind]int
	allowed  map[Limit]int
	examples []Violation
	most     int
}

func newTally(most int) *tally {
	return &tally{counts: make(map[Kind]int), allowed: make(map[Limit]int), most: most}
}

func (t *tally) add(v Violation) {
	t.counts[v.Kind]++
	if t.counts[v.Kind] <= t.most {
		t.examples = append(t.examples, v)
	}
}
