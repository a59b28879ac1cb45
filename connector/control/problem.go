package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// problemType is the media type of every error (RFC 9457).
const problemType = "application/problem+json"

// Problem is an error as the API answers it: RFC 9457 with what to do about it, and what
// is known all the same.
type Problem struct {
	// Type is a URI that names the kind of problem; a program may rely on it.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	// Collection is how the collection stands for which a pull did not come to its end.
	Collection *Collection `json:"collection,omitempty"`
	// Pulls are what the pull of a source came to, of which at least one failed.
	Pulls []SourcePull `json:"pulls,omitempty"`

	retryAfter int // seconds, 0: nothing is said
}

func (p *Problem) Error() string { return p.Detail }

func (p *Problem) write(w http.ResponseWriter) {
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		challenge(w.Header())
	}
	writeJSON(w, problemType, p.Status, p)
}

// titles of problems by the last part of their type.
var titles = map[string]string{
	"unknown":        "There is no such thing",
	"invalid":        "This cannot be meant",
	"conflict":       "Not in this state",
	"unavailable":    "Not now",
	"failed":         "The source failed",
	"incomplete":     "Not all of them were pulled",
	"too-late":       "Not within the time given",
	"unknown-route":  "There is no such route",
	"method":         "Not by this method",
	"malformed":      "The request cannot be read",
	"media-type":     "The body is not JSON",
	"too-large":      "The body is too large",
	"unauthorized":   "Who asks is not known",
	"no-token":       "The control API is closed",
	"no-certificate": "Nobody without a certificate",
	"host":           "Not by this name",
	"cross-origin":   "Not from another origin",
	"too-many":       "Too many at once",
	"other-request":  "The key is of another request",
	"internal-error": "A fault of the connector",
}

func newProblem(status int, kind, detail, remedy string) *Problem {
	return &Problem{Type: "urn:tributary:problem:" + kind, Title: titles[kind], Status: status, Detail: detail, Remedy: remedy}
}

func malformed(remedy, format string, args ...any) *Problem {
	return newProblem(http.StatusBadRequest, "malformed", fmt.Sprintf(format, args...), remedy)
}

func invalid(remedy, format string, args ...any) *Problem {
	return newProblem(http.StatusUnprocessableEntity, "invalid", fmt.Sprintf(format, args...), remedy)
}

func internal() *Problem {
	return newProblem(http.StatusInternalServerError, "internal-error", "the request met a fault of the connector", "the connector's log says more")
}

func (h *Handler) unknownRoute() *Problem {
	return newProblem(http.StatusNotFound, "unknown-route", "there is no such route", "GET /v1/openapi.yaml has those that there are")
}

func wrongMethod(method, allowed string) *Problem {
	return newProblem(http.StatusMethodNotAllowed, "method", fmt.Sprintf("this route does not know the method %s", method), "use "+allowed)
}

func tooMany(what string, bound int) *Problem {
	p := newProblem(http.StatusServiceUnavailable, "too-many", fmt.Sprintf("there are %d %s, and no more at once", bound, what), "come back in a moment")
	p.retryAfter = 1
	return p
}

// kinds are what becomes of the errors of a Plane.
var kinds = map[Kind]struct {
	status int
	name   string
	remedy string // of an error that says none
}{
	Unknown:     {http.StatusNotFound, "unknown", "GET /v1/sources and GET /v1/collections have what there is"},
	Invalid:     {http.StatusUnprocessableEntity, "invalid", "GET /v1/openapi.yaml has what may be asked"},
	Conflict:    {http.StatusConflict, "conflict", "GET /v1/sources and GET /v1/collections say how it stands"},
	Unavailable: {http.StatusServiceUnavailable, "unavailable", "ask again in a moment"},
	Failed:      {http.StatusBadGateway, "failed", "mend what failed; it is tried again by itself, and at once for whoever asks"},
	TooLate:     {http.StatusGatewayTimeout, "too-late", "ask again; what was begun goes on"},
}

// problem turns any error into what is answered.
func (h *Handler) problem(ctx context.Context, err error) *Problem {
	var p *Problem
	var e *Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &e):
		k := kinds[e.Kind]
		p = newProblem(k.status, k.name, e.Detail, cmpOr(e.Remedy, k.remedy))
		if e.Kind == Unavailable {
			p.retryAfter = 1
		}
		return p
	case h.ctx.Err() != nil:
		p = newProblem(http.StatusServiceUnavailable, "unavailable", "the connector is being stopped", "ask again when it runs")
		p.retryAfter = 5
		return p
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newProblem(http.StatusGatewayTimeout, "too-late", "this was not done within the time that it had", "ask again; what was begun goes on")
	}
	h.cfg.Log.Error("control API met an error of no kind", "err", err)
	return internal()
}
