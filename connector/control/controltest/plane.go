// Package controltest holds a control.Plane that runs nothing: tests of what is built over
// one say how it stands, and see what was asked of it.
package controltest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"tributary/connector"
	"tributary/connector/control"
)

// Plane is a control.Plane of collections that do what they are told at once. Its fields
// may be set before it is used; what they hold stands for the method of that name.
type Plane struct {
	OnPull      func(context.Context, control.Name, connector.Reason) (control.Pulled, error)
	OnReset     func(context.Context, control.Name, bool) error
	OnChanges   func(context.Context, control.Name, string, int) (control.Changes, error)
	OnList      func(context.Context, control.Name, json.RawMessage) (json.RawMessage, error)
	OnAggregate func(context.Context, control.Name, json.RawMessage) (json.RawMessage, error)
	OnPush      func(context.Context, string, json.RawMessage) (json.RawMessage, error)
	// OnOperate stands before Hold, Sweep, Restart, Reset and SetCursor; its error is theirs.
	OnOperate func(operation string, n control.Name) error

	mu          sync.Mutex
	info        control.Info
	sources     []control.Source
	collections []control.Collection
	index       map[control.Name]int
	calls       []string
	level       string
	hub         *control.Hub
}

var _ control.Plane = (*Plane)(nil)

// Began is when a Plane says that its process has started.
var Began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// New returns a plane of those collections; their sources are made from them.
func New(collections ...control.Collection) *Plane {
	p := &Plane{
		info: control.Info{
			Version: "test", Group: "crm", Instance: "here", Run: "0123456789abcdef", Started: Began, ClusterID: "a-cluster",
			Lanes: []control.Lane{{Number: 0, Acquired: true}},
		},
		level: "info", hub: control.NewHub(), index: map[control.Name]int{},
	}
	for _, c := range collections {
		if i := slices.IndexFunc(p.sources, func(s control.Source) bool { return s.Name == c.Source }); i < 0 {
			p.sources = append(p.sources, control.Source{Name: c.Source, Type: "rest", URL: "https://" + c.Source + ".example/v2"})
		}
		p.index[c.Name] = len(p.collections)
		p.collections = append(p.collections, c)
	}
	return p
}

// Calls are what was asked of the plane that changes something or waits, in its order.
func (p *Plane) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func (p *Plane) call(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

// Set changes how a collection stands, and tells of another state.
func (p *Plane) Set(n control.Name, change func(*control.Collection)) {
	p.mu.Lock()
	c := &p.collections[p.index[n]]
	from := c.State
	change(c)
	to, why := c.State, c.Why
	p.mu.Unlock()
	if from != to {
		p.hub.Tell(control.Event{Type: control.EventState, Source: n.Source, Collection: n.Collection, Data: control.StateChange{From: from, To: to, Why: why}})
	}
}

// SetInfo changes what is said of the process.
func (p *Plane) SetInfo(change func(*control.Info)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.info)
}

// SetSource changes what is said of a source.
func (p *Plane) SetSource(name string, change func(*control.Source)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.sources {
		if p.sources[i].Name == name {
			change(&p.sources[i])
		}
	}
}

// Info returns what is said of the process.
func (p *Plane) Info() control.Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	info := p.info
	info.Lanes = slices.Clone(info.Lanes)
	return info
}

// Sources counts the states of their collections.
func (p *Plane) Sources() []control.Source {
	p.mu.Lock()
	defer p.mu.Unlock()
	sources := slices.Clone(p.sources)
	index := map[string]*control.Source{}
	for i := range sources {
		sources[i].States = map[string]int{}
		index[sources[i].Name] = &sources[i]
	}
	for i := range p.collections {
		c := &p.collections[i]
		s := index[c.Source]
		s.Collections++
		s.States[c.State]++
	}
	return sources
}

// Collections returns all of them.
func (p *Plane) Collections() []control.Collection {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.collections)
}

// Collection returns one.
func (p *Plane) Collection(n control.Name) (control.Collection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.index[n]
	if !ok {
		return control.Collection{}, unknown("collection " + n.String())
	}
	return p.collections[i], nil
}

func unknown(what string) error {
	return &control.Error{Kind: control.Unknown, Detail: "there is no " + what, Remedy: "look at the config"}
}

// Pull says that everything up to an offset is readable.
func (p *Plane) Pull(ctx context.Context, n control.Name, reason connector.Reason) (control.Pulled, error) {
	p.call("pull %s %s", n, reason.Name)
	if p.OnPull != nil {
		return p.OnPull(ctx, n, reason)
	}
	c, err := p.Collection(n)
	if err != nil {
		return control.Pulled{}, err
	}
	p.hub.Tell(control.Event{Type: control.EventPull, Source: n.Source, Collection: n.Collection, Data: control.PullEnded{Reasons: []string{string(reason.Name)}, Seconds: 0.25, Changed: true}})
	return control.Pulled{
		Name: n, Began: Began, Ended: Began.Add(250 * time.Millisecond), Reasons: []connector.ReasonName{reason.Name},
		Positions: []connector.Position{{Topic: c.Topic, Partition: 0, Offset: 42}},
	}, nil
}

func (p *Plane) operate(operation string, n control.Name) error {
	p.call("%s %s", operation, n)
	if _, err := p.Collection(n); err != nil {
		return err
	}
	if p.OnOperate != nil {
		return p.OnOperate(operation, n)
	}
	return nil
}

