//go:build unix

// Command bench measures Tributary beside a bare loop that does the least such a
// program must: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"tributary/test/kafkatest"
)

func main() { os.Exit(mainCode(os.Args[1:])) }

// mainCode runs until it is done or told to end: brokers and children end with it.
func mainCode(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, args, os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// options are the command line.
type options struct {
	records, rounds, warmup int
	collections             int
	stay                    float64
	sides                   []string
	tributary               string
	latency                 bool
	interval, every, length time.Duration
	timeout                 time.Duration
}

func parseOptions(args []string) (options, error) {
	var o options
	var only string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.IntVar(&o.records, "records", 300_000, "records of a backfill")
	fs.IntVar(&o.rounds, "rounds", 3, "measured runs of each side, in turn")
	fs.IntVar(&o.warmup, "warmup", 3, "runs of each side before, which are not counted")
	fs.StringVar(&only, "only", "", "run one side: bare or tributary")
	fs.StringVar(&o.tributary, "tributary", "", "binary to measure (default: built from ./cmd/tributary)")
	fs.BoolVar(&o.latency, "latency", false, "measure latency instead of a backfill")
	fs.IntVar(&o.collections, "collections", 0, "measure one process with so many collections instead")
	fs.Float64Var(&o.stay, "stay", 0, "with -collections: stay after the first start, with so many new records a second, to be looked at")
	fs.DurationVar(&o.interval, "interval", 50*time.Millisecond, "poll interval, with -latency")
	fs.DurationVar(&o.every, "every", 20*time.Millisecond, "time between two records, with -latency")
	fs.DurationVar(&o.length, "for", 20*time.Second, "time to publish for, with -latency; to watch for, with -collections")
	fs.DurationVar(&o.timeout, "timeout", 5*time.Minute, "longest that one run may take")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch only {
	case "":
		o.sides = []string{sideBare, sideTributary}
	case sideBare, sideTributary:
		o.sides = []string{only}
	default:
		return o, fmt.Errorf("-only %s: neither %s nor %s", only, sideBare, sideTributary)
	}
	if o.collections < 0 || o.stay < 0 || o.records < 1 || o.rounds < 1 || o.every <= 0 || o.interval <= 0 {
		return o, errors.New("-records, -rounds, -every and -interval must be positive, and -collections and -stay not negative")
	}
	return o, nil
}

// bench is what the runs share.
//
//	api (this process) ──► side (a process of its own) ──► Kafka ──► reader (this process)
type bench struct {
	broker    *kafkatest.Broker
	api       *api
	apiURL    string
	server    *http.Server
	records   int
	timeout   time.Duration
	dir       string
	tributary string
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == sideBare {
		return bareMain(ctx, args[1:])
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	b := &bench{records: o.records, timeout: o.timeout, tributary: o.tributary}
	if b.dir, err = os.MkdirTemp("", "tributary-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.tributary == "" && slices.Contains(o.sides, sideTributary) {
		if b.tributary, err = buildTributary(ctx, b.dir); err != nil {
			return err
		}
	}
	// The full compiler: a broker in production has long been compiled.
	if b.broker, err = kafkatest.Launch(ctx, kafkatest.JVM("-Xmx1g")); err != nil {
		return err
	}
	defer b.broker.Close()
	defer b.stopServing()
	if o.latency {
		return b.latency(ctx, stdout, o)
	}
	if o.collections > 0 {
		return b.measureFleet(ctx, stdout, o)
	}
	if err := b.serve(newBackfillAPI(o.records)); err != nil {
		return err
	}
	return b.backfill(ctx, stdout, o)
}

// serve makes a the API that the sides ask.
func (b *bench) serve(a *api) error {
	b.api = a
	return b.serveHandler(a)
}

func (b *bench) serveHandler(h http.Handler) error {
	b.stopServing()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.apiURL = "http://" + l.Addr().String() + "/v2"
	b.server = &http.Server{Handler: h}
	go b.server.Serve(l) // Ends with stopServing; a side that cannot reach it says so.
	return nil
}

func (b *bench) stopServing() {
	if b.server != nil {
		b.server.Close()
	}
}
