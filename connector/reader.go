package connector

import (
	"context"
	"log/slog"
	"time"
)

// Env is what a reader needs of the world.
type Env struct {
	// Now is our own clock: for metrics and intervals, never for a rule about
	// records.
	Now func() time.Time
	// Sleep waits, or returns the context's error.
	Sleep Sleep
	// Random returns a number from 0 up to 1.
	Random func() float64
	Log    *slog.Logger
	// Go runs a request that is sent ahead, beside what its reader does meanwhile; nil:
	// nothing is sent ahead.
	Go func(func())
	// GiveUp is after how many refusals in a row (401 and other 4xx) a collection
	// stops, and after four times as many refused bodies; 0: never, it tries on slowly
	// until a person has mended the cause.
	GiveUp int
	// Page is told of every page read, and CaughtUp of every head reading that came to
	// its end with everything of it committed; both may be nil.
	Page     func(records int, newest, date Instant)
	CaughtUp func()
	// Pulls say when to pull; nil: only the settings do.
	Pulls *Pulls
	// Crowd is what it shares with the other collections of its source; nil: nothing.
	Crowd *Crowd
	// Feed lists deletions, each a record that is deleted at its own instant; nil: the
	// collection has no such list.
	Feed Source
}

// Reader reads one collection: requests in, batches out, in one order. It is owned
// by one goroutine, and worthless after an error of its committer.
type Reader struct {
	set Settings
	src Source
	out Committer
	env Env
	m   *CollectionMetrics

	mem   *Memory
	print uint16
	batch Batch
	*common

	date  Instant // of the last answer
	began Instant // of the first answer of this head reading
	seen  Instant // of the first answer of the last head reading that came to its end
	// quiet is until when probes wait after one that showed nothing.
	quiet   Instant
	changed bool               // this pull published something
	sent    *ahead             // a request that was sent ahead
	passed  Instant            // the newest of the last page's records that cannot be published
	lead    Cursor             // the newest of them that the cursor may move to
	past    map[event]struct{} // those that were counted
	slipped bool               // the last head reading by walks may have missed a record
	put     putOff             // the tie that does not come to rest
	walk    *walk              // of the sweep that runs, nil between two turns of it
	probes  int                // ids that a probe may ask for, as far as the source bears it
	several bool               // an answer to a probe has shown more than one record
	later   putBack
	feed    *Reader // of the list of deletions, nil without one
	// hears says that this is such a reader, heard what it has acted on, before up to where
	// earlier lives may have, and checked that a sweep or a probe tells what became of it.
	// deaf is why it was put off.
	deaf    error
	hears   bool
	heard   map[event]bool
	before  Instant
	checked bool
	// priority is that of the reading in flight, pages how many it has read.
	priority Priority
	pages    int
	by       time.Time // until when it waits for a budget; zero: for as long as it takes
}

// common is what a reader and that of its feed share beside the memory.
type common struct {
	// staged is the state as it was staged last: equal and nothing in the batch
	// means that there is nothing to commit.
	staged State
	// absent are doubts that sweeps made, missed those of them that stood no guards yet.
	absent, missed int
}

// dumpAfter is after how many pages a head reading is one that rebuilds, and yields to
// those that keep others fresh.
const dumpAfter = 10

// as begins a reading of that priority.
func (r *Reader) as(p Priority) { r.priority, r.pages, r.by = p, 0, time.Time{} }

// late says that the time for which it is of use to wait for a budget is over: what is read
// is left to a later pull.
func (r *Reader) late() bool { return !r.by.IsZero() && !r.env.Now().Before(r.by) }

// urgency returns the priority of the next page of the reading in flight.
func (r *Reader) urgency() Priority {
	if r.priority == Live && r.pages >= dumpAfter {
		return Dumping
	}
	return r.priority
}

// NewReader goes on from mem, which is the reader's from now on.
func NewReader(set Settings, src Source, out Committer, mem *Memory, env Env, m *CollectionMetrics) (*Reader, error) {
	r := &Reader{set: set, src: src, out: out, env: env, m: m, mem: mem,
		date: Beginning, began: Beginning, seen: Beginning, quiet: Beginning, probes: set.Probe, common: &common{}}
	r.staged = mem.State
	if r.env.Pulls == nil {
		r.env.Pulls = NewPulls(set, env.Now, env.Random)
	}
	var err error
	if r.print, err = mem.State.adopt(set.Fingerprint); err != nil {
		return nil, err
	}
	s := &mem.State
	if s.Trailing != Beginning {
		if more := set.Lookback - s.Lookback; more > 0 {
			// What the longer lookback would still have waited for is read once more.
			s.Trailing = max(s.Trailing.Add(-more), s.Floor)
			if s.Feed != (Track{}) {
				s.Feed.Trailing = s.Feed.Trailing.Add(-more)
			}
		}
	}
	s.Lookback = set.Lookback
	r.resumeSweep()
	r.feed = newFeed(r)
	m.Every(r.env.Pulls.Gap())
	r.gauges()
	return r, nil
}

// Memory is the reader's, for those who look at it between two pulls.
func (r *Reader) Memory() *Memory { return r.mem }

