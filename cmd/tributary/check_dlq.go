package main

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
	"tributary/sink"
)

// letters looks at the dead letter queues of the chosen collections.
func (r *checkReport) letters(ctx context.Context, cl *kgo.Client, cfg *Config, chosen []CollectionConfig) {
	ctx, cancel := limited(ctx)
	defer cancel()
	seen := map[string]bool{"": true}
	for _, c := range chosen {
		if seen[c.Letters] {
			continue
		}
		seen[c.Letters] = true
		what := "dead letter queue " + c.Letters
		name := offsets.Name{Source: c.Settings.Source, Collection: c.Settings.Collection}
		_, err := sink.Identify(ctx, cl, c.Letters)
		missing := errors.Is(err, kerr.UnknownTopicOrPartition)
		if err == nil {
			err = sink.TakesLetters(ctx, cl, name, c.Letters)
		}
		var stop *connector.StopError
		switch {
		case missing && cfg.Topics.Create:
			r.ok(what, "is not there; run makes it")
		case missing:
			r.fail(what, "is not there", "create it, or set `topics.create: true`")
		case errors.As(err, &stop):
			r.fail(what, stop.What, stop.Remedy)
		case err != nil:
			r.fail(what, err.Error(), "allow Describe, Read and Write on it")
		default:
			r.ok(what, "is there")
		}
	}
}
