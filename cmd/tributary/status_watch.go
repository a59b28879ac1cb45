package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"tributary/connector/control"
)

// watch shows how things stand until ctx is done.
func (v *statusView) watch(ctx context.Context) error {
	f, ok := v.out.(*os.File)
	if ok && !v.json && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		return v.live(ctx, f)
	}
	return v.follow(ctx)
}

// How often the table is drawn.
const refresh = time.Second

// live draws the table on a screen of its own, as large as the window is, and leaves the
// last one behind.
func (v *statusView) live(ctx context.Context, f *os.File) error {
	last, err := v.ask(ctx, mostShown)
	if err != nil {
		return err
	}
	const enter, leave = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l" // its own screen, no cursor, no wrapping
	io.WriteString(f, enter)
	var frame []string
	defer func() {
		io.WriteString(f, leave)
		for _, line := range frame {
			fmt.Fprintln(f, line)
		}
	}()
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	asked := time.Now()
	for {
		sheet := sheetOf(f)
		_, height, sizeErr := term.GetSize(int(f.Fd()))
		if sizeErr != nil {
			height = 24
		}
		frame = sheet.frame(last, height, err, sheet.now.Sub(asked))
		var buf bytes.Buffer
		buf.WriteString("\x1b[H")
		for i, line := range frame {
			if i > 0 {
				buf.WriteString("\r\n")
			}
			buf.WriteString("\x1b[K" + line) // erased first: behind a full line that would take its last letter
		}
		buf.WriteString("\x1b[J")
		if _, err := f.Write(buf.Bytes()); err != nil {
			return nil // the terminal has gone
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var now *status
		if now, err = v.ask(ctx, height); err == nil {
			last, asked = now, time.Now()
		}
		var gone *goneError
		if err != nil && !errors.As(err, &gone) && ctx.Err() == nil {
			return err
		}
	}
}

// frame is one picture: of a connector that has gone the last that was seen.
func (s *sheet) frame(st *status, height int, gone error, old time.Duration) []string {
	lines := s.head(&st.Info, &st.CollectionPage)
	if gone != nil {
		lines[0] = s.paint(red, clip(fmt.Sprintf("as of %s ago: %v", short(old), gone), s.width))
	}
	title, rows := s.table(st.Collections)
	lines = append(lines, title)
	left := st.Total
	for _, row := range rows {
		if rest := height - len(lines) - len(row); rest < 0 || rest < 1 && left > 1 {
			break
		}
		lines = append(lines, row...)
		left--
	}
	if left > 0 {
		lines = append(lines, s.paint(dim, fmt.Sprintf("… and %s more", thousands(left))))
	}
	return lines[:min(len(lines), height)]
}

// follow prints how things stand, and then a line for each change.
func (v *statusView) follow(ctx context.Context) error {
	last, err := v.client.place(ctx)
	if err != nil {
		return err
	}
	if !v.json {
		if err := v.print(ctx); err != nil {
			return err
		}
	}
	for lost := false; ; {
		err := v.client.listen(ctx, v.eventQuery(), &last, func(name string, data []byte) error {
			if name == "hello" && lost && !v.json {
				fmt.Fprintf(v.out, "%s the connector is there again\n", stamp(time.Now()))
			}
			lost = lost && name != "hello"
			return v.event(name, data)
		})
		var gone *goneError
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.As(err, &gone):
			return err
		case !lost && !v.json:
			fmt.Fprintf(v.out, "%s the connector has gone: asking again\n", stamp(time.Now()))
		}
		lost = true
		if sleep(ctx, refresh) != nil {
			return nil
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// event prints one event; an error means that nobody reads any more.
func (v *statusView) event(name string, data []byte) (err error) {
	if v.json {
		if name != "hello" && name != "lost" {
			_, err = fmt.Fprintf(v.out, "%s\n", data)
		}
		return err
	}
	var lost struct{ Lost uint64 }
	if name == "lost" && json.Unmarshal(data, &lost) == nil {
		_, err = fmt.Fprintf(v.out, "%s %d events were missed\n", stamp(time.Now()), lost.Lost)
		return err
	}
	var e struct {
		control.Event
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(data, &e) != nil {
		return nil // of a later version
	}
	if line := eventLine(e.Event, e.Data); line != "" {
		_, err = fmt.Fprintf(v.out, "%s %s\n", stamp(e.At), line)
	}
	return err
}

// eventLine is what a person wants to know of an event, "" if nothing.
func eventLine(e control.Event, data []byte) string {
	name := control.Name{Source: e.Source, Collection: e.Collection}.String()
	var state control.StateChange
	var pull control.PullEnded
	var lane control.Lane
	switch e.Type {
	case control.EventState:
		if json.Unmarshal(data, &state) != nil {
			return ""
		}
		line := fmt.Sprintf("%s: %s, was %s", name, state.To, orDash(state.From))
		if state.Why != "" {
			line += ": " + oneLine([]byte(state.Why))
		}
		return line
	case control.EventPull:
		if json.Unmarshal(data, &pull) != nil || pull.Error == "" {
			return ""
		}
		return fmt.Sprintf("%s: pull failed after %v: %s", name, seconds(pull.Seconds).Round(time.Millisecond), oneLine([]byte(pull.Error)))
	case control.EventLane:
		if json.Unmarshal(data, &lane) != nil {
			return ""
		}
		what := "lost: it is acquired again"
		if lane.Acquired {
			what = "acquired"
		}
		return fmt.Sprintf("lane %d: %s", lane.Number, what)
	}
	return ""
}
