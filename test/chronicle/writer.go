package chronicle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"tributary/test/hostile"
)

// Write is one write of one record: an Insert, Update, Touch or Remove. The record is to
// show Ver as "ver", Note(Content) as "note" and, in a touch, another "touched".
type Write struct {
	Op           hostile.Op
	ID           string
	Ver, Content int64
}

// Store writes to a server.
type Store interface {
	// NewID returns the id of the nth record, in the form that the server takes.
	NewID(n int) string
	// Do does the writes in one transaction, in their order, and returns the stamps
	// that the records show then; a Remove's is not looked at.
	Do(ctx context.Context, writes []Write) ([]time.Time, error)
}

// Writer writes to a server at random: single records, bulks, touches, deletions, and
// records that are made again after they were deleted. It is for one goroutine.
type Writer struct {
	c     *Chronicle
	store Store
	rng   *rand.Rand
	made  int      // records that ever were
	live  []string // ids of those that are
	gone  []string // and of those that were removed
}

// Writer returns the only writer of the collection.
func (c *Chronicle) Writer(store Store, seed uint64) *Writer {
	return &Writer{c: c, store: store, rng: rand.New(rand.NewPCG(seed, 0x6368726f))}
}

// bulk is how many records a bulk changes: several pages of the tests.
const bulk = 20

// Fill makes n records, in bulks.
func (w *Writer) Fill(ctx context.Context, n int) error {
	for n > 0 {
		var writes []Write
		for range min(n, 5*bulk) {
			writes = append(writes, w.insert())
		}
		n -= len(writes)
		if err := w.do(ctx, writes); err != nil {
			return err
		}
	}
	return nil
}

// Writes are what a writer does, by the names of [Chronicle.Fired].
var Writes = []string{"insert", "update", "touch", "hard_delete", "again", "bulk"}

// didAll says whether each of [Writes] has been done.
func (c *Chronicle) didAll() bool {
	fired := c.Fired()
	for _, what := range Writes {
		if fired[what] == 0 {
			return false
		}
	}
	return true
}

// RunAll writes rate versions a second for d, and on until all that a writer does has been
// done, as long as ctx allows: a busy machine writes less in a time.
func (w *Writer) RunAll(ctx context.Context, rate float64, d time.Duration) error {
	for {
		part, cancel := context.WithTimeout(ctx, d)
		err := w.Run(part, rate)
		cancel()
		if err != nil || ctx.Err() != nil || w.c.didAll() {
			return err
		}
	}
}

// Run writes rate versions a second until ctx ends.
func (w *Writer) Run(ctx context.Context, rate float64) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last, owed := time.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		owed += rate * time.Since(last).Seconds()
		last = time.Now()
		for owed >= 1 && ctx.Err() == nil {
			writes := w.step()
			owed -= float64(max(1, len(writes)))
			// What was begun is done: half known would be no history.
			if err := w.do(context.WithoutCancel(ctx), writes); err != nil {
				return err
			}
		}
	}
}

// step draws the writes of one transaction.
func (w *Writer) step() []Write {
	if len(w.live) == 0 {
		return []Write{w.insert()}
	}
	switch k := w.rng.IntN(100); {
	case k < 15:
		return []Write{w.insert()}
	case k < 55:
		return []Write{w.next(hostile.Update, w.anyone())}
	case k < 65:
		return []Write{w.next(hostile.Touch, w.anyone())}
	case k < 80:
		at := w.rng.IntN(len(w.live))
		id := w.live[at]
		w.live, w.gone = append(w.live[:at], w.live[at+1:]...), append(w.gone, id)
		return []Write{w.next(hostile.Remove, id)}
	case k < 85 && len(w.gone) > 0:
		at := w.rng.IntN(len(w.gone))
		id := w.gone[at]
		w.live, w.gone = append(w.live, id), append(w.gone[:at], w.gone[at+1:]...)
		w.c.count("again", 1)
		return []Write{w.next(hostile.Insert, id)}
	}
	return w.bulk()
}

func (w *Writer) bulk() (writes []Write) {
	taken := map[string]bool{}
	for range bulk {
		if id := w.anyone(); !taken[id] {
			taken[id] = true
			writes = append(writes, w.next(hostile.Update, id))
		}
	}
	w.c.count("bulk", 1)
	return writes
}

func (w *Writer) anyone() string { return w.live[w.rng.IntN(len(w.live))] }

func (w *Writer) insert() Write {
	w.made++
	id := w.store.NewID(w.made)
	w.live = append(w.live, id)
	return Write{Op: hostile.Insert, ID: id, Ver: 1, Content: 1}
}

// next is the version of a record that op leads to.
func (w *Writer) next(op hostile.Op, id string) Write {
	vs := w.c.Versions(w.c.collection, id)
	next := Write{Op: op, ID: id, Ver: int64(len(vs)) + 1, Content: int64(len(vs)) + 1}
	if op == hostile.Touch || op == hostile.Remove {
		next.Content = vs[len(vs)-1].Content
	}
	return next
}

// do does the writes and notes them.
func (w *Writer) do(ctx context.Context, writes []Write) error {
	if len(writes) == 0 {
		return nil
	}
	stamps, err := w.store.Do(ctx, writes)
	if err != nil {
		return fmt.Errorf("write %v: %w", writes, err)
	}
	for i, write := range writes {
		w.c.add(write, stamps[i])
	}
	return nil
}
