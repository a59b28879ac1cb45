package control

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// nothing is the body of what takes none: an empty object is none too.
type nothing struct{}

// hold makes a collection rest or go on, which is so already when it is.
func (h *Handler) hold(hold Hold) func(*http.Request) (int, any, error) {
	return func(r *http.Request) (int, any, error) {
		if err := decode(r, &nothing{}); err != nil {
			return 0, nil, err
		}
		return h.after(r, http.StatusOK, h.plane.Hold(r.Context(), nameOf(r), hold))
	}
}

// after answers how a collection stands after something was done to it.
func (h *Handler) after(r *http.Request, status int, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	c, err := h.plane.Collection(nameOf(r))
	return status, c, err
}

// restart answers before it is known what comes of it.
func (h *Handler) restart(r *http.Request) (int, any, error) {
	if err := decode(r, &nothing{}); err != nil {
		return 0, nil, err
	}
	return h.after(r, http.StatusAccepted, h.plane.Restart(r.Context(), nameOf(r)))
}

// sweep answers when the sweep is due, and not when it is over.
func (h *Handler) sweep(r *http.Request) (int, any, error) {
	var body struct {
		Approve bool `json:"approve"`
	}
	if err := decode(r, &body); err != nil {
		return 0, nil, err
	}
	return h.after(r, http.StatusAccepted, h.plane.Sweep(r.Context(), nameOf(r), body.Approve))
}

func (h *Handler) reset(r *http.Request) (int, any, error) {
	var body struct {
		Confirm   string `json:"confirm"`
		Republish bool   `json:"republish"`
	}
	if err := h.confirmed(r, &body, &body.Confirm); err != nil {
		return 0, nil, err
	}
	return h.after(r, http.StatusOK, h.plane.Reset(r.Context(), nameOf(r), body.Republish))
}

func (h *Handler) cursor(r *http.Request) (int, any, error) {
	var body struct {
		Confirm string `json:"confirm"`
		Instant string `json:"instant"`
	}
	if err := h.confirmed(r, &body, &body.Confirm); err != nil {
		return 0, nil, err
	}
	return h.after(r, http.StatusOK, h.plane.SetCursor(r.Context(), nameOf(r), body.Instant))
}

// confirmed decodes the body of what cannot be taken back, which has the collection's name
// in it once more.
func (h *Handler) confirmed(r *http.Request, body any, confirm *string) error {
	if err := decode(r, body); err != nil {
		return err
	}
	n := nameOf(r)
	if _, err := h.plane.Collection(n); err != nil {
		return err
	}
	if *confirm != n.String() {
		return invalid("send "+quote(n.String())+" as `confirm`: it cannot be taken back", "what is to be done to %s is not confirmed", n)
	}
	return nil
}

func (h *Handler) changes(r *http.Request) (int, any, error) {
	q := queryOf(r, "key", "limit")
	key, limit := q.text("key"), q.number("limit", 10, 1, 100)
	if key == "" {
		q.fail("say whose: ?key=…", "the parameter key is missing")
	}
	if q.err != nil {
		return 0, nil, q.err
	}
	changes, err := h.plane.Changes(r.Context(), nameOf(r), key, limit)
	return http.StatusOK, changes, err
}

// query hands a body to the replica, and its answer back.
func (h *Handler) query(ask func(context.Context, Name, json.RawMessage) (json.RawMessage, error)) func(*http.Request) (int, any, error) {
	return func(r *http.Request) (int, any, error) {
		return pass(r, func(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
			return ask(ctx, nameOf(r), body)
		})
	}
}

func (h *Handler) push(r *http.Request) (int, any, error) {
	return pass(r, func(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
		return h.plane.Push(ctx, r.PathValue("source"), body)
	})
}

// pass hands a body on, with the time that the query of the URL allows.
func pass(r *http.Request, to func(context.Context, json.RawMessage) (json.RawMessage, error)) (int, any, error) {
	q := queryOf(r, "timeout")
	timeout, err := parseTimeout(q.text("timeout"))
	if q.err != nil || err != nil {
		return 0, nil, firstOf(q.err, err)
	}
	body, err := rawBody(r)
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	answer, err := to(ctx, body)
	return http.StatusOK, answer, err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Level is the log level as it is shown and set.
type Level struct {
	Level string `json:"level"`
}

// levels are slog's words.
var levels = []string{"debug", "info", "warn", "error"}

func (h *Handler) level(*http.Request) (int, any, error) {
	return http.StatusOK, Level{h.plane.Level()}, nil
}

func (h *Handler) setLevel(r *http.Request) (int, any, error) {
	var l Level
	if err := decode(r, &l); err != nil {
		return 0, nil, err
	}
	if !slices.Contains(levels, l.Level) {
		return 0, nil, invalid("there are "+strings.Join(levels, ", "), "there is no log level %s", quote(l.Level))
	}
	if err := h.plane.SetLevel(l.Level); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, Level{h.plane.Level()}, nil
}
