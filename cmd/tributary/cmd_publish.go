package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/sink"
)

func newPublishCmd(a *app) *cobra.Command {
	var path string
	var dry bool
	cmd := &cobra.Command{
		Use:   "publish SOURCE.COLLECTION KEY...",
		Short: "Publish records again, whether or not they have changed",
		Long: `Publish asks the API for records by id and publishes them as they are now, for a
consumer that lost them. A record that is deleted at the source, and live in the topic,
is deleted there. What the API does not show is named, and nothing is published of it.

It may be used while the connector runs: it takes the lane for a moment, and the
connector goes on within seconds. It needs an API that can be asked by id (probe), which
a handler cannot: push what has changed, and for what has not there is
state reset --republish.`,
		Example: `  tributary publish salesloft.people 17 4711
  tributary publish people 17 --dry-run`,
		Args: cobra.MinimumNArgs(2),
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "ask the API, say what would be published, and publish nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		c, err := e.cfg.collection(args[0])
		if err != nil {
			return err
		}
		keys := slices.Clone(args[1:])
		slices.Sort(keys)
		return e.publish(cmd.Context(), c, slices.Compact(keys), dry)
	}
	return cmd
}

func (e *editor) publish(ctx context.Context, c CollectionConfig, keys []string, dry bool) error {
	if c.Handler != nil {
		return fmt.Errorf("%s is told of by a handler, which cannot be asked for records by id: what has changed is pushed (POST /v1/sources/%s/push of the control API); what is as it was is no news to a push, and `tributary state reset %s --republish` has all of it published again as the handler tells of it", c, c.Settings.Source, c)
	}
	if c.Settings.Probe < 1 {
		return fmt.Errorf("%s cannot be asked for records by id: its config has no `probe`; `tributary state reset %s --republish` publishes all of it again", c, c)
	}
	st, err := e.state(ctx, c)
	if err != nil {
		return err
	}
	if err := e.usable(c, st); err != nil {
		return err
	}
	records, missing, err := e.ask(ctx, c, keys)
	if err != nil {
		return err
	}
	published := 0
	var passed []connector.PassedOver
	commit := func(m *connector.Memory, most int, stage func(iter.Seq[*connector.Batch]) error) error {
		fit, not := fitting(records, st.Memory, m, most)
		batches, more, err := m.Publish(c.Settings.Fingerprint, fit)
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		passed = append(not, more...)
		published = len(records) - len(passed)
		return stage(batches)
	}
	if dry {
		err = commit(st.Memory, math.MaxInt, func(iter.Seq[*connector.Batch]) error { return nil })
	} else if len(records) > 0 {
		err = e.visit(ctx, c.Settings.Source, func(ctx context.Context, l *sink.Lane) error {
			w, err := l.Open(ctx, c.Settings.Source, c.Settings.Collection, c.Topic, discarded(c))
			if err != nil {
				return err
			}
			return commit(w.Memory(), w.MaxRecord(), func(b iter.Seq[*connector.Batch]) error { return stageAll(ctx, w, b) })
		})
	}
	if err != nil {
		return err
	}
	return e.told(c, published, passed, missing, dry)
}

// fitting returns the records that can be published over the memory now: not those that
// were read since they were asked for, by a connector that runs, and not those that are
// larger than the topic takes.
func fitting(records []connector.Record, asked, now *connector.Memory, most int) (fit []connector.Record, passed []connector.PassedOver) {
	for _, r := range records {
		was, had := asked.Ledger.Get(r.ID)
		is, has := now.Ledger.Get(r.ID)
		switch {
		case was != is || had != has:
			passed = append(passed, connector.PassedOver{ID: r.ID, Why: "the connector has read it meanwhile"})
		case len(r.Value)+2*len(r.ID) > most:
			passed = append(passed, connector.PassedOver{ID: r.ID, Why: fmt.Sprintf("it is %d bytes long, more than its topic takes", len(r.Value))})
		default:
			fit = append(fit, r)
		}
	}
	return fit, passed
}

// told says what became of each key; those that were not published make it a failure.
func (e *editor) told(c CollectionConfig, published int, passed []connector.PassedOver, missing []string, dry bool) error {
	if err := e.say(dry, "%s: %d records published again to topic %s", c, published, c.Topic); err != nil {
		return err
	}
	for _, p := range passed {
		fmt.Fprintf(e.a.stderr, "%s: not published: %s\n", oneLine([]byte(p.ID)), oneLine([]byte(p.Why)))
	}
	for _, id := range missing {
		fmt.Fprintf(e.a.stderr, "%s: not published: the API does not show it\n", id)
	}
	if len(passed)+len(missing) > 0 {
		return &exitError{exitFailed, fmt.Errorf("%d of %d records were not published", len(passed)+len(missing), published+len(passed)+len(missing))}
	}
	return nil
}

// ask fetches records by id, and says which the API does not show.
func (e *editor) ask(ctx context.Context, c CollectionConfig, keys []string) (records []connector.Record, missing []string, err error) {
	m := connector.NewMetrics(prometheus.NewRegistry()).Source(c.Settings.Source)
	client := rest.NewClient(e.a.version, e.budget(c.Settings.Source), c.TLS.transport())
	defer client.CloseIdleConnections()
	src, err := rest.New(c.Rest, client, m)
	if err != nil {
		return nil, nil, err
	}
	shown := map[string]bool{}
	for some := range slices.Chunk(keys, c.Settings.Probe) {
		for left := some; len(left) > 0; {
			p, err := fetchPatiently(ctx, src, connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1, IDs: left})
			if err != nil {
				return nil, nil, err
			}
			before := len(left)
			for _, r := range p.Records {
				if slices.Contains(some, r.ID) && !shown[r.ID] {
					shown[r.ID] = true
					r.Value = slices.Clone(r.Value)
					records = append(records, r)
				}
			}
			left = slices.DeleteFunc(slices.Clone(left), func(id string) bool { return shown[id] })
			// APIs cut a page down in silence: what is not shown is asked for again, until
			// an answer shows nothing more.
			if p.Last || len(left) == before {
				missing = append(missing, left...)
				break
			}
		}
	}
	return records, missing, nil
}

func (e *editor) budget(source string) rest.Budget {
	for _, s := range e.cfg.Sources {
		if s.Name == source {
			return s.Budget
		}
	}
	return rest.Budget{}
}

// fetchPatiently tries a request that fails a few times again.
func fetchPatiently(ctx context.Context, src connector.Source, q connector.Query) (connector.Page, error) {
	for try := 0; ; try++ {
		p, err := src.Fetch(ctx, q)
		var again *connector.RetryError
		if err == nil || !errors.As(err, &again) || try == 4 {
			return p, err
		}
		wait := min(max(again.After, time.Second<<try), time.Minute)
		if err := sleep(ctx, wait); err != nil {
			return p, err
		}
	}
}
