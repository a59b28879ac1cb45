package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/sink"
)

// A plane is the engine as its operators see and operate it. What it changes of committed
// state it changes as the commands do, as a visitor of the lane.
type plane struct {
	e       *engine
	level   *slog.LevelVar
	started time.Time
	by      map[control.Name]*collection
	editor  *editor
	edits   *edits

	mu      sync.Mutex
	cluster string    // Kafka's id, once it is known
	asked   time.Time // when Kafka was last asked for it
}

var _ control.Plane = (*plane)(nil)

// newPlane makes a plane of an engine that has not begun. The caller closes it.
func newPlane(a *app, e *engine, level *slog.LevelVar) (*plane, error) {
	cl, err := kgo.NewClient(e.kafka...)
	if err != nil {
		return nil, err
	}
	quiet := *a
	quiet.stdout, quiet.stderr = io.Discard, io.Discard
	p := &plane{
		e: e, level: level, started: time.Now(), by: map[control.Name]*collection{}, edits: newEdits(),
		editor: &editor{a: &quiet, cfg: e.cfg, kafka: e.kafka, cl: cl},
	}
	for _, c := range e.collections {
		p.by[c.name()] = c
		e.tell(c)
	}
	return p, nil
}

func (p *plane) Close() {
	p.edits.cutNow()
	p.editor.Close()
}

func (c *collection) name() control.Name {
	return control.Name{Source: c.Settings.Source, Collection: c.Settings.Collection}
}

// find returns a collection by its name.
func (p *plane) find(n control.Name) (*collection, error) {
	if c := p.by[n]; c != nil {
		return c, nil
	}
	if !slices.ContainsFunc(p.e.cfg.Sources, func(s SourceConfig) bool { return s.Name == n.Source }) {
		return nil, &control.Error{Kind: control.Unknown, Detail: fmt.Sprintf("there is no source %q", n.Source)}
	}
	return nil, &control.Error{Kind: control.Unknown, Detail: fmt.Sprintf("source %s has no collection %q", n.Source, n.Collection)}
}

func (p *plane) Info() control.Info {
	cfg := p.e.cfg
	i := control.Info{
		Version: p.e.version, Group: cfg.Group, Instance: cfg.Instance, Run: p.e.run,
		Started: p.started.UTC(), ClusterID: p.clusterID(),
	}
	waiting := p.e.health.waiting()
	for _, l := range p.e.health.lanes() {
		i.Lanes = append(i.Lanes, control.Lane{Number: l, Acquired: !slices.Contains(waiting, l)})
	}
	return i
}

// clusterID asks Kafka until it has answered once, never for long nor often: while it is
// away, who wants to see that it is must not queue up for it.
func (p *plane) clusterID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cluster == "" && time.Since(p.asked) > 10*time.Second {
		defer func() { p.asked = time.Now() }()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if m, err := kadm.NewClient(p.editor.cl).BrokerMetadata(ctx); err == nil {
			p.cluster = m.Cluster
		}
	}
	return p.cluster
}

func (p *plane) Sources() []control.Source {
	states, metrics := map[string]map[string]int{}, map[string]*connector.SourceMetrics{}
	for _, c := range p.e.collections {
		s := c.Settings.Source
		metrics[s] = c.source
		if states[s] == nil {
			states[s] = map[string]int{}
		}
		states[s][c.m.State()]++
	}
	var all []control.Source
	for _, s := range p.e.cfg.Sources {
		n := states[s.Name][connector.StateReauthRequired]
		kind := typeRest
		if s.Handler != nil {
			kind = typeHandler
		}
		all = append(all, control.Source{
			Name: s.Name, Type: kind, Push: s.Handler != nil, Preset: s.Preset, URL: s.URL, Reauth: n > 0,
			Budget: budgetOf(metrics[s.Name]), Replica: s.Replica != nil, Collections: len(s.Collections), States: states[s.Name],
		})
	}
	return all
}

// budgetOf returns what is left of an account's budget, nil where there is none.
func budgetOf(m *connector.SourceMetrics) *control.Budget {
	b := &control.Budget{PerMinute: connector.Value(m.BudgetLimit)}
	if left := connector.Value(m.BudgetRemaining); !math.IsNaN(left) {
		b.Remaining = &left
	}
	for _, w := range m.BudgetWaiting {
		b.Waiting += int(connector.Value(w))
	}
	if b.PerMinute == 0 && b.Remaining == nil {
		return nil
	}
	return b
}

func (p *plane) Level() string { return strings.ToLower(p.level.Level().String()) }

func (p *plane) SetLevel(s string) error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
		return &control.Error{Kind: control.Invalid, Detail: fmt.Sprintf("%q is no level", s), Remedy: "there are debug, info, warn and error"}
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return err
	}
	p.level.Set(l)
	p.e.log.Info("log level changed", "to", s)
	return nil
}

func (p *plane) Events() *control.Hub { return p.e.events }

// asControl gives an error of what a plane has asked its kind.
func asControl(err error) error {
	var known *control.Error
	var stop *connector.StopError
	var refused *sink.TopicError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, connector.ErrHeld):
		return &control.Error{Kind: control.Conflict, Detail: err.Error(), Remedy: "resume it first"}
	case errors.As(err, &stop):
		return &control.Error{Kind: control.Failed, Detail: stop.What, Remedy: stop.Remedy}
	case errors.As(err, &refused):
		return &control.Error{Kind: control.Failed, Detail: err.Error(), Remedy: remedyQuarantined}
	}
	return &control.Error{Kind: control.Failed, Detail: err.Error()}
}
