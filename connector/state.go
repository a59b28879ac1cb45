package connector

import (
	"slices"
	"time"
)

// Cursor is "up to here" in the source's own words.
type Cursor struct {
	// Text is verbatim what the source showed, or the instant where it was computed.
	Text string
	// Instant is what Text says, Beginning when there is no cursor yet.
	Instant Instant
}

// Numbered is a fingerprint with the number by which entries refer to it.
type Numbered struct {
	Number uint16
	Fingerprint
}

// State is what a collection is resumed from, but for its ledger and doubts: the
// last committed batch holds it whole.
type State struct {
	Cursor Cursor
	// Trailing: all below it was read at an age of a lookback or more. Beginning
	// until the first commit.
	Trailing Instant
	// Lookback is the one that Trailing was made with.
	Lookback time.Duration
	// Floor is where the collection was told to start; Beginning: with everything.
	Floor Instant
	Sweep Sweep
	// Feed is where the list of deletions is gone on from.
	Feed Track
	// Prints are the fingerprints that entries refer to, the current one last.
	Prints []Numbered
	// Seq counts the batches; it never falls.
	Seq uint64
	// Reasons are the names of why the last pull ran that led to a batch, as NamesOf writes
	// them. They say where the state comes from and lead to nothing: a batch is never
	// committed for their sake.
	Reasons string
	// Ran is when the last pull came to its end, by our clock, that a cron expression asked
	// for, so that one that was missed is run after a restart; 0: none has.
	Ran Instant
}

// NewState returns the state of a collection that was never read.
func NewState() State {
	return State{Cursor: Cursor{Instant: Beginning}, Trailing: Beginning, Floor: Beginning}
}

// Track is how far a list of deletions was read. The zero value: not at all.
type Track struct {
	Cursor   Cursor
	Trailing Instant
}

// Sweep is how far the reading of everything has come that finds what is gone. The zero
// value is that of a collection that was never swept.
type Sweep struct {
	// Running says that there is one, Position from where it goes on; else that is 0.
	Running  bool
	Position Instant
	// Started and Ended are the server's Date when the last one did; 0: never.
	Started, Ended Instant
	// Passed is the Date up to which absences have stood the guards; 0: none has.
	Passed Instant
	// Guard says why what the last one missed was not believed; empty: it was.
	Guard string
	// Listing is the digest of what the running or last one listed, Trusted that of the
	// last one that was believed: after a change of what is listed, what is missed is
	// missed on purpose.
	Listing, Trusted string
	// Asked and Approved are a person's: that the next one is due now, and that the guards
	// let it pass.
	Asked, Approved bool
}

// Doubt is what a reading says against an entry without a newer instant: a stale
// replica, or the truth. It is believed only if it is still so a lookback later.
type Doubt struct {
	// Since is the server's Date when it arose.
	Since Instant
	// At is the instant that was shown; Beginning: a sweep did not show the record at all.
	At Instant
	// Absent says that the record was not shown where it should be, Twice that this
	// was so in two sweeps.
	Absent, Twice bool
}

// swept says that a sweep made the doubt, which must stand the guards at its end.
func (d Doubt) swept() bool { return d.Absent && d.At == Beginning }

// Change is what a data topic gets: an upsert, or a deletion when Value is nil.
type Change struct {
	ID      string
	Instant Instant
	Value   []byte
	Hash    Hash
}

// EntryChange sets or drops an entry. Old is what was there, for whoever keeps a sum
// over all of them.
type EntryChange struct {
	ID       string
	Old, New Entry
	Had      bool // there was an Old
	Drop     bool // there is no New
}

// DoubtChange sets or drops a doubt.
type DoubtChange struct {
	ID       string
	Old, New Doubt
	Had      bool
	Drop     bool
}

