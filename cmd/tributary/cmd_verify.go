package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
	"tributary/sink/verify"
)

func newVerifyCmd(a *app) *cobra.Command {
	var path string
	var against bool
	var limit int
	cmd := &cobra.Command{
		Use:   "verify [SOURCE[.COLLECTION]...]",
		Short: "Prove on the topics themselves what can be proved of them",
		Long: `Verify reads the offsets topic and the data topics, read_committed, and says what in them
does not agree. It writes nothing and fences nobody: the connector may be running, and
what changes meanwhile is looked at again.

It ends with 0 when it found nothing, with 4 and the keys that differ when it found
something, and with 1 when it could not look.

Nothing found means:
` + bullets(verify.Proved) + `
It does not prove:
` + bullets(verify.NotProved) + `
With --against-source it also reads each collection from its API, within the source's
budget, and lists what differs beyond what changed meanwhile: what the source shows and is
not published or in an older version, what is published in a newer version than the source
shows, and what is published and gone at the source.`,
		Example: `  tributary verify
  tributary verify salesloft.people -o json
  tributary verify salesloft --against-source`,
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&against, "against-source", false, "compare with the API too")
	cmd.Flags().IntVar(&limit, "limit", 100, "list at most `N` keys for each check of a collection")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if limit < 0 {
			return &exitError{code: exitUsage, err: errors.New("--limit wants a number from 0")}
		}
		cfg, err := LoadConfig(path, a.env)
		if err != nil {
			return err
		}
		live := &verifyProgress{screen: newScreen(a.stderr)}
		o := verifyOptions(cfg, args, limit, live)
		if against {
			s := newSourceReader(cfg, a, live)
			defer s.close()
			o.Source = s.read
		}
		if _, set := a.env("GOGC"); !set {
			// A ledger of millions of entries is most of the memory, and nothing to collect.
			defer debug.SetGCPercent(debug.SetGCPercent(50))
		}
		report, err := verifyTopics(cmd.Context(), cfg, o)
		live.end()
		if err != nil {
			var unknown *verify.UnknownError
			if errors.As(err, &unknown) {
				return &exitError{code: exitUsage, err: err}
			}
			return err
		}
		return printVerified(a, report, output.json())
	}
	return cmd
}

func verifyOptions(cfg *Config, only []string, limit int, live *verifyProgress) verify.Options {
	o := verify.Options{
		Offsets: cfg.Offsets.Topic, Lanes: int(cfg.Offsets.Lanes), Only: only, Limit: limit, Progress: live.reading,
	}
	for _, s := range cfg.Sources {
		for _, c := range s.Collections {
			name := offsets.Name{Source: c.Settings.Source, Collection: c.Settings.Collection}
			o.Targets = append(o.Targets, verify.Target{Name: name, Topic: c.Topic})
		}
	}
	return o
}

func verifyTopics(ctx context.Context, cfg *Config, o verify.Options) (*verify.Report, error) {
	opts, err := cfg.Kafka.Opts()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return verify.Run(ctx, cl, o)
}

// bullets lists sentences, broken to the width of a help text.
func bullets(texts []string) string {
	const width = 86
	var b strings.Builder
	for _, text := range texts {
		line := "  -"
		for _, word := range strings.Fields(text) {
			if len(line)+1+len(word) > width {
				b.WriteString(line + "\n")
				line = "   "
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// verifyProgress shows on a terminal what is being read, and nothing elsewhere.
type verifyProgress struct {
	screen *screen
	drawn  time.Time
}

func (p *verifyProgress) reading(at verify.Progress) {
	p.draw(func() string {
		return fmt.Sprintf("  reading %s partition %d: %d of %d", at.Topic, at.Partition, max(at.Offset, 0), at.End)
	})
}

// draw shows a line, unless one was shown a moment ago.
func (p *verifyProgress) draw(line func() string) {
	if now := time.Now(); p.screen.live && now.Sub(p.drawn) >= redraw {
		p.drawn = now
		p.screen.draw([]string{line()})
	}
}

func (p *verifyProgress) end() { p.screen.draw(nil) }
