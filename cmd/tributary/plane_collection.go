package main

import (
	"math"
	"time"

	"tributary/connector"
	"tributary/connector/control"
)

func (p *plane) Collections() []control.Collection {
	all := make([]control.Collection, len(p.e.collections))
	now := time.Now()
	for i, c := range p.e.collections {
		all[i] = c.status(now)
	}
	return all
}

func (p *plane) Collection(n control.Name) (control.Collection, error) {
	c, err := p.find(n)
	if err != nil {
		return control.Collection{}, err
	}
	return c.status(time.Now()), nil
}

// remedyQuarantined is what to do about a topic that does not take records.
const remedyQuarantined = "give us the right to write, or mend the topic: it is tried again by itself, within a minute, and within 10 s where somebody asks"

// status is how the collection stands, as its metrics have it.
func (c *collection) status(now time.Time) control.Collection {
	s := c.m.Status(now)
	v := control.Collection{
		Name: c.name(), Topic: c.Topic, Lane: c.lane, State: s.State,
		Cursor: moment(s.Cursor), CaughtUp: moment(s.CaughtUp),
		LastAttempt: moment(s.LastAttempt), LastSuccess: moment(s.LastSuccess), LastChange: moment(s.LastChange),
		NextRun: moment(c.pulls.Next()), Interval: c.Settings.Interval.Seconds(),
		Rate: s.Rate, Upserts: s.Upserts, Deletions: s.Deletions, Records: s.Records,
		Doubts: s.Doubts, Absent: s.Absent, Unpublished: s.Unpublished, Guarded: s.Guarded,
		Lag: c.behind(s, now), Backfill: c.backfill(now),
	}
	v.Cron = cronTexts(c.CollectionConfig)
	if !s.LastError.IsZero() {
		v.LastError = &control.Failure{At: s.LastError, Text: s.Failure}
	}
	if !s.SweepStarted.IsZero() || s.SweepRunning {
		v.Sweep = &control.Span{Running: s.SweepRunning, Started: moment(s.SweepStarted), Ended: moment(s.SweepEnded), Position: moment(s.SweepAt)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v.Hold = c.hold
	if c.hold != control.HoldNone || c.stopped != nil {
		v.NextRun = nil
	}
	switch {
	case c.stopped != nil:
		v.Why, v.Remedy = c.stopped.What, c.stopped.Remedy
	case s.State == connector.StateBackoff, s.State == connector.StateReauthRequired:
		v.Why = s.Failure
	case s.State == connector.StateQuarantined:
		v.Why, v.Remedy = s.Quarantine, remedyQuarantined
	}
	if s.State == connector.StateReauthRequired && v.Remedy == "" {
		v.Remedy = "renew its credential; `tributary auth login " + c.Settings.Source + "` does where it is OAuth2"
	}
	return v
}

// behind is for how many seconds the collection has not been caught up beyond what its
// schedule leaves, nil before it was for the first time.
func (c *collection) behind(s connector.Status, now time.Time) *float64 {
	if s.CaughtUp.IsZero() {
		return nil
	}
	lag := 0.0
	if gap := c.pulls.Gap(); gap != math.MaxInt64 {
		lag = max(0, (now.Sub(s.CaughtUp) - gap).Seconds())
	}
	return &lag
}

func (c *collection) backfill(now time.Time) *control.Backfill {
	records, rate, at, behind, ok := c.progress.snapshot(now)
	if !ok {
		return nil
	}
	return &control.Backfill{Records: records, PerSecond: rate, At: at, Behind: behind.Seconds()}
}

// moment is nil for a time that never was.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
