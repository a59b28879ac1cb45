package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
	"tributary/connector/rest"
)

func TestAResponseIsCommittedWithItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{delta: once(Response{
			NextState:    json.RawMessage(`{"at": 7, "html": "<b>"}`),
			NewOrUpdated: []Entry{entry("posts", `{"id": 1, "title": "a"}`), entry("comments", `{"id":"x"}`)},
			Deleted:      []Deletion{{"posts", "34"}},
		})}
		b := newBundle(t, h)
		if err := b.run(3*time.Minute + time.Second); err != nil {
			t.Fatal(err)
		}
		if got := b.k.versions("posts", "1"); !slices.Equal(got, []string{`{"id": 1, "title": "a"}`}) {
			t.Errorf("published %q: not the bytes that were sent", got)
		}
		if b.k.groups != 1 {
			t.Errorf("%d groups were committed, and but one pull found something", b.k.groups)
		}
		if got := len(h.all); got < 3 {
			t.Errorf("called %d times in 3 minutes", got)
		}
		if got := string(h.all[1].PreviousState); got != `{"at":7,"html":"<b>"}` {
			t.Errorf("the state came back as %s", got)
		}
		if h.all[0].ID == h.all[1].ID || h.all[0].Attempt != 1 || h.all[1].Sequence != 1 || h.all[0].DeadlineMS != 60_000 {
			t.Errorf("requests %+v", h.all[:2])
		}
		if got := fmt.Sprint(h.all[0].AffectedCollections, connector.NamesOf(h.all[0].Reasons)); got != "[posts comments]startup" {
			t.Errorf("asked for %s", got)
		}
		if skipped := connector.Value(b.ms["posts"].Skipped.WithLabelValues("deleted_unpublished")); skipped != 1 {
			t.Errorf("%v deletions of what is not there were counted", skipped)
		}
	})
}

func TestDeletionsComeFirstAndVersionsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := 0
		h := &calls{delta: func(Request) (Response, error) {
			step++
			switch step {
			case 1:
				return Response{NextState: json.RawMessage("1"), NewOrUpdated: []Entry{entry("posts", `{"id":1,"v":1}`)}}, nil
			case 2:
				return Response{NextState: json.RawMessage("2"), Deleted: []Deletion{{"posts", "1"}},
					NewOrUpdated: []Entry{entry("posts", `{"id":1,"v":2}`), entry("posts", `{"id":1,"v":3}`), entry("posts", `{"v":3,"id":1}`)}}, nil
			}
			return Response{NextState: json.RawMessage("2"), NewOrUpdated: []Entry{entry("posts", `{"id":1, "v":3}`)}}, nil
		}}
		b := newBundle(t, h)
		if err := b.run(5 * time.Minute); err != nil {
			t.Fatal(err)
		}
		want := []string{`{"id":1,"v":1}`, "-", `{"id":1,"v":2}`, `{"id":1,"v":3}`}
		if got := b.k.versions("posts", "1"); !slices.Equal(got, want) {
			t.Errorf("published %q, want %q", got, want)
		}
		if b.k.groups != 2 {
			t.Errorf("%d groups: what was told again is nothing new", b.k.groups)
		}
	})
}

func TestMoreCallsAgainAtOnceForTheSameReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{delta: func(r Request) (Response, error) {
			var n int
			_ = json.Unmarshal(r.PreviousState, &n)
			return Response{More: n < 9, NextState: json.RawMessage(fmt.Sprint(min(n+1, 10))),
				NewOrUpdated: []Entry{entry("posts", fmt.Sprintf(`{"id":%d}`, n))}}, nil
		}}
		b := newBundle(t, h)
		began := time.Now()
		if err := b.run(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if len(h.all) != 10 || b.k.groups != 10 || time.Since(began) > 11*time.Second {
			t.Errorf("called %d times, %d groups", len(h.all), b.k.groups)
		}
		for _, r := range h.all {
			if connector.NamesOf(r.Reasons) != "startup" {
				t.Errorf("call %s has the reasons %s", r.ID, connector.NamesOf(r.Reasons))
			}
		}
	})
}

