package main

import (
	"context"
	"time"

	"tributary/connector/control"
	"tributary/sink"
)

// own notes that a lane is acquired; again ends this life of it.
func (e *engine) own(l *sink.Lane, again context.CancelCauseFunc) {
	e.mu.Lock()
	e.lanes[l.Number] = &ownedLane{Lane: l, again: again, hasten: l.Hasten}
	e.mu.Unlock()
	e.health.set(l.Number, true)
	e.events.Tell(control.Event{Type: control.EventLane, Data: control.Lane{Number: l.Number, Acquired: true}})
}

// disown notes that a lane is not ours any more, or not yet again.
func (e *engine) disown(number int32) {
	e.mu.Lock()
	delete(e.lanes, number)
	e.mu.Unlock()
	e.health.set(number, false)
	e.events.Tell(control.Event{Type: control.EventLane, Data: control.Lane{Number: number}})
}

// lane returns a lane while it is acquired, else nil.
func (e *engine) lane(number int32) *ownedLane {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lanes[number]
}

// tell has what happens to a collection told as events.
func (e *engine) tell(c *collection) {
	event := func(t control.EventType, data any) {
		e.events.Tell(control.Event{Type: t, Source: c.Settings.Source, Collection: c.Settings.Collection, Data: data})
	}
	c.m.Watch.State = func(from, to, why string) {
		event(control.EventState, control.StateChange{From: from, To: to, Why: why})
	}
	c.m.Watch.Commit = func(upserts, deletions int) {
		event(control.EventCommit, control.Committed{Upserts: upserts, Deletions: deletions})
	}
	c.m.Watch.Pull = func(reasons []string, took time.Duration, changed bool, err error) {
		ended := control.PullEnded{Reasons: reasons, Seconds: took.Seconds(), Changed: changed}
		if err != nil {
			ended.Error = err.Error()
		}
		event(control.EventPull, ended)
	}
}
