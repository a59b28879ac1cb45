package connector

import "time"

// diff compares one record that a page of that date showed with what the ledger
// holds, and notes in the pending batch what is new. The rules, stored × incoming:
//
//	                older          equal                    newer
//	entry × live    doubt          same: –, other: upsert   same: entry, other: upsert
//	entry × deleted doubt          tombstone, mark          tombstone, mark
//	mark  × live    doubt          upsert                   upsert
//	mark  × deleted –              –                        mark
//
// At an equal instant the later reading wins, also over a mark: with stamps of whole
// seconds a record is deleted and made again within one.
func (r *Reader) diff(rec *Record, date Instant) {
	r.mended(rec)
	e, ok := r.mem.Ledger.Get(rec.ID)
	switch {
	case r.hears && r.heardBefore(rec):
	case r.hears && ok && !e.Mark && (rec.Instant < e.Instant || r.bygone(rec)):
		r.belie(rec, date)
	case !ok:
		r.first(rec, date)
	case e.Mark && rec.Deleted:
		if rec.Instant > e.Instant {
			r.rewrite(rec.ID, e, r.mark(rec))
		}
		r.m.Unchanged.Inc()
	case rec.Instant < e.Instant:
		r.contradict(rec, e, date)
	case rec.Deleted:
		r.delete(rec, e)
	case e.Mark, !r.same(rec, e):
		r.upsert(rec, e)
	case rec.Instant > e.Instant || e.Print != r.print:
		r.refresh(rec, e)
	default:
		r.settled(rec.ID)
		r.m.Unchanged.Inc()
	}
}

// first meets a record that the ledger does not know.
func (r *Reader) first(rec *Record, date Instant) {
	switch {
	case rec.Instant < r.mem.State.Floor:
		r.m.Skipped.WithLabelValues("before_start").Inc()
	case !rec.Deleted:
		r.publish(rec)
		r.add(rec.ID, r.version(rec))
	case rec.Instant.Add(r.set.Lookback) > date:
		// Young enough that a stale replica may still show it alive.
		r.add(rec.ID, r.mark(rec))
		r.m.Skipped.WithLabelValues("deleted_unpublished").Inc()
	default:
		r.m.Skipped.WithLabelValues("deleted_unpublished").Inc()
	}
}

// same says whether the record is the version that the entry stands for. Hashes of
// two fingerprints cannot be compared: at the same instant it is taken for the same,
// so that a change of the config publishes nothing twice.
func (r *Reader) same(rec *Record, e Entry) bool {
	if e.Print != r.print {
		return rec.Instant == e.Instant
	}
	return rec.Hash == e.Hash
}

// contradict meets a record that shows an older instant than its entry: a stale
// replica, or the truth (a row that waited for a lock, an import that backdates). It
// is believed when it is still so a lookback after it was first seen: by then no
// replica is as old as the entry.
func (r *Reader) contradict(rec *Record, e Entry, date Instant) {
	d, ok := r.mem.Doubts[rec.ID]
	switch {
	case !ok:
		r.doubt(rec.ID, Doubt{Since: date, At: rec.Instant})
		r.m.Skipped.WithLabelValues("stale").Inc()
	case date < d.Since.Add(r.set.Lookback):
		if d.At != rec.Instant || d.Absent {
			r.doubt(rec.ID, Doubt{Since: d.Since, At: rec.Instant})
		}
		r.m.Skipped.WithLabelValues("stale").Inc()
	case rec.Deleted:
		r.delete(rec, e)
	case !e.Mark && e.Print == r.print && rec.Hash == e.Hash:
		r.refresh(rec, e)
	default:
		r.upsert(rec, e)
	}
}

// upsert publishes a version over the entry old.
func (r *Reader) upsert(rec *Record, old Entry) {
	r.publish(rec)
	r.rewrite(rec.ID, old, r.version(rec))
}

// delete publishes a tombstone for a live record and leaves a mark.
func (r *Reader) delete(rec *Record, old Entry) {
	r.batch.Changes = append(r.batch.Changes, Change{ID: rec.ID, Instant: rec.Instant})
	r.rewrite(rec.ID, old, r.mark(rec))
}

// mark is the entry of a deletion. An event of a feed comes beside the list of the
// collection, so that within one tick no order of reading tells which was last: it holds
// for all of the tick.
func (r *Reader) mark(rec *Record) Entry {
	at := rec.Instant
	if r.hears && at == at.Floor(r.tick()) { // stamps that are finer than the tick tell it
		at = at.Add(r.tick() - time.Microsecond)
	}
	return Entry{Instant: at, Mark: true}
}

// refresh rewrites the entry of a version that was published already.
func (r *Reader) refresh(rec *Record, old Entry) {
	r.rewrite(rec.ID, old, r.version(rec))
	r.m.Unchanged.Inc()
}

func (r *Reader) publish(rec *Record) {
	r.batch.Changes = append(r.batch.Changes, Change{ID: rec.ID, Instant: rec.Instant, Value: rec.Value, Hash: rec.Hash})
}

// version is the entry of a live record.
func (r *Reader) version(rec *Record) Entry {
	return Entry{Instant: rec.Instant, Hash: rec.Hash, Print: r.print}
}

// rewrite sets an entry over the one that is there, add where there is none. Whatever
// writes an entry ends the doubt about it.
func (r *Reader) rewrite(id string, old, e Entry) {
	r.write(EntryChange{ID: id, Old: old, Had: true, New: e})
}

func (r *Reader) add(id string, e Entry) { r.write(EntryChange{ID: id, New: e}) }

func (r *Reader) write(c EntryChange) {
	r.batch.Entries = append(r.batch.Entries, c)
	r.mem.Ledger.Put(c.ID, c.New)
	r.settled(c.ID)
}

// forget drops an entry. A doubt about it stays: the record that contradicts a mark
// may be alive under an older instant, and is published when it is looked at again.
func (r *Reader) forget(id string) {
	old, had := r.mem.Ledger.Get(id)
	if !had {
		return
	}
	r.batch.Entries = append(r.batch.Entries, EntryChange{ID: id, Old: old, Had: true, Drop: true})
	r.mem.Ledger.Drop(id)
}

func (r *Reader) doubt(id string, d Doubt) {
	old, had := r.mem.Doubts[id]
	r.batch.Doubts = append(r.batch.Doubts, DoubtChange{ID: id, Old: old, Had: had, New: d})
	r.mem.Doubts[id] = d
	r.countAbsent(old, -1)
	r.countAbsent(d, +1)
}

// settled ends the doubt about id, if there is one.
func (r *Reader) settled(id string) {
	if old, had := r.mem.Doubts[id]; had {
		r.batch.Doubts = append(r.batch.Doubts, DoubtChange{ID: id, Old: old, Had: true, Drop: true})
		delete(r.mem.Doubts, id)
		r.countAbsent(old, -1)
	}
}
