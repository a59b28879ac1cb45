package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tributary/offsets"
	"tributary/sink"
)

func newStateImportCmd(a *app) *cobra.Command {
	var path string
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Write the state that export wrote",
		Long: `Import makes the state of collections what a file of export says: cursor, ledger and
doubts. Each collection must be in the config, and its topic the one that the state
belongs to. A collection that has a state already is refused, unless --replace.

The file is read to its end and checked before anything is written. An import that is
interrupted leaves its collection stopped until it is run again, and never begun anew.

A handler whose collection is imported begins at its beginning, and what it says again is
compared with the ledger, unless the file has its state and all of its collections.`,
		Example: `  tributary state import state.json --dry-run
  tributary state import state.json --rename crm=salesloft`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&f.rename, "rename", "", "`OLD=NEW`: the name of a source in the file and in the config")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace a state that is there")
	cmd.Flags().BoolVar(&f.adopt, "adopt-topic", false, "take the topic there is for the one that the state belongs to, though it has another id: a copy of it, say")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be done, and do nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if old, name, ok := strings.Cut(f.rename, "="); f.rename != "" && (!ok || old == "" || name == "") {
			return &exitError{exitUsage, errors.New("--rename wants OLD=NEW")}
		}
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		return e.imports(cmd.Context(), args[0], f)
	}
	return cmd
}

type importFlags struct {
	rename              string
	replace, adopt, dry bool
}

// imports goes through the file twice: what cannot be imported is said before anything
// is written, and a ledger is held one at a time.
func (e *editor) imports(ctx context.Context, path string, f importFlags) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, dry := range []bool{true, false} {
		seen := map[string]bool{}
		if !dry && f.dry {
			break
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("%s is read twice: %w", path, err)
		}
		beside, err := offsets.Import(file, func(in *offsets.Collection) error {
			c, st, seq, err := e.importable(ctx, in, f)
			if err != nil {
				return err
			}
			if seen[c.String()] {
				return fmt.Errorf("%s is there twice", c)
			}
			seen[c.String()] = true
			if dry && !f.dry {
				return nil
			}
			if !dry {
				if err := e.take(ctx, c, st, seq, replaceBy(in.Memory, commandImport)); err != nil {
					return err
				}
			}
			return e.say(f.dry, "%s: cursor %s, %d live records, %d marks, %d doubts", c, in.Memory.State.Cursor.Instant,
				in.Memory.Ledger.Len(), len(in.Memory.Ledger.Marks()), len(in.Memory.Doubts))
		})
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := e.importBeside(ctx, beside, seen, f, !dry); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// importable says where a collection of the file belongs, and above which number its
// batches go on.
func (e *editor) importable(ctx context.Context, in *offsets.Collection, f importFlags) (c CollectionConfig, st *offsets.Collection, seq uint64, err error) {
	if old, name, ok := strings.Cut(f.rename, "="); ok && in.Name.Source == old {
		in.Name.Source = name
	}
	if c, err = e.cfg.collection(in.Name.String()); err != nil {
		return c, nil, 0, errors.New(err.Error() + "; --rename where a source has another name now") // the file's fault, and no wrong usage
	}
	if st, err = e.state(ctx, c); err != nil {
		return c, nil, 0, err
	}
	if err := mayReplace(c, st, commandImport, f.replace); err != nil {
		return c, nil, 0, err
	}
	now, exists, err := e.topic(ctx, c)
	switch {
	case err != nil:
		return c, nil, 0, err
	case !exists:
		return c, nil, 0, fmt.Errorf("topic %s of %s does not exist: what the ledger says was published would not be in it", c.Topic, c)
	case now.Partitions != in.Partitions:
		return c, nil, 0, fmt.Errorf("topic %s has %d partitions, and that of the state had %d: keys would stand in two of them", c.Topic, now.Partitions, in.Partitions)
	case now.ID != in.ID && !f.adopt:
		return c, nil, 0, fmt.Errorf("the state belongs to topic %s with another id than %s has: what its ledger says was published is not in it; --adopt-topic if it is a whole copy", in.Topic, c.Topic)
	}
	if seq, err = sink.LastBatch(ctx, e.cl, c.Topic); err != nil {
		return c, nil, 0, err
	}
	if seq > in.Memory.State.Seq && !f.replace && st.Partial == "" {
		return c, nil, 0, fmt.Errorf("topic %s holds batch %d, and the state ends with %d: what was published since would come again; --replace if that is meant", c.Topic, seq, in.Memory.State.Seq)
	}
	return c, st, seq, nil
}
