package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newValidateCmd(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the config and say what it comes to, without asking anyone",
		Long: `Check the config and list its collections with their topics. Nothing is asked over
a network; the variables and files that the config names must be there.
All problems are printed, each with its place, and the exit code is 3.`,
		Example: `  tributary validate
  tributary validate -c crm.yaml -o json`,
		Args: cobra.NoArgs,
	}
	configFlag(cmd, &path)
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := LoadConfig(path, a.env)
		if output.json() {
			return validateJSON(a.stdout, cfg, err)
		}
		if err != nil {
			return err
		}
		return validateTable(a.stdout, cfg)
	}
	return cmd
}

// A validation is the answer of validate as JSON.
type validation struct {
	OK           bool                  `json:"ok"`
	Group        string                `json:"group,omitempty"`
	OffsetsTopic string                `json:"offsets_topic,omitempty"`
	Collections  []validatedCollection `json:"collections,omitempty"`
	Problems     []validationProblem   `json:"problems,omitempty"`
}

type validatedCollection struct {
	Source     string `json:"source"`
	Collection string `json:"collection"`
	Topic      string `json:"topic"`
	// Interval is 0s where it is pulled by its schedule alone, or only when somebody asks.
	Interval string   `json:"interval"`
	Cron     []string `json:"cron,omitempty"`
}

type validationProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// validateJSON prints the answer, with the problems in it: nothing is left to say.
func validateJSON(w io.Writer, cfg *Config, err error) error {
	v := validation{OK: err == nil}
	if err != nil {
		for _, p := range configErrors(err) {
			v.Problems = append(v.Problems, validationProblem{File: p.File, Line: p.Line, Column: p.Column, Message: p.Message})
		}
		if err := printJSON(w, v); err != nil {
			return err
		}
		return &exitError{code: exitConfig}
	}
	v.Group, v.OffsetsTopic = cfg.Group, cfg.Offsets.Topic
	for _, s := range cfg.Sources {
		for _, c := range s.Collections {
			v.Collections = append(v.Collections, validatedCollection{
				Source: s.Name, Collection: c.Settings.Collection, Topic: c.Topic, Interval: shortDuration(c.Settings.Interval), Cron: cronTexts(c),
			})
		}
	}
	return printJSON(w, v)
}

func validateTable(w io.Writer, cfg *Config) error {
	collections := 0
	for _, s := range cfg.Sources {
		collections += len(s.Collections)
	}
	fmt.Fprintf(w, "ok: %s, %s; the offsets topic is %s\n\n", count(len(cfg.Sources), "source"), count(collections, "collection"), cfg.Offsets.Topic)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SOURCE\tCOLLECTION\tTOPIC\tINTERVAL")
	for _, s := range cfg.Sources {
		for _, c := range s.Collections {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", s.Name, c.Settings.Collection, c.Topic, pulledEvery(c))
		}
	}
	return tw.Flush()
}

// pulledEvery says when a collection is pulled by itself.
func pulledEvery(c CollectionConfig) string {
	var when []string
	if c.Settings.Interval > 0 {
		when = append(when, shortDuration(c.Settings.Interval))
	}
	when = append(when, cronTexts(c)...)
	if len(when) == 0 {
		return "when asked"
	}
	return strings.Join(when, "; ")
}

func cronTexts(c CollectionConfig) (texts []string) {
	for _, cron := range c.Settings.Triggers.Cron {
		texts = append(texts, cron.Text)
	}
	return texts
}

// shortDuration writes a duration as people do: 1m, not 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
