package main

import (
	"context"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"tributary/connector"
	"tributary/connector/handler"
	"tributary/sink"
)

// A handlerSource is a source that a handler tells of, over all lives of its lane. Its
// collections are pulled, and made to rest, together.
type handlerSource struct {
	SourceConfig
	lane        int32
	log         *slog.Logger
	m           *connector.SourceMetrics
	pulls       *connector.Pulls
	collections []*collection

	mu     sync.Mutex
	runner *handler.Runner // nil while the lane is being acquired
	dumped bool            // since the process started
}

func (e *engine) addHandler(s SourceConfig, lane int32, m *connector.SourceMetrics) {
	h := &handlerSource{
		SourceConfig: s, lane: lane, m: m, log: e.log.With("source", s.Name),
		pulls: connector.NewPulls(s.Handler.Pulls, time.Now, mathrand.Float64),
	}
	for _, c := range s.Collections {
		h.collections = append(h.collections, &collection{
			CollectionConfig: c, lane: lane, source: m,
			log:   e.log.With("source", s.Name, "collection", c.Settings.Collection),
			m:     e.metrics.Collection(s.Name, c.Settings.Collection),
			pulls: h.pulls, handler: h,
		})
	}
	e.handlers = append(e.handlers, h)
	e.collections = append(e.collections, h.collections...)
}

// running returns the runner of now, nil without one.
func (h *handlerSource) running() *handler.Runner {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runner
}

func (h *handlerSource) setRunner(r *handler.Runner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runner = r
}

func (h *handlerSource) setDumped() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dumped = true
}

// runHandler runs a handler for as long as the lane lives. It returns an error only when it
// is about the lane.
func (e *engine) runHandler(ctx context.Context, lane *sink.Lane, h *handlerSource, opening chan struct{}) error {
	runner, err := openWhenLet(ctx, opening, h.log, h.collections, func() (*handler.Runner, error) { return e.openHandler(ctx, lane, h) })
	if err == nil {
		for _, c := range h.collections {
			c.m.SetState(connector.StateRunning)
		}
		h.setRunner(runner)
		err = runner.Run(ctx)
		h.setRunner(nil)
	}
	var stop *connector.StopError
	switch {
	case errors.As(err, &stop):
		h.pulls.Refuse(stop)
		for _, c := range h.collections {
			c.stop(stop)
		}
		if e.allStopped() {
			e.log.Error("no collection is left running: nothing more happens until it is started again")
		}
		return nil
	case ctx.Err() != nil:
		return nil
	default:
		return err
	}
}

func (e *engine) openHandler(ctx context.Context, lane *sink.Lane, h *handlerSource) (*handler.Runner, error) {
	var all []sink.GroupCollection
	for _, c := range h.collections {
		all = append(all, sink.GroupCollection{Name: c.Settings.Collection, Topic: c.Topic, M: c.m})
	}
	g, err := lane.OpenGroup(ctx, h.Name, all)
	if err != nil {
		return nil, err
	}
	for _, c := range h.collections {
		c.open(func(ctx context.Context) ([]connector.Position, error) { return g.Readable(ctx, c.Settings.Collection) })
	}
	how := h.Handler.Rest
	how.Auth = e.keepers[h.Name].auth(how.Auth)
	client, err := handler.NewClient(how, e.clients[h.Name], h.m)
	if err != nil {
		return nil, &connector.StopError{What: err.Error(), Remedy: "mend `handler` and `auth` of this source"}
	}
	return handler.New(e.handlerConfig(h, g), client, g, g.Handler(), connector.Env{
		Pulls: h.pulls,
		Now:   time.Now, Sleep: sleep, Random: mathrand.Float64, Log: h.log, GiveUp: e.giveUp,
		CaughtUp: h.setCaughtUp,
	})
}

func (e *engine) handlerConfig(h *handlerSource, g *sink.Group) handler.Config {
	cfg := handler.Config{
		Source: h.Name, Run: e.run, Timeout: h.Handler.Timeout, Metrics: h.m,
		MaxState: roomForState(g.MaxState()),
		Readable: func(ctx context.Context, names []string) ([]connector.Position, error) {
			if len(names) == 0 {
				return nil, nil
			}
			return g.Readable(ctx, names...)
		},
	}
	if h.Replica != nil {
		cfg.Cache = cacheOf(e.cfg, h.SourceConfig)
		cfg.Arrived = func(ctx context.Context) error {
			positions, err := g.Readable(ctx, h.names()...)
			if err != nil {
				return err
			}
			return e.replica(h.Name).Await(ctx, positions)
		}
	}
	for _, c := range h.collections {
		set := c.Settings
		set.MaxRecord = g.MaxRecord(set.Collection)
		cfg.Collections = append(cfg.Collections, handler.Collection{
			Settings: set, Records: c.Rest, Memory: g.Memory(set.Collection), Metrics: c.m,
		})
	}
	if d := h.Handler.Dump; d != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		cfg.Dump = &handler.Dump{Now: d.OnRestart && !h.dumped, Cron: d.Cron, Ended: h.setDumped}
	}
	return cfg
}

// roomForState is what of a state's limit is left to the handler, beside its pushes.
func roomForState(limit int) int { return max(limit/2, limit-handler.PushesSize) }

// cacheOf says where a handler reads what was published; nil without a replica.
func cacheOf(cfg *Config, s SourceConfig) *handler.Cache {
	if s.Replica == nil {
		return nil
	}
	c := &handler.Cache{URL: localURL(cfg.Control.scheme(), cfg.Listen) + "/v1/sources/" + s.Name}
	if cfg.Control.Token != "" {
		c.TokenEnv = controlTokenEnv // no request holds the token itself
	}
	return c
}

// names are those of the handler's collections.
func (h *handlerSource) names() []string {
	var names []string
	for _, c := range h.collections {
		names = append(names, c.Settings.Collection)
	}
	return names
}

func (h *handlerSource) setCaughtUp() {
	for _, c := range h.collections {
		c.setCaughtUp()
	}
}
