package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/connector/control"
)

func newPullCmd(a *app) *cobra.Command {
	var reason string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "pull SOURCE[.COLLECTION]…",
		Short: "Have a running connector pull now, and wait until consumers can read it",
		Long: `Pull asks the connector that runs for a pull of collections, or of all collections of a
source, and waits until everything that it read is committed and readable by a read_committed
consumer, and in the replica where there is one. It says up to where a consumer must read to have seen it.

A collection of a source that is not pulled, because its API fails or because it is paused, keeps no
other from being pulled, and is named. If any was not pulled, or not in time, the exit code is 1; what
is too late goes on.`,
		Example: `  tributary pull salesloft.people
  tributary pull salesloft --reason after-update --timeout 2m`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := newControlFlags(cmd)
	cmd.Flags().StringVar(&reason, "reason", string(connector.ReasonManual), "why: manual, before-list, before-aggregate, after-create, after-update or after-delete")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait, at most 10m")
	_ = cmd.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions([]string{"manual", "before-list", "before-aggregate", "after-create", "after-update", "after-delete"}, cobra.ShellCompDirectiveNoFileComp))
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client(cmd, a)
		if err != nil {
			return err
		}
		targets, err := c.targets(cmd.Context(), args)
		if err != nil {
			return err
		}
		pulls := c.pull(cmd.Context(), targets, reason, timeout)
		if cmd.Context().Err() != nil {
			return context.Cause(cmd.Context())
		}
		return printPulls(a, pulls, output.json())
	}
	return cmd
}

// A pullView is what became of one collection, as `pull -o json` prints it.
type pullView struct {
	Source string `json:"source"`
	control.SourcePull
	Error string `json:"error,omitempty"` // of what came to no answer
}

// pull pulls all targets at once, and returns what became of them in their order.
func (c *controlClient) pull(ctx context.Context, targets []target, reason string, timeout time.Duration) []pullView {
	ctx, cancel := context.WithTimeout(ctx, timeout+15*time.Second) // the connector answers before
	defer cancel()
	body := map[string]any{"reason": reason, "timeout": timeout.String(), "caller": "tributary pull"}
	parts := make([][]pullView, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			if t.collection == "" {
				parts[i] = c.pullSource(ctx, t.source, body)
				return
			}
			var pulled control.Pulled
			err := c.post(ctx, collectionPath(control.Name{Source: t.source, Collection: t.collection})+"/pull", body, &pulled)
			v := failedPull(t, err)
			if err == nil {
				v.Pulled = &pulled
			}
			parts[i] = []pullView{v}
		})
	}
	all.Wait()
	var views []pullView
	for _, part := range parts {
		views = append(views, part...)
	}
	return views
}

func (c *controlClient) pullSource(ctx context.Context, source string, body any) []pullView {
	var all struct {
		Pulls []control.SourcePull `json:"pulls"`
	}
	err := c.post(ctx, "/v1/sources/"+source+"/pull", body, &all)
	var r *refusal
	if errors.As(err, &r) && len(r.Pulls) > 0 {
		all.Pulls = r.Pulls // each says for itself
	} else if err != nil {
		return []pullView{failedPull(target{source: source}, err)}
	}
	var views []pullView
	for _, p := range all.Pulls {
		views = append(views, pullView{Source: source, SourcePull: p})
	}
	return views
}

func failedPull(t target, err error) pullView {
	v := pullView{Source: t.source, SourcePull: control.SourcePull{Collection: t.collection}}
	var r *refusal
	if errors.As(err, &r) {
		v.Problem = &r.Problem
	} else if err != nil {
		v.Error = err.Error()
	}
	return v
}

func (v *pullView) name() string { return strings.TrimSuffix(v.Source+"."+v.Collection, ".") }

// why is what is wrong, "" if nothing is.
func (v *pullView) why() string {
	if v.Problem != nil {
		return (&refusal{*v.Problem}).Error()
	}
	return v.Error
}

func printPulls(a *app, pulls []pullView, asJSON bool) error {
	failed := 0
	for _, v := range pulls {
		if v.why() != "" {
			failed++
		}
	}
	if asJSON {
		if err := printJSON(a.stdout, pulls); err != nil {
			return err
		}
	} else if failed < len(pulls) {
		if err := printPulled(a, pulls); err != nil {
			return err
		}
	}
	if failed == 0 {
		return nil
	}
	if !asJSON {
		for _, v := range pulls {
			if why := v.why(); why != "" {
				fmt.Fprintf(a.stderr, "tributary: %s: %s\n", v.name(), harmless(why))
			}
		}
	}
	return &exitError{code: exitFailed}
}

func printPulled(a *app, pulls []pullView) error {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "COLLECTION\tTOOK\tREASONS\tREADABLE UP TO")
	for _, v := range pulls {
		p := v.Pulled
		if p == nil {
			fmt.Fprintf(w, "%s\t-\t-\tNOT PULLED\n", v.name())
			continue
		}
		var reasons, positions []string
		for _, r := range p.Reasons {
			reasons = append(reasons, string(r))
		}
		for _, at := range p.Positions {
			positions = append(positions, fmt.Sprintf("%s/%d@%d", at.Topic, at.Partition, at.Offset))
		}
		fmt.Fprintf(w, "%s\t%v\t%s\t%s\n", p.Name, p.Ended.Sub(p.Began).Round(time.Millisecond), strings.Join(reasons, ","), orDash(strings.Join(positions, " ")))
	}
	return w.Flush()
}
