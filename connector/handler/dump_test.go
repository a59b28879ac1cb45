package handler

import (
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

// listing dumps numbered posts in pages of some, and knows of no deltas.
func listing(posts *int, size int) *calls {
	h := &calls{delta: func(Request) (Response, error) { return Response{}, nil }}
	h.dump = func(r Request) (Response, error) {
		from := 0
		_ = json.Unmarshal(r.PreviousState, &from)
		resp := Response{}
		for n := from; n < min(from+size, *posts); n++ {
			resp.NewOrUpdated = append(resp.NewOrUpdated, entry("posts", fmt.Sprintf(`{"id":%d}`, n)))
		}
		if from+size < *posts {
			resp.More, resp.NextState = true, json.RawMessage(fmt.Sprint(from+size))
		} else {
			resp.NextDeltaState = json.RawMessage(fmt.Sprintf(`{"from":%d}`, *posts))
		}
		return resp, nil
	}
	return h
}

func (b *bundle) deleted() (n int) {
	for _, c := range b.k.topics["posts"] {
		if c.Value == nil {
			n++
		}
	}
	return n
}

func TestTheFirstPullIsADumpThatHandsItsStateOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		posts := 95
		h := listing(&posts, 10)
		b := newBundle(t, h)
		b.cfg.Dump = &Dump{}
		if err := b.run(90 * time.Second); err != nil {
			t.Fatal(err)
		}
		if got := b.k.memory["posts"].Ledger.Len(); got != 95 {
			t.Errorf("%d posts are known", got)
		}
		if len(h.all) != 10+2 || string(h.all[0].PreviousState) != "null" || string(h.all[10].PreviousState) != `{"from":95}` {
			t.Fatalf("%d calls, the first delta with %s", len(h.all), h.all[10].PreviousState)
		}
		calls := len(h.all)
		if err := b.run(10 * time.Second); err != nil { // another life: it has been dumped
			t.Fatal(err)
		}
		if got := string(h.all[calls].PreviousState); got != `{"from":95}` {
			t.Errorf("the next life begins with %s", got)
		}
	})
}

func TestADumpDeletesWhatItDoesNotShow(t *testing.T) {
	for name, c := range map[string]struct {
		before, after int
		deleted       int
		guard         string
	}{
		"little":                    {before: 5000, after: 4500, deleted: 500},
		"more than the ratio":       {before: 100, after: 79, guard: "did not show 21 of 100 records, which is over 0.2 of them (max_ratio)"},
		"more than the count":       {before: 9000, after: 7500, guard: "did not show 1500 records, more than 1000 (max_count)"},
		"everything":                {before: 50, after: 0, guard: "showed not one of 50 records"},
		"nothing, and nothing was":  {before: 0, after: 0},
		"nothing that is gone":      {before: 30, after: 30},
		"what was not there before": {before: 30, after: 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				posts := c.before
				b := newBundle(t, listing(&posts, 700))
				b.cfg.Dump = &Dump{Cron: []connector.Cron{{Text: "hourly", Next: func(at time.Time) time.Time { return at.Truncate(time.Hour).Add(time.Hour) }}}}
				if err := b.run(10 * time.Minute); err != nil {
					t.Fatal(err)
				}
				posts = c.after
				if err := b.run(2 * time.Hour); err != nil {
					t.Fatal(err)
				}
				if got := b.deleted(); got != c.deleted {
					t.Errorf("%d were deleted, want %d", got, c.deleted)
				}
				s := b.k.memory["posts"].State.Sweep
				if !strings.Contains(s.Guard, c.guard) || (s.Guard == "") != (c.guard == "") {
					t.Errorf("the guard is %q, want %q", s.Guard, c.guard)
				}
				if guarded := b.ms["posts"].Status(time.Now()).Guarded; guarded != (c.guard != "") {
					t.Errorf("sweep_guarded is %v", guarded)
				}
				if c.guard == "" {
					return
				}
				ctx := t.Context()
				r := b.start()
				asked := make(chan error, 1)
				go func() { asked <- r.Sweep(ctx, "posts", true) }()
				end := time.AfterFunc(5*time.Minute, func() {})
				defer end.Stop()
				go func() { _ = r.Run(ctx) }()
				if err := <-asked; err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := b.deleted(); got != c.before-c.after {
					t.Errorf("approved, %d were deleted, want %d", got, c.before-c.after)
				}
				if s := b.k.memory["posts"].State.Sweep; s.Guard != "" || s.Asked || s.Approved {
					t.Errorf("afterwards the sweep is %+v", s)
				}
			})
		})
	}
}

