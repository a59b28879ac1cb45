package hostile

import (
	"slices"
	"sort"
	"time"
)

// Timing says how a write's stamp and visibility differ from the moment of writing.
type Timing struct {
	// Late is how much later than now it turns visible.
	Late time.Duration
	// Backdate is how much older than now its stamp is.
	Backdate time.Duration
}

// Insert makes n records with one stamp, as the hostility has it, and returns their
// ids.
func (a *API) Insert(collection string, n int) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.insert(collection, n, a.drawTiming())
}

// InsertAt is Insert with a timing of one's own.
func (a *API) InsertAt(collection string, n int, t Timing) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.insert(collection, n, t)
}

func (a *API) insert(collection string, n int, t Timing) []string {
	now := a.settle()
	c := a.collection(collection)
	recs := make([]*record, n)
	ids := make([]string, n)
	for i := range recs {
		recs[i] = a.newRecord(c, now)
		ids[i] = recs[i].id
	}
	a.commit(c, Insert, recs, now-t.Backdate.Microseconds(), now+t.Late.Microseconds())
	return ids
}

// Write does op to records, all with one stamp, as the hostility has it, and returns
// how many it was done to: none for Insert, and a deleted record cannot be updated, nor a live undeleted,
// nor restored what was not removed.
func (a *API) Write(collection string, op Op, ids ...string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.write(collection, op, a.drawTiming(), ids)
}

// WriteAt is Write with a timing of one's own.
func (a *API) WriteAt(collection string, op Op, t Timing, ids ...string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.write(collection, op, t, ids)
}

func (a *API) write(collection string, op Op, t Timing, ids []string) int {
	now := a.settle()
	c := a.collection(collection)
	recs := c.open(op, ids)
	a.commit(c, op, recs, now-t.Backdate.Microseconds(), now+t.Late.Microseconds())
	return len(recs)
}

// Recreate deletes a live record and makes it again with the same stamp, visible gap
// after the deletion. It says whether there was one to delete.
func (a *API) Recreate(collection, id string, gap time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.settle()
	c := a.collection(collection)
	recs := c.open(Delete, []string{id})
	if len(recs) == 0 {
		return false
	}
	a.commit(c, Delete, recs, now, now)
	a.commit(c, Undelete, recs, now, now+gap.Microseconds())
	a.fired["recreate"]++
	return true
}

// Quiesce makes visible now whatever is pending.
func (a *API) Quiesce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.settle()
	pending := a.pending
	a.pending = nil
	for _, v := range pending {
		v.show(now)
		a.apply(v)
	}
}

// drawTiming draws the timing of one write.
func (a *API) drawTiming() Timing {
	var t Timing
	if a.chance(a.hostility.Late) {
		t.Late = time.Duration(a.upTo(a.hostility.Lateness)) * time.Microsecond
	}
	if a.chance(a.hostility.Backdate) {
		t.Backdate = time.Duration(a.upTo(a.hostility.MaxBackdate)) * time.Microsecond
	}
	return t
}

// open returns those of the records to which op can be done.
func (c *collection) open(op Op, ids []string) []*record {
	if op == Insert {
		return nil
	}
	var recs []*record
	for _, id := range ids {
		r := c.byID[id]
		if r == nil {
			continue
		}
		last := r.latest()
		if last.Gone != (op == Restore) || slices.Contains(recs, r) {
			continue
		}
		if last.Deleted != (op == Undelete) && op != Remove && op != Restore {
			continue
		}
		recs = append(recs, r)
	}
	return recs
}

// commit gives each record its next version. They turn visible together, and not
// before what is pending of any of them: writers of one row wait for each other.
func (a *API) commit(c *collection, op Op, recs []*record, stamp, visible int64) {
	now, h := a.clock, a.hostility
	order := floor(stamp, h.StampPrecision)
	for _, r := range recs {
		if len(r.versions) > 0 {
			visible = max(visible, r.latest().visible)
		}
	}
	for _, r := range recs {
		v := r.next(op)
		v.Collection, v.order = c.name, order
		if op == Restore {
			v.order = r.versions[len(r.versions)-2].order
		}
		v.show(visible)
		a.stamp(v)
		if len(r.versions) > 0 && v.order < r.latest().order {
			a.fired["backdated"]++
		}
		r.versions = append(r.versions, v)
		c.history = append(c.history, v)
		if visible <= now {
			a.apply(v)
			continue
		}
		a.fired["late"]++
		at := sort.Search(len(a.pending), func(i int) bool { return a.pending[i].visible > visible })
		a.pending = slices.Insert(a.pending, at, v)
	}
	a.count(op, len(recs), order != stamp)
}

// count notes the hostilities of one write.
func (a *API) count(op Op, n int, floored bool) {
	name := map[Op]string{Touch: "touch", Revert: "revert", Delete: "soft_delete", Remove: "hard_delete", Restore: "restore"}[op]
	if name != "" {
		a.fired[name] += n
	}
	if op == Update && n > 1 {
		a.fired["bulk"]++
	}
	if floored {
		a.fired["stamp_floored"] += n
	}
}

// stamp gives v the stamp that it shows, and its body.
func (a *API) stamp(v *Version) {
	h := a.hostility
	v.Stamp = micro(floor(v.order, h.ShownPrecision))
	if v.Gone {
		return
	}
	var offset time.Duration
	if h.MixedOffsets {
		offset = offsets[a.rng.IntN(len(offsets))]
	}
	v.Body = render(v, stampText(v.Stamp, offset), a.cfg.Size)
}

// next returns the version of r that op leads to.
func (r *record) next(op Op) *Version {
	v := &Version{ID: r.id, Ver: int64(len(r.versions)) + 1, Op: op, rec: r}
	if len(r.versions) == 0 {
		v.Content = 1
		return v
	}
	last := r.latest()
	v.Content = last.Content
	switch op {
	case Update:
		v.Content = v.Ver
	case Revert:
		v.Content = r.versions[max(0, len(r.versions)-3)].Content
	case Delete:
		v.Deleted = true
	case Remove:
		v.Deleted, v.Gone = true, true
	case Restore:
		v.Deleted = r.versions[len(r.versions)-2].Deleted
	}
	return v
}

func (v *Version) show(at int64) { v.visible, v.VisibleFrom = at, micro(at) }

// settle makes visible what is due, forgets snapshots that no replica shows any more,
// and returns the time.
func (a *API) settle() int64 {
	now := a.now()
	for len(a.pending) > 0 && a.pending[0].visible <= now {
		v := a.pending[0]
		a.pending = a.pending[1:]
		a.apply(v)
	}
	oldest := now - a.hostility.ReplicaLag.Microseconds()
	for _, c := range a.collections {
		n := sort.Search(len(c.roots), func(i int) bool { return c.roots[i].at > oldest }) - 1
		if n > len(c.roots)/2 {
			c.roots = append([]root(nil), c.roots[n:]...)
		}
	}
	return now
}

// apply makes v what readers see of its record.
func (a *API) apply(v *Version) {
	c, r := a.collections[v.Collection], v.rec
	t := c.roots[len(c.roots)-1].tree
	if r.applied > 0 && !r.versions[r.applied-1].Gone {
		t = t.remove(r.versions[r.applied-1])
	}
	if !v.Gone {
		t = t.insert(v)
	}
	r.applied++
	if last := &c.roots[len(c.roots)-1]; last.at == v.visible {
		last.tree = t // one moment, one snapshot: a bulk is never seen by half
	} else {
		c.roots = append(c.roots, root{at: v.visible, tree: t})
	}
}
