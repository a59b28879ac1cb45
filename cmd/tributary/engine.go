package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/rest"
	"tributary/offsets"
	"tributary/sink"
	"tributary/sink/replica"
)

// An engine is the connector as it runs:
//
//	engine ─ for each lane in use ─ sink.Own ─ acquire ─► lane ─ one goroutine commits
//	                                              │         ▲
//	                                              ▼         │ Stage, Flush
//	         for each collection of the lane ─ connector.Reader ─ rest.Source ─► the API
//	                                              ▲                    ▲
//	         for each source of the lane ─ oauth.Keeper: its token ────┘
//	         for each handler of the lane ─ handler.Runner ─ handler.Client ─► a program of one's own
//
// Whatever fails about a lane ends its readers and acquires it again; whatever fails
// about a collection stops that collection.
type engine struct {
	cfg     *Config
	kafka   []kgo.Opt
	log     *slog.Logger
	metrics *connector.Metrics
	version string
	// bootstrap and giveUp are those of sink.Config and connector.Env.
	bootstrap bool
	giveUp    int

	run         string
	clients     map[string]*rest.Client
	keepers     map[string]*keeper          // by source, of those that have one
	replicas    map[string]*replica.Replica // as well
	crowds      map[string]*connector.Crowd // by source
	collections []*collection
	handlers    []*handlerSource
	health      *health
	events      *control.Hub

	mu    sync.Mutex
	lanes map[int32]*ownedLane // while they are acquired
}

// An ownedLane is one that is acquired, until again has it acquired anew.
type ownedLane struct {
	*sink.Lane
	again  context.CancelCauseFunc
	hasten func(source, collection string) // sink.Lane.Hasten
}

// A collection is one of the engine, over all lives of its lane.
type collection struct {
	CollectionConfig
	lane     int32
	log      *slog.Logger
	m        *connector.CollectionMetrics
	source   *connector.SourceMetrics
	progress progress
	pulls    *connector.Pulls
	handler  *handlerSource // whose collection it is; nil: it is read

	holding sync.Mutex // while an operator's word is committed and done

	mu       sync.Mutex
	caughtUp bool
	stopped  *connector.StopError
	hold     control.Hold
	// positions says up to where its topic can be read, in this life of the lane; nil: it
	// is not open.
	positions func(context.Context) ([]connector.Position, error)
}

func newEngine(cfg *Config, kafka []kgo.Opt, log *slog.Logger, metrics *connector.Metrics, version string) *engine {
	var number [8]byte
	rand.Read(number[:]) // never fails
	events := control.NewHub()
	log = telling(log, events)
	e := &engine{
		cfg: cfg, kafka: kafka, log: log, metrics: metrics, version: version, run: hex.EncodeToString(number[:]),
		clients: map[string]*rest.Client{}, keepers: map[string]*keeper{}, replicas: map[string]*replica.Replica{}, crowds: map[string]*connector.Crowd{},
		health: &health{ready: map[int32]bool{}}, events: events, lanes: map[int32]*ownedLane{},
	}
	for _, s := range cfg.Sources {
		e.crowds[s.Name] = &connector.Crowd{Size: len(s.Collections)}
		e.clients[s.Name] = rest.NewClient(version, s.Budget, s.TLS.transport())
		lane := offsets.LaneOf(s.Name, int(cfg.Offsets.Lanes))
		e.health.ready[lane] = false
		source := metrics.Source(s.Name)
		if s.OAuth != nil {
			e.keepers[s.Name] = newKeeper(s, e.run, log, metrics)
		}
		if s.Handler != nil {
			e.addHandler(s, lane, source)
			continue
		}
		for _, c := range s.Collections {
			c.Rest.Auth = e.keepers[s.Name].auth(c.Rest.Auth)
			e.collections = append(e.collections, &collection{
				CollectionConfig: c, lane: lane, source: source,
				log:   log.With("source", s.Name, "collection", c.Settings.Collection),
				m:     metrics.Collection(s.Name, c.Settings.Collection),
				pulls: connector.NewPulls(c.Settings, time.Now, mathrand.Float64),
			})
		}
	}
	for _, c := range e.collections {
		c.m.Watch.Stuck = c.pulls.Stuck
	}
	return e
}

