package control_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

func TestAPullHandsOverWhatIsKnownOfItsReason(t *testing.T) {
	plane := three()
	var got connector.Reason
	plane.OnPull = func(_ context.Context, n control.Name, r connector.Reason) (control.Pulled, error) {
		got = r
		return control.Pulled{Name: n, Positions: []connector.Position{{Topic: "eu.people", Partition: 2, Offset: 99}}}, nil
	}
	h := serve(t, plane, nil)
	var pulled control.Pulled
	h.ask("POST", people+"/pull", `{"reason":"after-update","caller":"crm","affected_collections":["people","accounts"],
		"filter":{"id":7},"projection":["id","name"],"aggregation":{"count":true},"patch":{"name":"B"},"records":[{"id":7}]}`).is(200).into(&pulled)
	if got.At.IsZero() {
		t.Error("the reason does not say when")
	}
	got.At = time.Time{}
	sent, _ := json.Marshal(got)
	const want = `{"name":"after-update","at":"0001-01-01T00:00:00Z","collection":"people","affected_collections":["people","accounts"],"caller":"crm",` +
		`"filter":{"id":7},"projection":["id","name"],"aggregation":{"count":true},"patch":{"name":"B"},"records":[{"id":7}]}`
	if string(sent) != want {
		t.Errorf("the reason is\n%s, want\n%s", sent, want)
	}
	if len(pulled.Positions) != 1 || pulled.Positions[0].Offset != 99 || pulled.Collection != "people" {
		t.Errorf("the answer is %+v", pulled)
	}
}

func TestAPullThatIsTooLateSaysWhatIsKnown(t *testing.T) {
	plane := three()
	controltestFail(plane)
	plane.OnPull = func(ctx context.Context, _ control.Name, _ connector.Reason) (control.Pulled, error) {
		<-ctx.Done()
		return control.Pulled{}, ctx.Err()
	}
	h := serve(t, plane, nil)
	p := h.ask("POST", people+"/pull", `{"timeout":"20ms"}`).problem(504, "too-late")
	if p.Collection == nil || p.Collection.State != connector.StateBackoff || p.Collection.LastError == nil {
		t.Errorf("it does not say how the collection stands: %+v", p.Collection)
	}
	if !strings.Contains(p.Detail, "20ms") || !strings.Contains(p.Remedy, "it goes on") {
		t.Errorf("the problem is %+v", p)
	}
}

func controltestFail(plane *controltest.Plane) {
	plane.Set(control.Name{Source: "eu", Collection: "people"}, func(c *control.Collection) {
		controltest.Fail(c, connector.StateBackoff, "the API answered 503", "")
	})
}

func TestAPullThatFailsFailsWithItsReason(t *testing.T) {
	plane := three()
	controltestFail(plane)
	plane.OnPull = func(context.Context, control.Name, connector.Reason) (control.Pulled, error) {
		return control.Pulled{}, &control.Error{Kind: control.Failed, Detail: "the API answered 503", Remedy: "ask it"}
	}
	p := serve(t, plane, nil).ask("POST", people+"/pull", "").problem(502, "failed")
	if p.Detail != "the API answered 503" || p.Collection == nil {
		t.Errorf("the problem is %+v", p)
	}
}

func TestThePullOfASourceIsAsGoodAsItsWorst(t *testing.T) {
	plane := three()
	h := serve(t, plane, nil)
	var all struct {
		Source string
		Pulls  []control.SourcePull
	}
	h.ask("POST", "/v1/sources/eu/pull", `{"reason":"before-list"}`).is(200).into(&all)
	if len(all.Pulls) != 2 || all.Pulls[0].Collection != "people" || all.Pulls[1].Pulled == nil {
		t.Errorf("the answer is %+v", all)
	}
	if calls := slices.Sorted(slices.Values(plane.Calls())); !slices.Equal(calls, []string{"pull eu.accounts before-list", "pull eu.people before-list"}) {
		t.Errorf("pulled were %q", calls)
	}

	plane = three()
	plane.OnPull = func(_ context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
		if n.Collection == "accounts" {
			return control.Pulled{}, &control.Error{Kind: control.Failed, Detail: "the API answered 503"}
		}
		return control.Pulled{Name: n}, nil
	}
	p := serve(t, plane, nil).ask("POST", "/v1/sources/eu/pull", "").problem(502, "incomplete")
	if len(p.Pulls) != 2 || p.Pulls[0].Pulled == nil || p.Pulls[1].Problem == nil || !strings.Contains(p.Detail, "1 of 2") {
		t.Errorf("the problem is %+v", p)
	}
}

