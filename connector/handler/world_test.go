package handler

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
)

// kafka is what is committed: it takes each group whole, and folds it as a lane does. What
// a batch says was there before must have been there.
type kafka struct {
	t       *testing.T
	topics  map[string][]connector.Change
	memory  map[string]*connector.Memory
	handler connector.HandlerState
	groups  int
	flushed uint64 // the number of the last group that is known to be committed
	// refuse says of the group with that number whether it is lost, and taken although it
	// seems to be.
	refuse func(n int) (lost, taken bool)
}

func newKafka(t *testing.T, collections ...string) *kafka {
	k := &kafka{t: t, topics: map[string][]connector.Change{}, memory: map[string]*connector.Memory{}}
	for _, c := range collections {
		k.memory[c] = connector.NewMemory()
	}
	return k
}

var errLost = errors.New("the lane is spent")

func (k *kafka) Stage(_ context.Context, g *connector.Group) error {
	k.groups++
	lost, taken := false, true
	if k.refuse != nil {
		if lost, taken = k.refuse(k.groups); !lost {
			taken = true
		}
	}
	if taken {
		k.take(g)
	}
	if lost {
		return errLost
	}
	return nil
}

func (k *kafka) take(g *connector.Group) {
	if g.Handler.Seq != k.handler.Seq+1 {
		k.t.Errorf("group %d comes after %d", g.Handler.Seq, k.handler.Seq)
	}
	k.handler = g.Handler
	k.handler.Pushes = slices.Clone(g.Handler.Pushes)
	for name, b := range g.Batches {
		m := k.memory[name]
		if b.State.Seq != m.State.Seq+1 || b.State.Cursor.Instant < m.State.Cursor.Instant {
			k.t.Errorf("batch %d of %s at %v comes after %d at %v", b.State.Seq, name, b.State.Cursor.Instant, m.State.Seq, m.State.Cursor.Instant)
		}
		fold := connector.NewMemory()
		for id, e := range m.Ledger.All() {
			fold.Ledger.Put(id, e)
		}
		for _, e := range b.Entries {
			was, had := fold.Ledger.Get(e.ID)
			if had != e.Had || was != e.Old {
				k.t.Errorf("%s: the entry of %q was %v, the batch says %v", name, e.ID, was, e.Old)
			}
			if e.Drop {
				fold.Ledger.Drop(e.ID)
			} else {
				fold.Ledger.Put(e.ID, e.New)
			}
		}
		for _, c := range b.Changes {
			c.Value = slices.Clone(c.Value)
			k.topics[name] = append(k.topics[name], c)
		}
		m.Apply(b)
	}
}

func (k *kafka) Flush(context.Context) error {
	k.flushed = k.handler.Seq
	return nil
}

// restore returns a copy of a memory, as a new life reads it.
func (k *kafka) restore(name string) *connector.Memory {
	m := connector.NewMemory()
	m.State = k.memory[name].State
	for id, e := range k.memory[name].Ledger.All() {
		m.Ledger.Put(id, e)
	}
	for key, r := range k.memory[name].Receipts {
		m.Receipts[key] = r
	}
	return m
}

// versions are the values of an id in its topic in their order, "-" for a deletion.
func (k *kafka) versions(collection, id string) (out []string) {
	for _, c := range k.topics[collection] {
		if c.ID != id {
			continue
		}
		if c.Value == nil {
			out = append(out, "-")
		} else {
			out = append(out, string(c.Value))
		}
	}
	return out
}

// bundle is a runner with all it needs.
type bundle struct {
	t     *testing.T
	k     *kafka
	cfg   Config
	h     Handler
	pulls *connector.Pulls
	env   connector.Env
	r     *Runner
	ms    map[string]*connector.CollectionMetrics
}

func newBundle(t *testing.T, h Handler, collections ...string) *bundle {
	if len(collections) == 0 {
		collections = []string{"posts", "comments"}
	}
	metrics := connector.NewMetrics(prometheus.NewRegistry())
	b := &bundle{t: t, h: h, k: newKafka(t, collections...), ms: map[string]*connector.CollectionMetrics{}}
	b.cfg = Config{Source: "blog", Run: "run", Timeout: time.Minute, MaxState: 10_000, Metrics: metrics.Source("blog")}
	for _, name := range collections {
		b.ms[name] = metrics.Collection("blog", name)
		set := connector.Settings{Source: "blog", Collection: name, Interval: time.Minute, OnBadRecord: connector.StopOnBadRecord,
			Sweeps: connector.Sweeps{MaxRatio: connector.DefaultMaxRatio, MaxCount: connector.DefaultMaxCount}, Triggers: connector.Triggers{OnRestart: true}}
		records := rest.Config{ID: "id"}.OfHandler()
		set.Fingerprint = records.Fingerprint()
		b.cfg.Collections = append(b.cfg.Collections, Collection{Settings: set, Records: records, Metrics: b.ms[name]})
	}
	b.env = connector.Env{Now: time.Now, Random: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}}
	b.pulls = connector.NewPulls(b.cfg.Collections[0].Settings, time.Now, b.env.Random)
	return b
}

// start makes a runner that goes on from what is committed.
func (b *bundle) start() *Runner {
	b.t.Helper()
	for i := range b.cfg.Collections {
		b.cfg.Collections[i].Memory = b.k.restore(b.cfg.Collections[i].Settings.Collection)
	}
	b.env.Pulls = b.pulls
	r, err := New(b.cfg, b.h, b.k, b.k.handler, b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	b.r = r
	return r
}

// run runs a new runner for so long, and returns why it ended before.
func (b *bundle) run(d time.Duration) error {
	b.t.Helper()
	r := b.start()
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	err := r.Run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// calls is a handler that answers by a function, or two.
type calls struct {
	delta func(Request) (Response, error)
	dump  func(Request) (Response, error)

	mu  sync.Mutex
	all []Request // what it was called with
}

func (c *calls) Delta(_ context.Context, r Request) (Response, error) {
	c.note(r)
	return c.delta(r)
}

func (c *calls) Dump(_ context.Context, r Request) (Response, error) {
	c.note(r)
	return c.dump(r)
}

func (c *calls) note(r Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, r)
}

// seen are the calls so far, for a test beside which the handler is called.
func (c *calls) seen() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

func entry(collection, record string) Entry {
	return Entry{Collection: collection, Record: json.RawMessage(record)}
}

// once answers with that response to a null state, and with nothing new afterwards.
func once(resp Response) func(Request) (Response, error) {
	return func(r Request) (Response, error) {
		if string(r.PreviousState) == "null" {
			return resp, nil
		}
		return Response{}, nil
	}
}
