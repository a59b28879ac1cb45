package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// ConfigError is one thing that is wrong with a config, at its place. LoadConfig
// returns all that it found, joined; a command that ends with one exits with 3.
type ConfigError struct {
	// File is the path as it was given, or "preset NAME".
	File string
	// Line and Column count from 1, in characters; 0 where the file as a whole is
	// meant.
	Line, Column int
	Message      string
	// Snippet shows the line with those around it and a caret below the place.
	// Secrets are masked in it.
	Snippet string
}

// Error returns FILE:LINE:COL: message and the snippet below it.
func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s\n%s", e.File, e.Line, e.Column, e.Message, e.Snippet)
}

// A configText is a config as it was written.
type configText struct {
	name  string
	data  string
	lines []string
}

// newConfigText takes the bytes of a file. A byte order mark is no part of the text,
// and lines may end as on Windows.
func newConfigText(name string, data []byte) *configText {
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	return &configText{name: name, data: text, lines: strings.Split(text, "\n")}
}

// line returns a line by its number, without its end.
func (t *configText) line(number int) string {
	if number < 1 || number > len(t.lines) {
		return ""
	}
	return t.lines[number-1]
}

// at returns the place of a token.
func (t *configText) at(tok *token.Token) position {
	if tok == nil || tok.Position == nil {
		return position{text: t, line: 1, column: 1}
	}
	return position{text: t, line: max(tok.Position.Line, 1), column: max(tok.Position.Column, 1)}
}

type position struct {
	text         *configText
	line, column int
}

// String says where it is to who reads of another place of the same file.
func (p position) String() string { return fmt.Sprintf("line %d, column %d", p.line, p.column) }

func (p position) before(q position) bool {
	return p.line < q.line || p.line == q.line && p.column < q.column
}

// A problem is an error before it is rendered: which texts are secret is known only
// when everything has been decoded.
type problem struct {
	pos     position
	message string
}

// err renders the problems in the order of the file, each once: what a source says is
// decoded for each of its collections.
func (d *decoder) err() error {
	slices.SortStableFunc(d.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.pos.text.name, b.pos.text.name),
			cmp.Compare(a.pos.line, b.pos.line), cmp.Compare(a.pos.column, b.pos.column),
			cmp.Compare(a.message, b.message))
	})
	var errs []error
	mask := newMask(d.secrets)
	for _, p := range slices.Compact(d.problems) {
		errs = append(errs, &ConfigError{
			File: p.pos.text.name, Line: p.pos.line, Column: p.pos.column,
			Message: mask.message(p.message), Snippet: mask.snippet(p.pos),
		})
	}
	return errors.Join(errs...)
}

// configErrors returns the problems within err, which LoadConfig joined; none if err
// is something else.
func configErrors(err error) []*ConfigError {
	switch e := err.(type) {
	case *ConfigError:
		return []*ConfigError{e}
	case interface{ Unwrap() error }:
		return configErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*ConfigError
		for _, e := range e.Unwrap() {
			all = append(all, configErrors(e)...)
		}
		return all
	}
	return nil
}
