package main

import (
	"context"
	"sync"
	"time"

	"tributary/connector/control"
)

// editTime is how long a change of committed state may take: a reset writes a record for each
// one of the collection.
const editTime = 10 * time.Minute

// endTime is for how long the end of the connector waits for changes of committed state that
// have begun, from when it is told to stop. Within it and cutTime it must not be killed: see
// stop_grace_period in deploy/compose.yaml.
const endTime = 45 * time.Second

// cutTime is how long what is cut short then has to leave its lane.
const cutTime = 5 * time.Second

// edits are the changes of committed state that are under way.
type edits struct {
	ending, cut, none   context.Context // no more begin; those that have begun are to end; all have ended
	end, cutNow, noMore context.CancelFunc

	mu    sync.Mutex
	under int
}

func newEdits() *edits {
	e := &edits{}
	e.ending, e.end = context.WithCancel(context.Background())
	e.cut, e.cutNow = context.WithCancel(context.Background())
	e.none, e.noMore = context.WithCancel(context.Background())
	return e
}

// begin returns the context of a change, which is done though who asked for it has gone: a
// reset that is cut short leaves a collection that waits for another one. The caller calls done.
func (e *edits) begin(ctx context.Context) (whole context.Context, done func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ending.Err() != nil {
		return nil, nil, &control.Error{Kind: control.Unavailable, Detail: "the connector is ending: nothing was done", Remedy: "send it again when it has started"}
	}
	e.under++
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), editTime)
	stop := context.AfterFunc(e.cut, cancel)
	return whole, func() {
		stop() // or each change would be kept until the end
		cancel()
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.under--; e.under == 0 && e.ending.Err() != nil {
			e.noMore()
		}
	}, nil
}

// stop has no more changes begin, and those that have begun cut short after endTime.
func (e *edits) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ending.Err() != nil {
		return
	}
	e.end()
	if e.under == 0 {
		e.noMore()
	}
	time.AfterFunc(endTime, e.cutNow)
}

// stopping tells that the connector is about to end.
func (p *plane) stopping() { p.edits.stop() }

// finish waits for the changes of committed state that have begun.
func (p *plane) finish() {
	p.stopping()
	if p.edits.none.Err() != nil {
		return
	}
	p.e.log.Info("a change of committed state has begun: it is finished first", "gives_up_after", endTime)
	select {
	case <-p.edits.none.Done():
		return
	case <-p.edits.cut.Done():
	}
	p.e.log.Error("a change of committed state is cut short: what is half done, `tributary status` says after the next start, with the command that finishes it")
	select {
	case <-p.edits.none.Done():
	case <-time.After(cutTime):
	}
}
