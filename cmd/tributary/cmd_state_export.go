package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tributary/offsets"
)

func newStateExportCmd(a *app) *cobra.Command {
	var path, file string
	cmd := &cobra.Command{
		Use:   "export [SOURCE[.COLLECTION]]",
		Short: "Write the committed state as JSON",
		Long: `Export writes cursors, ledgers and doubts as one JSON document with a line for each
entry. It only reads. Tokens of sources are left out, though they are sealed: two that hold
one refresh token lose it both. After an import elsewhere, log in.

Holds of collections are in it, and the states of handlers; that of a handler is over all
collections of its source, so that it is left out where only one of them is exported.

To move to another group, source name or number of lanes: stop the connector, export,
change the config, import. While the connector runs, an export is of a moment that is
over: what was published since would be published again after its import.`,
		Example: `  tributary state export --file state.json
  tributary state export salesloft.people | jq '.collections[0].state'`,
		Args: cobra.MaximumNArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&file, "file", "f", "-", "write to this `FILE`, which must not exist; - is the standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		all, beside, err := e.exported(cmd.Context(), args)
		if err != nil {
			return err
		}
		if file == "-" {
			return offsets.Export(a.stdout, e.cfg.Offsets.Topic, all, beside)
		}
		// What is there is not written over: it may be the only copy.
		out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		err = offsets.Export(out, e.cfg.Offsets.Topic, all, beside)
		if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
			return errors.Join(err, os.Remove(file)) // half of it is worse than nothing
		}
		_, err = fmt.Fprintf(a.stderr, "%d collections written to %s\n", len(all), file)
		return err
	}
	return cmd
}

// exported returns the collections that a name chooses, in their order, and what stands
// beside them. One that does not
// add up is refused: its copy would be no better.
func (e *editor) exported(ctx context.Context, names []string) ([]*offsets.Collection, offsets.Beside, error) {
	var all []*offsets.Collection
	beside := offsets.NewBeside()
	for lane := range e.cfg.Offsets.Lanes {
		table, err := readLane(ctx, e.cl, e.cfg.Offsets.Topic, lane)
		if err != nil {
			return nil, beside, err
		}
		choose(&beside, table, names)
		for name, c := range table.Collections {
			if len(names) > 0 && names[0] != name.Source && names[0] != name.String() {
				continue
			}
			if !c.Known {
				continue
			}
			if c.Partial != "" {
				return nil, beside, fmt.Errorf("`tributary %s` of %s was interrupted: run that command again first", c.Partial, name)
			}
			if err := c.Verify(); err != nil {
				return nil, beside, fmt.Errorf("%w; `tributary state rebuild %s --replace` makes its state anew", err, name)
			}
			all = append(all, c)
		}
	}
	if len(all)+len(beside.Handlers)+len(beside.Holds) == 0 {
		return nil, beside, fmt.Errorf("offsets topic %s holds no state%s", e.cfg.Offsets.Topic, strings.Join(append([]string{""}, names...), " of "))
	}
	slices.SortFunc(all, func(a, b *offsets.Collection) int {
		return cmp.Or(cmp.Compare(a.Name.Source, b.Name.Source), cmp.Compare(a.Name.Collection, b.Name.Collection))
	})
	return all, beside, nil
}
