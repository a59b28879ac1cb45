package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/sink"
)

func newStateSetCmd(a *app) *cobra.Command {
	var path, cursor string
	var dry bool
	cmd := &cobra.Command{
		Use:   "set SOURCE.COLLECTION --cursor INSTANT",
		Short: "Move the cursor of a collection",
		Long: `Set moves a collection's cursor. Back, what lies between is read again: the ledger knows
what was published, so that nothing comes twice, and what was missed is published.
Forwards, what lies between is passed over, also by the trailing pass.

It may be used while the connector runs: it takes the lane for a moment, and the
connector goes on from the new cursor within seconds.`,
		Example: `  tributary state set salesloft.people --cursor 2026-01-01T00:00:00Z
  tributary state set people --cursor beginning --dry-run`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&cursor, "cursor", "", "the `INSTANT` to read on from: RFC 3339, or \"beginning\"")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	cobra.CheckErr(cmd.MarkFlagRequired("cursor"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to, err := past("--cursor", cursor)
		if err != nil {
			return err
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
		return e.set(cmd.Context(), c, to, dry)
	}
	return cmd
}

func (e *editor) set(ctx context.Context, c CollectionConfig, to connector.Instant, dry bool) error {
	st, err := e.state(ctx, c)
	if err != nil {
		return err
	}
	if err := e.usable(c, st); err != nil {
		return err
	}
	if err := c.isTold("moved to an instant"); err != nil {
		return err
	}
	from := st.Memory.State
	if !dry {
		err = e.visit(ctx, c.Settings.Source, func(ctx context.Context, l *sink.Lane) error {
			if l.HandlerState(c.Settings.Source) != nil {
				return fmt.Errorf("%s is read by a handler, which has a state of its own and no cursor: `tributary state reset %s` has it begin at its beginning", c, c)
			}
			w, err := l.Open(ctx, c.Settings.Source, c.Settings.Collection, c.Topic, discarded(c))
			if err != nil {
				return err
			}
			from = w.Memory().State
			return stageAll(ctx, w, w.Memory().Move(from.Moved(to, connector.InstantOf(time.Now()))))
		})
		if err != nil {
			return err
		}
	}
	what := "what lies between is read again, and published where it was not"
	if to > from.Cursor.Instant {
		what = "what lies between is not read"
	}
	return e.say(dry, "%s: cursor %s → %s; %s", c, from.Cursor.Instant, to, what)
}
