package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
	"tributary/connector/rest"
)

// Config is of one handler source.
type Config struct {
	Source string
	// Run tells the requests of one life from those of another.
	Run         string
	Collections []Collection
	// Timeout is how long a response is waited for.
	Timeout time.Duration
	// MaxState is how many bytes a state may have to be committed; 0: any.
	MaxState int
	// Cache is where handlers can read what was published; nil: nowhere. Arrived returns
	// when it shows everything that is committed.
	Cache   *Cache
	Arrived func(context.Context) error
	// Dump says when there is a dump; nil: never.
	Dump *Dump
	// Metrics are the source's.
	Metrics *connector.SourceMetrics
	// Readable returns up to where the topics of collections must be read to see all that
	// is committed, as soon as it can be read; nil: nobody knows.
	Readable func(ctx context.Context, collections []string) ([]connector.Position, error)
}

// Collection is one of a handler's.
type Collection struct {
	// Settings are as NewTold takes them; a dump's guards are in its Sweeps.
	Settings connector.Settings
	// Records says where the id of a record is, what is hashed and what is published.
	Records rest.Config
	Memory  *connector.Memory
	Metrics *connector.CollectionMetrics
}

// Dump says when everything is told anew. The first pull of a handler with dumps is one.
type Dump struct {
	// Now has one be due at once; it is on_restart.
	Now  bool
	Cron []connector.Cron
	// Ended is told of each that came to its end; nil: nobody is.
	Ended func()
}

// Runner calls one handler and commits what it says, for one life of its lane. Run is for
// one goroutine and once; Push and Sweep may be called by others meanwhile.
type Runner struct {
	cfg   Config
	h     Handler
	out   connector.GroupCommitter
	env   connector.Env
	state connector.HandlerState
	cols  []*collection
	named map[string]*collection
	inbox inbox

	calls uint64
	now   bool // a dump is due because the process has started
	// seen are the states of this pull since the ledger last changed, and idle how many
	// responses have changed nothing since.
	seen map[digest]bool
	idle int
}

type collection struct {
	*connector.Told
	name   string
	parser *rest.RecordParser
	m      *connector.CollectionMetrics
}

// New returns a Runner that goes on from what is committed. Env needs Now, Sleep, Random, Log
// and Pulls.
func New(cfg Config, h Handler, out connector.GroupCommitter, state connector.HandlerState, env connector.Env) (*Runner, error) {
	r := &Runner{cfg: cfg, h: h, out: out, env: env, state: state, named: map[string]*collection{}}
	r.now = cfg.Dump != nil && cfg.Dump.Now
	for _, c := range cfg.Collections {
		told, err := connector.NewTold(c.Settings, c.Memory, c.Metrics, env.Log)
		if err != nil {
			return nil, err
		}
		parser, err := rest.NewRecordParser(c.Records.OfHandler())
		if err != nil {
			return nil, &connector.StopError{What: err.Error(), Remedy: "mend the config of this collection"}
		}
		col := &collection{told, c.Settings.Collection, parser, c.Metrics}
		r.cols, r.named[col.name] = append(r.cols, col), col
		c.Metrics.Every(env.Pulls.Gap())
	}
	return r, nil
}

// Run pulls and dumps whenever that is due, until ctx ends or it fails for good: with a
// *connector.StopError, which ends this source, or with the committer's error, after which
// everything held in memory is to be forgotten.
func (r *Runner) Run(ctx context.Context) error {
	defer r.inbox.close()
	err := r.run(ctx)
	if stop := (*connector.StopError)(nil); errors.As(err, &stop) {
		r.env.Pulls.Refuse(stop)
	}
	if ctx.Err() == nil {
		for _, c := range r.cols {
			c.m.Failed(r.env.Now(), err)
		}
	}
	return err
}

