package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/offsets"
	"tributary/sink/verify"
)

// A sourceReader reads collections from their APIs as run does, by the same code and
// within the same budget, and commits nothing.
type sourceReader struct {
	cfg     *Config
	metrics *connector.Metrics
	clients map[string]*rest.Client
	live    *verifyProgress
}

func newSourceReader(cfg *Config, a *app, live *verifyProgress) *sourceReader {
	s := &sourceReader{cfg: cfg, metrics: connector.NewMetrics(prometheus.NewRegistry()), clients: map[string]*rest.Client{}, live: live}
	for _, source := range cfg.Sources {
		s.clients[source.Name] = rest.NewClient(a.version, source.Budget, source.TLS.transport())
	}
	return s
}

func (s *sourceReader) close() {
	for _, c := range s.clients {
		c.CloseIdleConnections()
	}
}

// read reads a collection from where it was told to start to its end.
func (s *sourceReader) read(ctx context.Context, name offsets.Name, state connector.State) (*verify.Shown, error) {
	c, ok := s.cfg.named(name)
	if !ok || c.Handler != nil { // whose handler says what changed, and not what there is
		return nil, nil
	}
	api, err := rest.New(c.Rest, s.clients[name.Source], s.metrics.Source(name.Source))
	if err != nil {
		return nil, err
	}
	set := c.Settings
	set.Start = connector.Start{At: state.Floor}
	set.Sweeps = connector.Sweeps{}
	set.OnBadRecord = connector.SkipBadRecord // a record that cannot be published cannot be compared
	shown := &verify.Shown{Deleted: &connector.Ledger{}, Fingerprint: set.Fingerprint, Began: connector.Beginning, Lookback: set.Lookback}
	records := 0
	env := connector.Env{
		Now: time.Now, Sleep: sleep, Random: mathrand.Float64, Log: slog.New(slog.DiscardHandler), GiveUp: 3,
		Page: func(n int, _, date connector.Instant) {
			if shown.Began == connector.Beginning {
				shown.Began = date
			}
			records += n
			s.live.draw(func() string { return fmt.Sprintf("  reading %s from its source: %d records", name, records) })
		},
		CaughtUp: func() { shown.Whole = true },
	}
	memory := connector.NewMemory()
	shown.Ledger = memory.Ledger
	src := &witness{Source: api, deleted: shown.Deleted}
	reader, err := connector.NewReader(set, src, keepsNothing{}, memory, env, s.metrics.Collection(name.Source, name.Collection))
	if err != nil {
		return nil, err
	}
	if err := reader.Pull(ctx); err != nil {
		return nil, err
	}
	return shown, nil
}

// named finds a collection by its whole name.
func (c *Config) named(name offsets.Name) (CollectionConfig, bool) {
	for _, s := range c.Sources {
		for _, col := range s.Collections {
			if col.Settings.Source == name.Source && col.Settings.Collection == name.Collection {
				return col, true
			}
		}
	}
	return CollectionConfig{}, false
}

// keepsNothing is a committer of a reading that is only looked at.
type keepsNothing struct{}

func (keepsNothing) Stage(context.Context, *connector.Batch) error { return nil }
func (keepsNothing) Flush(context.Context) error                   { return nil }

// A witness notes what a source shows as deleted, for a ledger forgets that, and gives up
// a source that does not answer.
type witness struct {
	connector.Source
	deleted  *connector.Ledger
	failures int
}

// maxFailures is how often in a row a request may fail: about five minutes with the
// pauses between.
const maxFailures = 10

func (w *witness) Fetch(ctx context.Context, q connector.Query) (connector.Page, error) {
	p, err := w.Source.Fetch(ctx, q)
	var again *connector.RetryError
	switch {
	case errors.As(err, &again) && again.Reason != connector.RetryThrottled:
		if w.failures++; w.failures >= maxFailures {
			return p, &connector.StopError{What: fmt.Sprintf("%v (%d times)", err, w.failures), Remedy: "verify again when the API answers"}
		}
	case err == nil:
		w.failures = 0
		for i := range p.Records {
			w.note(&p.Records[i])
		}
	}
	return p, err
}

func (w *witness) note(r *connector.Record) {
	if r.Bad != "" || r.ID == "" || len(r.ID) > connector.MaxID {
		return
	}
	had, ok := w.deleted.Get(r.ID)
	switch {
	case ok && r.Instant < had.Instant:
		// a replica that lags
	case r.Deleted:
		w.deleted.Put(r.ID, connector.Entry{Instant: r.Instant})
	default:
		w.deleted.Drop(r.ID)
	}
}