// A handler may take a state that comes back as a receipt, and forget what led to it.
func TestAHandlerIsCalledWithAStateThatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{}
		b := newBundle(t, h)
		h.delta = func(r Request) (Response, error) {
			if r.Sequence != b.k.flushed {
				t.Errorf("called with the state of group %d, and %d is committed", r.Sequence, b.k.flushed)
			}
			n := len(h.all)
			return Response{More: n < 5, NextState: json.RawMessage(fmt.Sprint(n)), NewOrUpdated: []Entry{entry("posts", fmt.Sprintf(`{"id":%d}`, n))}}, nil
		}
		if err := b.run(90 * time.Second); err != nil {
			t.Fatal(err)
		}
		if len(h.all) != 6 {
			t.Errorf("called %d times", len(h.all))
		}
	})
}

// A handler that breaks the contract: nothing of its response is committed, it is called
// again with the same state and after a pause, and when it is mended everything comes.
func TestABadResponseCommitsNothingAndIsTriedAgain(t *testing.T) {
	good := Response{NextState: json.RawMessage(`1`), NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}}
	with := func(f func(*Response)) Response { r := good; f(&r); return r }
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for name, c := range map[string]struct {
		bad  Response
		err  error
		says string
	}{
		"an unknown collection":      {bad: with(func(r *Response) { r.NewOrUpdated = append(r.NewOrUpdated, entry("pots", `{"id":2}`)) }), says: `new_or_updated[1] is of a collection "pots", which the config does not have; there are posts, comments`},
		"a deletion of none":         {bad: with(func(r *Response) { r.Deleted = []Deletion{{"pots", "1"}} }), says: `deleted[0] is of a collection "pots"`},
		"a record without id":        {bad: with(func(r *Response) { r.NewOrUpdated = append(r.NewOrUpdated, entry("posts", `{"no":2}`)) }), says: "new_or_updated[1], a record of posts, cannot be published: it has no id"},
		"a record that is no object": {bad: with(func(r *Response) { r.NewOrUpdated = append(r.NewOrUpdated, entry("posts", `[1]`)) }), says: "it is not an object"},
		"a record that is no JSON":   {bad: with(func(r *Response) { r.NewOrUpdated = append(r.NewOrUpdated, entry("posts", `{"id":2`)) }), says: "it ends in the middle"},
		"a record with a name twice": {bad: with(func(r *Response) { r.NewOrUpdated = append(r.NewOrUpdated, entry("posts", `{"id":2,"id":3}`)) }), says: "two members of one name"},
		"an id that is too long": {bad: with(func(r *Response) {
			r.NewOrUpdated = append(r.NewOrUpdated, entry("posts", `{"id":"`+strings.Repeat("x", 70_000)+`"}`))
		}), says: "its id is 70000 bytes long"},
		"a deletion without id":          {bad: with(func(r *Response) { r.Deleted = []Deletion{{"posts", ""}} }), says: "deleted[0] has no id"},
		"a deletion with too long an id": {bad: with(func(r *Response) { r.Deleted = []Deletion{{"posts", strings.Repeat("x", 70_000)}} }), says: "has an id of 70000 bytes"},
		"a state that is no JSON":        {bad: with(func(r *Response) { r.NextState = json.RawMessage(`{`) }), says: "next_state: it ends in the middle"},
		"a state that is too deep":       {bad: with(func(r *Response) { r.NextState = json.RawMessage(deep) }), says: "next_state: it is nested too deep: more than 64 levels"},
		"a record that is too deep":      {bad: with(func(r *Response) { r.NewOrUpdated = append(r.NewOrUpdated, entry("posts", `{"id":2,"d":`+deep+`}`)) }), says: "new_or_updated[1], a record of posts, is refused: it is nested too deep: more than 64 levels"},
		"a state that is too long":       {bad: with(func(r *Response) { r.NextState = json.RawMessage(`"` + strings.Repeat("x", 20_000) + `"`) }), says: "next_state is 20002 bytes long, and the offsets topic takes 10000"},
		"a dump's state":                 {bad: with(func(r *Response) { r.NextDeltaState = json.RawMessage(`1`) }), says: `only the last response of a dump has a "next_delta_state"`},
		"more without a state":           {bad: with(func(r *Response) { r.More, r.NextState = true, nil }), says: `it says "more" without a "next_state"`},
		"more, and nothing":              {bad: Response{More: true, NextState: json.RawMessage("null")}, says: "forgets to advance next_state"},
		"an error":                       {err: errors.New("no such table"), says: "the handler failed: no such table"},
		"too soon":                       {err: &connector.RetryError{Reason: connector.RetryThrottled, After: time.Second, Err: errors.New("slow down")}, says: "slow down"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mended := false
				h := &calls{}
				h.delta = func(r Request) (Response, error) {
					if mended {
						return once(good)(r)
					}
					return c.bad, c.err
				}
				b := newBundle(t, h)
				if err := b.run(40 * time.Second); err != nil {
					t.Fatal(err)
				}
				if b.k.groups != 0 {
					t.Fatalf("%d groups of it were committed: %v", b.k.groups, b.k.topics)
				}
				if n := len(h.all); n < 2 || n > 40 {
					t.Errorf("called %d times in 40 s", n)
				}
				st := b.ms["posts"].Status(time.Now())
				if !strings.Contains(st.Failure, c.says) {
					t.Errorf("it says %q, want %q in it", st.Failure, c.says)
				}
				if st.State != connector.StateBackoff {
					t.Errorf("its state is %s", st.State)
				}
				last := h.all[len(h.all)-1]
				if h.all[0].ID != last.ID || last.Attempt != len(h.all) || string(last.PreviousState) != "null" {
					t.Errorf("the last of %d calls was %+v", len(h.all), last)
				}
				mended = true
				if err := b.run(10 * time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := b.k.versions("posts", "1"); !slices.Equal(got, []string{`{"id":1}`}) {
					t.Errorf("when it was mended %q was published", got)
				}
			})
		})
	}
}

