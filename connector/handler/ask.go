package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tributary/connector"
)

// method is Handler.Delta or Handler.Dump.
type method = func(context.Context, Request) (Response, error)

// asking is a request that is sent until it is answered.
type asking struct {
	method  method
	dump    bool
	first   bool // of its pull
	reasons []connector.Reason
	state   func() json.RawMessage
	check   func(*answer) error // beside the contract
}

// noProgress is a response after which the handler would be called for ever. It is the
// handler that has to be mended, so it is called again slowly.
type noProgress struct{ what string }

func (e *noProgress) Error() string { return e.what }

// ask sends a request until it is answered as the contract wants it. Nothing is committed
// meanwhile, so it may be sent as often as it takes. When it has failed a few times in a
// row the pull counts as failed for those who wait for it, and pushes need no longer wait
// for its end.
func (r *Runner) ask(ctx context.Context, a asking) (*answer, error) {
	id := r.newID()
	seq := r.state.Seq
	var failed connector.Failures
	for attempt := 1; ; attempt++ {
		if err := r.pass(ctx); err != nil {
			return nil, err
		}
		if err := r.arrived(ctx); err != nil {
			return nil, err
		}
		if r.state.Seq != seq { // a push came between, and this is another request
			id, seq = r.newID(), r.state.Seq
		}
		r.env.Pulls.Sending()
		got, err := r.try(ctx, a, r.request(id, attempt, a))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			if attempt > 1 {
				r.env.Log.Info("the handler answers again", "attempts", attempt)
			}
			for _, c := range r.cols {
				c.m.SetState(connector.StateRunning)
			}
			return got, nil
		}
		var again *connector.RetryError
		var anew *connector.AnewError
		switch {
		case errors.As(err, &anew) && a.dump && !a.first:
			return nil, anew
		case !errors.As(err, &again):
			return nil, err
		}
		if err := r.later(ctx, again, attempt, &failed); err != nil {
			return nil, err
		}
	}
}

// pass waits while an operator has made the source rest. Pushes do not, nor for the end of a
// pull or a dump that rests in its midst.
func (r *Runner) pass(ctx context.Context) error {
	for {
		if err := r.env.Pulls.Pass(ctx, r.sleep); !errors.Is(err, errArrived) {
			return err
		}
		if err := r.serveInbox(ctx); err != nil {
			return err
		}
	}
}

// cachePatience is for how long a request waits for the cache to show what is committed.
const cachePatience = 10 * time.Second

// arrived waits until the cache shows what is committed: a handler that looks there for what
// it has told already is not to find less. One that does not come that far is grown old for
// whoever reads it, and keeps nothing else from being told.
func (r *Runner) arrived(ctx context.Context) error {
	if r.cfg.Arrived == nil {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, cachePatience)
	defer cancel()
	if err := r.cfg.Arrived(within); err != nil && ctx.Err() == nil {
		r.env.Log.Warn("the handler is called although its cache does not show all that is committed", "err", err)
	}
	return ctx.Err()
}

// later waits before a request is sent again.
func (r *Runner) later(ctx context.Context, err *connector.RetryError, attempt int, failed *connector.Failures) error {
	began := r.env.Now()
	next := r.env.Again(err, failed)
	if next.GivesUp {
		return &connector.StopError{What: fmt.Sprintf("%v (%d times)", err, attempt), Remedy: "mend it and start again"}
	}
	level := slog.LevelInfo
	if next.Loud {
		level = slog.LevelWarn
		r.env.Pulls.Failing(err)
	}
	for _, c := range r.cols {
		c.m.Failed(r.env.Now(), err)
		c.m.SetState(next.State)
	}
	if len(r.cols) > 0 {
		r.cols[0].m.Retries.WithLabelValues(string(err.Reason)).Inc() // of the source
	}
	r.env.Log.Log(ctx, level, "the handler failed, calling it again: nothing of it was committed", "err", err, "reason", err.Reason, "attempt", attempt, "wait", next.Wait.Round(time.Millisecond))
	return r.rest(ctx, began, next, failed)
}

