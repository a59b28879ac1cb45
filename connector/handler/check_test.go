package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
	"tributary/connector/contract"
)

// trial makes a trial from what the bundle's Kafka has.
func (b *bundle) trial(collection string) *Trial {
	b.t.Helper()
	for i := range b.cfg.Collections {
		b.cfg.Collections[i].Memory = b.k.restore(b.cfg.Collections[i].Settings.Collection)
	}
	t, err := NewTrial(b.cfg, b.h, b.k.handler, collection, time.Now)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// checked runs a check, and returns its findings by rule, the gravest of each.
func (b *bundle) checked(o CheckOptions) (byRule map[string]contract.Finding, text string) {
	b.t.Helper()
	o.Remedy = func(r connector.RetryReason) string { return "remedy of " + string(r) }
	grave := []contract.Level{contract.OK, contract.Note, contract.Warn, contract.Fail}
	byRule = map[string]contract.Finding{}
	for _, f := range b.trial("").Check(b.t.Context(), o) {
		text += fmt.Sprintf("%s %s: %s | %s | %s\n", f.Level, f.Rule, f.Found, f.Means, f.Set)
		if had, twice := byRule[f.Rule]; !twice || slices.Index(grave, f.Level) > slices.Index(grave, had.Level) {
			byRule[f.Rule] = f
		}
	}
	if b.k.groups != 0 {
		b.t.Errorf("%d groups were committed by a check", b.k.groups)
	}
	return byRule, text
}

// log is a handler of which nothing can be said: it tells, three at a time, which records of
// a log are behind its state, and its dump tells all of them.
func log(n int) *calls {
	tell := func(r Request, state func(int) Response, last func(int) Response) (Response, error) {
		at := 0
		if err := json.Unmarshal(r.PreviousState, &at); err != nil {
			return Response{}, err
		}
		to := min(n, at+3)
		resp := state(to)
		if resp.More = to < n; !resp.More {
			resp = last(to)
		}
		for i := at; i < to; i++ {
			resp.NewOrUpdated = append(resp.NewOrUpdated, entry("posts", fmt.Sprintf(`{"id":%d}`, i)))
		}
		return resp, nil
	}
	next := func(at int) Response { return Response{NextState: json.RawMessage(fmt.Sprint(at))} }
	return &calls{
		delta: func(r Request) (Response, error) { return tell(r, next, next) },
		dump: func(r Request) (Response, error) {
			return tell(r, next, func(at int) Response { return Response{NextDeltaState: json.RawMessage(fmt.Sprint(at))} })
		},
	}
}

func TestACheckFindsNothingOfAGoodHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := log(10)
		b := newBundle(t, h)
		b.cfg.Dump = &Dump{}
		byRule, text := b.checked(CheckOptions{Follow: true, Dump: true, MaxBody: 1000})
		for _, rule := range []string{"answer", "repeat", "more", "idle", "dump", "handover", "calls"} {
			if byRule[rule].Level != contract.OK {
				t.Errorf("%s is %+v\n%s", rule, byRule[rule], text)
			}
		}
		if len(byRule) != 7 || !strings.Contains(byRule["more"].Found, "answer 4, after 10 changes") || !strings.Contains(byRule["handover"].Found, "0 changes") {
			t.Error(text)
		}
		ids := map[string]bool{}
		for _, r := range h.seen() {
			ids[r.ID] = true
			if r.Attempt != 1 || connector.NamesOf(r.Reasons) != "manual" {
				t.Errorf("called with %+v", r)
			}
		}
		if len(ids) != len(h.seen()) {
			t.Errorf("%d calls have %d ids: a handler may keep an answer by its id, and then it shows nothing", len(h.seen()), len(ids))
		}
	})
}

// TestACheckSendsNoStateThatIsNotCommitted unless it is told to: a handler may take a state
// that comes back for a receipt, and forget what led to it.
func TestACheckSendsNoStateThatIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := log(10)
		b := newBundle(t, h)
		b.k.handler = connector.HandlerState{Seq: 7, State: json.RawMessage("4")}
		byRule, text := b.checked(CheckOptions{})
		if byRule["repeat"].Level != contract.OK || byRule["follow"].Level != contract.Note || len(h.seen()) != 2 {
			t.Errorf("called %d times\n%s", len(h.seen()), text)
		}
		for _, r := range h.seen() {
			if string(r.PreviousState) != "4" || r.Sequence != 7 {
				t.Errorf("called with the state %s of %d", r.PreviousState, r.Sequence)
			}
		}
	})
}

