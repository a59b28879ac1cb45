package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tributary/connector"
	"tributary/sink"
)

// handled commits a group of a handler for both collections of the source, and holds one.
func (c *cli) handled() {
	c.t.Helper()
	a := &app{stdout: io.Discard, stderr: io.Discard, env: func(string) (string, bool) { return "canary-token", true }}
	e, err := newEditor(a, c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	defer e.Close()
	err = e.visit(c.t.Context(), "shop", func(ctx context.Context, l *sink.Lane) error {
		var all []sink.GroupCollection
		for _, col := range e.cfg.Sources[0].Collections {
			all = append(all, sink.GroupCollection{Name: col.Settings.Collection, Topic: col.Topic, M: discarded(col)})
		}
		g, err := l.OpenGroup(ctx, "shop", all)
		if err != nil {
			return err
		}
		group := &connector.Group{Batches: map[string]*connector.Batch{}, Handler: connector.HandlerState{
			Seq: 4, State: json.RawMessage(`{"at":"<7>"}`), Dumped: 1, Pushes: []connector.Push{{ID: "p1", Seq: 3}},
		}}
		for _, col := range e.cfg.Sources[0].Collections {
			b := &connector.Batch{Changes: []connector.Change{{ID: "1", Value: []byte(`{}`)}}, State: connector.NewState()}
			b.Entries = []connector.EntryChange{{ID: "1", New: connector.Entry{Print: 1}}}
			b.State.Seq, b.State.Prints = 1, []connector.Numbered{{Number: 1, Fingerprint: col.Settings.Fingerprint}}
			group.Batches[col.Settings.Collection] = b
		}
		return errors.Join(g.Stage(ctx, group), g.Flush(ctx), l.CommitHold("shop", "pets", "paused"))
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cli) ok(args ...string) string {
	c.t.Helper()
	code, stdout, stderr := c.run(args...)
	if code != 0 {
		c.t.Fatalf("%v ended with %d:\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

func (c *cli) refused(says string, args ...string) {
	c.t.Helper()
	if code, _, stderr := c.run(args...); code != 1 || !strings.Contains(stderr, says) {
		c.t.Errorf("%v ended with %d, want 1 and %q:\n%s", args, code, says, stderr)
	}
}

func (c *cli) shown() (v stateView) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.ok("state", "show", "-o", "json")), &v); err != nil {
		c.t.Fatal(err)
	}
	return v
}

func TestWhatStandsBesideCollectionsIsShownMovedAndForgotten(t *testing.T) {
	c := newCLI(t, "[people, pets]")
	c.handled()
	if out := c.ok("verify"); !strings.Contains(out, "shop.pets") {
		t.Errorf("verify says:\n%s", out)
	}
	table := c.ok("state", "show", "shop")
	for _, want := range []string{"handler of shop: group 4, state of 12 bytes, dumped 1970-01-01T00:00:00.000Z, the last 1 pushes kept", "shop.pets: paused by an operator"} {
		if !strings.Contains(table, want) {
			t.Errorf("state show does not say %q:\n%s", want, table)
		}
	}
	want := `[{"source":"shop","lane":%d,"seq":%d,"state":%s,"dumped":"1970-01-01T00:00:00.000001Z","pushes":1}]`
	handlers := func(seq int) string { return fmt.Sprintf(want, c.shown().Handlers[0].Lane, seq, `{"at":"<7>"}`) }
	is := func(when, want string) {
		t.Helper()
		var plain strings.Builder
		enc := json.NewEncoder(&plain)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(c.shown().Handlers); err != nil || strings.TrimSpace(plain.String()) != want {
			t.Errorf("%s: %s, want %s", when, plain.String(), want)
		}
	}
	is("as it was committed", handlers(4))

	whole, part := filepath.Join(t.TempDir(), "whole.json"), filepath.Join(t.TempDir(), "part.json")
	c.ok("state", "export", "--file", whole)
	c.ok("state", "export", "shop.people", "--file", part)
	if text, err := os.ReadFile(part); err != nil || strings.Contains(string(text), "handlers") {
		t.Errorf("what is exported of one collection has the state over all (%v):\n%s", err, text)
	}

	// It has no cursor to be moved; what is done to one collection has it begin again.
	c.refused("read by a handler", "state", "set", "shop.people", "--cursor", "beginning")
	is("after a refusal", handlers(4))
	forgotten := func(seq int) string {
		return fmt.Sprintf(`[{"source":"shop","lane":%d,"seq":%d,"state":null,"pushes":1}]`, c.shown().Handlers[0].Lane, seq)
	}
	c.ok("state", "reset", "shop.people", "--republish")
	is("after a reset", forgotten(5))
	c.ok("state", "reset", "shop.pets")
	is("after another", forgotten(5))

	// A file with all of it brings it back, and one without does not.
	c.refused("has a state already", "state", "import", whole)
	c.ok("state", "import", whole, "--replace", "--dry-run")
	is("after a dry run", forgotten(5))
	if out := c.ok("state", "import", whole, "--replace"); !strings.Contains(out, "handler of shop: group 4") || !strings.Contains(out, "shop.pets: paused") {
		t.Errorf("import says:\n%s", out)
	}
	is("after an import", handlers(6)) // its number goes on
	c.ok("state", "import", part, "--replace")
	is("after an import of a part", forgotten(7))

	// A file that lacks a collection of which there is a state does not fit.
	text, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.Index(string(text), `{"source":"shop","collection":"people"`), strings.Index(string(text), `{"source":"shop","collection":"pets"`)
	if err := os.WriteFile(part, append(text[:from:from], text[to:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	c.refused("shop.people has a state and is not in the file", "state", "import", part, "--replace")
	is("after that", forgotten(7))
	if held := c.shown().Holds; len(held) != 1 || held[0].Collection != "pets" || held[0].Hold != "paused" {
		t.Errorf("holds %+v", held)
	}
	// The ledgers are whole all the while.
	for _, col := range c.shown().Collections {
		if col.Problem != "" || col.Live != 1 {
			t.Errorf("%+v", col)
		}
	}
}
