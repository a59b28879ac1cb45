package verify

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/sink"
)

// A fold is what a reader of the whole topic ends with, compared with the ledger.
type fold struct {
	ledger *connector.Ledger
	// last says of each place of the ledger how its last record up to the consistent
	// point compares.
	last []likeness
	// extra are the keys that are live in the topic and not in the ledger.
	extra connector.Ledger
	// later are the newest versions after the consistent point, of those keys alone that
	// did not agree there.
	later map[string]version
}

// A likeness says how the last record of a key compares with its entry.
type likeness uint8

const (
	absent likeness = iota // never seen, or deleted
	other                  // another version
	alike                  // a version whose hash cannot be compared
	same                   // the version of the entry
)

// A version is what one record shows of its key.
type version struct {
	seq       uint64 // 0 if the record does not say
	dead      bool
	hashed    bool
	print     uint16
	hash      connector.Hash
	partition int32
	offset    int64
}

func versionOf(r *kgo.Record, h sink.Header) version {
	v := version{dead: r.Value == nil, hashed: h.Hashed, print: h.Print, hash: h.Hash, partition: r.Partition, offset: r.Offset}
	if h.N > 0 {
		v.seq = h.Seq
	}
	return v
}

func newFold(l *connector.Ledger) *fold {
	return &fold{ledger: l, last: make([]likeness, l.Slots()), later: map[string]version{}}
}

// compare says how a version compares with the entry of a live record.
func compare(v version, e connector.Entry) likeness {
	switch {
	case v.dead:
		return absent
	case !v.hashed, v.print != e.Print:
		return alike
	case v.hash != e.Hash:
		return other
	}
	return same
}

// add folds in a record up to the consistent point.
func (f *fold) add(r *kgo.Record, h sink.Header) {
	v := versionOf(r, h)
	at, e, ok := f.ledger.Index(string(r.Key))
	switch {
	case ok && !e.Mark:
		f.last[at] = compare(v, e)
	case v.dead:
		f.extra.Drop(string(r.Key))
	default:
		f.extra.Put(string(r.Key), connector.Entry{Instant: h.Time, Hash: v.hash, Print: v.print})
	}
}

// newer notes a record after the consistent point.
func (f *fold) newer(r *kgo.Record, h sink.Header) {
	if f.open(string(r.Key)) {
		f.later[string(r.Key)] = versionOf(r, h)
	}
}

// open says whether a key does not agree by what was read of it so far.
func (f *fold) open(key string) bool {
	if at, e, ok := f.ledger.Index(key); ok && !e.Mark {
		return f.last[at] < alike
	}
	_, ok := f.extra.Get(key)
	return ok
}

// describe says what is wrong with a key of which the ledger holds e (live) and the topic
// shows v (seen).
func describe(e connector.Entry, live bool, v version, seen bool) (check, what string) {
	switch {
	case !live:
		return CheckExtra, "the topic's last record of the key is a version, and the ledger holds no live record"
	case !seen:
		return CheckMissing, fmt.Sprintf("the ledger holds it as published (version of %s), and the topic has no record of the key", e.Instant)
	case v.dead:
		return CheckMissing, fmt.Sprintf("the ledger holds it as published (version of %s), and the topic's last record of the key is a deletion", e.Instant)
	default:
		return CheckDiffers, fmt.Sprintf("the topic's last version has hash %d.%s and the ledger's has %d.%s (version of %s)", v.print, v.hash, e.Print, e.Hash, e.Instant)
	}
}
