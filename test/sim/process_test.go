package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/cmd/tributary/vault"
	"tributary/connector"
	"tributary/connector/rest"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
	"tributary/test/hostile"
)

// How the collections are read and written: short times, so that a lookback is over soon,
// and small pages, so that a few records are a backfill.
const (
	interval           = 500 * time.Millisecond
	lookback           = 5 * time.Second
	overlap            = time.Second
	pageSize           = 8
	transactionTimeout = 10 * time.Second
	deliveryTimeout    = 3 * time.Second
)

const (
	sourceName   = "crm"
	offsetsTopic = "crm.offsets"
)

// A process is one instance of the connector, wired as the program wires it.
type process struct {
	world     *world
	name, run string
	link      *link
	log       *slog.Logger
	metrics   *connector.Metrics

	cancel context.CancelFunc
	ended  chan struct{}
	err    error // what Own returned; to be read when ended is closed

	keeper *oauth.Keeper // nil where no token is asked for

	killed atomic.Bool
	mu     sync.Mutex
	caught map[string]int                  // head readings that came to their end, by collection
	stops  map[string]*connector.StopError // collections that were stopped
}

// start begins an instance. Same names are restarts of one, in the sink's sense.
func (w *world) start(name string) *process {
	w.runs++
	p := &process{
		world: w, name: name, run: fmt.Sprintf("%s-%02d", name, w.runs),
		metrics: connector.NewMetrics(prometheus.NewRegistry()),
		ended:   make(chan struct{}), caught: map[string]int{}, stops: map[string]*connector.StopError{},
	}
	p.log = slog.New(w.log.of(p.run))
	p.link = &link{
		dialer: w.net.DialContext, rng: mathrand.New(mathrand.NewPCG(w.seed, uint64(w.runs))), slow: w.slow,
		wires: map[*wire]struct{}{}, decide: w.decide, die: p.kill, fenced: w.fenced,
	}
	if w.tokens != nil {
		p.keeper = p.newKeeper()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	w.processes = append(w.processes, p)
	p.log.Info("process starts")
	go func() {
		defer close(p.ended)
		p.err = sink.Own(ctx, p.config(), 0, p.serve)
		if p.keeper != nil && p.keeper.Pending() && !p.killed.Load() {
			p.log.Info("a token is rescued", "err", vault.Rescue(p.config(), sealer(p.run), sourceName, p.keeper, w.readAuth))
		}
		p.log.Info("process has ended", "err", p.err)
	}()
	return p
}

// kill ends the process as kill -9 does: not a word more leaves it. What is left of it in
// here is only told to go away.
func (p *process) kill() {
	if !p.killed.Swap(true) {
		p.log.Info("process is killed")
	}
	p.link.kill()
	p.cancel()
}

// stop ends the process as SIGTERM does.
func (p *process) stop() error {
	p.log.Info("process is told to stop")
	p.cancel()
	<-p.ended
	return p.err
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return !p.killed.Load()
	}
}