// A key that no record can have would be passed over as the deletion of one that is gone
// already, and the record stay for ever.
func TestADeletionNamesAllPartsOfAnID(t *testing.T) {
	for id, says := range map[string]string{
		`["x/1","2"]`: "", `"x~11/2"`: "",
		`["1"]`: "1 of the 2 parts", `1`: "1 of the 2 parts", `"x"`: "1 of the 2 parts", `["1","2","3"]`: "3 of the 2 parts",
	} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &calls{}
				h.delta = func(Request) (Response, error) {
					return ParseResponse([]byte(`{"more":false,"next_state":1,"deleted":[{"collection":"posts","id":` + id + `}]}`))
				}
				b := newBundle(t, h)
				b.cfg.Collections[0].Records = rest.Config{ID: "a", IDMore: []string{"b"}}.OfHandler()
				b.cfg.Collections[0].Settings.Fingerprint = b.cfg.Collections[0].Records.Fingerprint()
				if err := b.run(10 * time.Second); err != nil {
					t.Fatal(err)
				}
				got := b.ms["posts"].Status(time.Now()).Failure
				if says == "" && (got != "" || b.k.groups != 1) {
					t.Errorf("%d groups, and it says %q", b.k.groups, got)
				}
				if says != "" && (!strings.Contains(got, "deleted[0], of posts, names no record: it has "+says) || b.k.groups != 0) {
					t.Errorf("%d groups, and it says %q, want %q in it", b.k.groups, got, says)
				}
			})
		})
	}
}

func TestAHandlerThatPanicsHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, &calls{delta: func(Request) (Response, error) { panic("index out of range") }})
		if err := b.run(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if got := b.ms["posts"].Status(time.Now()).Failure; !strings.Contains(got, "it panicked: index out of range") {
			t.Errorf("it says %q", got)
		}
	})
}

type hanging struct{ calls }

func (h *hanging) Delta(ctx context.Context, r Request) (Response, error) {
	h.note(r)
	<-ctx.Done()
	return Response{NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}}, ctx.Err()
}

func TestAHandlerThatHangsRunsIntoItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{}
		b := newBundle(t, h)
		if err := b.run(5 * time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := b.ms["posts"].Status(time.Now()).Failure; !strings.Contains(got, "no response within 1m0s") || !strings.Contains(got, "handler.timeout") {
			t.Errorf("it says %q", got)
		}
		if b.k.groups != 0 || len(h.all) < 3 {
			t.Errorf("%d groups, %d calls", b.k.groups, len(h.all))
		}
	})
}