// Batch is what of a page is new, with the state it leads to: the unit of commit.
type Batch struct {
	Changes []Change
	Entries []EntryChange
	Doubts  []DoubtChange
	// Letters are for the dead letter queue, Receipts what is remembered of them.
	Letters  []Letter
	Receipts []ReceiptChange
	// State is the collection's after the batch, with the batch's own number in Seq.
	State State
	// Partial, if not empty, says that nobody may go on from this batch: it is a piece of a
	// change of everything, by the command that it names, and not the last.
	Partial string
}

// reset empties the batch and keeps its memory.
func (b *Batch) reset() {
	clear(b.Changes) // lets the page go
	clear(b.Letters)
	b.Changes, b.Entries, b.Doubts = b.Changes[:0], b.Entries[:0], b.Doubts[:0]
	b.Letters, b.Receipts = b.Letters[:0], b.Receipts[:0]
	b.Partial = ""
}

func (b *Batch) empty() bool {
	return len(b.Changes)+len(b.Entries)+len(b.Doubts)+len(b.Letters)+len(b.Receipts) == 0
}

// Memory is a collection's state, ledger, doubts and receipts: always the fold of its batches,
// and owned by one goroutine.
type Memory struct {
	State  State
	Ledger *Ledger
	Doubts map[string]Doubt
	// Receipts are those of the records that cannot be published.
	Receipts map[string]Receipt
}

// NewMemory returns the memory of a collection without any batch.
func NewMemory() *Memory {
	return &Memory{State: NewState(), Ledger: &Ledger{}, Doubts: map[string]Doubt{}, Receipts: map[string]Receipt{}}
}

// Apply folds one more batch in.
func (m *Memory) Apply(b *Batch) {
	for _, c := range b.Entries {
		if c.Drop {
			m.Ledger.Drop(c.ID)
		} else {
			m.Ledger.Put(c.ID, c.New)
		}
	}
	for _, c := range b.Doubts {
		if c.Drop {
			delete(m.Doubts, c.ID)
		} else {
			m.Doubts[c.ID] = c.New
		}
	}
	for _, c := range b.Receipts {
		if c.Drop {
			delete(m.Receipts, c.Key)
		} else {
			m.Receipts[c.Key] = c.New
		}
	}
	m.State = b.State
}

// adopt makes f the current fingerprint and returns its number. A state that was
// made with another id, instant or way of announcing deletions cannot be gone on
// from: its keys, its cursor or its entries mean something else.
func (s *State) adopt(f Fingerprint) (uint16, error) {
	if n := len(s.Prints); n > 0 {
		was := s.Prints[n-1].Fingerprint
		if was.ID != f.ID || was.Instant != f.Instant || was.Deletions != f.Deletions {
			return 0, &StopError{
				What: "the config now takes id, instant and deletions from " + describe(f) +
					" while the committed state was made with " + describe(was),
				Remedy: "put the old paths back, or publish everything again by `tributary state reset SOURCE.COLLECTION --republish`, or read the collection under another source name",
			}
		}
	}
	next := uint16(1)
	for i, p := range s.Prints {
		if p.Fingerprint.Equal(f) {
			s.Prints = append(slices.Delete(slices.Clone(s.Prints), i, i+1), p)
			return p.Number, nil
		}
		next = max(next, p.Number+1)
	}
	s.Prints = append(slices.Clone(s.Prints), Numbered{Number: next, Fingerprint: f})
	return next, nil
}

// Equal says whether hashes made with f and with g can be compared, and mean the same.
func (f Fingerprint) Equal(g Fingerprint) bool {
	return f.HashVersion == g.HashVersion && slices.Equal(f.Include, g.Include) && slices.Equal(f.Exclude, g.Exclude) &&
		slices.Equal(f.Drop, g.Drop) && slices.Equal(f.Mask, g.Mask) &&
		f.ID == g.ID && f.Instant == g.Instant && f.Deletions == g.Deletions
}

func describe(f Fingerprint) string {
	s := quote(f.ID) + " and " + quote(f.Instant)
	if f.Deletions != "" {
		return s + " and " + quote(f.Deletions)
	}
	return s + " and no field"
}

func quote(s string) string { return "`" + s + "`" }