// trouble says why the process will not catch up, if it is known not to: it has ended, or
// a collection was stopped.
func (p *process) trouble() error {
	if !p.alive() {
		<-p.ended
		if p.killed.Load() {
			return errDead
		}
		return fmt.Errorf("process %s has ended by itself: %w", p.run, p.err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, stop := range p.stops {
		return fmt.Errorf("process %s: %s is stopped: %w", p.run, c, stop)
	}
	return nil
}

func (p *process) config() sink.Config {
	letters := map[offsets.Name]string{}
	for _, c := range collections {
		letters[offsets.Name{Source: sourceName, Collection: c}] = letterTopic
	}
	return sink.Config{
		Kafka: append(p.world.reach(p.link.dial), kgo.SeedBrokers(p.world.seeds...)),
		Topic: offsetsTopic, Lanes: 1, Replication: 1, Instance: p.name, Run: p.run,
		Letters:            letters,
		Data:               sink.TopicSettings{Partitions: p.world.partitions, Replication: 1, Create: true},
		TransactionTimeout: transactionTimeout, DeliveryTimeout: deliveryTimeout,
		Log: p.log, Metrics: p.metrics,
	}
}

// serve runs the collections of an acquired lane until ctx is done or the lane fails.
func (p *process) serve(ctx context.Context, lane *sink.Lane) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := rest.NewClient("sim", rest.Budget{}, caller{p.world.api, p.link})
	var wg sync.WaitGroup
	if p.keeper != nil {
		wg.Go(func() {
			if err := p.keep(ctx, lane); err != nil {
				cancel(err)
			}
		})
	}
	for _, c := range collections {
		wg.Go(func() {
			if err := p.read(ctx, lane, client, c); err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read reads one collection for as long as the lane lives. It returns an error only when
// it is about the lane.
func (p *process) read(ctx context.Context, lane *sink.Lane, client *rest.Client, collection string) error {
	reader, err := p.openWhenLet(ctx, lane, client, collection)
	if err == nil {
		err = reader.Run(ctx)
	}
	var stop *connector.StopError
	switch {
	case errors.As(err, &stop):
		p.log.Error("collection stopped", "collection", collection, "why", stop.What)
		p.mu.Lock()
		p.stops[collection] = stop
		p.mu.Unlock()
		return nil
	case ctx.Err() != nil:
		return nil
	default:
		return err
	}
}

func (p *process) openWhenLet(ctx context.Context, lane *sink.Lane, client *rest.Client, collection string) (*connector.Reader, error) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		reader, err := p.open(ctx, lane, client, collection)
		var refused *sink.TopicError
		if !errors.As(err, &refused) {
			return reader, err
		}
		p.log.Error("topic refuses us", "collection", collection, "err", err)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (p *process) open(ctx context.Context, lane *sink.Lane, client *rest.Client, collection string) (*connector.Reader, error) {
	topic, m := topicOf(collection), p.metrics.Collection(sourceName, collection)
	w, err := lane.Open(ctx, sourceName, collection, topic, m)
	if err != nil {
		return nil, err
	}
	cfg := restConfig(collection)
	if p.keeper != nil {
		cfg.Auth = &rest.Auth{OAuth: &oauth.Config{}, Tokens: p.keeper}
	}
	src, err := rest.New(cfg, client, p.metrics.Source(sourceName))
	if err != nil {
		return nil, &connector.StopError{What: err.Error(), Remedy: "mend the config of this collection"}
	}
	p.mu.Lock()
	delete(p.stops, collection) // another life: what stopped the last one was asked anew
	p.mu.Unlock()
	set := connector.Settings{
		Source: sourceName, Collection: collection, Interval: interval, Jitter: connector.DefaultJitter, Triggers: connector.Triggers{OnRestart: true},
		Tick: time.Microsecond, Paged: true, Probe: cfg.ProbeMax, Overlap: overlap, Lookback: lookback,
		Start: connector.Start{At: connector.Beginning}, OnBadRecord: connector.DeadLetterQueue,
		MaxRecord: w.MaxRecord(), Fingerprint: cfg.Fingerprint(),
	}
	env := connector.Env{
		Now: time.Now, Sleep: sleep, Random: p.random(collection), Log: p.log,
		Go: func(send func()) { go send() }, // the reader waits for it
		CaughtUp: func() {
			p.mu.Lock()
			p.caught[collection]++
			p.mu.Unlock()
		},
	}
	return connector.NewReader(set, src, &witness{Writer: w, world: p.world, topic: topic}, w.Memory(), env, m)
}

func (p *process) random(collection string) func() float64 {
	return mathrand.New(mathrand.NewPCG(p.world.seed, uint64(len(collection)))).Float64
}

// restConfig asks the API as the preset for Salesloft does.
func restConfig(collection string) rest.Config {
	return rest.Config{
		Base: &url.URL{Scheme: "http", Host: "api.sim", Path: "/v2"}, Path: collection,
		Headers: http.Header{}, Timeout: 30 * time.Second, MaxBody: 1 << 20, MaxCompressed: 1 << 20, MaxDepth: 32,
		From: "updated_at[gte]", To: "updated_at[lt]", Format: "rfc3339_us",
		Order:     url.Values{"sort_by": {"updated_at"}, "sort_direction": {"ASC"}},
		SizeParam: "per_page", Size: pageSize, PageParam: "page",
		Next: "metadata.paging.next_page", Total: "metadata.paging.total_count", CountParams: url.Values{"include_paging_counts": {"true"}},
		ProbeParam: "ids[]", ProbeMax: pageSize,
		Records: "data", ID: "id", Instant: "updated_at", Deleted: "deleted_at",
		EchoFrom:  "metadata.filtering.updated_at.gte",
		EchoOrder: map[string]string{"metadata.sorting.sort_by": "updated_at", "metadata.sorting.sort_direction": "ASC"},
		Exclude:   hostile.Excluded(),
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

// A witness remembers what a reader was told about its batches.
type witness struct {
	*sink.Writer
	world  *world
	topic  string
	staged []claimed
}

// claimed is a batch with changes of which it was said that it is committed.
type claimed struct {
	topic string
	seq   uint64
	n     int
	at    time.Time // when it was said
}

func (w *witness) Stage(ctx context.Context, b *connector.Batch) error {
	n, seq := len(b.Changes), b.State.Seq
	err := w.Writer.Stage(ctx, b)
	if err == nil && n > 0 {
		w.staged = append(w.staged, claimed{topic: w.topic, seq: seq, n: n})
	}
	return err
}

func (w *witness) Flush(ctx context.Context) error {
	if err := w.Writer.Flush(ctx); err != nil {
		return err
	}
	for _, c := range w.staged {
		c.at = time.Now()
		w.world.claim(c)
	}
	w.staged = w.staged[:0]
	return nil
}