// Run owns every lane in use until ctx is done. The first lane that fails for good
// ends them all.
func (e *engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, lane := range e.health.lanes() {
		wg.Go(func() {
			err := sink.Own(ctx, e.sink(), lane, e.serve)
			if err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	e.rescue()
	return failed
}

func (e *engine) sink() sink.Config {
	letters := map[offsets.Name]string{}
	for _, s := range e.cfg.Sources {
		for _, c := range s.Collections {
			if c.Letters != "" {
				letters[offsets.Name{Source: s.Name, Collection: c.Settings.Collection}] = c.Letters
			}
		}
	}
	return sink.Config{
		Kafka: e.kafka, Topic: e.cfg.Offsets.Topic, Lanes: int(e.cfg.Offsets.Lanes), Replication: e.cfg.Offsets.Replication,
		Instance: e.cfg.Instance, Run: e.run, Bootstrap: e.bootstrap, Letters: letters,
		Data: sink.TopicSettings{
			Partitions: e.cfg.Topics.Partitions, Replication: e.cfg.Topics.Replication,
			Create: e.cfg.Topics.Create, Config: e.cfg.Topics.Config,
		},
		TransactionTimeout: e.cfg.Kafka.TransactionTimeout, DeliveryTimeout: e.cfg.Kafka.DeliveryTimeout,
		Log: e.log, Metrics: e.metrics,
	}
}

// serve runs the collections of an acquired lane until ctx is done or the lane fails.
func (e *engine) serve(ctx context.Context, lane *sink.Lane) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Before the lane can be asked for anything: an operator's next word is not to be
	// overtaken by the one that was committed before, nor what is asked now be answered by
	// what stopped the last life.
	for _, c := range e.collections {
		if c.lane == lane.Number {
			c.restoring(holdOf(lane, offsets.Name(c.name())))
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.keep(ctx, lane); err != nil {
			cancel(err)
		}
	})
	opening := make(chan struct{}, 200) // what many ask Kafka at once it is asked in one request
	for _, h := range e.handlers {
		if h.lane == lane.Number {
			wg.Go(func() {
				if err := e.runHandler(ctx, lane, h, opening); err != nil {
					cancel(err)
				}
			})
		}
	}
	for _, c := range e.collections {
		if c.lane != lane.Number || c.Handler != nil {
			continue
		}
		wg.Go(func() {
			if err := e.read(ctx, lane, c, opening); err != nil {
				cancel(err)
			}
		})
	}
	e.own(lane, cancel)
	<-ctx.Done()
	e.disown(lane.Number)
	wg.Wait()
	for _, c := range e.collections {
		if c.lane == lane.Number && c.m.State() != connector.StateStopped {
			c.m.SetState(connector.StateRestoring)
		}
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read reads one collection for as long as the lane lives. It returns an error only
// when it is about the lane.
func (e *engine) read(ctx context.Context, lane *sink.Lane, c *collection, opening chan struct{}) error {
	reader, err := openWhenLet(ctx, opening, c.log, []*collection{c}, func() (*connector.Reader, error) { return e.open(ctx, lane, c) })
	if err == nil {
		c.m.SetState(connector.StateRunning)
		err = reader.Run(ctx)
	}
	var stop *connector.StopError
	switch {
	case errors.As(err, &stop):
		c.stop(stop)
		c.pulls.Refuse(stop)
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

// openWhenLet opens collections that are read together as soon as their topics do not refuse
// us any more: a right that is missing may be granted.
func openWhenLet[T any](ctx context.Context, opening chan struct{}, log *slog.Logger, all []*collection, open func() (T, error)) (T, error) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		opening <- struct{}{}
		opened, err := open()
		<-opening
		var refused *sink.TopicError
		if !errors.As(err, &refused) {
			return opened, err
		}
		for _, c := range all {
			c.m.SetStuck(err)
		}
		log.Error("topic refuses us: what is read with it is quarantined and tried again, others go on", "err", err, "again_in", wait)
		if err := all[0].pulls.Hastened(ctx, sleep, wait); err != nil {
			return opened, err
		}
		for _, c := range all {
			c.pulls.Stuck(nil) // who asks from now on is told what comes of this try
		}
	}
}

func (e *engine) open(ctx context.Context, lane *sink.Lane, c *collection) (*connector.Reader, error) {
	set := c.Settings
	w, err := lane.Open(ctx, set.Source, set.Collection, c.Topic, c.m)
	if err != nil {
		return nil, err
	}
	set.MaxRecord = w.MaxRecord()
	src, err := rest.New(c.Rest, e.clients[set.Source], c.source)
	if err != nil {
		return nil, &connector.StopError{What: err.Error(), Remedy: "mend the config of this collection"}
	}
	c.open(w.Readable)
	env := connector.Env{
		Pulls: c.pulls, Crowd: e.crowds[set.Source],
		Now: time.Now, Sleep: sleep, Random: mathrand.Float64, Log: c.log, GiveUp: e.giveUp,
		Go:   func(send func()) { go send() }, // the reader waits for it
		Page: c.progress.page, CaughtUp: c.setCaughtUp,
	}
	if c.Feed != nil {
		feed, err := rest.New(*c.Feed, e.clients[set.Source], c.source)
		if err != nil {
			return nil, &connector.StopError{What: err.Error(), Remedy: "mend `deletions.feed` of this collection"}
		}
		env.Feed = feed
	}
	return connector.NewReader(set, src, w, w.Memory(), env, c.m)
}

// restoring begins another life: what stopped the last one is asked anew, and what an
// operator wants is what was committed.
func (c *collection) restoring(h control.Hold) {
	c.m.SetState(connector.StateRestoring)
	c.pulls.Anew()
	c.setHold(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.positions = nil, nil
}

// open says how to learn up to where the topic can be read.
func (c *collection) open(positions func(context.Context) ([]connector.Position, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.positions = positions
}

func (c *collection) setCaughtUp() {
	c.progress.caughtUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.caughtUp {
		c.caughtUp = true
		c.log.Info("caught up")
	}
}

func (c *collection) stop(err *connector.StopError) {
	c.m.Failed(time.Now(), err) // also where no pull did: its topic could not be opened
	c.m.SetState(connector.StateStopped)
	c.mu.Lock()
	c.stopped = err
	c.mu.Unlock()
	c.log.Error("collection stopped", "why", err.What, "remedy", err.Remedy)
}

func (e *engine) allStopped() bool {
	for _, c := range e.collections {
		c.mu.Lock()
		stopped := c.stopped != nil
		c.mu.Unlock()
		if !stopped {
			return false
		}
	}
	return true
}

// done says whether the collection has caught up, or why it never will by itself.
func (c *collection) done() (caughtUp bool, stuck string) {
	rests := c.rests() != nil
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stopped != nil:
		return false, c.stopped.Error()
	case rests:
		return false, "an operator has made it rest"
	case c.m.State() == connector.StateQuarantined:
		return false, "its topic refuses records"
	default:
		return c.caughtUp, ""
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