func TestAHandlerThatGoesInACircleIsCalledSlowly(t *testing.T) {
	for name, period := range map[string]int{"of two states": 2, "of seven": 7} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &calls{delta: func(r Request) (Response, error) {
					var n int
					_ = json.Unmarshal(r.PreviousState, &n)
					return Response{More: true, NextState: json.RawMessage(fmt.Sprint(1 + n%period))}, nil
				}}
				b := newBundle(t, h)
				if err := b.run(time.Hour); err != nil {
					t.Fatal(err)
				}
				if n := len(h.all); n > 40 {
					t.Errorf("called %d times in an hour", n)
				}
				if got := b.ms["posts"].Status(time.Now()).Failure; !strings.Contains(got, "it goes in a circle") {
					t.Errorf("it says %q", got)
				}
			})
		})
	}
}

func TestAHandlerThatNeverEndsIsCalledSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &calls{}
		h.delta = func(Request) (Response, error) {
			return Response{More: true, NextState: json.RawMessage(fmt.Sprint(len(h.all)))}, nil
		}
		b := newBundle(t, h)
		if err := b.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(h.all); n < maxIdle || n > maxIdle+40 {
			t.Errorf("called %d times", n)
		}
		if got := b.ms["posts"].Status(time.Now()).Failure; !strings.Contains(got, `"more" 10000 times in a row`) {
			t.Errorf("it says %q", got)
		}
	})
}

// A record that cannot be published changes nothing, however often it is told.
func TestAHandlerThatTellsOfOneBadRecordForEverIsCalledSlowly(t *testing.T) {
	for _, on := range []connector.OnBadRecord{connector.SkipBadRecord, connector.DeadLetterQueue} {
		t.Run(string(on), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &calls{}
				h.delta = func(Request) (Response, error) {
					if len(h.all) > 1000 {
						return Response{}, &connector.StopError{What: "called for ever"}
					}
					return Response{More: true, NextState: json.RawMessage(`1`), NewOrUpdated: []Entry{entry("posts", `{"name":"without an id"}`)}}, nil
				}
				b := newBundle(t, h)
				b.cfg.Collections[0].Settings.OnBadRecord = on
				if err := b.run(time.Hour); err != nil {
					t.Fatal(err)
				}
				if n := len(h.all); n < 3 || n > 40 {
					t.Errorf("called %d times in an hour", n)
				}
				if got := b.ms["posts"].Status(time.Now()).Failure; !strings.Contains(got, "leaves the state as it is") {
					t.Errorf("it says %q", got)
				}
			})
		})
	}
}

func TestAStopErrorOfAHandlerEndsItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := &connector.StopError{What: "the account is closed", Remedy: "open it"}
		b := newBundle(t, &calls{delta: func(Request) (Response, error) { return Response{}, stop }})
		if err := b.run(time.Hour); !errors.Is(err, stop) {
			t.Errorf("ended with %v", err)
		}
		if _, err := b.pulls.Ask(connector.Reason{Name: connector.ReasonManual}); err == nil {
			t.Error("a pull can be asked for although nothing runs")
		}
	})
}

func TestWhoWaitsForAPullThatFailsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, &calls{delta: func(Request) (Response, error) { return Response{}, errors.New("down") }})
		ticket, err := b.pulls.Ask(connector.Reason{Name: connector.ReasonBeforeList})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = b.run(time.Minute) }()
		if _, err := ticket.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "the handler failed: down") {
			t.Errorf("told %v", err)
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestAnUntilCaughtUpRunGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBundle(t, &calls{delta: func(Request) (Response, error) { return Response{More: true}, nil }})
		b.env.GiveUp = 2
		var stop *connector.StopError
		if err := b.run(time.Hour); !errors.As(err, &stop) || !strings.Contains(stop.What, "next_state") {
			t.Errorf("ended with %v", err)
		}
	})
}

// How long a handler may be behind is what its schedule leaves, which is any time where only
// triggers call it.
func TestTheIntervalOfAHandlerIsThatOfItsSchedule(t *testing.T) {
	b := newBundle(t, quiet())
	b.pulls = connector.NewPulls(connector.Settings{}, time.Now, b.env.Random)
	for i := range b.cfg.Collections {
		b.cfg.Collections[i].Settings.Interval = 0
	}
	b.start()
	if got := connector.Value(b.ms["posts"].PollInterval); !math.IsInf(got, 1) {
		t.Errorf("it is said to be pulled every %v seconds", got)
	}
}
