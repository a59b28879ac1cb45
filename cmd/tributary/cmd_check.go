package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newCheckCmd(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check [COLLECTION...]",
		Short: "Ask Kafka and the APIs whether run would work",
		Long: `Check asks what validate cannot know: whether the brokers answer and let us in, whether
topics are there and made right, whether transactions work, and whether each API honours
the bound and the order that it is asked for. It reads two pages of each collection.

It publishes nothing: its one transaction has an id of its own, GROUP.offsets-check, and
is aborted. It fences nobody, so the connector may be running. It ends with 4 when
something was found that would keep run from working.`,
		Example: `  tributary check
  tributary check people accounts -o json`,
	}
	configFlag(cmd, &path)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := LoadConfig(path, a.env)
		if err != nil {
			return err
		}
		var chosen []CollectionConfig
		for _, name := range args {
			c, err := cfg.collection(name)
			if err != nil {
				return err
			}
			chosen = append(chosen, c)
		}
		if len(args) == 0 {
			for _, s := range cfg.Sources {
				chosen = append(chosen, s.Collections...)
			}
		}
		r := &checkReport{a: a, json: output.json(), Checks: []check{}}
		r.kafka(cmd.Context(), cfg, chosen)
		for _, c := range chosen {
			r.collection(cmd.Context(), c)
		}
		return r.end()
	}
	return cmd
}

// A check is one thing that was asked.
type check struct {
	What   string `json:"what"`
	Status string `json:"status"` // ok, note or fail
	Found  string `json:"found,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// A checkReport prints checks as they are made.
type checkReport struct {
	a      *app
	json   bool
	failed int
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
	r.failed++
	r.add(check{What: what, Status: "fail", Found: found, Remedy: remedy})
}

func (r *checkReport) add(c check) {
	r.Checks = append(r.Checks, c)
	if r.json {
		return
	}
	fmt.Fprintf(r.a.stdout, "%-4s  %s: %s\n", c.Status, c.What, c.Found)
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
		return &exitError{code: exitCheck, err: fmt.Errorf("%d of %d checks failed", r.failed, len(r.Checks))}
	}
	return nil
}

// checkTime bounds each thing that is asked of Kafka.
const checkTime = 15 * time.Second

func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, checkTime)
}