func (r *Runner) run(ctx context.Context) error {
	pulls := r.env.Pulls
	pulls.Enter(r.ran(), nil)
	for {
		if err := r.serveInbox(ctx); err != nil {
			return err
		}
		due, why := r.dumpDue()
		err := pulls.Wait(ctx, r.sleep, due)
		if errors.Is(err, errArrived) {
			continue
		}
		if err == nil && !due.IsZero() && !due.After(r.env.Now()) {
			err = r.dump(ctx, why)
		}
		if err == nil && pulls.Due() {
			err = r.pull(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// ran is when the last pull by a cron expression ended.
func (r *Runner) ran() (at connector.Instant) {
	for _, c := range r.cols {
		at = max(at, c.Memory().State.Ran)
	}
	return at
}

// sleep is the world's, ended by who comes with a push.
func (r *Runner) sleep(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.inbox.onArrival(func() { cancel(errArrived) })
	defer r.inbox.onArrival(nil)
	return r.env.Sleep(ctx, d)
}

// pull calls the handler until it has no more.
func (r *Runner) pull(ctx context.Context) error {
	reasons := r.env.Pulls.Begin()
	began := r.env.Now()
	for i, c := range r.cols {
		if i == 0 {
			c.m.Began(began, reasons)
		} else {
			c.m.Began(began, nil) // reasons are counted by source
		}
	}
	changed, err := r.deltas(ctx, reasons)
	if err == nil {
		err = r.noteCron(ctx)
	}
	if err == nil {
		err = r.out.Flush(ctx)
	}
	ended := r.env.Now()
	if err != nil && ctx.Err() != nil {
		return err
	}
	for _, c := range r.cols {
		c.m.Ended(ended.Sub(began), reasons, changed, err)
		if err == nil {
			c.m.LastSuccess.Set(float64(ended.UnixMicro()) / 1e6)
			c.m.CaughtUp.Set(float64(ended.UnixMicro()) / 1e6)
		}
	}
	if err != nil {
		return err
	}
	if r.env.CaughtUp != nil {
		r.env.CaughtUp()
	}
	r.env.Pulls.Reached()
	r.env.Pulls.End()
	return nil
}

// noteCron commits when a pull by a cron expression ended: whoever starts later knows by it
// whether one was missed.
func (r *Runner) noteCron(ctx context.Context) error {
	if !r.env.Pulls.ByCron() || len(r.cols) == 0 {
		return nil
	}
	c := r.cols[0]
	now := connector.InstantOf(r.env.Now())
	c.Begin(now, string(connector.ReasonSchedule))
	return r.stage(ctx, r.state, map[string]*connector.Batch{c.name: c.Ran(now)})
}

// deltas asks what changed, until there is no more. It says whether anything did.
func (r *Runner) deltas(ctx context.Context, reasons []connector.Reason) (changed bool, err error) {
	r.forgetSeen()
	for first := true; ; first = false {
		a, err := r.ask(ctx, asking{
			method: r.h.Delta, reasons: reasons, first: first,
			state: func() json.RawMessage { return r.state.State },
			check: r.advances,
		})
		if err != nil {
			return changed, err
		}
		next := r.state
		if a.NextState != nil {
			next.State = a.NextState
		}
		ch, err := r.commit(ctx, a.items, next, connector.NamesOf(reasons))
		if err != nil {
			return changed, err
		}
		// The handler may forget what leads to a state that it sees come back: it is called
		// with one that is committed, and not with one that is on its way.
		if err := r.out.Flush(ctx); err != nil {
			return changed, err
		}
		if changed = changed || ch; !a.More {
			return changed, nil
		}
		r.see(ch, next.State)
	}
}

// see notes the state of a response that was taken, by which a circle is known.
func (r *Runner) see(changed bool, state json.RawMessage) {
	if changed {
		r.forgetSeen()
	} else {
		r.idle++
	}
	r.seen[digestOf(state)] = true
}

func (r *Runner) forgetSeen() {
	r.seen, r.idle = map[digest]bool{digestOf(r.state.State): true}, 0
}

// maxIdle is how many responses in a row may say more and change nothing but the state.
const maxIdle = 10_000

// advances refuses a response that would have the handler called for ever. One that
// changes the ledger is progress, whatever its state: it is published.
func (r *Runner) advances(a *answer) error {
	switch {
	case !a.More:
		return nil
	case a.NextState == nil:
		return errors.New(`it says "more" without a "next_state": the next call would get the same state again`)
	case r.news(a.items):
		return nil
	case sameState(a.NextState, r.state.State):
		return &noProgress{`it says "more", tells nothing new, and leaves the state as it is: it forgets to advance next_state, or to end with "more": false`}
	case r.seen[digestOf(a.NextState)]:
		return &noProgress{`it says "more", tells nothing new, and comes back to a state that it had in this pull: it goes in a circle`}
	case r.idle >= maxIdle:
		return &noProgress{fmt.Sprintf(`it has said "more" %d times in a row and told nothing new`, maxIdle)}
	}
	return nil
}

// news says whether the ledger knows anything of it not or otherwise.
func (r *Runner) news(items []item) bool {
	for _, i := range items {
		if i.c.Changes(i.id, i.rec) {
			return true
		}
	}
	return false
}
