package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tributary/connector"
	"tributary/connector/control"
)

// A sheet is how `tributary status` looks: how wide it may be, and whether in colour.
type sheet struct {
	width int // 0: as wide as it gets
	color bool
	now   time.Time
}

// Styles of texts, as ANSI has them.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	cyan   = "36"
)

func (s *sheet) paint(style, text string) string {
	if !s.color || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// A column of the table; those with the highest number are left out first where the
// window is narrow.
type column struct {
	title string
	right bool
	leave int
	cell  func(s *sheet, c *control.Collection) (text, style string)
}

var columns = []column{
	{"COLLECTION", false, 0, func(_ *sheet, c *control.Collection) (string, string) { return c.Name.String(), "" }},
	{"STATE", false, 0, func(_ *sheet, c *control.Collection) (string, string) { return stateOf(c), stateStyle(c) }},
	{"CAUGHT UP", true, 1, func(s *sheet, c *control.Collection) (string, string) {
		if c.Lag == nil || *c.Lag > 0 {
			return s.ago(c.CaughtUp), yellow
		}
		return s.ago(c.CaughtUp), ""
	}},
	{"CHANGES/S", true, 3, func(_ *sheet, c *control.Collection) (string, string) {
		if c.Rate < 0.05 {
			return "0", dim
		}
		return strconv.FormatFloat(c.Rate, 'f', 1, 64), ""
	}},
	{"RECORDS", true, 4, func(_ *sheet, c *control.Collection) (string, string) { return thousands(c.Records), "" }},
	{"LAST CHANGE", true, 5, func(s *sheet, c *control.Collection) (string, string) { return s.ago(c.LastChange), "" }},
	{"NEXT RUN", true, 2, func(s *sheet, c *control.Collection) (string, string) { return s.in(c.NextRun), "" }},
}

func stateOf(c *control.Collection) string {
	if c.Hold == control.HoldStopped {
		return "stopped by operator"
	}
	return c.State
}

func stateStyle(c *control.Collection) string {
	switch {
	case c.Hold != control.HoldNone:
		return blue
	case c.State == connector.StateRunning:
		return green
	case c.State == connector.StateStopped, c.State == connector.StateReauthRequired:
		return red
	case c.State == connector.StateRestoring:
		return cyan
	case c.State == connector.StatePaused:
		return blue
	}
	return yellow
}

// A span is a piece of a line.
type span struct{ style, text string }

// line joins spans, and cuts what is too wide.
func (s *sheet) line(spans ...span) string {
	var b strings.Builder
	left := s.width
	for _, p := range spans {
		if s.width > 0 && left <= 0 {
			break
		}
		text := clip(p.text, left)
		left -= utf8.RuneCountInString(text)
		b.WriteString(s.paint(p.style, text))
	}
	return b.String()
}

// worstFirst are the states in the order in which they are counted.
var worstFirst = []string{
	connector.StateStopped, connector.StateReauthRequired, connector.StateQuarantined, connector.StateBackoff,
	connector.StateRestoring, connector.StateRunning, connector.StatePaused,
}

// head is what stands above the table.
func (s *sheet) head(info *control.Info, page *control.CollectionPage) []string {
	acquired, style := 0, dim
	for _, l := range info.Lanes {
		if l.Acquired {
			acquired++
		}
	}
	if acquired < len(info.Lanes) {
		style = yellow
	}
	first := s.line(
		span{bold, info.Group}, span{dim, fmt.Sprintf(" on %s · version %s · up %s · ", info.Instance, info.Version, short(s.now.Sub(info.Started)))},
		span{style, fmt.Sprintf("%d of %d lanes acquired", acquired, len(info.Lanes))})
	counts := []span{{"", thousands(page.Total) + " collections"}}
	if page.Total == 1 {
		counts[0].text = "1 collection"
	}
	for _, state := range worstFirst {
		n := page.States[state]
		if n == 0 {
			continue
		}
		between := ", "
		if len(counts) == 1 {
			between = ": "
		}
		counts = append(counts, span{"", between}, span{stateStyle(&control.Collection{State: state}), thousands(n) + " " + state})
	}
	return []string{first, s.line(counts...), ""}
}

// table returns the table of collections in their order, with the lines of each: its row,
// and what is wrong or goes on below it.
func (s *sheet) table(collections []control.Collection) (title string, rows [][]string) {
	shown := s.fit(collections)
	widths := make([]int, len(shown))
	for i, col := range shown {
		widths[i] = utf8.RuneCountInString(col.title)
		for j := range collections {
			text, _ := col.cell(s, &collections[j])
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	if over := total(widths) - s.width; s.width > 0 && over > 0 {
		widths[0] = max(10, widths[0]-over)
	}
	var titles []string
	for i, col := range shown {
		titles = append(titles, pad(col.title, widths[i], col.right))
	}
	title = s.paint(dim, strings.TrimRight(strings.Join(titles, "  "), " "))
	for j := range collections {
		var cells []string
		for i, col := range shown {
			text, style := col.cell(s, &collections[j])
			cells = append(cells, s.paint(style, pad(clip(text, widths[i]), widths[i], col.right)))
		}
		lines := []string{strings.TrimRight(strings.Join(cells, "  "), " ")}
		rows = append(rows, append(lines, s.notes(&collections[j])...))
	}
	return title, rows
}

// fit leaves out columns until the table is not wider than it may be.
func (s *sheet) fit(collections []control.Collection) []column {
	shown := append([]column(nil), columns...)
	if s.width == 0 {
		return shown
	}
	for least := 5; least > 0; least-- {
		wide := 0
		for _, col := range shown {
			w := utf8.RuneCountInString(col.title)
			for j := range collections {
				text, _ := col.cell(s, &collections[j])
				w = max(w, utf8.RuneCountInString(text))
			}
			wide += w + 2
		}
		if wide-2 <= s.width {
			break
		}
		for i, col := range shown {
			if col.leave == least {
				shown = append(shown[:i], shown[i+1:]...)
				break
			}
		}
	}
	return shown
}

func total(widths []int) int {
	sum := 2 * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// notes are what stands below the row of a collection: what is wrong, what to do about it,
// and what goes on beside the pulls.
func (s *sheet) notes(c *control.Collection) []string {
	var notes []string
	add := func(style, text string) {
		if text != "" {
			notes = append(notes, s.paint(style, clip("  └ "+oneLine([]byte(text)), s.width)))
		}
	}
	why := c.Why
	if why == "" && c.State != connector.StateRunning && c.Hold == control.HoldNone && c.LastError != nil {
		why = c.LastError.Text
	}
	if why != "" {
		add(cmp.Or(stateStyle(c), red), why)
	}
	if c.Remedy != "" {
		add("", "do: "+c.Remedy)
	}
	if c.Guarded {
		add(yellow, fmt.Sprintf("the last sweep missed so much that it was not believed: if it is right, tributary sweep %s --approve", c.Name))
	}
	if b := c.Backfill; b != nil {
		add(dim, fmt.Sprintf("backfill: %s records, %s a second, at %s, %s behind", thousands(b.Records), thousands(int(b.PerSecond)), b.At, short(seconds(b.Behind))))
	}
	if c.Sweep != nil && c.Sweep.Running {
		add(dim, "a sweep runs"+since(s, c.Sweep))
	}
	return notes
}

func since(s *sheet, sweep *control.Span) string {
	text := ""
	if sweep.Started != nil {
		text += ", since " + short(s.now.Sub(*sweep.Started))
	}
	if sweep.Position != nil {
		text += ", at " + sweep.Position.UTC().Format("2006-01-02T15:04:05Z")
	}
	return text
}
