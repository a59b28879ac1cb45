package sink

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// A strand is what is committed in one order: the batches of a collection, or the groups
// of a handler's collections. What concerns one topic of it, a refusal or a stop, holds up
// the whole strand and no other one.
type strand struct {
	lane *Lane
	// key is that by which its quarantine is remembered beyond a lane's life.
	key     string
	writers []*Writer

	// The rest belongs to the lane's mutex.
	staged  int // what is not committed
	bytes   int
	held    []*staged // while quarantined: they are tried alone
	suspect *suspect  // non-nil while quarantined
	stopped error     // a *connector.StopError: nothing more will be committed
	changed chan struct{}
}

func (l *Lane) strand(key string) *strand {
	return &strand{lane: l, key: key, suspect: l.suspects.of(key), changed: make(chan struct{})}
}

// staged is what is committed together or not at all, as records: a batch, or the batches
// of a group.
type staged struct {
	of      *strand // nil for what belongs to no collection
	done    func()  // of such: called when it is committed, under the lane's mutex
	parts   []part
	records []*kgo.Record
	bytes   int
}

// part is a collection's share of it, as metrics count it.
type part struct {
	w *Writer
	// changes are its data records, upserted the instants of the upserts.
	changes  []*kgo.Record
	upserted []connector.Instant
	deleted  int
	letters  int
}

// How much one strand may have staged: some pages to grow a transaction from, and no more
// memory than that.
const (
	maxStaged      = 64
	maxStagedBytes = 8 << 20
)

func (t *strand) enqueue(ctx context.Context, s *staged) error {
	l := t.lane
	room := func() bool { return t.staged == 0 || (t.staged < maxStaged && t.bytes+s.bytes <= maxStagedBytes) }
	return t.await(ctx, room, func() {
		t.staged++
		t.bytes += s.bytes
		if t.suspect != nil {
			t.held = append(t.held, s)
			if l.err == nil && t.suspect.next.After(time.Now()) {
				t.setStuck(t.suspect.why)
			}
		} else {
			l.queue = append(l.queue, s)
		}
		l.nudge()
	})
}

// Flush returns when everything staged so far is committed.
func (t *strand) Flush(ctx context.Context) error {
	return t.await(ctx, func() bool { return t.staged == 0 }, func() {})
}

// await waits until cond holds and does then, both under the lane's mutex. It ends
// early with the lane's error, or the strand's own.
func (t *strand) await(ctx context.Context, cond func() bool, then func()) error {
	l := t.lane
	for {
		l.mu.Lock()
		if err := t.failure(); err != nil {
			l.mu.Unlock()
			return err
		}
		if cond() {
			then()
			l.mu.Unlock()
			return nil
		}
		changed := t.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (t *strand) failure() error {
	if t.lane.err != nil {
		return t.lane.err
	}
	return t.stopped
}

// broadcast wakes whoever awaits. The lane's mutex is held.
func (t *strand) broadcast() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// committed counts what was staged as done. The lane's mutex is held.
func (t *strand) committed(s *staged, now time.Time) {
	t.staged--
	t.bytes -= s.bytes
	for i := range s.parts {
		s.parts[i].w.count(&s.parts[i], now)
	}
	t.broadcast()
}

// stop ends the strand: nothing more of it will be committed. The lane's mutex is held.
func (t *strand) stop(why error) {
	t.stopped = why
	t.held, t.staged, t.bytes = nil, 0, 0
	t.broadcast()
}

// setStuck says why what is staged waits, nil that it does no more.
func (t *strand) setStuck(why error) {
	for _, w := range t.writers {
		w.m.SetStuck(why)
	}
}

// which names the strand in a log.
func (t *strand) which() []any {
	var names []string
	for _, w := range t.writers {
		names = append(names, w.name.Collection)
	}
	slices.Sort(names)
	return []any{"source", t.writers[0].name.Source, "collection", strings.Join(names, ",")}
}