// Pull reads what is new until the source has no more, then what the past owes: the
// trailing pass, doubts that are due, and a piece of the sweep. It returns when all of it
// is committed.
func (r *Reader) Pull(ctx context.Context) error {
	defer r.recall()
	due := r.due()
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.head(ctx); err != nil {
		return err
	}
	if err := r.trailing(ctx, due); err != nil {
		return err
	}
	if err := r.doubts(ctx, due); err != nil {
		return err
	}
	if err := r.sweep(ctx, r.set.Sweeps.Pages, due, due); err != nil {
		return err
	}
	return r.out.Flush(ctx)
}

// due is when the pull after one that begins now is due; zero: nobody says.
func (r *Reader) due() time.Time {
	if r.set.Interval == 0 {
		return time.Time{}
	}
	return r.env.Now().Add(r.set.Interval)
}

// begin commits where a collection that was never read is to start.
func (r *Reader) begin(ctx context.Context) error {
	s := &r.mem.State
	if s.Trailing != Beginning || (!r.set.Start.Now && r.set.Start.At == Beginning) {
		return nil
	}
	at := r.set.Start.At
	if r.set.Start.Now {
		p, err := r.fetch(ctx, Query{From: InstantOf(r.env.Now()), To: Forever, Page: 1})
		if err != nil {
			return err
		}
		at = p.Date
	}
	s.Cursor = Cursor{Text: at.String(), Instant: at}
	s.Floor, s.Trailing = at, at
	if r.set.Sweeps.Every > 0 {
		s.Sweep.Ended = InstantOf(r.env.Now())
	}
	return r.stage(ctx)
}

// head reads onward from the cursor. What turned visible up to an overlap late is
// found by going back that far behind the last head reading that came to its end; a
// quiet collection is one request.
func (r *Reader) head(ctx context.Context) error {
	r.as(Live)
	whole, err := r.onward(ctx)
	if err != nil || !whole {
		return err
	}
	if err := r.hear(ctx); err != nil {
		return err
	}
	r.m.CaughtUp.Set(seconds(r.env.Now()))
	if r.env.CaughtUp != nil {
		r.env.CaughtUp()
	}
	r.env.Pulls.Reached()
	return nil
}

// onward reads from the cursor to the end, and commits it.
func (r *Reader) onward(ctx context.Context) (whole bool, err error) {
	from := r.cursor().Instant
	if from != Beginning {
		anchor := from
		if r.seen != Beginning {
			anchor = r.seen
		}
		from = max(min(from, anchor.Add(-r.set.Overlap)), r.mem.State.Floor)
	}
	r.began = Beginning
	whole, err = r.read(ctx, from, Forever, true)
	if err != nil {
		return false, err
	}
	if err := r.out.Flush(ctx); err != nil || !whole {
		return false, err
	}
	r.seen = r.began
	return true, nil
}

// cursor is that of the collection, or of its feed.
func (r *Reader) cursor() *Cursor {
	if r.hears {
		return &r.mem.State.Feed.Cursor
	}
	return &r.mem.State.Cursor
}

// stage hands the pending batch over, if there is anything in it.
func (r *Reader) stage(ctx context.Context) error {
	s := &r.mem.State
	if r.batch.empty() && s.Cursor.Instant == r.staged.Cursor.Instant && s.Trailing == r.staged.Trailing && s.Sweep == r.staged.Sweep && s.Feed == r.staged.Feed && s.Ran == r.staged.Ran {
		return nil
	}
	if s.Trailing == Beginning {
		// Born with the first commit, from the answer that its reading began with:
		// born later, an update that turns visible while we are down would be lost.
		s.Trailing = r.began.Add(-r.set.Lookback)
		if r.set.Sweeps.Every > 0 {
			s.Sweep.Ended = r.began // it reads everything, as a sweep does
		}
	}
	r.changed = r.changed || len(r.batch.Changes) > 0
	s.Seq++
	r.batch.State = *s
	if err := r.out.Stage(ctx, &r.batch); err != nil {
		return err
	}
	r.staged = *s
	r.batch.reset()
	r.gauges()
	return nil
}

// advance moves the cursor to the newest of the instants shown, but never back and
// never past the server's clock: what is stamped in the future is shown again until
// the clock has come there. Then the cursor stays at the newest that is not.
func (r *Reader) advance(shown Cursor) {
	if c := r.cursor(); shown.Instant > c.Instant {
		*c = shown
	}
}

// horizon is the instant up to which a page of this date may move the cursor.
func (r *Reader) horizon(date Instant) Instant { return date.Add(-r.set.Settle) }

func (r *Reader) gauges() {
	r.m.Cursor.Set(orZero(r.mem.State.Cursor.Instant))
	r.sweepGauges()
	r.m.Doubts.Set(float64(len(r.mem.Doubts)))
	r.m.Unpublished.Set(float64(len(r.mem.Receipts)))
	r.m.Marks.Set(float64(len(r.mem.Ledger.Marks())))
	r.m.Entries.Set(float64(r.mem.Ledger.Len()))
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