// rest waits, and applies pushes meanwhile if those who wait were told of the failure. Whoever
// asks for a pull cuts it short.
func (r *Runner) rest(ctx context.Context, began time.Time, next connector.Again, failed *connector.Failures) error {
	sleep := r.env.Sleep
	if next.Loud {
		sleep = r.sleep
	}
	for {
		if next.Loud {
			if err := r.serveInbox(ctx); err != nil {
				return err
			}
		}
		if err := r.env.Pulls.Rest(ctx, sleep, began, next, failed); !errors.Is(err, errArrived) {
			return err
		}
	}
}

func (r *Runner) newID() string {
	r.calls++
	return fmt.Sprintf("%s-%d", r.cfg.Run, r.calls)
}

func (r *Runner) request(id string, attempt int, a asking) Request {
	state := a.state()
	if state == nil {
		state = null
	}
	return Request{
		ID: id, Source: r.cfg.Source, PreviousState: state, Sequence: r.state.Seq,
		AffectedCollections: r.affected(a.reasons), Reasons: a.reasons, Cache: r.cfg.Cache,
		Deadline: r.env.Now().Add(r.cfg.Timeout).UTC(), DeadlineMS: r.cfg.Timeout.Milliseconds(), Attempt: attempt,
	}
}

// affected are the collections that the reasons name, in the order of the config; all of
// them if one names none.
func (r *Runner) affected(reasons []connector.Reason) []string {
	named := map[string]bool{}
	all := len(reasons) == 0
	for _, why := range reasons {
		all = all || why.Collection == "" && len(why.Affected) == 0
		named[why.Collection] = true
		for _, c := range why.Affected {
			named[c] = true
		}
	}
	names := []string{}
	for _, c := range r.cols {
		if all || named[c.name] {
			names = append(names, c.name)
		}
	}
	return names
}

// try sends a request once. Its error is as package connector wants it.
func (r *Runner) try(ctx context.Context, a asking, req Request) (*answer, error) {
	limited, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	resp, err := guarded(a.method, limited, req)
	if err != nil {
		return nil, r.failed(limited, err)
	}
	got, err := r.check(resp, a.dump)
	if err == nil {
		err = a.check(got)
	}
	var stuck *noProgress
	switch {
	case err == nil:
		return got, nil
	case errors.As(err, &stuck):
		r.refused()
		return nil, &connector.RetryError{Reason: connector.RetryRefused, Err: fmt.Errorf("the handler makes no progress: %w", err)}
	}
	r.refused()
	return nil, &connector.RetryError{Reason: connector.RetryBody, Err: fmt.Errorf("the response of the handler is refused: %w", err)}
}

func (r *Runner) refused() {
	if r.cfg.Metrics != nil {
		r.cfg.Metrics.Refused.WithLabelValues("contract").Inc()
	}
}

// failed makes an error of a handler's one that says how it is tried again.
func (r *Runner) failed(limited context.Context, err error) error {
	var again *connector.RetryError
	var stop *connector.StopError
	var anew *connector.AnewError
	switch {
	case errors.As(err, &again), errors.As(err, &stop), errors.As(err, &anew):
		if anew != nil { // where there is nothing to begin anew
			return errors.Join(anew, &connector.RetryError{Reason: connector.RetryRefused, Err: anew})
		}
		return err
	case limited.Err() != nil:
		return &connector.RetryError{Reason: connector.RetryTimeout, Err: fmt.Errorf("no response within %v: let the handler return less at once and say `more`, or raise handler.timeout", r.cfg.Timeout)}
	}
	return &connector.RetryError{Reason: connector.RetryServer, Err: fmt.Errorf("the handler failed: %w", err)}
}

// guarded calls a handler. One in Go that panics has failed, and ends nothing else.
func guarded(m method, ctx context.Context, req Request) (resp Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	return m(ctx, req)
}
