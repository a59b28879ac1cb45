package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tributary/connector/control"
)

// mostShown is how many collections `status` shows without --all.
const mostShown = 100

func newStatusCmd(a *app) *cobra.Command {
	var all, watch bool
	cmd := &cobra.Command{
		Use:   "status [SOURCE[.COLLECTION]]",
		Short: "Show how the collections of a running connector stand",
		Long: `Status asks the connector that runs how its collections stand, and shows first what a person
should look at first: what has stopped, what fails, what is late. Of one collection it shows everything.

With -w it goes on until it is told to stop: on a terminal it draws the table again and again, elsewhere it
prints a line for each change of a state, each pull that failed, and each lane that is acquired or lost;
with -o json every event as it comes.`,
		Example: `  tributary status
  tributary status salesloft -w
  tributary status salesloft.people
  tributary status -o json | jq '.collections[] | select(.state != "running")'`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := newControlFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("show every collection, and not only the first %d", mostShown))
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, live")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := flags.client(cmd, a)
		if err != nil {
			return err
		}
		v := statusView{client: c, all: all || output.json(), json: output.json(), out: a.stdout}
		if len(args) == 1 {
			targets, err := c.targets(cmd.Context(), args)
			if err != nil {
				return err
			}
			v.target = targets[0]
		}
		if watch {
			return v.watch(cmd.Context())
		}
		return v.print(cmd.Context())
	}
	return cmd
}

// A statusView is what `status` shows, of all collections, a source's, or one.
type statusView struct {
	client    *controlClient
	target    target
	all, json bool
	out       io.Writer
}

// A status is what there is to show. Its JSON is stable.
type status struct {
	Info control.Info `json:"connector"`
	control.CollectionPage
}

// ask gets at most as many collections, those first that a person should look at first.
func (v *statusView) ask(ctx context.Context, most int) (*status, error) {
	var s status
	if err := v.client.get(ctx, "/v1/info", &s.Info); err != nil {
		return nil, err
	}
	var err error
	switch {
	case v.target.collection != "":
		s.Collections = make([]control.Collection, 1)
		err = v.client.get(ctx, collectionPath(control.Name{Source: v.target.source, Collection: v.target.collection}), &s.Collections[0])
		s.Total, s.All, s.Limit = 1, 1, 1
		s.States = map[string]int{s.Collections[0].State: 1}
	case v.all:
		s.CollectionPage, err = v.client.all(ctx, v.target.source, "attention")
	default:
		query := url.Values{"sort": {"attention"}, "limit": {fmt.Sprint(min(max(1, most), 1000))}}
		if v.target.source != "" {
			query.Set("source", v.target.source)
		}
		err = v.client.get(ctx, "/v1/collections?"+query.Encode(), &s.CollectionPage)
	}
	return &s, err
}

// print shows everything once.
func (v *statusView) print(ctx context.Context) error {
	s, err := v.ask(ctx, mostShown)
	switch {
	case err != nil:
		return err
	case v.json && v.target.collection != "":
		return printJSON(v.out, s.Collections[0])
	case v.json:
		return printJSON(v.out, s)
	}
	sheet := sheetOf(v.out)
	if v.target.collection != "" {
		return sheet.detail(v.out, &s.Collections[0])
	}
	lines := sheet.head(&s.Info, &s.CollectionPage)
	title, rows := sheet.table(s.Collections)
	lines = append(lines, title)
	for _, row := range rows {
		lines = append(lines, row...)
	}
	if more := s.Total - len(s.Collections); more > 0 {
		lines = append(lines, sheet.paint(dim, fmt.Sprintf("… and %s more; --all shows them", thousands(more))))
	}
	_, err = io.WriteString(v.out, strings.Join(lines, "\n")+"\n")
	return err
}

// sheetOf returns the sheet for where it is written to.
func sheetOf(w io.Writer) *sheet {
	s := &sheet{now: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.width = width
		}
	}
	return s
}

// detail shows one collection.
func (s *sheet) detail(out io.Writer, c *control.Collection) error {
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		if t.After(s.now) {
			return t.UTC().Format(time.RFC3339) + ", " + s.in(t)
		}
		return t.UTC().Format(time.RFC3339) + ", " + s.ago(t)
	}
	failed, sweep, backfill := "", "", ""
	if c.LastError != nil {
		failed = at(&c.LastError.At) + ": " + oneLine([]byte(c.LastError.Text))
	}
	if c.Sweep != nil {
		sweep = "the last ended " + at(c.Sweep.Ended)
		if c.Sweep.Running {
			sweep = "runs" + since(s, c.Sweep)
		} else if c.Sweep.Ended == nil {
			sweep = "none yet"
		}
	}
	if b := c.Backfill; b != nil {
		backfill = fmt.Sprintf("%s records, %s a second, at %s, %s behind", thousands(b.Records), thousands(int(b.PerSecond)), b.At, short(seconds(b.Behind)))
	}
	interval := strings.Join(c.Cron, "; ")
	if c.Interval > 0 {
		interval = strings.Trim("every "+seconds(c.Interval).String()+"; "+interval, "; ")
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	fmt.Fprintln(out, s.paint(bold, c.Name.String())+"  "+s.paint(stateStyle(c), stateOf(c)))
	row("why", oneLine([]byte(c.Why)))
	row("do", oneLine([]byte(c.Remedy)))
	row("topic", fmt.Sprintf("%s (lane %d)", c.Topic, c.Lane))
	row("pulls", interval)
	row("next run", at(c.NextRun))
	row("caught up", orDash(at(c.CaughtUp)))
	if c.Lag != nil && *c.Lag > 0 {
		row("late by", short(seconds(*c.Lag)))
	}
	row("cursor", orDash(at(c.Cursor)))
	row("last attempt", at(c.LastAttempt))
	row("last success", at(c.LastSuccess))
	row("last change", at(c.LastChange))
	row("last error", failed)
	row("published", fmt.Sprintf("%s upserts, %s deletions since the start; %.1f a second", thousands(int(c.Upserts)), thousands(int(c.Deletions)), c.Rate))
	row("records", thousands(c.Records))
	if c.Doubts+c.Absent+c.Unpublished > 0 {
		row("not certain", fmt.Sprintf("%s doubts, %s absent, %s not published", thousands(c.Doubts), thousands(c.Absent), thousands(c.Unpublished)))
	}
	row("sweep", sweep)
	if c.Guarded {
		row("", "it missed so much that it was not believed")
	}
	row("backfill", backfill)
	return w.Flush()
}
