package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/sink"
)

func newSweepCmd(a *app) *cobra.Command {
	var path string
	var approve, dry bool
	cmd := &cobra.Command{
		Use:   "sweep SOURCE.COLLECTION",
		Short: "Read a collection whole now, to find what is gone",
		Long: `Sweep makes the next sweep of a collection due at once. Whoever runs the connector makes
it: this command takes the lane for a moment and leaves, and the connector goes on
within seconds. A sweep that runs already goes on as it is.

A sweep that misses more records than deletions.sweep allows (max_ratio, max_count), that
finds nothing at all, or that comes after a change of what is asked for, is not believed:
nothing is deleted and what it missed is forgotten. Where the records are gone in truth,
--approve lets the next sweep pass, and only that one: also the one that runs. Even then
each record is asked for before it is deleted, unless confirm is none; and of a collection
that shows no record at all, nothing proves anything by ids.`,
		Example: `  tributary sweep salesloft.people
  tributary sweep salesloft.people --approve`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&approve, "approve", false, "let the guards of this one sweep pass")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
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
		return e.sweep(cmd.Context(), c, approve, dry)
	}
	return cmd
}

func (e *editor) sweep(ctx context.Context, c CollectionConfig, approve, dry bool) error {
	if c.Handler != nil && !c.dumped() {
		return fmt.Errorf("%s is told of by a handler without dumps: say so in its source first (`dump: {}`)", c)
	}
	if c.Settings.Sweeps.Every == 0 && !c.dumped() {
		return fmt.Errorf("%s is not swept: say so in its config first (`deletions: {sweep: {every: 24h}}`)", c)
	}
	st, err := e.state(ctx, c)
	if err != nil {
		return err
	}
	if err := e.usable(c, st); err != nil {
		return err
	}
	was := st.Memory.State.Sweep
	if !dry {
		err = e.visit(ctx, c.Settings.Source, func(ctx context.Context, l *sink.Lane) error {
			w, err := l.Open(ctx, c.Settings.Source, c.Settings.Collection, c.Topic, discarded(c))
			if err != nil {
				return err
			}
			to := w.Memory().State
			was = to.Sweep
			return stageAll(ctx, w, w.Memory().Move(to.Swept(approve)))
		})
		if err != nil {
			return err
		}
	}
	what := "a sweep is due now"
	if c.dumped() {
		what = "a dump is due now"
	}
	if was.Running {
		what = "the sweep that runs goes on"
	}
	if approve {
		what += ", and its guards let it pass"
	}
	return e.say(dry, "%s: %s", c, what)
}

// A sweepView is how far the sweep of a collection has come, as `state show` prints it.
type sweepView struct {
	Running  bool   `json:"running"`
	Position string `json:"position,omitempty"`
	Started  string `json:"started,omitempty"`
	Ended    string `json:"ended,omitempty"`
	// Absent are records that were not shown and are not yet confirmed to be gone.
	Absent   int    `json:"absent"`
	Guard    string `json:"guard,omitempty"`
	Asked    bool   `json:"asked"`
	Approved bool   `json:"approved"`
}

func sweepOf(m *connector.Memory) *sweepView {
	s := m.State.Sweep
	if s == (connector.Sweep{}) {
		return nil
	}
	at := func(i connector.Instant) string {
		if i == 0 {
			return ""
		}
		return i.String()
	}
	v := &sweepView{Running: s.Running, Started: at(s.Started), Ended: at(s.Ended), Absent: m.Absent(), Guard: s.Guard, Asked: s.Asked, Approved: s.Approved}
	if s.Running {
		v.Position = s.Position.String()
	}
	return v
}

func (v *sweepView) String() string {
	var b strings.Builder
	switch {
	case v.Running:
		fmt.Fprintf(&b, "sweep since %s, at %s", brief(v.Started), brief(v.Position))
	case v.Started != "":
		fmt.Fprintf(&b, "last sweep from %s to %s", brief(v.Started), brief(v.Ended))
	default:
		b.WriteString("not swept yet")
	}
	if v.Absent > 0 {
		fmt.Fprintf(&b, ", %d records missed and not yet confirmed to be gone", v.Absent)
	}
	if v.Asked {
		b.WriteString(", the next is due now")
	}
	if v.Approved {
		b.WriteString(", its guards let it pass")
	}
	return b.String()
}
