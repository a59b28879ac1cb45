package connector

import (
	"fmt"
	"log/slog"
	"slices"
)

// Told is a collection whose changes a handler tells, and nobody reads. What it is told is
// compared with the ledger by its hash alone, in the order in which it is told: whoever
// tells knows what is newer, so there are no instants of the source's, no doubts and no
// marks. The instant of a record is when we were told of it. It is owned by one goroutine.
type Told struct {
	set   Settings
	mem   *Memory
	m     *CollectionMetrics
	log   *slog.Logger
	print uint16
	batch Batch
	at    Instant
	// reasons are why we were told.
	reasons string
	// shown are the ids that the dump that runs has shown; nil: none runs.
	shown map[string]struct{}
}

// NewTold goes on from mem, which is its own from now on. Of the settings it takes the
// names, OnBadRecord, MaxRecord, Fingerprint and, for the guards of a dump, Sweeps.
func NewTold(set Settings, mem *Memory, m *CollectionMetrics, log *slog.Logger) (*Told, error) {
	t := &Told{set: set, mem: mem, m: m, log: log}
	var err error
	if t.print, err = mem.State.adopt(set.Fingerprint); err != nil {
		return nil, err
	}
	m.SweepGuarded.Set(oneIf(mem.State.Sweep.Guard != ""))
	t.gauges()
	return t, nil
}

// Memory is its own, for those who look at it between two batches.
func (t *Told) Memory() *Memory { return t.mem }

// Flaw says why a record cannot be published; empty: it can.
func (t *Told) Flaw(rec *Record) string {
	switch {
	case rec.Bad != "":
		return rec.Bad
	case len(rec.ID) > MaxID:
		return fmt.Sprintf("its id is %d bytes long, more than the %d that a key may have", len(rec.ID), MaxID)
	case t.tooLarge(rec):
		return fmt.Sprintf("it is %d bytes long, more than its topic takes: raise the topic's max.message.bytes", len(rec.Value))
	}
	return ""
}

func (t *Told) tooLarge(rec *Record) bool {
	return t.set.MaxRecord > 0 && len(rec.Value)+2*len(rec.ID) > t.set.MaxRecord
}

// Refuses says that a record with a flaw is not passed over: what tells of it is refused.
func (t *Told) Refuses() bool {
	return t.set.OnBadRecord != SkipBadRecord && t.set.OnBadRecord != DeadLetterQueue
}

// Changes says whether to be told of a record, or of a deletion where rec has none, would
// change the ledger as it is. One that cannot be published does not, unless it is a letter.
func (t *Told) Changes(id string, rec *Record) bool {
	if rec != nil && t.Flaw(rec) != "" {
		was, had := t.mem.Receipts[receiptKey(rec)]
		return t.set.OnBadRecord == DeadLetterQueue && (!had || was != t.receipt(rec))
	}
	e, had := t.mem.Ledger.Get(id)
	return had != (rec != nil) || had && (e.Hash != rec.Hash || e.Print != t.print)
}

// Begin says when, and for which reasons, we were told of what follows. It is made to rise with every batch,
// whatever our clock does.
func (t *Told) Begin(now Instant, reasons string) {
	t.at, t.reasons = now, reasons
	if was := t.mem.State.Cursor.Instant; was != Beginning {
		t.at = max(now, was+1)
	}
}

// Delete is told that a record is gone, or never was.
func (t *Told) Delete(id string) {
	old, had := t.mem.Ledger.Get(id)
	if !had {
		t.m.Skipped.WithLabelValues("deleted_unpublished").Inc()
		return
	}
	t.batch.Changes = append(t.batch.Changes, Change{ID: id, Instant: t.at})
	t.batch.Entries = append(t.batch.Entries, EntryChange{ID: id, Old: old, Had: true, Drop: true})
	t.mem.Ledger.Drop(id)
}

// Put is told of a version of a record. What is told again is dropped.
func (t *Told) Put(rec *Record) error {
	t.m.Read.Inc()
	if t.shown != nil && rec.ID != "" {
		t.shown[rec.ID] = struct{}{}
	}
	if why := t.Flaw(rec); why != "" {
		return t.pass(rec, why)
	}
	t.mended(rec)
	old, had := t.mem.Ledger.Get(rec.ID)
	if had && old.Hash == rec.Hash && old.Print == t.print {
		t.m.Unchanged.Inc()
		return nil
	}
	e := Entry{Instant: t.at, Hash: rec.Hash, Print: t.print}
	t.batch.Changes = append(t.batch.Changes, Change{ID: rec.ID, Instant: t.at, Value: rec.Value, Hash: rec.Hash})
	t.batch.Entries = append(t.batch.Entries, EntryChange{ID: rec.ID, Old: old, Had: had, New: e})
	t.mem.Ledger.Put(rec.ID, e)
	return nil
}

