package connector

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// A walk goes over the live entries of the ledger in the order of their instants, beside
// the windows of a sweep. Of millions it holds a stretch: to find the next one is a look
// at every entry, which is cheap, and to sort them all is not.
type walk struct {
	stretch []stand
	next    int // of stretch: those before it are judged
	// to is up to where the stretch has every entry; Forever: it is the last.
	to Instant
	// shown are the places of the entries that pages have shown since the last window, or
	// seen those that the walks over a source without an order have.
	shown map[uint32]bool
	seen  []byte
	// elsewhere are records that the sweep showed and that have no version to publish: bad
	// ones, and those too young. They are no less there.
	elsewhere map[string]bool
}

// A stand is where an entry stood when its stretch was made.
type stand struct {
	at    Instant
	place uint32
}

// stretchSize is how many entries a stretch has at the most, but for a tie.
const stretchSize = 1 << 19

func newWalk() *walk {
	return &walk{to: Beginning, shown: map[uint32]bool{}, elsewhere: map[string]bool{}}
}

// show notes what a page of the sweep shows; w may be nil.
func (w *walk) show(r *Reader, rows []Record) {
	if w == nil || r.priority != Sweeping || r.set.Unordered {
		return
	}
	for i := range rows {
		if place, _, ok := r.mem.Ledger.Index(rows[i].ID); ok {
			w.shown[uint32(place)] = true
		}
	}
}

func (w *walk) wasShown(place uint32) bool {
	return w.shown[place] || int(place) < len(w.seen) && w.seen[place] != 0
}

// alive notes a record that a page of the sweep shows and that is not diffed.
func (w *walk) alive(r *Reader, rec Record) {
	if w == nil || r.priority != Sweeping || rec.Deleted || rec.ID == "" {
		return
	}
	w.elsewhere[rec.ID] = true
	if r.mem.Doubts[rec.ID].swept() {
		r.settled(rec.ID)
	}
}

// absent calls f for each live entry with an instant in [from, to) that was not shown
// and has not changed since its stretch was made, until f says to end.
func (w *walk) absent(l *Ledger, from, to Instant, f func(id string, at Instant) bool) {
	defer clear(w.shown)
	for {
		for ; w.next < len(w.stretch) && w.stretch[w.next].at < to; w.next++ {
			s := w.stretch[w.next]
			if s.at < from || w.wasShown(s.place) {
				continue
			}
			id, e, ok := l.At(int(s.place))
			if ok && !e.Mark && e.Instant == s.at && !w.elsewhere[id] && !f(id, s.at) {
				return
			}
		}
		if w.next < len(w.stretch) || w.to == Forever || w.to >= to {
			return
		}
		w.stretch, w.to = l.stretch(max(w.to, from), stretchSize, w.stretch[:0])
		w.next = 0
	}
}

// stretch returns where the live entries stand whose instants are from or later, those
// with the oldest first: most of them, or as many as share the last instant, and up to
// where that is every one. It appends to buf.
func (l *Ledger) stretch(from Instant, most int, buf []stand) (_ []stand, to Instant) {
	to = Forever
	room := 2 * most
	cut := func() {
		slices.SortFunc(buf, func(a, b stand) int { return cmp.Compare(a.at, b.at) })
		n := min(most, len(buf))
		for n > 0 && n < len(buf) && buf[n].at == buf[n-1].at {
			n++
		}
		if n < len(buf) {
			to = buf[n].at
			buf = buf[:n]
		}
		room = max(room, 2*n)
	}
	for i := uint32(0); i < l.next; i++ {
		r := l.at(i)
		if !r.used() || r.print&markBit != 0 || r.instant < from || r.instant >= to {
			continue
		}
		if buf = append(buf, stand{r.instant, i}); len(buf) >= room {
			cut()
		}
	}
	cut()
	return buf, to
}

// oldest returns the instant of the oldest live entry, Forever without one.
func (l *Ledger) oldest() Instant {
	at := Forever
	for i := uint32(0); i < l.next; i++ {
		if r := l.at(i); r.used() && r.print&markBit == 0 {
			at = min(at, r.instant)
		}
	}
	return at
}

// sweepUnordered is a sweep by walks, in one go: one window from its beginning to its end.
// A crash begins it anew.
func (r *Reader) sweepUnordered(ctx context.Context) error {
	s := &r.mem.State.Sweep
	c, whole, err := r.goRound(ctx, s.Position, Forever, strict)
	if err != nil {
		return err
	}
	switch {
	case c.short != "" && !s.Approved:
		return r.stopSweep(ctx, c.short)
	case c.short == "" && !whole:
		return &RetryError{Reason: RetryServer, Err: errors.New("records move while the whole collection is read")}
	}
	r.walk.seen = c.marks
	guard, err := r.judgeWindow(ctx, s.Position, c.horizon)
	switch {
	case err != nil:
		return err
	case guard != "" && !s.Approved:
		return r.stopSweep(ctx, guard)
	}
	return r.endSweep(ctx)
}
