package hostile

import (
	"context"
	"math/rand/v2"
	"time"
)

// Writer writes to an API at random, with the mix that the API's hostility has at
// the moment. One goroutine may use it at a time; several writers may share an API.
type Writer struct {
	api         *API
	rng         *rand.Rand
	rate        float64
	collections []string
	hot         map[string][]string // records written a moment ago
}

// NewWriter returns a writer of rate versions a second, by Run, over the named
// collections, or all those that the API was made with.
func NewWriter(api *API, seed uint64, rate float64, collections ...string) *Writer {
	if len(collections) == 0 {
		collections = api.cfg.Collections
	}
	return &Writer{
		api: api, rng: rand.New(rand.NewPCG(seed, 0x77726974)), rate: rate,
		collections: collections, hot: make(map[string][]string),
	}
}

// Run writes until ctx ends. A bulk of 150 is paid for with 150 versions' time.
func (w *Writer) Run(ctx context.Context) {
	if w.rate <= 0 || len(w.collections) == 0 {
		return
	}
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	last, owed := time.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		owed += w.rate * now.Sub(last).Seconds()
		last = now
		for owed >= 1 && ctx.Err() == nil {
			owed -= float64(max(1, w.Step()))
		}
	}
}

// Step does one write and returns how many versions it made; 0 if it met a record
// that it could not be done to.
func (w *Writer) Step() int {
	m := w.api.Hostility().Writes.withDefaults()
	c := w.collections[w.rng.IntN(len(w.collections))]
	n := w.rng.IntN(m.Insert + m.Update + m.Touch + m.Revert + m.Delete + m.Undelete + m.Bulk + m.Recreate + m.Remove + m.Restore)
	for _, kind := range []struct {
		weight int
		do     func() int
	}{
		{m.Insert, func() int { return len(w.warm(c, w.api.Insert(c, 1))) }},
		{m.Update, func() int { return w.one(c, Update) }},
		{m.Touch, func() int { return w.one(c, Touch) }},
		{m.Revert, func() int { return w.one(c, Revert) }},
		{m.Delete, func() int { return w.one(c, Delete) }},
		{m.Undelete, func() int { return w.one(c, Undelete) }},
		{m.Remove, func() int { return w.one(c, Remove) }},
		{m.Restore, func() int { return w.one(c, Restore) }},
		{m.Bulk, func() int { return w.bulk(c, m.BulkSize) }},
		{m.Recreate, func() int { return w.recreate(c, m.RecreateGap) }},
	} {
		if n -= kind.weight; n < 0 {
			return kind.do()
		}
	}
	return 0
}

// one does op to a record to which it can be done, if a few looks find one.
func (w *Writer) one(collection string, op Op) int {
	for range 8 {
		if id, ok := w.pick(collection); ok && w.api.Write(collection, op, id) > 0 {
			w.warm(collection, []string{id})
			return 1
		}
	}
	return 0
}

func (w *Writer) bulk(collection string, size int) int {
	ids := make([]string, 0, size)
	for range size {
		if id, ok := w.api.anyID(collection, w.rng); ok {
			ids = append(ids, id)
		}
	}
	return w.api.Write(collection, Update, ids...)
}

func (w *Writer) recreate(collection string, gap time.Duration) int {
	if id, ok := w.pick(collection); ok {
		late := time.Duration(w.rng.Int64N(int64(gap))) + 1
		if w.api.Recreate(collection, id, late) {
			return 2
		}
	}
	return 0
}

// pick chooses a record, every other time one written a moment ago: that is where
// late and backdated stamps meet the ones they overwrite.
func (w *Writer) pick(collection string) (string, bool) {
	if hot := w.hot[collection]; len(hot) > 0 && w.rng.IntN(2) == 0 {
		return hot[w.rng.IntN(len(hot))], true
	}
	return w.api.anyID(collection, w.rng)
}

// warm remembers the last few records written.
func (w *Writer) warm(collection string, ids []string) []string {
	hot := append(w.hot[collection], ids...)
	w.hot[collection] = append([]string(nil), hot[max(0, len(hot)-16):]...)
	return ids
}

// anyID returns a random record's id.
func (a *API) anyID(collection string, rng *rand.Rand) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.collections[collection]
	if c == nil || len(c.records) == 0 {
		return "", false
	}
	return c.records[rng.IntN(len(c.records))].id, true
}