// TestWhatRestsKeepsNoOtherOfItsSourceFromBeingPulled, and is no success.
func TestWhatRestsKeepsNoOtherOfItsSourceFromBeingPulled(t *testing.T) {
	plane := three()
	paused := map[string]bool{"people": true}
	plane.OnPull = func(_ context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
		if paused[n.Collection] {
			return control.Pulled{}, &control.Error{Kind: control.Conflict, Detail: "it is paused by an operator", Remedy: "resume it first"}
		}
		return control.Pulled{Name: n}, nil
	}
	h := serve(t, plane, nil)
	p := h.ask("POST", "/v1/sources/eu/pull", "").problem(409, "incomplete")
	if !strings.Contains(p.Detail, "1 of 2") || !strings.Contains(p.Detail, "people: it is paused by an operator") || len(p.Pulls) != 2 {
		t.Fatalf("the problem is %+v", p)
	}
	if rests, other := p.Pulls[0], p.Pulls[1]; rests.Problem == nil || rests.Problem.Type != "urn:tributary:problem:conflict" || rests.Pulled != nil ||
		other.Problem != nil || other.Pulled == nil || other.Pulled.Collection != "accounts" {
		t.Errorf("they came to %+v", p.Pulls)
	}
	h.ask("POST", "/v1/sources/eu/pull", `{"collections":["accounts"]}`).is(200)
	paused["accounts"] = true
	h.ask("POST", "/v1/sources/eu/pull", "").problem(409, "conflict")
}

// A gate is a pull that waits until it is let go.
type gate struct {
	began, letGo chan struct{}
}

func gated(plane *controltest.Plane) *gate {
	g := &gate{began: make(chan struct{}, 100), letGo: make(chan struct{})}
	plane.OnPull = func(ctx context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
		g.began <- struct{}{}
		select {
		case <-g.letGo:
			return control.Pulled{Name: n, Positions: []connector.Position{{Topic: n.String(), Offset: int64(len(plane.Calls()))}}}, nil
		case <-ctx.Done():
			return control.Pulled{}, ctx.Err()
		}
	}
	return g
}

func key(k string) func(*http.Request) { return with("Idempotency-Key", k) }

func TestARequestThatComesAgainJoinsTheFirstOrGetsItsAnswer(t *testing.T) {
	plane := three()
	g := gated(plane)
	h := serve(t, plane, nil)
	answers := make([]*answer, 5)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = h.ask("POST", people+"/pull", `{"caller":"crm"}`, key("a")) })
	}
	<-g.began
	close(g.letGo)
	all.Wait()
	again := h.ask("POST", people+"/pull", `{"caller":"crm"}`, key("a"))
	for _, a := range append(answers, again) {
		if a.is(200); string(a.body) != string(again.body) {
			t.Errorf("answers differ: %s and %s", a.body, again.body)
		}
	}
	if n := len(plane.Calls()); n != 1 {
		t.Errorf("there were %d pulls, want 1", n)
	}
	h.ask("POST", people+"/pull", `{"caller":"erp"}`, key("a")).problem(422, "other-request")
	h.ask("POST", people+"/pull", `{"caller":"crm"}`, key("b")).is(200)
	h.ask("POST", "/v1/sources/eu/collections/accounts/pull", `{"caller":"crm"}`, key("a")).is(200)
	if n := len(plane.Calls()); n != 3 {
		t.Errorf("there were %d pulls, want 3: another key and another collection are other requests", n)
	}
	h.ask("POST", people+"/pull", "", key(strings.Repeat("k", 256))).problem(400, "malformed")
	h.ask("POST", people+"/pull", "", key("")).problem(400, "malformed")
}

