package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
)

// running runs the bundle's runner until the test ends.
func (b *bundle) running() *Runner {
	r := b.start()
	ctx, cancel := context.WithCancel(b.t.Context())
	b.t.Cleanup(cancel)
	go func() { _ = r.Run(ctx) }()
	synctest.Wait()
	return r
}

func last(all []Request) Request { return all[len(all)-1] }

func quiet() *calls {
	return &calls{delta: func(Request) (Response, error) { return Response{}, nil }}
}

func TestAPushIsCommittedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet()
		b := newBundle(t, h)
		b.cfg.Readable = func(_ context.Context, names []string) ([]connector.Position, error) {
			return []connector.Position{{Topic: strings.Join(names, "+"), Offset: 7}}, nil
		}
		r := b.running()
		p := PushRequest{ID: "one", NextState: json.RawMessage(`"pushed"`), NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}, Deleted: []Deletion{{"comments", "9"}}}
		for n := range 3 {
			got, err := r.Push(t.Context(), p)
			if err != nil || got.Sequence != 1 || got.Repeated != (n > 0) || got.ID != "one" || len(got.Positions) != 1 || got.Positions[0].Topic != "comments+posts" {
				t.Errorf("push %d: %+v, %v", n, got, err)
			}
		}
		if got := b.k.versions("posts", "1"); len(got) != 1 || b.k.groups != 1 {
			t.Errorf("published %q in %d groups", got, b.k.groups)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := last(h.seen()); string(got.PreviousState) != `"pushed"` || got.Sequence != 1 {
			t.Errorf("the next delta has %s at %d", got.PreviousState, got.Sequence)
		}
	})
}

func TestAPushThatChangesNothingIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, quiet())
		r := b.running()
		for n := range MaxPushes + 10 {
			if _, err := r.Push(t.Context(), PushRequest{ID: fmt.Sprint(n)}); err != nil {
				t.Fatal(err)
			}
		}
		if len(b.k.handler.Pushes) != MaxPushes {
			t.Errorf("%d pushes are remembered", len(b.k.handler.Pushes))
		}
		got, err := r.Push(t.Context(), PushRequest{ID: "10"})
		if err != nil || !got.Repeated || got.Sequence != 11 {
			t.Errorf("the oldest that is known: %+v, %v", got, err)
		}
	})
}

func TestAPushFromAStateThatHasMovedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, quiet())
		r := b.running()
		zero, one := uint64(0), uint64(1)
		if _, err := r.Push(t.Context(), PushRequest{ID: "a", BasedOn: &zero, NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}}); err != nil {
			t.Fatal(err)
		}
		var stale *StaleError
		_, err := r.Push(t.Context(), PushRequest{ID: "b", BasedOn: &zero, NewOrUpdated: []Entry{entry("posts", `{"id":2}`)}})
		if !errors.As(err, &stale) || stale.Sequence != 1 || stale.BasedOn != 0 {
			t.Errorf("answered %v", err)
		}
		if got := b.k.versions("posts", "2"); len(got) != 0 || b.k.groups != 1 {
			t.Errorf("%q was published in %d groups", got, b.k.groups)
		}
		if _, err := r.Push(t.Context(), PushRequest{ID: "b", BasedOn: &one}); err != nil {
			t.Errorf("anew: %v", err)
		}
	})
}

func TestAPushIsCheckedAsAResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, quiet())
		r := b.running()
		for name, p := range map[string]PushRequest{
			"no id":                 {},
			"a long id":             {ID: strings.Repeat("x", 65)},
			"an id with a space":    {ID: "a b"},
			"an id with a quote":    {ID: `a"b`},
			"an id beyond ASCII":    {ID: "é"},
			"an unknown collection": {ID: "a", NewOrUpdated: []Entry{entry("pots", `{"id":1}`)}},
			"a bad record":          {ID: "a", NewOrUpdated: []Entry{entry("posts", `{"id":1}`), entry("posts", `{}`)}},
			"a bad state":           {ID: "a", NextState: json.RawMessage(`{`)},
		} {
			var invalid *InvalidError
			if _, err := r.Push(t.Context(), p); !errors.As(err, &invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if b.k.groups != 0 {
			t.Errorf("%d groups were committed", b.k.groups)
		}
	})
}

func TestAPushWaitsForTheEndOfAPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{}
		b := newBundle(t, h)
		pushed := make(chan PushResponse, 1)
		h.delta = func(r Request) (Response, error) {
			n := len(h.seen())
			if n == 1 {
				go func() {
					got, err := b.r.Push(t.Context(), PushRequest{ID: "p"})
					if err != nil {
						t.Error(err)
					}
					pushed <- got
				}()
				time.Sleep(time.Second)
			}
			if n == 4 {
				return Response{}, nil
			}
			return Response{More: true, NextState: json.RawMessage(fmt.Sprint(n))}, nil
		}
		b.running()
		if got := <-pushed; got.Sequence != 4 {
			t.Errorf("the push is number %d, among the responses of a pull", got.Sequence)
		}
	})
}

func TestAPushDoesNotWaitForAHandlerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{delta: func(Request) (Response, error) { return Response{}, errors.New("down") }}
		b := newBundle(t, h)
		r := b.running()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Push(ctx, PushRequest{ID: "p", NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}, NextState: json.RawMessage("1")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		calls := len(h.seen())
		time.Sleep(time.Minute)
		synctest.Wait()
		was, is := h.seen()[calls-1], h.seen()[calls]
		if was.ID == is.ID || string(is.PreviousState) != "1" {
			t.Errorf("after the push the call %s has %s, before it %s had %s", is.ID, is.PreviousState, was.ID, was.PreviousState)
		}
	})
}

func TestAPushToWhatHasEndedIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, quiet())
		if err := b.run(time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := b.r.Push(t.Context(), PushRequest{ID: "p"}); !errors.Is(err, ErrEnded) {
			t.Errorf("answered %v", err)
		}
	})
}

func TestAPushWhoseOutcomeIsUnknownEndsTheRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, quiet())
		b.k.refuse = func(int) (bool, bool) { return true, true }
		r := b.start()
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		p := PushRequest{ID: "p", NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}}
		if _, err := r.Push(t.Context(), p); !errors.Is(err, errLost) {
			t.Errorf("answered %v", err)
		}
		if err := <-ended; !errors.Is(err, errLost) {
			t.Errorf("ended with %v", err)
		}
		b.k.refuse = nil
		got, err := b.running().Push(t.Context(), p)
		if err != nil || !got.Repeated || !slices.Equal(b.k.versions("posts", "1"), []string{`{"id":1}`}) {
			t.Errorf("again: %+v, %v, %q", got, err, b.k.versions("posts", "1"))
		}
	})
}

// A pull that was made to rest among its responses, or before a dump, may rest for days.
func TestAPushIsAppliedWhileTheSourceIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{}
		b := newBundle(t, h)
		h.delta = func(Request) (Response, error) {
			b.pulls.Hold(connector.ErrHeld)
			return Response{More: true, NextState: json.RawMessage("1")}, nil
		}
		r := b.running()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got, err := r.Push(ctx, PushRequest{ID: "p"}); err != nil || got.Sequence != 2 {
			t.Errorf("answered %+v, %v", got, err)
		}
		synctest.Wait()
		if n := len(h.seen()); n != 1 {
			t.Errorf("called %d times", n)
		}
	})
}
