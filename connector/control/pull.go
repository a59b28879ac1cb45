package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tributary/connector"
)

// How long a request may wait for what it asks for.
const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 10 * time.Minute
)

// A pullRequest is the body of a pull: why, and what is known of it (connector.Reason).
type pullRequest struct {
	Reason  connector.ReasonName `json:"reason"`
	Timeout string               `json:"timeout"`
	// Collections are those of the source that are pulled; all of them without any.
	Collections []string `json:"collections"`

	Affected    []string        `json:"affected_collections"`
	Caller      string          `json:"caller"`
	Filter      json.RawMessage `json:"filter"`
	Projection  []string        `json:"projection"`
	Aggregation json.RawMessage `json:"aggregation"`
	Patch       json.RawMessage `json:"patch"`
	Records     json.RawMessage `json:"records"`
}

// asked are the reasons for which others than the connector itself may ask for a pull.
func asked(n connector.ReasonName) bool {
	return n.BeforeAccess() || n.AfterWrite() || n == connector.ReasonManual
}

func pullRequestOf(r *http.Request) (*pullRequest, time.Duration, error) {
	p := pullRequest{Reason: connector.ReasonManual}
	if err := decode(r, &p); err != nil {
		return nil, 0, err
	}
	if !asked(p.Reason) {
		var names []string
		for _, n := range connector.ReasonNames {
			if asked(n) {
				names = append(names, string(n))
			}
		}
		return nil, 0, invalid("there are "+strings.Join(names, ", "), "%s is no reason for which a pull can be asked for", quote(string(p.Reason)))
	}
	timeout, err := parseTimeout(p.Timeout)
	return &p, timeout, err
}

func parseTimeout(s string) (time.Duration, error) {
	if s == "" {
		return defaultTimeout, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > maxTimeout {
		return 0, invalid("it is a duration such as 30s, at most "+maxTimeout.String(), "the timeout is %s", quote(s))
	}
	return d, nil
}

func (p *pullRequest) reason(collection string) connector.Reason {
	return connector.Reason{
		Name: p.Reason, At: time.Now(), Collection: collection, Affected: p.Affected, Caller: p.Caller,
		Filter: p.Filter, Projection: p.Projection, Aggregation: p.Aggregation, Patch: p.Patch, Records: p.Records,
	}
}

// check refuses names that the source does not have.
func (h *Handler) check(source string, collections []string) error {
	for _, c := range collections {
		if _, err := h.plane.Collection(Name{source, c}); err != nil {
			return invalid(fmt.Sprintf("GET /v1/collections?source=%s has those that there are", source), "the source %s has no collection %s", source, quote(c))
		}
	}
	return nil
}

func (h *Handler) pull(r *http.Request) (int, any, error) {
	return h.replay(r, func(r *http.Request) (int, any, error) {
		n := nameOf(r)
		if _, err := h.plane.Collection(n); err != nil {
			return 0, nil, err
		}
		p, timeout, err := pullRequestOf(r)
		if err != nil {
			return 0, nil, err
		}
		if p.Collections != nil {
			return 0, nil, invalid("POST /v1/sources/{source}/pull takes it", "`collections` is not for the pull of one collection")
		}
		if err := h.check(n.Source, p.Affected); err != nil {
			return 0, nil, err
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		pulled, err := h.pullOne(ctx, n, p.reason(n.Collection), timeout)
		return http.StatusOK, pulled, err
	})
}

// pullOne pulls, and says of a pull that is too late how its collection stands.
func (h *Handler) pullOne(ctx context.Context, n Name, reason connector.Reason, timeout time.Duration) (pulled Pulled, err error) {
	defer h.contain(&err)
	pulled, err = h.plane.Pull(ctx, n, reason)
	if err == nil {
		return pulled, nil
	}
	var e *Error
	if errors.Is(err, context.DeadlineExceeded) && h.ctx.Err() == nil {
		err = &Error{
			Kind: TooLate, Detail: fmt.Sprintf("the pull of %s was not committed and readable within %v", n, timeout),
			Remedy: "it goes on: ask again, which waits for it or for another one, with a longer timeout",
		}
	}
	p := h.problem(ctx, err)
	if errors.As(err, &e) && (e.Kind == TooLate || e.Kind == Failed) {
		if c, err := h.plane.Collection(n); err == nil {
			p.Collection = &c
		}
	}
	return pulled, p
}

// SourcePull is what became of one collection in the pull of its source: one of both.
type SourcePull struct {
	Collection string   `json:"collection"`
	Pulled     *Pulled  `json:"pulled,omitempty"`
	Problem    *Problem `json:"problem,omitempty"`
}

// pullSource pulls collections of a source at once, so that a handler which is asked for
// all of them may answer in one response.
func (h *Handler) pullSource(r *http.Request) (int, any, error) {
	return h.replay(r, func(r *http.Request) (int, any, error) {
		source, err := h.sourceOf(r.PathValue("source"))
		if err != nil {
			return 0, nil, err
		}
		p, timeout, err := pullRequestOf(r)
		if err != nil {
			return 0, nil, err
		}
		if err := errors.Join(h.check(source.Name, p.Affected), h.check(source.Name, p.Collections)); err != nil {
			return 0, nil, err
		}
		pulls := []SourcePull{}
		for _, c := range h.plane.Collections() {
			if c.Source == source.Name && (len(p.Collections) == 0 || slices.Contains(p.Collections, c.Collection)) {
				pulls = append(pulls, SourcePull{Collection: c.Collection})
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		var all sync.WaitGroup
		for i := range pulls {
			all.Go(func() {
				pulled, err := h.pullOne(ctx, Name{source.Name, pulls[i].Collection}, p.reason(pulls[i].Collection), timeout)
				if err != nil {
					pulls[i].Problem = h.problem(ctx, err)
					return
				}
				pulls[i].Pulled = &pulled
			})
		}
		all.Wait()
		return pulledSource(source.Name, pulls)
	})
}

// pulledSource is a problem as soon as one of its pulls is, also of a collection that rests
// because an operator wants it so: who asks would take stale records for fresh ones. The
// others were pulled all the same, and it says so by a type of its own.
func pulledSource(source string, pulls []SourcePull) (int, any, error) {
	var worst *Problem
	bad := 0
	for _, p := range pulls {
		if p.Problem == nil {
			continue
		}
		bad++
		if worst == nil || p.Problem.Status > worst.Status {
			worst = p.Problem
		}
	}
	if bad == 0 {
		return http.StatusOK, map[string]any{"source": source, "pulls": pulls}, nil
	}
	p := *worst
	if bad < len(pulls) {
		p = *newProblem(worst.Status, "incomplete", "", "`pulls` says of each what it came to: "+worst.Remedy)
	}
	p.Detail = fmt.Sprintf("%d of %d collections of %s were not pulled: %s", bad, len(pulls), source, whose(pulls))
	p.Collection, p.Pulls = nil, pulls
	return 0, nil, &p
}

// whose says which collections were not pulled, and why, of no more than a few.
func whose(pulls []SourcePull) string {
	var parts []string
	left := 0
	for _, p := range pulls {
		switch {
		case p.Problem == nil:
		case len(parts) < 3:
			parts = append(parts, p.Collection+": "+p.Problem.Detail)
		default:
			left++
		}
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", left))
	}
	return strings.Join(parts, "; ")
}

// quote shows what a client sent.
func quote(s string) string { return strconv.Quote(clip(s)) }