func TestWhoGoesDoesNotEndThePullOfThoseWhoWaitWithHim(t *testing.T) {
	plane := three()
	g := gated(plane)
	h := serve(t, plane, nil)
	ctx, cancel := context.WithCancel(t.Context())
	first := newRequest(t, "POST", people+"/pull", "").WithContext(ctx)
	first.Header.Set("Idempotency-Key", "a")
	gone := make(chan struct{})
	go func() {
		h.handler.ServeHTTP(newWriter(), first)
		close(gone)
	}()
	<-g.began
	var second *answer
	var all sync.WaitGroup
	all.Go(func() { second = h.ask("POST", people+"/pull", "", key("a")) })
	cancel()
	<-gone
	close(g.letGo)
	all.Wait()
	second.is(200)
	if n := len(plane.Calls()); n != 1 {
		t.Errorf("there were %d pulls, want 1", n)
	}
}

func TestAFailureIsNotRemembered(t *testing.T) {
	plane := three()
	fail := true
	plane.OnPull = func(_ context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
		if fail {
			return control.Pulled{}, &control.Error{Kind: control.Failed, Detail: "the API answered 503"}
		}
		return control.Pulled{Name: n}, nil
	}
	h := serve(t, plane, nil)
	h.ask("POST", people+"/pull", "", key("a")).problem(502, "failed")
	fail = false
	h.ask("POST", people+"/pull", "", key("a")).is(200)
}

func TestAnAnswerIsRememberedForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := three()
		handler := control.NewHandler(plane, control.Config{Loopback: true})
		defer handler.Close()
		pull := func() {
			t.Helper()
			w := newWriter()
			r := newRequest(t, "POST", people+"/pull", "")
			r.Header.Set("Idempotency-Key", "a")
			handler.ServeHTTP(w, r)
			if w.Code != 200 {
				t.Fatalf("status is %d: %s", w.Code, w.Body)
			}
		}
		pull()
		time.Sleep(10*time.Minute - time.Second)
		pull()
		if n := len(plane.Calls()); n != 1 {
			t.Errorf("there were %d pulls within ten minutes, want 1", n)
		}
		time.Sleep(2 * time.Second)
		pull()
		if n := len(plane.Calls()); n != 2 {
			t.Errorf("there were %d pulls after ten minutes, want 2", n)
		}
	})
}

func TestHowManyWaitIsBounded(t *testing.T) {
	plane := three()
	g := gated(plane)
	h := serve(t, plane, func(c *control.Config) { c.Waiting = 1 })
	var all sync.WaitGroup
	all.Go(func() { h.ask("POST", people+"/pull", "").is(200) })
	<-g.began
	h.ask("POST", people+"/list", "{}").problem(503, "too-many")
	h.ask("GET", people, "").is(200) // who does not wait is answered
	close(g.letGo)
	all.Wait()
	h.ask("POST", people+"/pull", "").is(200)
}

func TestWhoWaitsIsToldThatTheConnectorStops(t *testing.T) {
	for _, change := range [][]func(*http.Request){nil, {key("a")}} {
		plane := three()
		g := gated(plane)
		h := serve(t, plane, nil)
		var a *answer
		var all sync.WaitGroup
		all.Go(func() { a = h.ask("POST", people+"/pull", "", change...) })
		<-g.began
		h.handler.Close()
		all.Wait()
		a.problem(503, "unavailable")
	}
}

// TestAPullOutlivesTheDeadlineOfItsServer: the server gives up on reading and on writing
// after a moment, which is for bodies and answers that come at once: on a busy machine too.
func TestAPullOutlivesTheDeadlineOfItsServer(t *testing.T) {
	plane := three()
	plane.OnPull = func(ctx context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
		time.Sleep(time.Second)
		return control.Pulled{Name: n}, ctx.Err()
	}
	h := serveWith(t, plane, nil, func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = 500*time.Millisecond, 500*time.Millisecond, time.Minute
	})
	h.ask("POST", people+"/pull", "").is(200)
	h.ask("POST", people+"/pull", `{"caller":"with a body"}`).is(200)
}