// The wicked ones.
func TestACheckFindsWhatBreaksAPromise(t *testing.T) {
	five := func(from int) (entries []Entry) {
		for i := range 5 {
			entries = append(entries, entry("posts", fmt.Sprintf(`{"id":%d}`, from+i)))
		}
		return entries
	}
	n := 0 // calls of the case that runs
	state := func(of any) json.RawMessage { return json.RawMessage(fmt.Sprint(of)) }
	follow := CheckOptions{Follow: true}
	for name, c := range map[string]struct {
		o     CheckOptions
		delta func(Request) (Response, error)
		rule  string
		level contract.Level
		says  string
	}{
		"a queue that is emptied": {delta: func(Request) (Response, error) {
			if n > 1 {
				return Response{}, nil
			}
			return Response{NewOrUpdated: five(0)}, nil
		}, rule: "repeat", level: contract.Fail, says: `5 of 5 records, such as "0" of posts`},
		"a cursor of its own": {o: follow, delta: func(Request) (Response, error) {
			return Response{More: n < 8, NextState: state(n), NewOrUpdated: five(5 * n)}, nil
		}, rule: "repeat", level: contract.Fail, says: "never published"},
		"a cursor of its own, not followed": {delta: func(Request) (Response, error) {
			return Response{More: true, NextState: state(n), NewOrUpdated: five(5 * n)}, nil
		}, rule: "repeat", level: contract.Warn, says: "`--follow`"},
		"one record less": {delta: func(Request) (Response, error) {
			if n > 1 {
				return Response{NewOrUpdated: five(0)[1:]}, nil
			}
			return Response{NewOrUpdated: five(0)}, nil
		}, rule: "repeat", level: contract.Warn, says: "made and deleted in this moment"},
		"a clock in the records": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("posts", fmt.Sprintf(`{"id":1,"read_at":%d}`, n)), entry("posts", `{"id":2}`)}}, nil
		}, rule: "stable", level: contract.Warn, says: "hash: {exclude: [read_at]}"},
		"one record that is written to": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("posts", fmt.Sprintf(`{"id":1,"v":%d}`, min(n, 2))), entry("posts", `{"id":2}`)}}, nil
		}, rule: "stable", level: contract.Note, says: "changed in this moment"},
		"a clock for a state": {o: follow, delta: func(Request) (Response, error) {
			return Response{NextState: state(n), NewOrUpdated: five(0)}, nil
		}, rule: "repeat", level: contract.Note, says: "no clock of its own"},
		"a clock for a state, when idle": {o: follow, delta: func(Request) (Response, error) {
			return Response{NextState: state(n)}, nil
		}, rule: "idle", level: contract.Note, says: "each pull commits a transaction for the state alone"},
		"what tells everything each time": {o: follow, delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: five(0)}, nil
		}, rule: "idle", level: contract.Note, says: "5 things again"},
		"what has no end": {o: follow, delta: func(r Request) (Response, error) {
			return Response{More: true, NextState: json.RawMessage(`"` + r.ID + `"`), NewOrUpdated: five(0)}, nil
		}, rule: "more", level: contract.Note, says: "after 100 answers"},
		"a circle": {o: follow, delta: func(r Request) (Response, error) {
			at := 0
			_ = json.Unmarshal(r.PreviousState, &at)
			return Response{More: true, NextState: state(1 - at)}, nil
		}, rule: "more", level: contract.Fail, says: "it goes in a circle"},
		"no way on": {delta: func(r Request) (Response, error) {
			return Response{More: true, NextState: r.PreviousState}, nil
		}, rule: "answer", level: contract.Fail, says: "leaves the state as it is"},
		"a collection that is not known": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("cats", `{"id":1}`)}}, nil
		}, rule: "answer", level: contract.Fail, says: "remedy of body"},
		"a record without an id": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("posts", `{"sku":1}`)}}, nil
		}, rule: "answer", level: contract.Fail, says: "cannot be published"},
		"a state that is too large": {delta: func(Request) (Response, error) {
			return Response{NextState: json.RawMessage(`"` + strings.Repeat("x", 10_000) + `"`)}, nil
		}, rule: "answer", level: contract.Fail, says: "the offsets topic takes 10000"},
		"a state that is nearly too large": {delta: func(Request) (Response, error) {
			return Response{NextState: json.RawMessage(`"` + strings.Repeat("x", 6_000) + `"`)}, nil
		}, rule: "state", level: contract.Warn, says: "more than half"},
		"a record that is nearly too large": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("posts", `{"id":1,"text":"`+strings.Repeat("x", 600)+`"}`)}}, nil
		}, rule: "size", level: contract.Note, says: "of 1000 that its topic takes"},
		"a record that is too large": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("posts", `{"id":1,"text":"`+strings.Repeat("x", 1000)+`"}`)}}, nil
		}, rule: "answer", level: contract.Fail, says: "max.message.bytes"},
		"two records of one id": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: []Entry{entry("posts", `{"id":1}`), entry("posts", `{"id":1,"v":2}`)}}, nil
		}, rule: "ids", level: contract.Note, says: "is it unique"},
		"a deletion after an entry": {delta: func(Request) (Response, error) {
			return Response{NewOrUpdated: five(0), Deleted: []Deletion{{"posts", "3"}}}, nil
		}, rule: "ids", level: contract.Note, says: "the record ends up present"},
		"what takes its time": {delta: func(Request) (Response, error) {
			time.Sleep(31 * time.Second)
			return Response{}, nil
		}, rule: "time", level: contract.Warn, says: "more than half of the 1m0s"},
		"what fails the second time": {delta: func(Request) (Response, error) {
			if n > 1 {
				return Response{}, errors.New("the queue is empty")
			}
			return Response{NewOrUpdated: five(0)}, nil
		}, rule: "repeat", level: contract.Fail, says: "remedy of server"},
		"nothing to tell": {delta: func(Request) (Response, error) { return Response{}, nil }, rule: "repeat", level: contract.Note, says: "--state null"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n = 0
				b := newBundle(t, &calls{delta: func(r Request) (Response, error) { n++; return c.delta(r) }})
				b.cfg.Collections[0].Settings.MaxRecord = 1000
				byRule, text := b.checked(c.o)
				if f := byRule[c.rule]; f.Level != c.level || !strings.Contains(f.Found+f.Means+f.Set, c.says) {
					t.Errorf("want %s %s with %q\n%s", c.level, c.rule, c.says, text)
				}
			})
		})
	}
}

