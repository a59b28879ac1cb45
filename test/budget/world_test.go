package budget

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/test/hostile"
)

var long = flag.Bool("long", false, "an hour of each instead of minutes")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// perMinute is what the account is granted, latency how long a request takes, from and to.
const (
	perMinute  = 600
	latencyMin = 60 * time.Millisecond
	latencyMax = 400 * time.Millisecond
	perPage    = 20
	interval   = 30 * time.Second
	lookback   = 5 * time.Minute
)

// A world is the API and a connector that reads all of it.
type world struct {
	t      *testing.T
	api    *hostile.API
	client *rest.Client
	m      *connector.Metrics
	reg    *prometheus.Registry
	rng    *rand.Rand
	sweeps connector.Sweeps

	mu        sync.Mutex
	warm      time.Time           // from when on it is measured
	fresh     []time.Duration     // from visible to staged, of collections without a backlog
	cold      map[string][]bucket // waits before that, by priority and bucket
	answers   map[int]int
	published map[string]int
}

func newWorld(t *testing.T, b rest.Budget, grant hostile.Budget) *world {
	reg := prometheus.NewRegistry()
	w := &world{t: t, reg: reg, m: connector.NewMetrics(reg), rng: rand.New(rand.NewPCG(1, 2)),
		warm: time.Now().Add(24 * time.Hour), cold: map[string][]bucket{}, answers: map[int]int{}, published: map[string]int{}}
	w.api = hostile.New(hostile.Config{Seed: 1, Now: time.Now, Budget: grant})
	w.client = rest.NewClient("test", b, w)
	return w
}

// salesloft is the budget of the preset, with a share.
func salesloft(share float64) rest.Budget {
	return rest.Budget{
		PerMinute: perMinute, Share: share, Window: rest.WindowMinute, Remaining: "x-ratelimit-remaining-minute",
		Cost: rest.Cost{
			Header: "x-ratelimit-endpoint-cost",
			Pages:  []rest.PageCost{{Above: 100, Points: 3}, {Above: 150, Points: 8}, {Above: 250, Points: 10}, {Above: 500, Points: 30}},
		},
	}
}

// RoundTrip sends a request to the API without a socket; it takes a while both ways.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	way := latencyMin/2 + time.Duration(w.rng.Int64N(int64(latencyMax-latencyMin)/2))
	w.mu.Unlock()
	if err := sleep(req.Context(), way); err != nil {
		return nil, err
	}
	a := answer{header: http.Header{}, status: http.StatusOK}
	w.api.ServeHTTP(&a, req)
	if err := sleep(req.Context(), way); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.answers[a.status]++
	w.mu.Unlock()
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.header,
		Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: req,
	}, nil
}

type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill gives a collection records of many stamps.
func (w *world) fill(collection string, pages int) {
	for range pages * 2 {
		w.api.InsertAt(collection, perPage/2, hostile.Timing{Backdate: time.Hour})
		time.Sleep(time.Millisecond)
	}
}

// read reads a collection until ctx is done.
func (w *world) read(ctx context.Context, collection string, backfill bool) {
	base, err := url.Parse("http://api.example.com/v2")
	if err != nil {
		panic(err)
	}
	cfg := rest.Config{
		Base: base, Path: collection, Timeout: 30 * time.Second, MaxBody: 1 << 20, MaxCompressed: 1 << 20, MaxDepth: 64,
		From: "updated_at[gte]", To: "updated_at[lt]", Format: "rfc3339_us",
		Order:     url.Values{"sort_by": {"updated_at"}, "sort_direction": {"ASC"}},
		SizeParam: "per_page", Size: perPage, PageParam: "page", Next: "metadata.paging.next_page",
		Total: "metadata.paging.total_count", CountParams: url.Values{"include_paging_counts": {"true"}},
		Records: "data", ID: "id", Instant: "updated_at",
	}
	src, err := rest.New(cfg, w.client, w.m.Source("s"))
	if err != nil {
		w.t.Error(err)
		return
	}
	w.mu.Lock()
	rng := rand.New(rand.NewPCG(w.rng.Uint64(), 3))
	w.mu.Unlock()
	set := connector.Settings{
		Source: "s", Collection: collection, Interval: interval, Jitter: connector.DefaultJitter, Triggers: connector.Triggers{OnRestart: true}, Tick: time.Microsecond, Paged: true,
		Overlap: connector.DefaultOverlap, Lookback: lookback, Start: connector.Start{At: connector.Beginning},
		OnBadRecord: connector.StopOnBadRecord, Fingerprint: cfg.Fingerprint(), Sweeps: w.sweeps,
	}
	env := connector.Env{Now: time.Now, Sleep: sleep, Random: rng.Float64, Log: slog.New(slog.DiscardHandler), Go: func(f func()) { go f() }}
	r, err := connector.NewReader(set, src, &committer{w, collection, backfill}, connector.NewMemory(), env, w.m.Collection("s", collection))
	if err != nil {
		w.t.Error(err)
		return
	}
	if err := r.Run(ctx); ctx.Err() == nil {
		w.t.Errorf("%s ended: %v", collection, err)
	}
}

// A committer commits within a few milliseconds, and notes how old what it commits is.
type committer struct {
	w          *world
	collection string
	backfill   bool
}

func (c *committer) Stage(ctx context.Context, b *connector.Batch) error {
	if err := sleep(ctx, 5*time.Millisecond); err != nil {
		return err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.published[c.collection] += len(b.Changes)
	for _, change := range b.Changes {
		if at := change.Instant.Time(); !c.backfill && at.After(c.w.warm) {
			c.w.fresh = append(c.w.fresh, time.Since(at))
		}
	}
	return nil
}

func (c *committer) Flush(context.Context) error { return nil }

// quantile returns the part p of durations, after sorting them.
func quantile(ds []time.Duration, p float64) time.Duration {
	if len(ds) == 0 {
		return -1
	}
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(p*float64(len(ds))))]
}

const waits = "tributary_source_budget_wait_seconds"

// warmed begins to measure: what came before was the start.
func (w *world) warmed() {
	for _, s := range w.gather(waits) {
		w.cold[s.labels["priority"]] = s.buckets
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warm = time.Now()
}

// waited returns the part p of how long requests of a priority waited, as the upper end of
// the metric's bucket, and how many there were.
func (w *world) waited(p connector.Priority, part float64) (upTo float64, n uint64) {
	for _, s := range w.gather(waits) {
		if s.labels["priority"] != p.String() {
			continue
		}
		cold := w.cold[p.String()]
		n = s.buckets[len(cold)-1].count - cold[len(cold)-1].count
		for i, b := range s.buckets {
			if upTo = b.upTo; float64(b.count-cold[i].count) >= part*float64(n) {
				break
			}
		}
	}
	return upTo, n
}

// report logs each minute.
func (w *world) report() {
	for _, m := range w.api.Minutes() {
		w.t.Logf("%s: %d points in %d requests, %d answered 429; others %d, refused %d",
			m.Began.Format("15:04"), m.Points, m.Requests, m.Refused, m.Foreign, m.ForeignRefused)
	}
	for _, p := range []connector.Priority{connector.Live, connector.Trailing, connector.Sweeping, connector.Dumping} {
		if p99, n := w.waited(p, 0.99); n > 0 {
			w.t.Logf("%s: %d requests, p99 of the wait for the budget at most %v s", p, n, p99)
		}
	}
}

func name(i int) string { return fmt.Sprintf("c%02d", i) }
