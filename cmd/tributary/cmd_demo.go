package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/rest"
	"tributary/sink"
	"tributary/test/hostile"
	"tributary/test/oracle"
)

func newDemoCmd(a *app) *cobra.Command {
	var length, restart time.Duration
	var rate float64
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: an API, a Kafka and a consumer in this process",
		Long: `Demo runs the whole of it in one process, with nothing to install: a Salesloft-shaped
API whose records keep changing and which is not kind to its readers (ties, bulk
updates, late commits, deletions, errors), a Kafka in memory, the connector, and a
read_committed consumer that prints what it gets.

Now and then the connector is stopped and started, or a second one is started beside it,
which fences the first. At the end a judge that shares no code with the connector
compares every record of the topics with the API's history: nothing twice, nothing out
of order, nothing torn, nothing lost. The demo ends with 0 only if it finds nothing.`,
		Example: `  tributary demo              # until Ctrl-C
  tributary demo --for 20s    # ends by itself`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if length > 0 {
				limited, cancel := context.WithTimeout(ctx, length)
				defer cancel()
				ctx = limited
			}
			return runDemo(cmd.Context(), ctx, a, rate, restart)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "end after this `TIME`; 0: at Ctrl-C")
	cmd.Flags().DurationVar(&restart, "restart-every", 5*time.Second, "restart or replace the connector this often; 0: never")
	cmd.Flags().Float64Var(&rate, "rate", 20, "writes a second at the API")
	return cmd
}

const demoConfig = `
group: demo
kafka: {brokers: ["127.0.0.1:9092"]}
offsets: {lanes: 1, replication: 1}
topics: {replication: 1}
log: {level: warn}
sources:
  - name: salesloft
    preset: salesloft
    url: %s
    auth: {bearer: demo}
    interval: 250ms
    overlap: 1s
    lookback: 4s
    deletions: {field: deleted_at}
    budget: {per_minute: 600000, window: none}
    hash: {exclude: [updated_at, touched_at, ver]}
    request: {timeout: 5s}
    collections: [people, accounts, cadences]
`

var demoCollections = []string{"people", "accounts", "cadences"}

// A demo is the API, the Kafka and the lives of the connector.
type demo struct {
	a      *app
	api    *hostile.Server
	kafka  *devKafka
	cfg    *Config
	screen *screen
	lives  int
	// page is the status page of the life of now.
	page atomic.Pointer[control.Handler]
}

// runDemo runs until ending is done, then judges as long as ctx lets it.
func runDemo(ctx, ending context.Context, a *app, rate float64, restart time.Duration) error {
	api, err := hostile.Start(hostile.Config{Collections: demoCollections, Seed: uint64(time.Now().UnixNano())})
	if err != nil {
		return err
	}
	defer api.Close()
	for _, c := range demoCollections {
		api.API.Insert(c, 40)
	}
	h := demoHostility()
	api.API.Set(h)
	text := newConfigText("demo", fmt.Appendf(nil, demoConfig, api.URL))
	cfg, err := parseConfig(text, ".", a.env, presets{lookup: rest.Preset, names: rest.PresetNames})
	if err != nil {
		return err
	}
	d := &demo{a: a, api: api, cfg: cfg, screen: newScreen(a.stderr)}
	if restart <= 0 {
		restart = math.MaxInt64 // never
	}
	if d.kafka, err = startDev(cfg); err != nil {
		return err
	}
	defer d.kafka.Close()
	page, stopPage := d.servePage()
	defer stopPage()
	fmt.Fprintf(a.stdout, "Salesloft-shaped API at %s, Kafka at %s, %g writes a second, status page at %s. Ctrl-C ends it.\n\n", api.URL, cfg.Kafka.Brokers[0], rate, page)

	printing, stopPrinting := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { d.kafka.print(printing, a.stdout, newPainter(a.stdout)) })
	writing, stopWriting := context.WithCancel(ending)
	wg.Go(func() { hostile.NewWriter(api.API, 1, rate).Run(writing) })
	verdict, err := d.live(ending, restart, func() (*oracle.Verdict, error) {
		stopWriting()
		api.API.Set(h.Calm())
		api.API.Quiesce()
		return d.judge(context.WithoutCancel(ctx))
	})
	stopWriting()
	stopPrinting()
	wg.Wait()
	if err != nil {
		return err
	}
	return d.tell(verdict)
}

