package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// A Trial calls a handler as a Runner does, holds its responses against the same contract,
// and commits nothing. What it keeps of them is in memory. It is for one goroutine.
type Trial struct {
	r       *Runner
	reasons []connector.Reason
	dumped  json.RawMessage // the state of the dump
	seen    map[digest]bool // its states so far
}

// An Answer is a response that keeps to the contract.
type Answer struct {
	Response
	// Items are what it says, in the order in which that would be published.
	Items []Item
	// Took is how long it was waited for, Bytes how long its document was: 0 of a handler
	// in Go that is not served.
	Took  time.Duration
	Bytes int

	a *answer
}

// Item is a change that a response told of.
type Item struct {
	Collection, ID string
	// Record is nil for a deletion.
	Record *connector.Record
	// Flaw says why the record is passed over, or goes to the dead letter queue; empty: it is
	// published.
	Flaw string
	// News is set by Keep: the ledger did not have it so.
	News bool
}

// NewTrial returns a trial that goes on from a state, as New returns a Runner, for pulls
// with one reason: an operator asked, for a collection or, with "", for all of them.
func NewTrial(cfg Config, h Handler, state connector.HandlerState, collection string, now func() time.Time) (*Trial, error) {
	env := connector.Env{Now: now, Log: slog.New(slog.DiscardHandler), Pulls: connector.NewPulls(connector.Settings{}, now, nil)}
	r, err := New(cfg, h, nowhere{}, state, env)
	if err != nil {
		return nil, err
	}
	r.forgetSeen()
	t := &Trial{r: r, reasons: []connector.Reason{{Name: connector.ReasonManual, At: now().UTC(), Collection: collection}}}
	t.BeginDump()
	return t, nil
}

// nowhere is where a Trial commits.
type nowhere struct{}

func (nowhere) Stage(context.Context, *connector.Group) error { return nil }
func (nowhere) Flush(context.Context) error                   { return nil }

// State is what the next Delta is called with.
func (t *Trial) State() json.RawMessage {
	if t.r.state.State == nil {
		return null
	}
	return t.r.state.State
}

// Delta asks once what changed since State. Its errors are what a Runner would log.
func (t *Trial) Delta(ctx context.Context) (*Answer, error) {
	return t.call(ctx, asking{method: t.r.h.Delta, state: t.State, check: t.r.advances})
}

// BeginDump has the next Dump be the first of one.
func (t *Trial) BeginDump() {
	t.dumped, t.seen = nil, map[digest]bool{digestOf(nil): true}
	for _, c := range t.r.cols {
		c.BeginDump()
	}
}

// ResumeDump has the next Dump go on from a state of one, as if that were its first.
func (t *Trial) ResumeDump(state json.RawMessage) {
	t.BeginDump()
	t.dumped = state
	t.seen[digestOf(state)] = true
}

// Dump asks once for everything, or for the next part of it.
func (t *Trial) Dump(ctx context.Context) (*Answer, error) {
	return t.call(ctx, asking{method: t.r.h.Dump, dump: true,
		state: func() json.RawMessage { return t.dumped },
		check: func(a *answer) error { return dumpAdvances(a, t.seen) }})
}

func (t *Trial) call(ctx context.Context, a asking) (*Answer, error) {
	a.reasons = t.reasons
	req := t.r.request(t.r.newID(), 1, a)
	began := t.r.env.Now()
	got, err := t.r.try(ctx, a, req)
	if err != nil {
		return nil, err
	}
	out := &Answer{Response: got.Response, Took: t.r.env.Now().Sub(began), Bytes: got.size, a: got}
	for _, i := range got.items {
		told := Item{Collection: i.c.name, ID: i.id, Record: i.rec}
		if i.rec != nil {
			told.Flaw = i.c.Flaw(i.rec)
		}
		out.Items = append(out.Items, told)
	}
	return out, nil
}

// Keep takes an answer of Delta as if it were committed: ledgers and State move on. It says
// whether anything of it is news.
func (t *Trial) Keep(ctx context.Context, a *Answer) (news bool, err error) {
	if news, err = t.tell(ctx, a); err != nil {
		return news, err
	}
	if a.NextState != nil {
		t.r.state.State = a.NextState
	}
	t.r.see(news, t.r.state.State)
	return news, nil
}

// KeepDump takes an answer of Dump so.
func (t *Trial) KeepDump(ctx context.Context, a *Answer) error {
	_, err := t.tell(ctx, a)
	if t.dumped = a.NextState; a.More {
		t.seen[digestOf(a.NextState)] = true
	} else if a.NextDeltaState != nil {
		t.r.state.State = a.NextDeltaState
	}
	return err
}

// tell takes what was told, one after the other: only so it shows which of two versions of
// an id is news.
func (t *Trial) tell(ctx context.Context, a *Answer) (news bool, err error) {
	seq := t.r.state.Seq
	for n := range a.a.items {
		one, err := t.r.commit(ctx, a.a.items[n:n+1], t.r.state, connector.NamesOf(t.reasons))
		if err != nil {
			return news, err
		}
		a.Items[n].News = one
		news = news || one
	}
	t.r.state.Seq = seq + 1
	return news, nil
}

// Missed returns how many records a collection's ledger has that the dump did not show, and
// why run would not believe that they are gone.
func (t *Trial) Missed(collection string) (n int, guard string) {
	ids, guard := t.r.named[collection].Missed()
	return len(ids), guard
}

const hiddenBody = "[hidden]: value.drop and value.mask cannot be told apart in it"

// Shown returns the body of a response as it may be shown: each record as it would be
// published. One in which records cannot be told is hidden whole, where they hold what is not
// published.
func (t *Trial) Shown(body string) string {
	hides := false
	for _, c := range t.r.cfg.Collections {
		hides = hides || len(c.Records.Drop)+len(c.Records.Mask) > 0
	}
	if !hides || body == "" {
		return body
	}
	if canon.Check([]byte(body), maxDepth) != nil {
		return hiddenBody
	}
	resp, err := ParseResponse([]byte(body))
	if err != nil {
		return hiddenBody
	}
	for i, e := range resp.NewOrUpdated {
		c := t.r.named[e.Collection]
		if c == nil {
			return hiddenBody
		}
		rec, err := c.parser.Parse("", e.Record)
		if err != nil {
			return hiddenBody
		}
		resp.NewOrUpdated[i].Record = rec.Value
	}
	var shown bytes.Buffer
	enc := json.NewEncoder(&shown)
	enc.SetEscapeHTML(false)
	if enc.Encode(resp) != nil {
		return hiddenBody
	}
	return shown.String()
}
