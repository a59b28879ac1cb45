package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func newCheckCmd(a *app) *cobra.Command {
	var path string
	var wait time.Duration
	var state string
	var of handlerCheck
	cmd := &cobra.Command{
		Use:   "check [COLLECTION|SOURCE...]",
		Short: "Ask Kafka and the APIs whether run would work",
		Long: `Check asks what validate cannot know: whether the brokers answer and let us in, whether
topics are there and made right, whether transactions work, and whether each API honours
what the reading relies on: an inclusive bound as fine as it is written, ascending order,
unique ids, pages that do not overlap, totals that are right. Of each collection it reads
a dozen pages, at most 24, within the source's budget, and after --wait looks once more at
what is recent, which shows records that are listed late. It asks for an id that nothing
should have, since an API that answers it with a record confirms no deletion, and looks at
a list of deletions (deletions.feed) as at the collection: whether its bound and order
hold, whether its ids are those of records that are gone, how far back it reaches. Each
finding says what it means for what is published, and what to set.

A source of type handler is called only where it is named: its delta, two or three times
with the state that is committed, beside a connector that may run. Does it answer in time
what keeps to the contract, and the same again? A call whose answer is lost is repeated:
what is told but once is lost with it. --follow calls with the states that it returns,
at most 100 times, and --dump its dump, and the delta behind it: nothing of what led to these
states is committed, so leave both to handlers that do not take a state for a receipt.

It publishes nothing: its one transaction has an id of its own, GROUP.offsets-check, and
is aborted. It fences nobody, so the connector may be running. It ends with 4 when
something was found: fail would keep run from working or lose records, warn is a promise
that is weaker than it could be, note is something to know.`,
		Example: `  tributary check
  tributary check people accounts -o json
  tributary check shop --follow --dump`,
	}
	configFlag(cmd, &path)
	cmd.Flags().DurationVar(&wait, "wait", 5*time.Second, "look a second time after `DURATION`; 0: do not")
	cmd.Flags().StringVar(&state, "state", "", "call a handler with this state, `JSON` or @FILE, instead of the committed one")
	cmd.Flags().BoolVar(&of.follow, "follow", false, "call a handler with the states that it returns")
	cmd.Flags().BoolVar(&of.dump, "dump", false, "call the dump of a handler, and the delta behind it")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := LoadConfig(path, a.env)
		if err != nil {
			return err
		}
		chosen, err := cfg.chosen(args)
		if err != nil {
			return err
		}
		of.named = len(args) > 0
		if of.state, err = stateFlag(state); err != nil {
			return err
		}
		if err := of.fits(cfg, chosen); err != nil {
			return err
		}
		r := &checkReport{a: a, off: cmd.Context().Err, json: output.json(), Checks: []check{}}
		r.kafka(cmd.Context(), cfg, chosen)
		r.collections(cmd.Context(), cfg, chosen, wait)
		r.handlers(cmd.Context(), cfg, chosen, of)
		if err := r.end(); cmd.Context().Err() == nil {
			return err
		}
		return &exitError{exitFailed, errors.New("the check was called off before its end")}
	}
	return cmd
}

// chosen are the collections of the names, COLLECTION, SOURCE.COLLECTION or SOURCE: all
// without one.
func (c *Config) chosen(names []string) (chosen []CollectionConfig, err error) {
	for _, s := range c.Sources {
		if len(names) == 0 {
			chosen = append(chosen, s.Collections...)
		}
	}
	for _, name := range names {
		col, err := c.collection(name)
		i := slices.IndexFunc(c.Sources, func(s SourceConfig) bool { return s.Name == name })
		switch {
		case err == nil:
			chosen = append(chosen, col)
		case i >= 0:
			chosen = append(chosen, c.Sources[i].Collections...)
		default:
			return nil, err
		}
	}
	return chosen, nil
}

// A check is one thing that was asked.
type check struct {
	What   string `json:"what"`
	Rule   string `json:"rule,omitempty"`
	Status string `json:"status"` // ok, note, warn or fail
	Found  string `json:"found,omitempty"`
	Means  string `json:"means,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// A checkReport prints checks as they are made.
type checkReport struct {
	a *app
	// off says that the check was called off: what fails from then on says nothing.
	off    func() error
	json   bool
	failed int     // and warned
	Checks []check `json:"checks"`
}

func (r *checkReport) ok(what, format string, args ...any) {
	r.add(check{What: what, Status: "ok", Found: fmt.Sprintf(format, args...)})
}

// note is something to know that keeps nothing from working.
func (r *checkReport) note(what, found, remedy string) {
	r.add(check{What: what, Status: "note", Found: found, Remedy: remedy})
}

func (r *checkReport) fail(what, found, remedy string) {
	r.add(check{What: what, Status: "fail", Found: found, Remedy: remedy})
}

func (r *checkReport) add(c check) {
	if r.off() != nil {
		return
	}
	r.Checks = append(r.Checks, c)
	if c.Status == "fail" || c.Status == "warn" {
		r.failed++
	}
	if r.json {
		return
	}
	fmt.Fprintf(r.a.stdout, "%-4s  %s: %s\n", c.Status, c.What, harmless(c.Found))
	if c.Means != "" {
		fmt.Fprintf(r.a.stdout, "      %s\n", c.Means)
	}
	if c.Remedy != "" {
		fmt.Fprintf(r.a.stdout, "      → %s\n", c.Remedy)
	}
}

func (r *checkReport) end() error {
	if r.json {
		if err := printJSON(r.a.stdout, r); err != nil {
			return err
		}
	}
	if r.failed > 0 {
		return &exitError{code: exitCheck, err: fmt.Errorf("%d of %d checks found something", r.failed, len(r.Checks))}
	}
	return nil
}

// checkTime bounds each thing that is asked of Kafka.
const checkTime = 15 * time.Second

func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, checkTime)
}