// The crux: what fails never counts as done, whatever it has told already.
func TestADumpThatFailsIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		posts := 300
		h := listing(&posts, 10)
		good, failing := h.dump, true
		h.dump = func(r Request) (Response, error) {
			if failing && len(h.all) > 20 {
				return Response{}, errors.New("down")
			}
			return good(r)
		}
		b := newBundle(t, h)
		b.cfg.Dump = &Dump{}
		if err := b.run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if b.k.handler.Dumped != 0 || b.k.memory["posts"].Ledger.Len() != 200 {
			t.Fatalf("dumped %v, %d posts are known", b.k.handler.Dumped, b.k.memory["posts"].Ledger.Len())
		}
		failing, posts = false, 290
		before := len(h.all)
		if err := b.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := string(h.all[before].PreviousState); got != "null" {
			t.Errorf("the dump goes on from %s: another life begins anew", got)
		}
		if b.k.handler.Dumped == 0 || b.k.memory["posts"].Ledger.Len() != 290 {
			t.Errorf("dumped %v, %d posts are known", b.k.handler.Dumped, b.k.memory["posts"].Ledger.Len())
		}
		for n := range 290 {
			if got := b.k.versions("posts", fmt.Sprint(n)); len(got) != 1 {
				t.Fatalf("post %d was published as %q", n, got)
			}
		}
	})
}

func TestADumpOnRestartIsOneInEachProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		posts, ended := 10, 0
		h := listing(&posts, 10)
		b := newBundle(t, h)
		b.cfg.Dump = &Dump{Now: true, Ended: func() { ended++ }}
		for range 2 {
			if err := b.run(10 * time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if ended != 2 {
			t.Errorf("%d dumps in two lives that were told to dump", ended)
		}
	})
}

func TestADumpThatExpiresBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		posts := 100
		h := listing(&posts, 10)
		good, expired := h.dump, 0
		h.dump = func(r Request) (Response, error) {
			if string(r.PreviousState) == "50" && expired < 2 {
				expired++
				return Response{}, &connector.AnewError{Err: errors.New("the token has expired")}
			}
			return good(r)
		}
		b := newBundle(t, h)
		b.cfg.Dump = &Dump{}
		if err := b.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if expired != 2 || b.k.handler.Dumped == 0 || b.k.memory["posts"].Ledger.Len() != 100 {
			t.Errorf("expired %d times, dumped %v, %d known", expired, b.k.handler.Dumped, b.k.memory["posts"].Ledger.Len())
		}
	})
}

func TestABadResponseToADumpIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		bad  Response
		says string
	}{
		"a deletion":                {Response{Deleted: []Deletion{{"posts", "1"}}}, `a dump has nothing "deleted"`},
		"a state at its end":        {Response{NextState: json.RawMessage("1")}, `the last response of a dump has no "next_state"`},
		"a delta's state too early": {Response{More: true, NextState: json.RawMessage("1"), NextDeltaState: json.RawMessage("1")}, `only the last response of a dump`},
		"more without a state":      {Response{More: true}, `without a "next_state"`},
		"more and its first state":  {Response{More: true, NextState: json.RawMessage("null"), NewOrUpdated: []Entry{entry("posts", `{"id":1}`)}}, "it would never end"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBundle(t, &calls{dump: func(Request) (Response, error) { return c.bad, nil }})
				b.cfg.Dump = &Dump{}
				if err := b.run(time.Minute); err != nil {
					t.Fatal(err)
				}
				if got := b.ms["posts"].Status(time.Now()).Failure; !strings.Contains(got, c.says) {
					t.Errorf("it says %q, want %q in it", got, c.says)
				}
				if b.k.groups != 0 {
					t.Errorf("%d groups were committed", b.k.groups)
				}
			})
		})
	}
}

func TestADumpsDeletionsAreOneWithItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		posts := 9000
		b := newBundle(t, listing(&posts, 10_000))
		b.cfg.Dump = &Dump{Now: true}
		b.cfg.Collections[0].Settings.Sweeps = connector.Sweeps{MaxRatio: 1, MaxCount: 10_000}
		if err := b.run(time.Second); err != nil {
			t.Fatal(err)
		}
		posts = 4000
		first := b.k.handler.Dumped
		// The third group of the second life is lost: 4000 of 5000 are deleted by then.
		n := b.k.groups
		b.k.refuse = func(g int) (bool, bool) { return g == n+3, false }
		if err := b.run(time.Minute); !errors.Is(err, errLost) {
			t.Fatalf("ended with %v", err)
		}
		if b.deleted() != 4000 || b.k.handler.Dumped != first {
			t.Fatalf("%d deleted, dumped %v", b.deleted(), b.k.handler.Dumped)
		}
		if err := b.run(time.Minute); err != nil {
			t.Fatal(err)
		}
		if b.deleted() != 5000 || b.k.handler.Dumped == first {
			t.Errorf("%d deleted, dumped %v", b.deleted(), b.k.handler.Dumped)
		}
		if got := b.k.versions("posts", "8999"); !slices.Equal(got, []string{`{"id":8999}`, "-"}) {
			t.Errorf("published %q", got)
		}
	})
}
