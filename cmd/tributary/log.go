package main

import (
	"context"
	"io"
	"log/slog"

	"tributary/connector/control"
)

// newLogger logs to w as the config says, from level on, which may change.
func newLogger(c LogConfig, level *slog.LevelVar, w io.Writer) *slog.Logger {
	level.Set(c.Level)
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// A tellingHandler tells warnings and errors as events too, whatever is logged.
type tellingHandler struct {
	slog.Handler
	events             *control.Hub
	source, collection string
	why                string // what With has said so far
}

// telling returns a logger that also tells events.
func telling(log *slog.Logger, events *control.Hub) *slog.Logger {
	return slog.New(&tellingHandler{Handler: log.Handler(), events: events})
}

func (h *tellingHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn || h.Handler.Enabled(ctx, l)
}

func (h *tellingHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		with := *h
		r.Attrs(func(a slog.Attr) bool { with.take(a); return true })
		h.events.Tell(control.Event{
			At: r.Time, Type: control.EventLog, Source: with.source, Collection: with.collection,
			Data: control.LogLine{Level: r.Level.String(), Message: r.Message + with.why},
		})
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// take reads what a line is about, and what it says of an error.
func (h *tellingHandler) take(a slog.Attr) {
	switch a.Key {
	case "source":
		h.source = a.Value.String()
	case "collection":
		h.collection = a.Value.String()
	case "err", "why", "remedy":
		h.why += ": " + a.Value.String()
	}
}

func (h *tellingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		with.take(a)
	}
	return &with
}

func (h *tellingHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	return &with
}
