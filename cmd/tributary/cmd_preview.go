package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/connector/rest"
)

func newPreviewCmd(a *app) *cobra.Command {
	var path, from, state string
	var most int
	var request, dump bool
	cmd := &cobra.Command{
		Use:   "preview COLLECTION|SOURCE",
		Short: "Print records of a collection as they would be published, and write nothing",
		Long: `Preview asks the API for the first page of a collection, as run would, and prints its
records one a line: instant, id, and the value that would be published. It needs no
Kafka and writes nothing. COLLECTION may be SOURCE.COLLECTION where two sources have one
of that name.

A source of type handler is called once instead, with the state that is committed, or
null where Kafka cannot be asked or has none, and nothing of its answer is committed: its
changes are printed one a line, deletions first, and behind them more, the next state,
size and time. --dump calls its dump. A handler may take a state that comes back for
committed: give it no --state that is not.

With --request it prints the request and its answer instead, with headers, sizes and where
the time went; -o json gives that as HAR 1.2, which browsers and proxies open. Credentials
are masked, and so is what is named like one. What value.drop and value.mask keep out of
topics is kept out of the answer too.`,
		Example: `  tributary preview people
  tributary preview people --from 2026-01-01T00:00:00Z -n 5
  tributary preview salesloft.people -o json | jq .value.email_address
  tributary preview shop --state '{"after": 1200}'
  tributary preview people --request -o json > people.har`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().IntVarP(&most, "number", "n", 10, "print at most `N` records")
	cmd.Flags().StringVar(&from, "from", "", "begin at this `INSTANT` (RFC 3339) instead of the beginning")
	cmd.Flags().BoolVar(&request, "request", false, "print the request and its answer instead of records")
	cmd.Flags().StringVar(&state, "state", "", "call a handler with this state, `JSON` or @FILE, instead of the committed one")
	cmd.Flags().BoolVar(&dump, "dump", false, "call the dump of a handler")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if most < 0 {
			return &exitError{code: exitUsage, err: errors.New("--number wants a number from 0")}
		}
		at := connector.Beginning
		if from != "" {
			var err error
			if at, err = connector.ParseInstant(from); err != nil {
				return &exitError{exitUsage, errors.New("--from: " + err.Error())}
			}
		}
		cfg, err := LoadConfig(path, a.env)
		if err != nil {
			return err
		}
		given, err := stateFlag(state)
		if err != nil {
			return err
		}
		c, err := cfg.collection(args[0])
		told, ok := cfg.handlerNamed(cmp.Or(c.Settings.Source, args[0]))
		switch {
		case ok && from != "":
			return &exitError{exitUsage, errors.New("--from is for an API: a handler is called with a state (--state)")}
		case ok:
			ctx, cancel := context.WithTimeout(cmd.Context(), told.Handler.Timeout+2*time.Minute)
			defer cancel()
			return previewHandler(ctx, a, cfg, handlerPreview{told, c.Settings.Collection, given, dump, request, most, output.json()})
		case err != nil:
			return err
		case given != nil || dump:
			return &exitError{exitUsage, fmt.Errorf("--state and --dump are for sources of type handler, and %s is none", c.Settings.Source)}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), c.Rest.Timeout+30*time.Second)
		defer cancel()
		q := connector.Query{From: at, To: connector.Forever, Page: 1}
		if request {
			return previewRequest(ctx, a, c.Rest.HideValues, output.json(), func(ctx context.Context) error {
				_, err := fetchOnce(ctx, a, c, q)
				return err
			})
		}
		page, err := fetchOnce(ctx, a, c, q)
		if err != nil {
			return err
		}
		return printPage(a, page, most, output.json())
	}
	return cmd
}

// collection finds a collection by COLLECTION or SOURCE.COLLECTION.
func (c *Config) collection(name string) (CollectionConfig, error) {
	var found []CollectionConfig
	var all []string
	for _, s := range c.Sources {
		for _, col := range s.Collections {
			all = append(all, col.String())
			if col.String() == name || col.Settings.Collection == name {
				found = append(found, col)
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		slices.Sort(all)
		return CollectionConfig{}, &exitError{exitUsage, fmt.Errorf("the config has no collection %q; it has %s", name, strings.Join(all, ", "))}
	default:
		return CollectionConfig{}, &exitError{exitUsage, fmt.Errorf("%d sources have a collection %q: say which, as in %s", len(found), name, found[0])}
	}
}

// fetchOnce asks for one page, without trying again.
func fetchOnce(ctx context.Context, a *app, c CollectionConfig, q connector.Query) (connector.Page, error) {
	m := connector.NewMetrics(prometheus.NewRegistry()).Source(c.Settings.Source)
	client := rest.NewClient(a.version, rest.Budget{}, c.TLS.transport())
	defer client.CloseIdleConnections()
	src, err := rest.New(c.Rest, client, m)
	if err != nil {
		return connector.Page{}, err
	}
	return src.Fetch(ctx, q)
}

// A previewRecord is a record as preview prints it in JSON.
type previewRecord struct {
	Collection string `json:"collection,omitempty"` // of a handler
	ID         string `json:"id"`
	Instant    string `json:"instant,omitempty"`
	Deleted    bool   `json:"deleted"`
	Hash       string `json:"hash,omitempty"`
	Bad        string `json:"bad,omitempty"`
	// Known says that the ledger has it so: run would publish nothing.
	Known bool            `json:"known,omitempty"`
	Value json.RawMessage `json:"value"`
}

// printLine prints JSON on a line of its own.
func (a *app) printLine(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", line)
	return err
}

func printPage(a *app, p connector.Page, most int, asJSON bool) error {
	for _, r := range p.Records[:min(most, len(p.Records))] {
		if asJSON {
			row := previewRecord{ID: r.ID, Instant: r.Instant.String(), Deleted: r.Deleted, Hash: r.Hash.String(), Bad: r.Bad, Value: r.Value}
			if err := a.printLine(row); err != nil {
				return err
			}
			continue
		}
		note := ""
		if r.Deleted {
			note = " (deleted)"
		}
		if r.Bad != "" {
			note = " (cannot be published: " + r.Bad + ")"
		}
		fmt.Fprintf(a.stdout, "%s  %s%s  %s\n", r.Instant, oneLine([]byte(r.ID)), note, oneLine(r.Value))
	}
	follows := "more may follow"
	if p.Last {
		follows = "nothing follows"
	}
	_, err := fmt.Fprintf(a.stderr, "%d records on the page, %s; the server's clock: %s\n", len(p.Records), follows, p.Date)
	return err
}
