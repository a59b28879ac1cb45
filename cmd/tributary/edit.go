package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
	"tributary/sink"
)

// A memoryEdit is a change of a collection's state, made when its lane is held.
type memoryEdit = func(*connector.Memory) iter.Seq[*connector.Batch]

// The commands that change everything, as they are named when they were interrupted.
const (
	commandImport     = "state import"
	commandRebuild    = "state rebuild"
	commandTombstones = "state reset --tombstones"
	commandRefill     = "state reset --republish"
)

// replaceBy is the edit that makes a collection's memory m.
func replaceBy(m *connector.Memory, command string) memoryEdit {
	return func(old *connector.Memory) iter.Seq[*connector.Batch] { return old.Replace(m, command) }
}

// An editor changes committed state for a command: it looks without fencing anybody, and
// writes as a visitor of the lane, which whoever runs it takes back by itself.
type editor struct {
	a     *app
	cfg   *Config
	kafka []kgo.Opt
	cl    *kgo.Client
}

// newEditor is for the commands that look at or change state. The caller closes it.
func newEditor(a *app, path string) (*editor, error) {
	cfg, err := LoadConfig(path, a.env)
	if err != nil {
		return nil, err
	}
	e := &editor{a: a, cfg: cfg}
	if e.kafka, err = cfg.Kafka.Opts(); err != nil {
		return nil, err
	}
	e.cl, err = kgo.NewClient(e.kafka...)
	return e, err
}

func (e *editor) Close() { e.cl.Close() }

func (e *editor) lane(source string) int32 {
	return offsets.LaneOf(source, int(e.cfg.Offsets.Lanes))
}

// state returns what is committed of a collection now, nothing where there is no offsets
// topic yet. It fences nobody.
func (e *editor) state(ctx context.Context, c CollectionConfig) (*offsets.Collection, error) {
	name := offsets.Name{Source: c.Settings.Source, Collection: c.Settings.Collection}
	if _, err := sink.Identify(ctx, e.cl, e.cfg.Offsets.Topic); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return offsets.NewTable().Collection(name), nil
	}
	table, err := readLane(ctx, e.cl, e.cfg.Offsets.Topic, e.lane(c.Settings.Source))
	if err != nil {
		return nil, err
	}
	return table.Collection(name), nil
}

// topic looks up the data topic of a collection as it is now; exists is false where
// there is none.
func (e *editor) topic(ctx context.Context, c CollectionConfig) (id offsets.Identity, exists bool, err error) {
	id, err = sink.Identify(ctx, e.cl, c.Topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return id, false, nil
	}
	return id, err == nil, err
}

// visit takes the lane of a source for as long as use runs.
func (e *editor) visit(ctx context.Context, source string, use func(context.Context, *sink.Lane) error) error {
	var number [8]byte
	rand.Read(number[:]) // never fails
	en := &engine{cfg: e.cfg, kafka: e.kafka, run: hex.EncodeToString(number[:])}
	en.log = slog.New(slog.NewTextHandler(e.a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	en.metrics = connector.NewMetrics(prometheus.NewRegistry())
	return sink.Visit(ctx, en.sink(), e.lane(source), use)
}

// discarded are metrics counted for nobody: a command is not scraped.
func discarded(c CollectionConfig) *connector.CollectionMetrics {
	return connector.NewMetrics(prometheus.NewRegistry()).Collection(c.Settings.Source, c.Settings.Collection)
}

// take opens a collection whatever its state says, and commits an edit of it. One that
// was made for the state st does not know of what was committed since; st is nil for one
// that is made from what is there then.
func (e *editor) take(ctx context.Context, c CollectionConfig, st *offsets.Collection, seq uint64, edit memoryEdit) error {
	return e.visit(ctx, c.Settings.Source, func(ctx context.Context, l *sink.Lane) error {
		if now := l.Committed(c.Settings.Source, c.Settings.Collection).Seq; st != nil && now != st.Memory.State.Seq {
			return fmt.Errorf("%s was changed meanwhile, from batch %d to %d, by a connector that runs: nothing was done; stop it, or try again", c, st.Memory.State.Seq, now)
		}
		w, err := l.Take(ctx, c.Settings.Source, c.Settings.Collection, c.Topic, seq, discarded(c))
		if err != nil {
			return err
		}
		return stageAll(ctx, w, edit(w.Memory()))
	})
}

func stageAll(ctx context.Context, w *sink.Writer, batches iter.Seq[*connector.Batch]) error {
	for b := range batches {
		if err := w.Stage(ctx, b); err != nil {
			return err
		}
	}
	return w.Flush(ctx)
}

// say prints a line of what was done, or with dry of what would have been.
func (e *editor) say(dry bool, format string, args ...any) error {
	if dry {
		format += " (dry run: nothing was done)"
	}
	_, err := fmt.Fprintf(e.a.stdout, format+"\n", args...)
	return err
}

// usable says why the state of a collection cannot be changed a little.
func (e *editor) usable(c CollectionConfig, st *offsets.Collection) error {
	switch {
	case st.Known && st.Partial == "":
		return nil
	case st.Known:
		return fmt.Errorf("`tributary %s` of %s was interrupted: half of it is committed; run that command again first", st.Partial, c)
	case st.Left() > 0:
		return fmt.Errorf("%s has no state, but %d records of its ledger: `tributary state rebuild %s --replace` makes it anew from topic %s", c, st.Left(), c, c.Topic)
	}
	return fmt.Errorf("%s has no state in %s yet: run begins it, and `tributary state rebuild %s` makes one from its topic where it was lost", c, e.cfg.Offsets.Topic, c)
}

// mayReplace says why a command must not make the whole state anew: there is one, or
// another command is in the middle of it.
func mayReplace(c CollectionConfig, st *offsets.Collection, command string, replace bool) error {
	switch {
	case replace || !st.Known || st.Partial == command:
		return nil
	case st.Partial != "":
		return fmt.Errorf("`tributary %s` of %s was interrupted: run that command again; --replace gives it up", st.Partial, c)
	}
	return fmt.Errorf("%s has a state already, with cursor %s: --replace replaces it", c, st.Memory.State.Cursor.Instant)
}

// past reads the instant of a flag, which must not lie in the future.
func past(flag, text string) (connector.Instant, error) {
	at, err := connector.ParseInstant(text)
	switch {
	case err != nil:
		return 0, &exitError{exitUsage, errors.New(flag + ": " + err.Error())}
	case at == connector.Forever || at > connector.InstantOf(time.Now()):
		return 0, &exitError{exitUsage, fmt.Errorf("%s: %s is in the future: what is written until then would never be read", flag, text)}
	}
	return at, nil
}
