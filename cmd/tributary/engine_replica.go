package main

import (
	"context"
	"errors"
	"sync"

	"tributary/sink/replica"
)

// openReplicas opens the file of every source that has one, before anything is polled: one
// that is in use, or that is somebody else's, is to be known at once.
func (e *engine) openReplicas(ctx context.Context) error {
	for _, s := range e.cfg.Sources {
		if s.Replica == nil {
			continue
		}
		cfg := replica.Config{
			Path: s.Replica.Path, Group: e.cfg.Group, Source: s.Name,
			Kafka: e.kafka, Log: e.log, Metrics: e.metrics,
		}
		for _, c := range s.Collections {
			name := c.Settings.Collection
			cfg.Collections = append(cfg.Collections, replica.Collection{Name: name, Topic: c.Topic, Indexes: s.Replica.Indexes[name]})
		}
		r, err := replica.Open(ctx, cfg)
		if err != nil {
			return errors.Join(&exitError{code: exitFailed, err: err}, e.closeReplicas())
		}
		e.replicas[s.Name] = r
	}
	return nil
}

// runReplicas has the replicas follow their topics until the function it returns is called.
func (e *engine) runReplicas(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, r := range e.replicas {
		wg.Go(func() { r.Run(ctx) })
	}
	return func() error {
		cancel()
		wg.Wait()
		return e.closeReplicas()
	}
}

func (e *engine) closeReplicas() error {
	var all error
	for _, r := range e.replicas {
		all = errors.Join(all, r.Close())
	}
	return all
}

// catchUpReplicas returns when the replicas have what the topics hold.
func (e *engine) catchUpReplicas(ctx context.Context) error {
	for _, r := range e.replicas {
		if err := r.CatchUp(ctx); err != nil {
			return err
		}
	}
	return nil
}

// replica returns that of a source, nil if it has none.
func (e *engine) replica(source string) *replica.Replica { return e.replicas[source] }
