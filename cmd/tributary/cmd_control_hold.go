package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/connector/control"
)

func newPauseCmd(a *app) *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use:   "pause SOURCE[.COLLECTION]…",
		Short: "Let collections of a running connector rest",
		Long: `Pause lets collections rest, or all collections of a source, until ` + "`tributary resume`" + `.
What was read is committed first. Restarts do not end it. The collections of a handler rest
together: to pause one is to pause all of its source.

With --stop a collection is closed too, which it must be for its state to be reset or its
cursor to be moved over the control API.`,
		Example: `  tributary pause salesloft.people
  tributary pause salesloft           # all of its collections`,
		Args: cobra.MinimumNArgs(1),
	}
	flags := newControlFlags(cmd)
	cmd.Flags().BoolVar(&stop, "stop", false, "close them, so that they may be reset")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		verb := "pause"
		if stop {
			verb = "stop"
		}
		return operate(cmd, a, flags, args, func(ctx context.Context, c *controlClient, path string, col *control.Collection) error {
			return c.post(ctx, path+"/"+verb, nil, col)
		})
	}
	return cmd
}

func newResumeCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume SOURCE[.COLLECTION]…",
		Short: "Let collections of a running connector go on",
		Long: `Resume lets collections go on that were paused or stopped by ` + "`tributary pause`" + `, and opens
those again that an error has stopped: when what stopped them was not mended, they stop again.`,
		Example: `  tributary resume salesloft.people`,
		Args:    cobra.MinimumNArgs(1),
	}
	flags := newControlFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return operate(cmd, a, flags, args, func(ctx context.Context, c *controlClient, path string, col *control.Collection) error {
			if err := c.post(ctx, path+"/resume", nil, col); err != nil || col.State != connector.StateStopped {
				return err
			}
			return c.post(ctx, path+"/restart", nil, col)
		})
	}
	return cmd
}

// operate does something to each collection that is meant, and says how it stands then. It
// goes on after one that fails.
func operate(cmd *cobra.Command, a *app, flags *controlFlags, args []string, do func(context.Context, *controlClient, string, *control.Collection) error) error {
	c, err := flags.client(cmd, a)
	if err != nil {
		return err
	}
	names, err := c.names(cmd.Context(), args)
	if err != nil {
		return err
	}
	failed := 0
	for _, n := range names {
		ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
		var col control.Collection
		err := do(ctx, c, collectionPath(n), &col)
		cancel()
		var gone *goneError
		switch {
		case errors.As(err, &gone), cmd.Context().Err() != nil:
			return err
		case err != nil:
			failed++
			fmt.Fprintf(a.stderr, "tributary: %s: %s\n", n, harmless(err.Error()))
		default:
			fmt.Fprintf(a.stdout, "%s: %s\n", n, col.State)
		}
	}
	if failed > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// names are the collections that are meant, those of a source in the order of the config.
func (c *controlClient) names(ctx context.Context, args []string) ([]control.Name, error) {
	targets, err := c.targets(ctx, args)
	if err != nil {
		return nil, err
	}
	var names []control.Name
	for _, t := range targets {
		if t.collection != "" {
			names = append(names, control.Name{Source: t.source, Collection: t.collection})
			continue
		}
		page, err := c.all(ctx, t.source, "config")
		if err != nil {
			return nil, err
		}
		for _, col := range page.Collections {
			names = append(names, col.Name)
		}
	}
	return names, nil
}
