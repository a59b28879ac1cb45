package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tributary/offsets"
	"tributary/sink"
)

// A handlerView is what a handler is resumed from, as `state show` prints it.
type handlerView struct {
	Source string `json:"source"`
	Lane   int    `json:"lane"`
	// Seq counts its groups: responses, and pushes.
	Seq    uint64          `json:"seq"`
	State  json.RawMessage `json:"state"`
	Dumped string          `json:"dumped,omitempty"`
	Pushes int             `json:"pushes"`
}

type holdView struct {
	Source     string `json:"source"`
	Collection string `json:"collection"`
	Lane       int    `json:"lane"`
	Hold       string `json:"hold"`
	At         string `json:"at"`
	Instance   string `json:"instance"`
}

// addBeside adds what stands beside the collections of a lane.
func (v *stateView) addBeside(lane int, t *offsets.Table) {
	for source, h := range t.Handlers {
		row := handlerView{Source: source, Lane: lane, Seq: h.Seq, State: h.State, Pushes: len(h.Pushes)}
		if h.Dumped != 0 {
			row.Dumped = h.Dumped.String()
		}
		v.Handlers = append(v.Handlers, row)
	}
	for name, h := range t.Holds {
		v.Holds = append(v.Holds, holdView{Source: name.Source, Collection: name.Collection, Lane: lane, Hold: h.Hold, At: h.At.String(), Instance: h.Instance})
	}
}

func (v *stateView) sortBeside() {
	slices.SortFunc(v.Handlers, func(a, b handlerView) int { return cmp.Compare(a.Source, b.Source) })
	slices.SortFunc(v.Holds, func(a, b holdView) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Collection, b.Collection))
	})
}

func (v *stateView) printBeside(a *app) {
	for _, h := range v.Handlers {
		fmt.Fprintf(a.stdout, "handler of %s: group %d, state of %d bytes, dumped %s, the last %d pushes kept (-o json shows the state)\n",
			h.Source, h.Seq, len(h.State), cmp.Or(brief(h.Dumped), "never"), h.Pushes)
	}
	for _, h := range v.Holds {
		fmt.Fprintf(a.stdout, "%s.%s: %s by an operator at %s, through %s\n", h.Source, h.Collection, h.Hold, brief(h.At), h.Instance)
	}
}

// choose adds what of a lane's table stands beside the collections that a name chooses. A
// handler's state is over all collections of its source: with one of them it is left out.
func choose(to *offsets.Beside, t *offsets.Table, names []string) {
	for source, h := range t.Handlers {
		if len(names) == 0 || names[0] == source {
			to.Handlers[source] = h
		}
	}
	for name, h := range t.Holds {
		if len(names) == 0 || names[0] == name.Source || names[0] == name.String() {
			to.Holds[name] = h
		}
	}
}

// renamed returns what stands beside collections with another name of their source.
func renamed(in offsets.Beside, from, to string) offsets.Beside {
	out := offsets.NewBeside()
	name := func(source string) string {
		if from != "" && source == from {
			return to
		}
		return source
	}
	for source, h := range in.Handlers {
		out.Handlers[name(source)] = h
	}
	for n, h := range in.Holds {
		out.Holds[offsets.Name{Source: name(n.Source), Collection: n.Collection}] = h
	}
	return out
}

// importBeside writes what stands beside the collections of a file, which are imported by
// then: until a handler's own state is there again it begins at its beginning, and what it
// says is compared with their ledgers.
func (e *editor) importBeside(ctx context.Context, in offsets.Beside, seen map[string]bool, f importFlags, write bool) error {
	old, name, _ := strings.Cut(f.rename, "=")
	in = renamed(in, old, name)
	for source, h := range in.Handlers {
		if err := e.handlerImportable(ctx, source, seen, f.replace); err != nil {
			return err
		}
		if write {
			err := e.visit(ctx, source, func(_ context.Context, l *sink.Lane) error { return l.CommitHandler(source, *h) })
			if err != nil {
				return err
			}
		}
		if write || f.dry {
			if err := e.say(f.dry, "handler of %s: group %d, state of %d bytes", source, h.Seq, len(h.State)); err != nil {
				return err
			}
		}
	}
	for n, h := range in.Holds {
		if _, ok := e.cfg.named(n); !ok {
			return fmt.Errorf("%s is held, and the config has no such collection; --rename where a source has another name now", n)
		}
		if write {
			err := e.visit(ctx, n.Source, func(_ context.Context, l *sink.Lane) error { return l.CommitHold(n.Source, n.Collection, h.Hold) })
			if err != nil {
				return err
			}
		}
		if write || f.dry {
			if err := e.say(f.dry, "%s: %s", n, h.Hold); err != nil {
				return err
			}
		}
	}
	return nil
}

// handlerImportable says why the state of a handler must not be what a file says.
func (e *editor) handlerImportable(ctx context.Context, source string, seen map[string]bool, replace bool) error {
	var all []CollectionConfig
	for _, s := range e.cfg.Sources {
		for _, c := range s.Collections {
			if c.Settings.Source == source {
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("the config has no source %q, of which the file has a handler's state; --rename where it has another name now", source)
	}
	table, err := readLane(ctx, e.cl, e.cfg.Offsets.Topic, e.lane(source))
	if err != nil {
		return err
	}
	if h := table.Handlers[source]; h != nil && (h.State != nil || h.Dumped != 0) && !replace {
		return fmt.Errorf("handler %s has a state already, of group %d: --replace replaces it", source, h.Seq)
	}
	for _, c := range all {
		if st := table.Collections[offsets.Name{Source: source, Collection: c.Settings.Collection}]; st != nil && st.Known && !seen[c.String()] {
			return fmt.Errorf("%s has a state and is not in the file: that of handler %s is over all of its collections, and would not fit it", c, source)
		}
	}
	return nil
}
