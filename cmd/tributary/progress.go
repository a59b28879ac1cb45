package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"tributary/connector"
)

// progress is how far a collection's backfill has come.
type progress struct {
	mu           sync.Mutex
	began        time.Time
	records      int
	newest, date connector.Instant
	over         bool
}

// page counts a page that was read.
func (p *progress) page(records int, newest, date connector.Instant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if p.began.IsZero() {
		p.began, p.newest = time.Now(), connector.Beginning
	}
	p.records += records
	p.newest, p.date = max(p.newest, newest), date
}

func (p *progress) caughtUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// snapshot says where a backfill stands, and false when there is none.
func (p *progress) snapshot(now time.Time) (records int, rate float64, at string, behind time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.began.IsZero() {
		return 0, 0, "", 0, false
	}
	rate = float64(p.records) / max(now.Sub(p.began).Seconds(), 0.001)
	if p.newest == connector.Beginning {
		return p.records, rate, "–", 0, true
	}
	return p.records, rate, p.newest.Time().Format("2006-01-02T15:04:05Z"), max(0, p.date.Sub(p.newest)), true
}

// How often a backfill is reported, on a terminal and in a log.
const (
	redraw  = 250 * time.Millisecond
	logline = 30 * time.Second
)

// watch reports backfills until ctx is done: a live line a collection on a terminal,
// a log line now and then elsewhere.
func (e *engine) watch(ctx context.Context, s *screen) {
	every := logline
	if s.live {
		every = redraw
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	defer s.draw(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if s.live {
				s.draw(e.lines(now))
				continue
			}
			for _, c := range e.collections {
				if records, rate, at, behind, ok := c.progress.snapshot(now); ok {
					c.log.Info("backfill", "records", records, "per_second", int(rate), "at", at, "behind", roughly(behind))
				}
			}
		}
	}
}

// lines are the live lines of the backfills, as many as a small terminal shows.
func (e *engine) lines(now time.Time) []string {
	const most = 15
	var lines []string
	more := 0
	for _, c := range e.collections {
		records, rate, at, behind, ok := c.progress.snapshot(now)
		switch {
		case !ok:
		case len(lines) == most:
			more++
		default:
			lines = append(lines, fmt.Sprintf("  %-32.32s %11d records %8.0f/s  at %-20s %10s behind  %s", c.CollectionConfig.String(), records, rate, at, roughly(behind), c.m.State()))
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("  … and %d more", more))
	}
	return lines
}

func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= time.Minute:
		return d.Round(time.Minute).String()
	default:
		return d.Round(time.Second).String()
	}
}

// screen writes log lines above live ones.
type screen struct {
	live bool

	mu    sync.Mutex
	w     io.Writer
	shown int
	lines []string
}

// newScreen writes to w, with live lines if that is a terminal.
func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, live: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == 0 && len(s.lines) == 0 {
		return s.w.Write(b)
	}
	var buf bytes.Buffer
	s.erase(&buf)
	buf.Write(b)
	s.paint(&buf)
	if _, err := s.w.Write(buf.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// draw replaces the live lines.
func (s *screen) draw(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live || (s.shown == 0 && len(lines) == 0) {
		return
	}
	var buf bytes.Buffer
	s.erase(&buf)
	s.lines = lines
	s.paint(&buf)
	s.w.Write(buf.Bytes()) // a terminal that has gone is nobody's error
}

func (s *screen) erase(buf *bytes.Buffer) {
	if s.shown > 0 {
		fmt.Fprintf(buf, "\x1b[%dA\x1b[J", s.shown)
	}
	s.shown = 0
}

// paint writes the lines, none of them so wide that the terminal would break it.
func (s *screen) paint(buf *bytes.Buffer) {
	width := 120
	if f, ok := s.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = w
		}
	}
	for _, l := range s.lines {
		r := []rune(l)
		if len(r) >= width {
			r = r[:max(0, width-1)]
		}
		buf.WriteString(strings.TrimRight(string(r), " ") + "\n")
	}
	s.shown = len(s.lines)
}
