package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/offsets"
	"tributary/sink"
)

func newStateRebuildCmd(a *app) *cobra.Command {
	var path, from string
	var f rebuildFlags
	cmd := &cobra.Command{
		Use:   "rebuild SOURCE.COLLECTION",
		Short: "Make a lost state anew from the data topic",
		Long: `Rebuild reads a collection's topic and makes a ledger of what was published last of each
record, so that none of it is published again.

What it cannot know, it says: how far the source was read, which is why reading begins
again some time before the newest instant that was published (--from chooses); which
deletions were read and had nothing to delete; what was in doubt.

A collection that has a state is refused, unless --replace.`,
		Example: `  tributary state rebuild salesloft.people --dry-run
  tributary state rebuild salesloft.people --from 2026-01-01T00:00:00Z`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&from, "from", "", "the `INSTANT` to read on from, or \"beginning\"; by default a day before the newest that was published")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace a state that is there")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be done, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if from != "" {
			at, err := past("--from", from)
			if err != nil {
				return err
			}
			f.from = &at
		}
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		c, err := e.cfg.collection(args[0])
		if err != nil {
			return err
		}
		return e.rebuild(cmd.Context(), c, f)
	}
	return cmd
}

type rebuildFlags struct {
	from         *connector.Instant
	replace, dry bool
}

func (e *editor) rebuild(ctx context.Context, c CollectionConfig, f rebuildFlags) error {
	st, err := e.state(ctx, c)
	if err != nil {
		return err
	}
	if err := mayReplace(c, st, commandRebuild, f.replace); err != nil {
		return err
	}
	parser, err := rest.NewRecordParser(c.Rest)
	if err != nil {
		return err
	}
	name := offsets.Name{Source: c.Settings.Source, Collection: c.Settings.Collection}
	r, err := sink.Rebuild(ctx, e.cl, name, c.Topic, parser.Parse)
	if err != nil {
		return err
	}
	if r.Memory.State.Seq == 0 {
		return fmt.Errorf("topic %s holds %d records and none that was published of %s: there is nothing to rebuild from", c.Topic, r.Records, c)
	}
	from := r.Newest.Add(-max(24*time.Hour, 2*c.Settings.Lookback))
	if f.from != nil {
		from = *f.from
	}
	m := r.Resume(c.Settings, from)
	if !f.dry {
		if err := e.take(ctx, c, st, m.State.Seq, replaceBy(m, commandRebuild)); err != nil {
			return err
		}
	}
	err = e.say(f.dry, "%s: %d live records and %d marks from %d records of topic %s; it is read again from %s (the newest published is of %s)",
		c, m.Ledger.Len(), len(m.Ledger.Marks()), r.Records, c.Topic, m.State.Cursor.Instant, r.Newest)
	if err == nil && r.Foreign > 0 {
		err = e.say(false, "  %d records were not published by this program, or not of %s, and were passed over", r.Foreign, c)
	}
	if err == nil && r.Renamed > 0 {
		err = e.say(false, "  %d records were published under another name than %s, and count as its", r.Renamed, c)
	}
	if err == nil && !r.Alike() {
		err = e.say(false, "  the config's present hash does not give the hashes in the topic: the ledger has those that it gives for the values there")
	}
	return err
}
