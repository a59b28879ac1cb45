package connector

import (
	"errors"
	"iter"
)

// An edit is a change of a collection's state that no reading made but a person: its
// batches go the way of any other. Memory is not changed by it, for whoever edits
// does not read on: the next reader is resumed from what was committed.

// editPiece is how many entries a batch of an edit changes at most, so that it is no
// larger than a reading's.
const editPiece = 5000

// An edit collects changes into batches of one piece each.
type edit struct {
	batch Batch
	seq   uint64
	yield func(*Batch) bool
	ended bool
}

// flush yields what was collected as one batch with that state.
func (e *edit) flush(s State, partial string) {
	if e.ended {
		return
	}
	e.seq++
	e.batch.State, e.batch.Partial = s, partial
	e.batch.State.Seq = e.seq
	e.ended = !e.yield(&e.batch)
	e.batch.reset()
}

func (e *edit) full() bool {
	return len(e.batch.Entries)+len(e.batch.Doubts)+len(e.batch.Receipts) >= editPiece
}

// Moved returns the state with its cursor at another instant. Backwards the head reads
// again, and what it finds in the ledger is published no second time; what is younger
// than two lookbacks at now gets its trailing pass again too. Forwards what lies between
// is passed over, by the trailing pass as well.
func (s State) Moved(to, now Instant) State {
	if to > s.Cursor.Instant {
		s.Trailing = max(s.Trailing, to)
	} else {
		s.Trailing = min(s.Trailing, max(to, now.Add(-2*s.Lookback)))
	}
	s.Cursor = Cursor{Instant: to}
	if to != Beginning {
		s.Cursor.Text = to.String()
	}
	s.Floor = min(s.Floor, to)
	return s
}

// Swept returns the state with a sweep that is due now; approved lets that one pass its
// guards. One that runs goes on.
func (s State) Swept(approved bool) State {
	s.Sweep.Asked = !s.Sweep.Running
	s.Sweep.Approved = s.Sweep.Approved || approved
	return s
}

// Absent returns how many records sweeps have missed that are not yet confirmed to be gone.
func (m *Memory) Absent() (n int) {
	for _, d := range m.Doubts {
		if d.swept() {
			n++
		}
	}
	return n
}

// Move is the edit that only replaces the state.
func (m *Memory) Move(to State) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		e := edit{seq: m.State.Seq, yield: yield}
		e.flush(to, "")
	}
}

// Again is the edit after which every live record is published once more when it is
// next read: its entry is that of no version, older than all. So a record that is gone
// by then is still known to have been published. Records that cannot be published are
// letters once more.
func (m *Memory) Again(to State) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		e := edit{seq: m.State.Seq, yield: yield}
		for id, old := range m.Ledger.All() {
			if !old.Mark && !e.ended {
				e.entry(EntryChange{ID: id, Old: old, Had: true, New: Entry{Instant: Beginning}}, m.State, "")
			}
		}
		e.receipts(m.Receipts, nil, m.State, "")
		e.flush(to, "")
	}
}

// Empty is the edit that forgets every entry, mark, doubt and receipt; with tombstones every
// live record is deleted from the topic as well, at the instant at. It is not to be
// gone on from before its last batch; command is what is to be run again if that does not
// come.
func (m *Memory) Empty(to State, command string, tombstones bool, at Instant) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		e := edit{seq: m.State.Seq, yield: yield}
		for id, old := range m.Ledger.All() {
			if e.ended {
				return
			}
			if tombstones && !old.Mark {
				e.batch.Changes = append(e.batch.Changes, Change{ID: id, Instant: at})
			}
			e.entry(EntryChange{ID: id, Old: old, Had: true, Drop: true}, m.State, command)
		}
		e.doubts(m.Doubts, nil, m.State, command)
		e.receipts(m.Receipts, nil, m.State, command)
		e.flush(to, "")
	}
}

// Replace is the edit that makes a collection's ledger, doubts and receipts those of o, and its
// state o's but for the number. It is not to be gone on from before its last batch;
// command is what is to be run again if that does not come.
func (m *Memory) Replace(o *Memory, command string) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		e := edit{seq: max(m.State.Seq, o.State.Seq), yield: yield}
		e.flush(m.State, command)
		for id, old := range m.Ledger.All() {
			if _, kept := o.Ledger.Get(id); !kept {
				e.entry(EntryChange{ID: id, Old: old, Had: true, Drop: true}, m.State, command)
			}
		}
		for id, entry := range o.Ledger.All() {
			old, had := m.Ledger.Get(id)
			e.entry(EntryChange{ID: id, Old: old, Had: had, New: entry}, m.State, command)
		}
		e.doubts(m.Doubts, o.Doubts, m.State, command)
		e.receipts(m.Receipts, o.Receipts, m.State, command)
		e.flush(o.State, "")
	}
}

