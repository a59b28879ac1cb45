package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

func newStateCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at what the connector is resumed from, and change it",
		Long: `State looks at the offsets topic: cursors, ledgers, doubts, and who owns each lane. Show
and export only read, and what they read is committed: the connector may be running.

Set, reset, import and rebuild change it, by transactions of the lane's own producer. A
connector that runs is refused for as long, waits, and goes on from what was committed.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newStateShowCmd(a), newStateExportCmd(a), newStateImportCmd(a), newStateSetCmd(a), newStateResetCmd(a), newStateRebuildCmd(a))
	return cmd
}

func newStateShowCmd(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "show [SOURCE[.COLLECTION]]",
		Short: "Print the committed state of each collection",
		Example: `  tributary state show
  tributary state show salesloft.people -o json`,
		Args: cobra.MaximumNArgs(1),
	}
	configFlag(cmd, &path)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := LoadConfig(path, a.env)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Minute)
		defer cancel()
		view, err := readState(ctx, cfg)
		if err != nil {
			return err
		}
		if len(args) == 1 {
			view.only(args[0])
			if len(view.Collections)+len(view.Tokens)+len(view.Handlers)+len(view.Holds) == 0 {
				return fmt.Errorf("offsets topic %s holds no state of %q", cfg.Offsets.Topic, args[0])
			}
		}
		if output.json() {
			return printJSON(a.stdout, view)
		}
		return view.print(a)
	}
	return cmd
}

// A stateView is the committed state as `state show` prints it; its JSON is stable.
type stateView struct {
	Topic       string           `json:"topic"`
	Lanes       []laneView       `json:"lanes"`
	Collections []collectionView `json:"collections"`
	// Tokens are the OAuth2 tokens that are kept: nothing of what is sealed.
	Tokens []tokenView `json:"tokens,omitempty"`
	// Handlers are what handlers are resumed from, Holds the collections that an operator
	// makes rest.
	Handlers []handlerView `json:"handlers,omitempty"`
	Holds    []holdView    `json:"holds,omitempty"`
}

type laneView struct {
	Lane     int    `json:"lane"`
	Instance string `json:"instance,omitempty"`
	Run      string `json:"run,omitempty"`
	Claimed  string `json:"claimed,omitempty"`
	Records  int    `json:"records"`
}

type collectionView struct {
	Source     string `json:"source"`
	Collection string `json:"collection"`
	Lane       int    `json:"lane"`
	Cursor     string `json:"cursor"`
	CursorAt   string `json:"cursor_at"`
	Trailing   string `json:"trailing"`
	Lookback   string `json:"lookback"`
	Live       int    `json:"live"`
	Marks      int    `json:"marks"`
	Doubts     int    `json:"doubts"`
	// Unpublished records are in the dead letter queue, and were not mended since.
	Unpublished int    `json:"unpublished"`
	Seq         uint64 `json:"seq"`
	Sum         string `json:"sum"`
	Topic       string `json:"topic"`
	TopicID     string `json:"topic_id"`
	Partitions  int32  `json:"partitions"`
	Instance    string `json:"instance"`
	// Reasons are why the last pull ran that led to a batch, Ran is when the last one ended
	// that a cron expression asked for.
	Reasons string `json:"reasons,omitempty"`
	Ran     string `json:"ran,omitempty"`
	// Sweep is there when the collection is swept, or was.
	Sweep *sweepView `json:"sweep,omitempty"`
	// Problem is empty when the ledger adds up to the sum.
	Problem string `json:"problem,omitempty"`
}

// readState reads every lane to its last stable offset. It fences nobody.
func readState(ctx context.Context, cfg *Config) (*stateView, error) {
	opts, err := cfg.Kafka.Opts()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	v := &stateView{Topic: cfg.Offsets.Topic, Lanes: []laneView{}, Collections: []collectionView{}}
	for lane := range cfg.Offsets.Lanes {
		table, err := readLane(ctx, cl, cfg.Offsets.Topic, lane)
		if err != nil {
			return nil, err
		}
		v.add(int(lane), table)
	}
	slices.SortFunc(v.Tokens, func(a, b tokenView) int { return cmp.Compare(a.Source, b.Source) })
	v.sortBeside()
	slices.SortFunc(v.Collections, func(a, b collectionView) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Collection, b.Collection))
	})
	return v, nil
}

func readLane(ctx context.Context, cl *kgo.Client, topic string, lane int32) (*offsets.Table, error) {
	for {
		table, tail := offsets.NewTable(), offsets.NewTail(cl, topic, lane)
		var err error
		for err == nil && (tail.Next < 0 || tail.Next < tail.Stable) {
			err = tail.Fetch(ctx, func(r *kgo.Record) error { return table.Apply(r.Key, r.Value) })
		}
		if !errors.Is(err, offsets.ErrTruncated) {
			return table, err
		}
	}
}

func (v *stateView) add(lane int, t *offsets.Table) {
	l := laneView{Lane: lane, Records: t.Records}
	if c := t.Claim; c != nil {
		l.Instance, l.Run, l.Claimed = c.Instance, c.Run, c.At.String()
	}
	v.Lanes = append(v.Lanes, l)
	for source, auth := range t.Auths {
		v.Tokens = append(v.Tokens, viewToken(source, lane, auth))
	}
	v.addBeside(lane, t)
	for name, c := range t.Collections {
		s := c.Memory.State
		row := collectionView{
			Source: name.Source, Collection: name.Collection, Lane: lane,
			Cursor: s.Cursor.Text, CursorAt: s.Cursor.Instant.String(), Trailing: s.Trailing.String(), Lookback: s.Lookback.String(),
			Live: c.Memory.Ledger.Len(), Marks: len(c.Memory.Ledger.Marks()), Doubts: len(c.Memory.Doubts), Unpublished: len(c.Memory.Receipts),
			Seq: s.Seq, Sum: c.Sum.String(), Topic: c.Topic, TopicID: hex.EncodeToString(c.ID[:]), Partitions: c.Partitions, Instance: c.Instance,
		}
		row.Sweep = sweepOf(c.Memory)
		if row.Reasons = s.Reasons; s.Ran != 0 {
			row.Ran = s.Ran.String()
		}
		if !c.Known {
			row.Problem = "its state record is missing"
		} else if c.Partial != "" {
			row.Problem = "`tributary " + c.Partial + "` was interrupted: run it again"
		} else if err := c.Verify(); err != nil {
			row.Problem = err.Error()
		}
		v.Collections = append(v.Collections, row)
	}
}

// only keeps one source, or one collection of it.
func (v *stateView) only(name string) {
	v.Tokens = slices.DeleteFunc(v.Tokens, func(t tokenView) bool { return t.Source != name })
	v.Handlers = slices.DeleteFunc(v.Handlers, func(h handlerView) bool { return h.Source != name })
	v.Holds = slices.DeleteFunc(v.Holds, func(h holdView) bool { return h.Source != name && h.Source+"."+h.Collection != name })
	v.Collections = slices.DeleteFunc(v.Collections, func(c collectionView) bool {
		return c.Source != name && c.Source+"."+c.Collection != name
	})
}

func (v *stateView) print(a *app) error {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "COLLECTION\tLANE\tCURSOR\tTRAILING\tLIVE\tMARKS\tDOUBTS\tBATCHES\tTOPIC")
	for _, c := range v.Collections {
		fmt.Fprintf(w, "%s.%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", c.Source, c.Collection, c.Lane, brief(c.CursorAt), brief(c.Trailing), c.Live, c.Marks, c.Doubts, c.Seq, c.Topic)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range v.Collections {
		if c.Sweep != nil {
			fmt.Fprintf(a.stdout, "%s.%s: %s\n", c.Source, c.Collection, c.Sweep)
		}
		if c.Sweep != nil && c.Sweep.Guard != "" {
			fmt.Fprintf(a.stdout, "GUARD: %s.%s: the last sweep was not believed and nothing was deleted: %s; if the records are gone in truth: tributary sweep %s.%s --approve\n",
				c.Source, c.Collection, c.Sweep.Guard, c.Source, c.Collection)
		}
		if c.Unpublished > 0 {
			fmt.Fprintf(a.stdout, "%s.%s: %d records could not be published and are in the dead letter queue\n", c.Source, c.Collection, c.Unpublished)
		}
		if c.Problem != "" {
			fmt.Fprintf(a.stdout, "PROBLEM: %s.%s: %s\n", c.Source, c.Collection, c.Problem)
		}
	}
	for _, t := range v.Tokens {
		fmt.Fprintf(a.stdout, "token of %s: number %d, sealed by key %s, written at %s by %s, access until %s\n",
			t.Source, t.Number, t.Key, brief(t.Written), t.Instance, orDash(brief(t.Expiry)))
	}
	v.printBeside(a)
	for _, l := range v.Lanes {
		if l.Instance != "" {
			fmt.Fprintf(a.stdout, "lane %d: claimed by %s (run %s) at %s, %d records\n", l.Lane, l.Instance, l.Run, brief(l.Claimed), l.Records)
		}
	}
	return nil
}

// brief cuts an instant to milliseconds for a table.
func brief(instant string) string {
	i, err := connector.ParseInstant(instant)
	if err != nil || i == connector.Beginning {
		return instant
	}
	return i.Time().Format("2006-01-02T15:04:05.000Z")
}