// Hold sets a collection's hold and its state.
func (p *Plane) Hold(_ context.Context, n control.Name, hold control.Hold) error {
	if err := p.operate("hold "+string(hold), n); err != nil {
		return err
	}
	p.Set(n, func(c *control.Collection) {
		c.Hold = hold
		c.State = map[control.Hold]string{
			control.HoldNone: connector.StateRunning, control.HoldPaused: connector.StatePaused, control.HoldStopped: connector.StateStopped,
		}[hold]
	})
	return nil
}

// Sweep says that one runs.
func (p *Plane) Sweep(_ context.Context, n control.Name, approve bool) error {
	if err := p.operate(fmt.Sprintf("sweep approve=%t", approve), n); err != nil {
		return err
	}
	p.Set(n, func(c *control.Collection) { c.Sweep = &control.Span{Running: true, Started: &Began} })
	return nil
}

// Restart lets what an error stopped run again.
func (p *Plane) Restart(_ context.Context, n control.Name) error {
	if err := p.operate("restart", n); err != nil {
		return err
	}
	p.Set(n, func(c *control.Collection) {
		if c.Hold == control.HoldNone {
			c.State, c.Why, c.Remedy = connector.StateRunning, "", ""
		}
	})
	return nil
}

// Reset refuses what no operator has stopped, and forgets the cursor.
func (p *Plane) Reset(ctx context.Context, n control.Name, republish bool) error {
	if err := p.operate(fmt.Sprintf("reset republish=%t", republish), n); err != nil {
		return err
	}
	if p.OnReset != nil {
		return p.OnReset(ctx, n, republish)
	}
	return p.move(n, nil)
}

// SetCursor refuses what no operator has stopped, and moves the cursor.
func (p *Plane) SetCursor(_ context.Context, n control.Name, instant string) error {
	if err := p.operate("cursor "+instant, n); err != nil {
		return err
	}
	if instant == "beginning" {
		return p.move(n, nil)
	}
	at, err := time.Parse(time.RFC3339Nano, instant)
	if err != nil {
		return &control.Error{Kind: control.Invalid, Detail: "the instant is not RFC 3339"}
	}
	return p.move(n, &at)
}

func (p *Plane) move(n control.Name, to *time.Time) error {
	if c, _ := p.Collection(n); c.Hold != control.HoldStopped {
		return &control.Error{Kind: control.Conflict, Detail: n.String() + " is not stopped by an operator", Remedy: "stop it first"}
	}
	p.Set(n, func(c *control.Collection) { c.Cursor = to })
	return nil
}

// Changes shows an upsert below a deletion.
func (p *Plane) Changes(ctx context.Context, n control.Name, key string, limit int) (control.Changes, error) {
	p.call("changes %s %s %d", n, key, limit)
	if p.OnChanges != nil {
		return p.OnChanges(ctx, n, key, limit)
	}
	if _, err := p.Collection(n); err != nil {
		return control.Changes{}, err
	}
	changes := []control.Change{
		{Offset: 41, Timestamp: Began, Instant: "2026-03-01T11:59:59Z", Batch: 9, Value: json.RawMessage("null")},
		{Offset: 12, Timestamp: Began.Add(-time.Hour), Instant: "2026-03-01T10:59:59Z", Batch: 4, Value: json.RawMessage(`{"id":7,"name":"A. Example"}`)},
	}
	return control.Changes{Key: key, Changes: changes[:min(limit, len(changes))], Until: 42, Whole: true}, nil
}

// List answers no records.
func (p *Plane) List(ctx context.Context, n control.Name, query json.RawMessage) (json.RawMessage, error) {
	return p.ask(ctx, "list", n, query, p.OnList, `{"records":[],"next":null,"positions":[]}`)
}

// Aggregate answers a count.
func (p *Plane) Aggregate(ctx context.Context, n control.Name, query json.RawMessage) (json.RawMessage, error) {
	return p.ask(ctx, "aggregate", n, query, p.OnAggregate, `{"rows":[],"more":false,"positions":[]}`)
}

func (p *Plane) ask(ctx context.Context, what string, n control.Name, query json.RawMessage, on func(context.Context, control.Name, json.RawMessage) (json.RawMessage, error), otherwise string) (json.RawMessage, error) {
	p.call("%s %s %s", what, n, query)
	if on != nil {
		return on(ctx, n, query)
	}
	if _, err := p.Collection(n); err != nil {
		return nil, err
	}
	return json.RawMessage(otherwise), nil
}

// Push takes everything.
func (p *Plane) Push(ctx context.Context, source string, body json.RawMessage) (json.RawMessage, error) {
	p.call("push %s %s", source, body)
	if p.OnPush != nil {
		return p.OnPush(ctx, source, body)
	}
	if !slices.ContainsFunc(p.Sources(), func(s control.Source) bool { return s.Name == source }) {
		return nil, unknown("source " + source)
	}
	return json.RawMessage(`{"id":"1","sequence":1,"repeated":false,"positions":[]}`), nil
}

// Level returns the log level.
func (p *Plane) Level() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level
}

// SetLevel sets it.
func (p *Plane) SetLevel(level string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level = level
	return nil
}

// Events is where a test tells what happens.
func (p *Plane) Events() *control.Hub { return p.hub }