// PassedOver is a record that was not published although it was asked for, and why.
type PassedOver struct{ ID, Why string }

// Publish is the edit that publishes records once more, whether or not they have
// changed. What the ledger knows better is passed over.
func (m *Memory) Publish(f Fingerprint, records []Record) (iter.Seq[*Batch], []PassedOver, error) {
	s := m.State
	if s.Trailing == Beginning {
		// The ledger of a collection that begins is forgotten when it is opened.
		return nil, nil, errors.New("it is about to be read from its start, which publishes every record: nothing can be published again before that")
	}
	print, err := s.adopt(f)
	if err != nil {
		return nil, nil, err
	}
	b := &Batch{State: s}
	var passed []PassedOver
	seen := map[string]bool{}
	for i := range records {
		if seen[records[i].ID] {
			continue // an entry is replaced once in a batch, or the sum would be wrong
		}
		seen[records[i].ID] = true
		if why := m.publish(b, &records[i], print); why != "" {
			passed = append(passed, PassedOver{records[i].ID, why})
		}
	}
	return func(yield func(*Batch) bool) {
		if b.State.Seq++; !b.empty() {
			yield(b)
		}
	}, passed, nil
}

func (m *Memory) publish(b *Batch, rec *Record, print uint16) (why string) {
	old, had := m.Ledger.Get(rec.ID)
	c := EntryChange{ID: rec.ID, Old: old, Had: had, New: Entry{Instant: rec.Instant, Hash: rec.Hash, Print: print}}
	change := Change{ID: rec.ID, Instant: rec.Instant, Value: rec.Value, Hash: rec.Hash}
	switch {
	case rec.Bad != "":
		return "it cannot be published: " + rec.Bad
	case had && rec.Instant < old.Instant:
		return "the source shows its version of " + rec.Instant.String() + ", and one of " + old.Instant.String() +
			" was read before: a replica that lags, or an older stamp, which the connector settles by itself within two lookbacks"
	case rec.Deleted && (!had || old.Mark):
		return "it is deleted at the source, and not live in the topic"
	case rec.Deleted:
		c.New, change = Entry{Instant: rec.Instant, Mark: true}, Change{ID: rec.ID, Instant: rec.Instant}
	}
	b.Changes, b.Entries = append(b.Changes, change), append(b.Entries, c)
	if d, doubted := m.Doubts[rec.ID]; doubted {
		b.Doubts = append(b.Doubts, DoubtChange{ID: rec.ID, Old: d, Had: true, Drop: true})
	}
	return ""
}

// Anew returns the state with which a collection begins again: at its start, and with
// one fingerprint, whose number was never used with another meaning. The batches go on.
func (s State) Anew(set Settings) State {
	to := NewState()
	to.Seq, to.Lookback = s.Seq, set.Lookback
	number, known := uint16(0), false
	for _, p := range s.Prints {
		if number = max(number, p.Number); p.Fingerprint.Equal(set.Fingerprint) {
			number, known = p.Number, true
			break
		}
	}
	if !known {
		number++
	}
	to.Prints = []Numbered{{Number: number, Fingerprint: set.Fingerprint}}
	if set.Start.Now && s.Trailing != Beginning {
		// Now was when it began: from today on, nothing of what it forgets would come again.
		to = to.Moved(s.Floor, Forever)
		to.Floor, to.Trailing = s.Floor, s.Trailing
	}
	return to
}

// Restarted returns the state with which a collection that keeps its ledger is read
// again from its start: what was published is known.
func (s State) Restarted(set Settings, now Instant) State {
	start := set.Start.At
	if set.Start.Now {
		start = s.Floor
	}
	to := s.Moved(start, now)
	to.Floor = start
	to.Sweep.Running, to.Sweep.Position = false, 0 // what it missed may be read anew
	to.Feed = Track{}
	return to
}

// CanResume says whether a reader with those settings can go on from the state; its
// error says what was changed.
func (s State) CanResume(set Settings) error {
	_, err := s.adopt(set.Fingerprint)
	return err
}

func (e *edit) entry(c EntryChange, s State, partial string) {
	e.batch.Entries = append(e.batch.Entries, c)
	if e.full() {
		e.flush(s, partial)
	}
}

// doubts drops those of before that are not in after, and sets those of after.
func (e *edit) doubts(before, after map[string]Doubt, s State, partial string) {
	add := func(c DoubtChange) {
		e.batch.Doubts = append(e.batch.Doubts, c)
		if e.full() {
			e.flush(s, partial)
		}
	}
	for id, old := range before {
		if _, kept := after[id]; !kept {
			add(DoubtChange{ID: id, Old: old, Had: true, Drop: true})
		}
	}
	for id, d := range after {
		old, had := before[id]
		add(DoubtChange{ID: id, Old: old, Had: had, New: d})
	}
}
