package connector

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Letter is a record that cannot be published, as the dead letter queue gets it.
type Letter struct {
	// ID is the record's key, empty where it has none that can be one.
	ID string
	// Instant is the record's, Beginning where it has none that can be read; Stamp is
	// the source's own text of it.
	Instant Instant
	Stamp   string
	// Value is what would have been published.
	Value []byte
	// Why says why it was not; TooLarge that nothing else is wrong with it.
	Why      string
	TooLarge bool
}

// Receipt is what is remembered of a letter, so that a record which is read again and
// again is a letter once. It is kept under the record's id or, where it has none, the
// digest of its value: see receiptKey.
type Receipt struct {
	Hash  Hash
	Print uint16
	// Instant is that of the version, Beginning where it has none.
	Instant Instant
}

// ReceiptChange sets or drops a receipt.
type ReceiptChange struct {
	Key      string
	Old, New Receipt
	Had      bool
	Drop     bool
}

// maxReceipts bounds what is remembered of letters. So many mean that a path of the config
// is wrong, or the API, and that a person should look.
const maxReceipts = 100_000

// withoutID begins the key of a receipt of a record that has no id.
const withoutID = "value:"

// receiptKey names a record among the receipts. What is no entry's id has none here.
func receiptKey(rec *Record) string {
	if rec.ID != "" && len(rec.ID) <= MaxID {
		return "id:" + rec.ID
	}
	digest := sha256.Sum256(rec.Value)
	return withoutID + hex.EncodeToString(digest[:16])
}

// letter meets a record that cannot be published. It is a letter when it is another
// version than the one of which there was a letter before, by the rules by which diff
// compares with an entry: a lagging replica shows what is older, and a change of nothing
// that is cared about is none.
func (r *Reader) letter(rec *Record, tooLarge bool) error {
	key, at := receiptKey(rec), Beginning
	if rec.Instant != 0 {
		at = rec.Instant
	}
	now := Receipt{Hash: rec.Hash, Print: r.print, Instant: at}
	old, had := r.mem.Receipts[key]
	e, published := r.mem.Ledger.Get(rec.ID)
	switch {
	case at != Beginning && (at < r.mem.State.Floor || published && at < e.Instant || had && at < old.Instant):
		return nil // older than what it was told to begin with, or than what is known
	case had && rec.ID == "", had && now == old:
		return nil
	case had && r.sameLetter(now, old):
	case !had && len(r.mem.Receipts) >= maxReceipts && !r.forgetPassed():
		return &StopError{
			What:   fmt.Sprintf("%d records cannot be published, and the next is record %q (%s): %s", maxReceipts, rec.ID, rec.Stamp, rec.Bad),
			Remedy: "look at the records in the dead letter queue: most likely `id`, `cursor.field` or `records` is wrong; then mend it, and `tributary state reset` the collection",
		}
	default:
		l := Letter{ID: rec.ID, Instant: at, Stamp: rec.Stamp, Value: rec.Value, Why: rec.Bad, TooLarge: tooLarge}
		if len(l.ID) > MaxID {
			l.ID = ""
		}
		r.batch.Letters = append(r.batch.Letters, l)
		r.env.Log.Warn("record goes to the dead letter queue", "id", l.ID, "stamp", l.Stamp, "why", l.Why)
	}
	r.batch.Receipts = append(r.batch.Receipts, ReceiptChange{Key: key, Old: old, Had: had, New: now})
	r.mem.Receipts[key] = now
	return nil
}

// sameLetter says whether two versions of a record are one to its readers. Hashes of two
// fingerprints cannot be compared: then the instant tells.
func (r *Reader) sameLetter(now, old Receipt) bool {
	if old.Print != r.print {
		return now.Instant == old.Instant && now.Instant != Beginning
	}
	return now.Hash == old.Hash
}

// mended forgets the letter of a record that can be published now.
func (r *Reader) mended(rec *Record) {
	if len(r.mem.Receipts) == 0 {
		return
	}
	key := receiptKey(rec)
	if old, had := r.mem.Receipts[key]; had && rec.Instant >= old.Instant {
		r.dropReceipt(key)
	}
}

func (r *Reader) dropReceipt(key string) {
	if old, had := r.mem.Receipts[key]; had {
		r.batch.Receipts = append(r.batch.Receipts, ReceiptChange{Key: key, Old: old, Had: true, Drop: true})
		delete(r.mem.Receipts, key)
	}
}

// forgetPassed makes room among the receipts, and says whether it did: a record without an id
// leaves one for each of its versions, and those below every bound are not read again where
// nothing sweeps.
func (r *Reader) forgetPassed() bool {
	s := &r.mem.State
	if r.set.Sweeps.Every > 0 || r.hears || r.set.Unfiltered || s.Trailing == Beginning {
		return false
	}
	read := s.Trailing
	if s.Feed.Trailing != 0 {
		read = min(read, s.Feed.Trailing)
	}
	read = read.Add(-r.set.Lookback - r.set.Overlap)
	var keys []string
	for key, x := range r.mem.Receipts {
		if strings.HasPrefix(key, withoutID) && x.Instant != Beginning && x.Instant < read {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys) // the order of a map is no order: a run must be repeatable
	for _, key := range keys[:min(len(keys), absentPiece)] {
		r.dropReceipt(key)
	}
	return len(keys) > 0
}

// receipts drops those of before that are not in after, and sets those of after.
func (e *edit) receipts(before, after map[string]Receipt, s State, partial string) {
	add := func(c ReceiptChange) {
		e.batch.Receipts = append(e.batch.Receipts, c)
		if e.full() {
			e.flush(s, partial)
		}
	}
	for key, old := range before {
		if _, kept := after[key]; !kept {
			add(ReceiptChange{Key: key, Old: old, Had: true, Drop: true})
		}
	}
	for key, x := range after {
		old, had := before[key]
		add(ReceiptChange{Key: key, Old: old, Had: had, New: x})
	}
}
