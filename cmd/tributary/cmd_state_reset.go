package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/offsets"
	"tributary/sink"
)

func newStateResetCmd(a *app) *cobra.Command {
	var path string
	var f resetFlags
	cmd := &cobra.Command{
		Use:   "reset SOURCE.COLLECTION",
		Short: "Read a collection again from its start",
		Long: `Reset reads a collection again from where its config says it starts.

Without a flag the ledger stays: what was published is not published again, what was
missed is. It also takes the ledger for right as it is, so that a collection whose
ledger does not add up goes on; what the ledger lost is published again.

With --republish every record is published once more as it is read, whether or not it
has changed. Consumers get it again: that is the one way in which they ever do. A topic
that was deleted and made again is filled anew, and a change of which fields are id,
instant and deletion mark takes effect.

With --tombstones every live record is deleted from the topic first, and published again
as it is read. A change of the id needs that, for the old keys would stay for ever.

A collection of a handler has no start of its own: with any of these the handler's own
state is forgotten, and it is asked from its beginning, for all of its collections. What
the ledgers of the others know is not published again.

It may be used while the connector runs: it takes the lane for as long as it needs, and
the connector goes on within seconds.`,
		Example: `  tributary state reset salesloft.people --dry-run
  tributary state reset salesloft.people --republish`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&f.republish, "republish", false, "publish every record again")
	cmd.Flags().BoolVar(&f.tombstones, "tombstones", false, "delete every live record from the topic first; implies --republish")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be done, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.republish = f.republish || f.tombstones
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		c, err := e.cfg.collection(args[0])
		if err != nil {
			return err
		}
		return e.reset(cmd.Context(), c, f)
	}
	return cmd
}

type resetFlags struct{ republish, tombstones, dry bool }

func (e *editor) reset(ctx context.Context, c CollectionConfig, f resetFlags) error {
	st, err := e.state(ctx, c)
	if err != nil {
		return err
	}
	if err := e.usable(c, st); err != nil && !f.goesOn(st) {
		return err
	}
	now, exists, err := e.topic(ctx, c)
	if err != nil {
		return err
	}
	same := exists && now == st.Identity
	if err := f.possible(c, st, now, same); err != nil {
		return err
	}
	var seq uint64
	if exists && !same {
		// Another topic: what it holds is not ours, or is it?
		if seq, err = sink.LastBatch(ctx, e.cl, c.Topic); err != nil {
			return err
		}
		if seq > 0 {
			return fmt.Errorf("topic %s is not the one that the state of %s belongs to, and holds batches of a connector: delete it and let it be made anew, or use `state rebuild %s --replace`", c.Topic, c, c)
		}
	}
	edit, what := f.edit(c, st, same && st.Partial != commandRefill)
	if !f.dry {
		if err := e.take(ctx, c, nil, seq, edit); err != nil {
			return err
		}
	}
	return e.say(f.dry, "%s: is read again from its start; %s", c, what)
}

// goesOn says whether it is a reset that was interrupted, and is now run again.
func (f *resetFlags) goesOn(st *offsets.Collection) bool {
	return (st.Partial == commandTombstones && f.tombstones) || (st.Partial == commandRefill && f.republish && !f.tombstones)
}

// possible says why a reset cannot be what is wanted.
func (f *resetFlags) possible(c CollectionConfig, st *offsets.Collection, now offsets.Identity, same bool) error {
	prints := st.Memory.State.Prints
	newID := len(prints) > 0 && prints[len(prints)-1].ID != c.Settings.Fingerprint.ID
	changed := st.Memory.State.CanResume(c.Settings)
	switch {
	case !same && now.ID == st.ID && now.Topic == st.Topic:
		return fmt.Errorf("topic %s has %d partitions and had %d: keys would stand in two of them; delete the topic, let it be made anew, and reset with --republish", c.Topic, now.Partitions, st.Partitions)
	case !same && !f.republish:
		return fmt.Errorf("the state of %s belongs to topic %s, which is not the one there is (%s): what the ledger says was published is not in it; reset with --republish", c, st.Topic, c.Topic)
	case same && newID && !f.tombstones:
		return errors.New("the config now takes another field for the id: keys that are live in the topic would stay there for ever; reset with --tombstones, or read the collection under another source name")
	case changed != nil && !f.republish:
		return fmt.Errorf("%w; or reset with --republish", changed)
	}
	return nil
}

func (f *resetFlags) edit(c CollectionConfig, st *offsets.Collection, same bool) (memoryEdit, string) {
	live := st.Memory.Ledger.Len()
	switch {
	case !same:
		return func(m *connector.Memory) iter.Seq[*connector.Batch] {
			return m.Empty(m.State.Anew(c.Settings), commandRefill, false, 0)
		}, fmt.Sprintf("topic %s is not the one that %d records were published to, so all are published", c.Topic, live)
	case f.tombstones:
		return func(m *connector.Memory) iter.Seq[*connector.Batch] {
			return m.Empty(m.State.Anew(c.Settings), commandTombstones, true, connector.InstantOf(time.Now()))
		}, fmt.Sprintf("%d records are deleted from topic %s first", live, c.Topic)
	case f.republish:
		return func(m *connector.Memory) iter.Seq[*connector.Batch] {
			to := m.State.Restarted(c.Settings, connector.InstantOf(time.Now()))
			to.Prints = m.State.Anew(c.Settings).Prints
			return m.Again(to)
		}, fmt.Sprintf("%d live records are published again as they are met", live)
	default:
		return func(m *connector.Memory) iter.Seq[*connector.Batch] {
			return m.Move(m.State.Restarted(c.Settings, connector.InstantOf(time.Now())))
		}, fmt.Sprintf("%d live records are known and are not published again", live)
	}
}
