package sink

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Group commits the groups of one handler, in their order, through its lane: the batches
// of all its collections, and what the handler is resumed from.
//
// Its collections are one strand. What one topic of it refuses, or a record that does not
// fit, holds all of them up and no other source; a *connector.StopError of one of them
// stops all of them: what the handler says next is about the state to which the group
// before has led, so that no part of it can go on alone.
type Group struct {
	*strand
	source  string
	writers map[string]*Writer // by collection
	handler connector.HandlerState
}

var _ connector.GroupCommitter = (*Group)(nil)

// GroupCollection is a collection of a handler.
type GroupCollection struct {
	Name, Topic string
	M           *connector.CollectionMetrics
}

// OpenGroup makes the collections of a handler ready to be written. Its errors are those
// of Open: a *connector.StopError or a *TopicError of one collection is about all of them.
func (l *Lane) OpenGroup(ctx context.Context, source string, collections []GroupCollection) (*Group, error) {
	g := &Group{strand: l.strand("handler " + source), source: source, writers: map[string]*Writer{}}
	for _, c := range collections {
		w, err := l.open(ctx, g.strand, offsets.Name{Source: source, Collection: c.Name}, c.Topic, c.M)
		if err != nil {
			g.leave()
			return nil, err
		}
		g.writers[c.Name] = w
	}
	for _, w := range g.writers {
		// What is left of the ledger of one that begins is forgotten by itself: no group
		// can come before.
		if w.memory.State.Trailing == connector.Beginning {
			if err := w.clean(ctx); err != nil {
				return nil, err
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.table.Handlers[source]; h != nil {
		g.handler = *h
	}
	return g, l.err
}

// leave lets the collections be opened once more, of which nothing was staged.
func (g *Group) leave() {
	g.lane.mu.Lock()
	defer g.lane.mu.Unlock()
	for _, w := range g.strand.writers {
		delete(g.lane.writers, w.topic)
	}
}

// Handler returns what was committed of the handler when the lane was acquired.
func (g *Group) Handler() connector.HandlerState { return g.handler }

// Memory returns what a collection is resumed from. It belongs to the caller.
func (g *Group) Memory(collection string) *connector.Memory { return g.writers[collection].Memory() }

// MaxRecord returns how many bytes a record's value and twice its id may have to be taken
// by the data topic of a collection.
func (g *Group) MaxRecord(collection string) int { return g.writers[collection].MaxRecord() }

// MaxState returns how many bytes the state of the handler, with all that is kept beside
// it, may have to be taken by the offsets topic.
func (g *Group) MaxState() int { return maxState(g.lane.stateLimit, g.source) }

func maxState(limit int, source string) int { return limit - overhead - 6*len(source) }

// Stage hands over the next group, to be committed in one transaction, with whatever else
// is staged on the lane. It blocks while much is staged.
//
// An error that says what of it does not fit, mostly a *connector.StopError, is the
// strand's end: nothing of the group is committed, and nothing more is taken.
func (g *Group) Stage(ctx context.Context, group *connector.Group) error {
	s, err := g.stage(group)
	if err != nil {
		g.lane.mu.Lock()
		g.stopped = err
		g.lane.mu.Unlock()
		return err
	}
	return g.enqueue(ctx, s)
}

// stage makes one unit of all that is to be committed together.
func (g *Group) stage(group *connector.Group) (*staged, error) {
	n := 1
	for _, b := range group.Batches {
		n += records(b)
	}
	s := &staged{of: g.strand, records: make([]*kgo.Record, 0, n)}
	for _, name := range slices.Sorted(maps.Keys(group.Batches)) {
		w := g.writers[name]
		if w == nil {
			return nil, fmt.Errorf("handler %s has a batch for collection %q, which is none of its own", g.source, name)
		}
		b := *group.Batches[name]
		if b.State.Trailing == connector.Beginning {
			b.State.Trailing = 0 // it has begun: see clean
		}
		if err := w.add(s, &b); err != nil {
			return nil, err
		}
	}
	r, err := g.record(group.Handler)
	if err != nil {
		return nil, err
	}
	s.records = append(s.records, r)
	s.bytes += len(r.Key) + len(r.Value)
	return s, nil
}

func (g *Group) record(h connector.HandlerState) (*kgo.Record, error) {
	r, err := offsets.HandlerRecord(g.lane.cfg.Topic, g.lane.Number, g.source, g.lane.cfg.Instance, &h)
	if err != nil {
		return nil, &connector.StopError{
			What:   fmt.Sprintf("the next state of handler %s cannot be kept: %v", g.source, err),
			Remedy: "let the handler return one JSON document, nested less than 10,000 deep",
		}
	}
	return r, g.lane.fits(r, fmt.Sprintf("the state of handler %s, with its pushes,", g.source))
}

// Readable is that of a Writer, for some collections or, without names, for all.
func (g *Group) Readable(ctx context.Context, collections ...string) ([]connector.Position, error) {
	if len(collections) == 0 {
		collections = slices.Sorted(maps.Keys(g.writers))
	}
	var all []connector.Position
	for _, name := range collections {
		positions, err := g.writers[name].Readable(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, positions...)
	}
	return all, nil
}