// TestWhatMoreLeavesOutMayComeLater: any order is right in which the state says what was told.
func TestWhatMoreLeavesOutMayComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		b := newBundle(t, &calls{delta: func(r Request) (Response, error) {
			n++
			told := map[string]bool{}
			if string(r.PreviousState) != "null" {
				_ = json.Unmarshal(r.PreviousState, &told)
			}
			var resp Response
			for i := range 9 {
				if id := (i + 3*n) % 9; !told[fmt.Sprint(id)] && len(resp.NewOrUpdated) < 3 {
					told[fmt.Sprint(id)] = true
					resp.NewOrUpdated = append(resp.NewOrUpdated, entry("posts", fmt.Sprintf(`{"id":%d}`, id)))
				}
			}
			resp.More = len(told) < 9
			resp.NextState, _ = json.Marshal(told)
			return resp, nil
		}})
		for follow, want := range map[bool]contract.Level{false: contract.Warn, true: contract.OK} {
			if byRule, text := b.checked(CheckOptions{Follow: follow}); byRule["repeat"].Level != want {
				t.Errorf("with follow %v the level is %q\n%s", follow, byRule["repeat"].Level, text)
			}
		}
	})
}

func TestACheckOfADumpComparesItWithDeltaAndLedger(t *testing.T) {
	good := func() *calls { return log(4) }
	for name, c := range map[string]struct {
		h     func() *calls
		live  int // records of the ledger
		rule  string
		level contract.Level
		says  string
	}{
		"what the ledger has beside": {h: good, live: 5, rule: "dump", level: contract.Note, says: "does not show 1 records of posts"},
		"far more than it shows":     {h: good, live: 50, rule: "dump", level: contract.Warn, says: "(max_ratio)"},
		"nothing": {h: func() *calls {
			return &calls{delta: good().delta, dump: func(Request) (Response, error) { return Response{}, nil }}
		}, live: 4, rule: "dump", level: contract.Warn, says: "not one of 4 records"},
		"other records": {h: func() *calls {
			return &calls{delta: good().delta, dump: func(Request) (Response, error) {
				return Response{NewOrUpdated: []Entry{entry("posts", `{"id":0,"of":"dump"}`), entry("posts", `{"id":1,"of":"dump"}`), entry("posts", `{"id":2,"of":"dump"}`), entry("posts", `{"id":3,"of":"dump"}`)}}, nil
			}}
		}, rule: "dump", level: contract.Warn, says: "each dump publishes them again"},
		"no state for the delta": {h: func() *calls {
			return &calls{delta: good().delta, dump: once(Response{NewOrUpdated: []Entry{entry("posts", `{"id":0}`)}})}
		}, rule: "handover", level: contract.Note, says: "next_delta_state"},
		"a state that the delta does not know": {h: func() *calls {
			return &calls{delta: good().delta, dump: once(Response{NextDeltaState: json.RawMessage(`"x"`)})}
		}, rule: "handover", level: contract.Fail, says: "cannot unmarshal"},
		"no end": {h: func() *calls {
			return &calls{delta: good().delta, dump: func(r Request) (Response, error) {
				return Response{More: true, NextState: json.RawMessage(`"` + r.ID + `"`)}, nil
			}}
		}, rule: "dump", level: contract.Note, says: "after 100 answers"},
		"a circle": {h: func() *calls {
			return &calls{delta: good().delta, dump: func(Request) (Response, error) { return Response{More: true, NextState: json.RawMessage(`1`)}, nil }}
		}, rule: "dump", level: contract.Fail, says: "it would never end"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBundle(t, c.h())
				b.cfg.Dump = &Dump{}
				for id := range c.live {
					b.k.memory["posts"].Ledger.Put(fmt.Sprint(id), connector.Entry{})
				}
				byRule, text := b.checked(CheckOptions{Follow: true, Dump: true})
				if f := byRule[c.rule]; f.Level != c.level || !strings.Contains(f.Found+f.Means+f.Set, c.says) {
					t.Errorf("want %s %s with %q\n%s", c.level, c.rule, c.says, text)
				}
				if got := maps.Collect(b.k.memory["posts"].Ledger.All()); len(got) != c.live {
					t.Errorf("the ledger has %d records and had %d", len(got), c.live)
				}
			})
		})
	}
}
