package main

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/control"
)

// planeOf is the plane of an engine that does not run.
func planeOf(t *testing.T, text string) *plane {
	t.Helper()
	cfg := mustParse(t, text)
	level := new(slog.LevelVar)
	e := newEngine(cfg, nil, newLogger(cfg.Log, level, t.Output()), connector.NewMetrics(prometheus.NewRegistry()), "test")
	p, err := newPlane(&app{}, e, level)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

var apiPeople = control.Name{Source: "api", Collection: "people"}

func TestAPlaneShowsHowACollectionStands(t *testing.T) {
	p := planeOf(t, with("interval: 1m"))
	c := p.by[apiPeople]
	now := time.Now()
	c.m.SetState(connector.StateRunning)
	c.m.CaughtUp.Set(float64(now.Add(-3*time.Minute).UnixMicro()) / 1e6)
	c.m.Committed(now, 6, 1)
	got := c.status(now)
	if got.State != connector.StateRunning || got.Upserts != 6 || got.Deletions != 1 || math.Abs(got.Rate-7.0/60) > 1e-9 {
		t.Errorf("it stands at %+v", got)
	}
	if got.Lag == nil || math.Abs(*got.Lag-120) > 0.001 || got.CaughtUp == nil || got.LastError != nil || got.NextRun != nil {
		t.Errorf("lag %v, caught up %v, last error %v, next run %v", got.Lag, got.CaughtUp, got.LastError, got.NextRun)
	}
	c.stop(&connector.StopError{What: "the order is wrong", Remedy: "mend it"})
	if got := c.status(now); got.State != connector.StateStopped || got.Why != "the order is wrong" || got.Remedy != "mend it" {
		t.Errorf("it stands at %+v", got)
	}
}

// To look at a source changes nothing of what its metrics show.
func TestLookingAtASourceLeavesItsBudgetAlone(t *testing.T) {
	p := planeOf(t, with("budget: {per_minute: 600}"))
	c := p.by[apiPeople]
	c.source.BudgetLimit.Set(480)
	c.source.BudgetRemaining.Set(77)
	for range 2 {
		s := p.Sources()
		if len(s) != 1 || s[0].Budget == nil || s[0].Budget.PerMinute != 480 || s[0].Budget.Remaining == nil || *s[0].Budget.Remaining != 77 {
			t.Fatalf("sources %+v", s)
		}
	}
}

func TestAWarningIsAnEventWhateverIsLogged(t *testing.T) {
	p := planeOf(t, with())
	if err := p.SetLevel("error"); err != nil {
		t.Fatal(err)
	}
	p.by[apiPeople].log.Warn("request failed", "err", "the API answered 500")
	events, lost, err := p.Events().Listen(t.Context(), 0)
	if err != nil || lost != 0 || len(events) != 1 {
		t.Fatalf("%v, %d lost: %v", events, lost, err)
	}
	e := events[0]
	line, ok := e.Data.(control.LogLine)
	if !ok || e.Source != "api" || e.Collection != "people" || line.Level != "WARN" || line.Message != "request failed: the API answered 500" {
		t.Errorf("event %+v", e)
	}
	if p.Level() != "error" {
		t.Errorf("level %s", p.Level())
	}
	if p.SetLevel("loud") == nil {
		t.Error("there is a level called loud")
	}
}

func TestStatesAndCommitsAreEvents(t *testing.T) {
	p := planeOf(t, with())
	m := p.by[apiPeople].m
	m.SetState(connector.StateRunning)
	m.SetState(connector.StateRunning) // which is no change
	m.SetHeld(connector.StatePaused)
	m.Committed(time.Now(), 2, 0)
	m.Ended(time.Second, []connector.Reason{{Name: connector.ReasonManual}}, true, nil)
	events, _, err := p.Events().Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		control.StateChange{From: connector.StateRestoring, To: connector.StateRunning},
		control.StateChange{From: connector.StateRunning, To: connector.StatePaused},
		control.Committed{Upserts: 2},
	}
	if len(events) != 4 {
		t.Fatalf("events %+v", events)
	}
	for i, w := range want {
		if events[i].Data != w {
			t.Errorf("event %d is %+v, want %+v", i, events[i].Data, w)
		}
	}
	if ended, ok := events[3].Data.(control.PullEnded); !ok || len(ended.Reasons) != 1 || ended.Reasons[0] != "manual" || !ended.Changed || ended.Seconds != 1 {
		t.Errorf("the pull ended as %+v", events[3].Data)
	}
}

func TestWhatAPlaneDoesNotKnowItSays(t *testing.T) {
	p := planeOf(t, with("triggers: {after_write: false}"))
	for name, ask := range map[string]func() error{
		"no source":     func() error { _, err := p.Collection(control.Name{Source: "x", Collection: "people"}); return err },
		"no collection": func() error { _, err := p.Collection(control.Name{Source: "api", Collection: "x"}); return err },
		"not swept":     func() error { return p.Sweep(t.Context(), apiPeople, false) },
		"not stopped":   func() error { return p.Reset(t.Context(), apiPeople, false) },
		"no after-writes": func() error {
			_, err := p.Pull(t.Context(), apiPeople, connector.Reason{Name: connector.ReasonAfterUpdate})
			return err
		},
	} {
		err := ask()
		if _, known := err.(*control.Error); !known {
			t.Errorf("%s: %v", name, err)
		}
	}
}
