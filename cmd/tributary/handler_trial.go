package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/connector/handler"
	"tributary/connector/rest"
	"tributary/offsets"
	"tributary/sink"
)

// A handlerTrial calls a handler for a command: from what is committed, and committing nothing.
type handlerTrial struct {
	*handler.Trial
	// from says in words which state it begins with, and ledger whether what is committed is
	// known: without it everything is news.
	from   string
	ledger bool
	client *rest.Client
}

func (t *handlerTrial) Close() { t.client.CloseIdleConnections() }

// tryHandler makes a trial of a source, for a collection or, with "", for all of them. It
// begins with the state that is given; with nil, with the one that is committed.
func (a *app) tryHandler(ctx context.Context, cfg *Config, s SourceConfig, collection string, given json.RawMessage) (*handlerTrial, error) {
	table, limits, from, err := committedOf(ctx, cfg, s)
	state := connector.HandlerState{}
	if h := table.Handlers[s.Name]; h != nil {
		state = *h
	}
	if given != nil {
		state.State, from = given, "as given by --state"
	}
	m := connector.NewMetrics(prometheus.NewRegistry())
	t := &handlerTrial{from: from, ledger: err == nil, client: rest.NewClient(a.version, s.Budget, s.TLS.transport())}
	client, err := handler.NewClient(s.Handler.Rest, t.client, m.Source(s.Name))
	if err != nil {
		return nil, err
	}
	var number [8]byte
	rand.Read(number[:]) // never fails
	how := handler.Config{Source: s.Name, Run: hex.EncodeToString(number[:]), Timeout: s.Handler.Timeout, MaxState: limits.state, Cache: cacheOf(cfg, s)}
	for _, c := range s.Collections {
		name := c.Settings.Collection
		c.Settings.MaxRecord = limits.records[name]
		how.Collections = append(how.Collections, handler.Collection{
			Settings: c.Settings, Records: c.Rest, Metrics: m.Collection(s.Name, name),
			Memory: table.Collection(offsets.Name{Source: s.Name, Collection: name}).Memory,
		})
	}
	t.Trial, err = handler.NewTrial(how, client, state, collection, time.Now)
	return t, err
}

// limits are how large a state and the records of each collection may be, 0: nobody knows.
type limits struct {
	state   int
	records map[string]int
}

// committedOf looks up what is committed of a source, fencing nobody, and says in words why
// its handler gets the state that it gets. With an error that is nothing.
func committedOf(ctx context.Context, cfg *Config, s SourceConfig) (*offsets.Table, limits, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // a large ledger takes its time
	defer cancel()
	table, l, err := lookUp(ctx, cfg, s)
	switch h := table.Handlers[s.Name]; {
	case err != nil:
		return offsets.NewTable(), l, fmt.Sprintf("since Kafka cannot be asked what is committed: %v", err), err
	case h == nil:
		return table, l, "since nothing of it is committed yet", nil
	default:
		return table, l, fmt.Sprintf("as it is committed, of sequence %d", h.Seq), nil
	}
}

func lookUp(ctx context.Context, cfg *Config, s SourceConfig) (*offsets.Table, limits, error) {
	nothing := offsets.NewTable()
	opts, err := cfg.Kafka.Opts()
	if err != nil {
		return nothing, limits{}, err
	}
	if err := reachable(ctx, opts); err != nil {
		return nothing, limits{}, err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nothing, limits{}, err
	}
	defer cl.Close()
	topics := map[string]string{}
	for _, c := range s.Collections {
		topics[c.Settings.Collection] = c.Topic
	}
	var l limits
	l.state, l.records = sink.Limits(ctx, cl, cfg.Offsets.Topic, s.Name, topics, sink.TopicSettings{Config: cfg.Topics.Config})
	l.state = roomForState(l.state)
	if _, err := sink.Identify(ctx, cl, cfg.Offsets.Topic); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nothing, l, nil
	}
	table, err := readLane(ctx, cl, cfg.Offsets.Topic, offsets.LaneOf(s.Name, int(cfg.Offsets.Lanes)))
	if err != nil {
		return nothing, l, err
	}
	return table, l, nil
}

// reachable asks whether a broker answers: one that does not is not waited for as long as by
// those who cannot do without.
func reachable(ctx context.Context, opts []kgo.Opt) error {
	ctx, cancel := limited(ctx)
	defer cancel()
	cl, err := kgo.NewClient(append(slices.Clone(opts), kgo.RequestRetries(0))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.Ping(ctx)
}

// handlerNamed finds the source of type handler with that name.
func (c *Config) handlerNamed(name string) (SourceConfig, bool) {
	for _, s := range c.Sources {
		if s.Name == name && s.Handler != nil {
			return s, true
		}
	}
	return SourceConfig{}, false
}

// stateFlag reads --state: JSON, or @FILE with it; nil if it was not given.
func stateFlag(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	state := []byte(text)
	if file, ok := strings.CutPrefix(text, "@"); ok {
		var err error
		if state, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	state, err := handler.ParseState(state)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("--state wants JSON, or @FILE with it: %w", err)}
	}
	return state, nil
}