func demoHostility() hostile.Hostility {
	return hostile.Hostility{
		UnstableTies: true, MixedOffsets: true, MaxPerPage: 30,
		Late: 0.1, Lateness: time.Second, Backdate: 0.05, MaxBackdate: time.Second,
		Throttle: 0.01, RetryAfter: time.Second, ServerError: 0.02, CutBody: 0.02, Reset: 0.01,
		Writes: hostile.Mix{Insert: 4, Update: 30, Touch: 10, Delete: 3, Undelete: 1, Bulk: 1, BulkSize: 60, Recreate: 1},
	}
}

// live runs connectors one after another until ending is done, then lets the last one
// catch up while last looks on.
func (d *demo) live(ending context.Context, every time.Duration, last func() (*oracle.Verdict, error)) (*oracle.Verdict, error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := d.start(&wg)
	for {
		select {
		case <-ending.Done():
			verdict, err := last()
			stop()
			return verdict, err
		case <-time.After(every):
		}
		if d.lives%2 == 1 {
			d.say("stopping the connector, and starting it again")
			stop()
			wg.Wait()
			stop = d.start(&wg)
			continue
		}
		d.say("starting a second connector: it fences the first, which ends with code 5")
		old := stop
		stop = d.start(&wg)
		defer old() // it has ended by itself
	}
}

func (d *demo) say(what string) { fmt.Fprintf(d.a.stdout, "── %s ──\n", what) }

// start starts a connector and returns what stops it.
func (d *demo) start(wg *sync.WaitGroup) (stop func()) {
	d.lives++
	ctx, cancel := context.WithCancel(context.Background())
	log := newLogger(LogConfig{Format: "text", Level: slog.LevelError}, new(slog.LevelVar), d.screen)
	opts, err := d.cfg.Kafka.Opts()
	if err != nil {
		panic(err) // plain addresses of our own
	}
	e := newEngine(d.cfg, opts, log, connector.NewMetrics(newRegistry(d.a.version)), d.a.version)
	plane, err := newPlane(d.a, e, new(slog.LevelVar))
	if err != nil {
		panic(err)
	}
	api := newControl(d.cfg, plane, slog.New(slog.DiscardHandler))
	if was := d.page.Swap(api); was != nil {
		was.Close()
	}
	wg.Go(func() {
		defer plane.Close()
		var fenced *sink.FencedError
		switch err := e.Run(ctx); {
		case errors.As(err, &fenced):
			d.say("the first connector has ended: " + err.Error())
		case err != nil:
			d.say("the connector has failed: " + err.Error())
		}
	})
	return cancel
}

// servePage serves the status page of whichever life there is, on the port that a connector
// has by default, or on any that is free.
func (d *demo) servePage() (address string, stop func()) {
	l, err := net.Listen("tcp", d.cfg.Listen)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "no port that is free", func() {}
		}
	}
	srv := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if page := d.page.Load(); page != nil {
				page.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}),
	}
	go srv.Serve(l) // ends with the server
	return "http://" + l.Addr().String() + "/", func() {
		if page := d.page.Load(); page != nil {
			page.Close()
		}
		srv.Close()
	}
}

// judge waits until the topics have caught up with the API, and reads all of them.
func (d *demo) judge(ctx context.Context) (*oracle.Verdict, error) {
	topics := map[string]string{}
	for _, s := range d.cfg.Sources {
		for _, c := range s.Collections {
			topics[c.Topic] = c.Settings.Collection
		}
	}
	o, err := oracle.New(oracle.Config{Brokers: d.cfg.Kafka.Brokers, Topics: topics, API: d.api.API})
	if err != nil {
		return nil, err
	}
	defer o.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, verdict, err := o.WaitCaughtUp(ctx, 250*time.Millisecond)
	if verdict == nil {
		return nil, err
	}
	return verdict, nil // what is behind, it says itself
}

// tell prints the verdict, and makes an error of a bad one.
func (d *demo) tell(v *oracle.Verdict) error {
	fmt.Fprintf(d.a.stdout, "\n%d lives of the connector. The judge:\n%v\n", d.lives, v)
	if !v.OK() {
		return errors.New("the judge is not satisfied")
	}
	fmt.Fprintln(d.a.stdout, "Every version once and in order, no batch torn, nothing that never was, and the topics equal the API.")
	return nil
}