// pass passes over a record that cannot be published.
func (t *Told) pass(rec *Record, why string) error {
	t.m.Skipped.WithLabelValues("bad_record").Inc()
	if t.set.OnBadRecord != DeadLetterQueue {
		t.log.Warn("record passed over", "id", rec.ID[:min(len(rec.ID), 100)], "why", why)
		return nil
	}
	key := receiptKey(rec)
	now := t.receipt(rec)
	old, had := t.mem.Receipts[key]
	switch {
	case had && now == old:
		return nil
	case !had && len(t.mem.Receipts) >= maxReceipts:
		return &StopError{
			What:   fmt.Sprintf("%d records cannot be published, and the next is record %q: %s", maxReceipts, rec.ID[:min(len(rec.ID), 100)], why),
			Remedy: "look at the records in the dead letter queue: most likely `id` is wrong; then mend it, and `tributary state reset` the collection",
		}
	}
	l := Letter{ID: rec.ID, Instant: Beginning, Value: rec.Value, Why: why, TooLarge: rec.Bad == "" && t.tooLarge(rec)}
	if len(l.ID) > MaxID {
		l.ID = ""
	}
	t.log.Warn("record goes to the dead letter queue", "id", l.ID, "why", why)
	t.batch.Letters = append(t.batch.Letters, l)
	t.batch.Receipts = append(t.batch.Receipts, ReceiptChange{Key: key, Old: old, Had: had, New: now})
	t.mem.Receipts[key] = now
	return nil
}

func (t *Told) receipt(rec *Record) Receipt {
	return Receipt{Hash: rec.Hash, Print: t.print, Instant: Beginning}
}

// mended forgets the letter of a record that can be published now.
func (t *Told) mended(rec *Record) {
	if len(t.mem.Receipts) == 0 {
		return
	}
	key := receiptKey(rec)
	if old, had := t.mem.Receipts[key]; had {
		t.batch.Receipts = append(t.batch.Receipts, ReceiptChange{Key: key, Old: old, Had: true, Drop: true})
		delete(t.mem.Receipts, key)
	}
}

// Batch returns what is new since the last one, with the state that it leads to; nil if
// nothing is. It is to be staged before anything else is told, and Staged called then.
func (t *Told) Batch() *Batch {
	if t.batch.empty() {
		return nil
	}
	s := &t.mem.State
	s.Seq++
	s.Cursor = Cursor{Text: t.at.String(), Instant: t.at}
	s.Trailing, s.Reasons = t.at, t.reasons // nothing is read again
	t.batch.State = *s
	return &t.batch
}

// Staged empties the batch.
func (t *Told) Staged() {
	t.batch.reset()
	t.gauges()
}

func (t *Told) gauges() {
	t.m.Cursor.Set(orZero(t.mem.State.Cursor.Instant))
	t.m.Entries.Set(float64(t.mem.Ledger.Len()))
	t.m.Unpublished.Set(float64(len(t.mem.Receipts)))
	s := &t.mem.State.Sweep
	t.m.SweepStarted.Set(orZero(s.Started))
	t.m.SweepEnded.Set(orZero(s.Ended))
}

func orZero(i Instant) float64 {
	if i == 0 || i == Beginning {
		return 0
	}
	return seconds(i.Time())
}

// BeginDump begins to note what is shown.
func (t *Told) BeginDump() {
	t.shown = map[string]struct{}{}
	t.m.SweepRunning.Set(1)
}

// Missed returns the records of the ledger that the dump did not show, in one order, and
// why that is not believed; empty: it is.
func (t *Told) Missed() (ids []string, guard string) {
	for id := range t.mem.Ledger.All() {
		if _, ok := t.shown[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids) // the order of a map is no order: a run must be repeatable
	n, live, set := len(ids), t.mem.Ledger.Len(), &t.set.Sweeps
	switch {
	case n == 0 || t.mem.State.Sweep.Approved:
	case n == live:
		guard = fmt.Sprintf("the dump showed not one of %d records", n)
	case n > set.MaxCount:
		guard = fmt.Sprintf("the dump did not show %d records, more than %d (max_count)", n, set.MaxCount)
	case float64(n) > set.MaxRatio*float64(live):
		guard = fmt.Sprintf("the dump did not show %d of %d records, which is over %v of them (max_ratio)", n, live, set.MaxRatio)
	}
	return ids, guard
}

// EndDump notes how a dump ended that was read from its beginning to its end, and returns
// the batch of it.
func (t *Told) EndDump(started, ended Instant, guard string) *Batch {
	s := &t.mem.State.Sweep
	s.Started, s.Ended, s.Guard, s.Asked, s.Approved = started, ended, guard, false, false
	t.shown = nil
	outcome := "passed"
	if guard != "" {
		outcome = "guarded"
	}
	t.m.Sweeps.WithLabelValues(outcome).Inc()
	t.m.SweepRunning.Set(0)
	t.m.SweepGuarded.Set(oneIf(guard != ""))
	return t.note()
}

// LeaveDump forgets a dump that did not come to its end.
func (t *Told) LeaveDump() {
	t.shown = nil
	t.m.SweepRunning.Set(0)
}

// Ask has a dump be due, whose guards let it pass with approve, and returns the batch of it.
func (t *Told) Ask(approve bool) *Batch {
	t.mem.State = t.mem.State.Swept(approve)
	return t.note()
}

// Ran notes when a pull that a cron expression asked for came to its end, and returns the
// batch of it.
func (t *Told) Ran(at Instant) *Batch {
	t.mem.State.Ran = at
	return t.note()
}

// note returns a batch although nothing but the state may be new.
func (t *Told) note() *Batch {
	if b := t.Batch(); b != nil {
		return b
	}
	s := &t.mem.State
	s.Seq++
	if s.Trailing == Beginning {
		s.Cursor, s.Trailing = Cursor{Text: t.at.String(), Instant: t.at}, t.at
	}
	t.batch.State = *s
	return &t.batch
}
