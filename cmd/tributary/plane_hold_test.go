package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"tributary/connector"
	"tributary/connector/control"
)

// toldOf is a plane of two collections that a handler tells of.
func toldOf(t *testing.T) (p *plane, posts, comments *collection) {
	t.Helper()
	p = planeOf(t, head+"sources:\n  - name: blog\n    type: handler\n    handler: {url: 'http://127.0.0.1:9'}\n    collections: [posts, comments]\n")
	return p, p.by[control.Name{Source: "blog", Collection: "posts"}], p.by[control.Name{Source: "blog", Collection: "comments"}]
}

// One that came into the config while the others were paused waits with them.
func TestACollectionOfAHandlerRestsWithTheOthers(t *testing.T) {
	_, posts, comments := toldOf(t)
	for _, c := range []*collection{posts, comments} {
		c.setHold(control.HoldNone)
	}
	posts.setHold(control.HoldPaused)
	comments.setHold(control.HoldNone)
	if _, err := comments.pulls.Ask(connector.Reason{Name: connector.ReasonManual}); !errors.Is(err, connector.ErrHeld) {
		t.Errorf("who asks is told %v", err)
	}
	if _, stuck := comments.done(); stuck == "" {
		t.Error("a run would wait for it for ever")
	}
	posts.setHold(control.HoldNone)
	if _, stuck := comments.done(); stuck != "" {
		t.Errorf("it is stuck: %s", stuck)
	}
}

func TestNothingIsPushedToWhatIsStopped(t *testing.T) {
	p, _, comments := toldOf(t)
	comments.setHold(control.HoldStopped)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := p.Push(ctx, "blog", json.RawMessage(`{"id": "one"}`))
	var e *control.Error
	if !errors.As(err, &e) || e.Kind != control.Conflict {
		t.Errorf("who pushes is told %v", err)
	}
}

// It is no fault of the handler's, which was not asked.
func TestTheCursorOfWhatAHandlerTellsIsNotMoved(t *testing.T) {
	p, posts, _ := toldOf(t)
	posts.setHold(control.HoldStopped)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := p.SetCursor(ctx, control.Name{Source: "blog", Collection: "posts"}, "2026-01-31T00:00:00Z")
	var e *control.Error
	if !errors.As(err, &e) || e.Kind != control.Conflict || e.Remedy == "" {
		t.Errorf("who moves it is told %v", err)
	}
}

// What was committed could be read by and by, but nobody is left who would say so.
func TestWhoWaitsUntilItCanBeReadIsToldThatItHasStopped(t *testing.T) {
	p := planeOf(t, with("interval: 1m"))
	c := p.by[apiPeople]
	c.open(func(context.Context) ([]connector.Position, error) { return nil, errors.New("the lane is spent") })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go c.stop(&connector.StopError{What: "its topic was deleted", Remedy: "mend it"})
	var stop *connector.StopError
	if _, err := c.readable(ctx); !errors.As(err, &stop) {
		t.Errorf("told %v", err)
	}
}

// Who restarts what an error has stopped may ask for a pull at once.
func TestAnotherLifeForgetsWhatStoppedTheLast(t *testing.T) {
	p := planeOf(t, with("interval: 1m"))
	c := p.by[apiPeople]
	c.pulls.Refuse(&connector.StopError{What: "its topic was deleted"})
	c.restoring(control.HoldNone)
	if _, err := c.pulls.Ask(connector.Reason{Name: connector.ReasonManual}); err != nil {
		t.Errorf("who asks is told %v", err)
	}
}

func TestAPullThatIsCalledOffWasNotTooLate(t *testing.T) {
	p := planeOf(t, with("interval: 1m"))
	stopping, stop := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, stop)
	if _, err := p.Pull(stopping, apiPeople, connector.Reason{Name: connector.ReasonManual}); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits is told %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var e *control.Error
	if _, err := p.Pull(late, apiPeople, connector.Reason{Name: connector.ReasonManual}); !errors.As(err, &e) || e.Kind != control.TooLate {
		t.Errorf("who has waited too long is told %v", err)
	}
}
