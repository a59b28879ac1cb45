package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tributary/connector/handler"
)

// handlerPreview is what preview is asked to show of a handler.
type handlerPreview struct {
	source     SourceConfig
	collection string // "": of all
	state      json.RawMessage
	dump       bool
	request    bool
	most       int
	json       bool
}

// previewHandler calls a handler once and prints what it answered.
func previewHandler(ctx context.Context, a *app, cfg *Config, p handlerPreview) error {
	if p.dump && p.source.Handler.Dump == nil {
		return &exitError{exitUsage, fmt.Errorf("%s has no dumps: say so in its config first (`dump: {}`)", p.source.Name)}
	}
	given := p.state
	if p.dump {
		p.state = nil // of a delta
	}
	t, err := a.tryHandler(ctx, cfg, p.source, p.collection, p.state)
	if err != nil {
		return err
	}
	defer t.Close()
	state, from, call, keep := t.State(), t.from, t.Delta, func(ctx context.Context, x *handler.Answer) error {
		_, err := t.Keep(ctx, x)
		return err
	}
	if p.dump {
		state, from = json.RawMessage("null"), "from which a dump begins"
		if given != nil {
			state, from = given, "as given by --state"
			t.ResumeDump(given)
		}
		call, keep = t.Dump, t.KeepDump
	}
	fmt.Fprintf(a.stderr, "called with the state %s, %s\n", shortState(state), from)
	if p.request {
		return previewRequest(ctx, a, t.Shown, p.json, func(ctx context.Context) error {
			_, err := call(ctx)
			return err
		})
	}
	answer, err := call(ctx)
	if err != nil {
		return err
	}
	if err := keep(ctx, answer); err != nil {
		return err
	}
	for i := range answer.Items {
		answer.Items[i].News = answer.Items[i].News || !t.ledger // nobody knows
	}
	return p.print(a, answer)
}

// A previewAnswer is a response of a handler beside its changes, as preview prints it in JSON.
type previewAnswer struct {
	More           bool            `json:"more"`
	NextState      json.RawMessage `json:"next_state,omitempty"`
	NextDeltaState json.RawMessage `json:"next_delta_state,omitempty"`
	TookMS         float64         `json:"took_ms"`
	Bytes          int             `json:"bytes"`
}

func (p handlerPreview) print(a *app, x *handler.Answer) error {
	rows, deleted, dropped, others := []handler.Item{}, 0, 0, 0
	for _, i := range x.Items {
		if p.collection != "" && i.Collection != p.collection {
			others++
			continue
		}
		if rows = append(rows, i); i.Record == nil {
			deleted++
		}
		if !i.News && i.Flaw == "" {
			dropped++
		}
	}
	for _, i := range rows[:min(p.most, len(rows))] {
		if err := p.printItem(a, i); err != nil {
			return err
		}
	}
	if p.json {
		answer := previewAnswer{x.More, x.NextState, x.NextDeltaState, milliseconds(x.Took), x.Bytes}
		if err := a.printLine(map[string]previewAnswer{"answer": answer}); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%s and %s", count(len(rows)-deleted, "record"), count(deleted, "deletion"))
	if dropped > 0 {
		text += fmt.Sprintf(", %d of them no news", dropped)
	}
	if others > 0 {
		text += fmt.Sprintf(", and %d of other collections", others)
	}
	fmt.Fprintf(a.stderr, "%s; more: %v; %d bytes in %.1f ms\n", text, x.More, x.Bytes, milliseconds(x.Took))
	switch {
	case x.NextState != nil:
		fmt.Fprintf(a.stderr, "the next state would be %s\n", shortState(x.NextState))
	case x.NextDeltaState != nil:
		fmt.Fprintf(a.stderr, "the next delta would get the state %s\n", shortState(x.NextDeltaState))
	default:
		fmt.Fprintln(a.stderr, "the state would stay as it is")
	}
	_, err := fmt.Fprintln(a.stderr, "nothing was published, and nothing is committed")
	return err
}

func (p handlerPreview) printItem(a *app, i handler.Item) error {
	row := previewRecord{Collection: i.Collection, ID: i.ID, Deleted: i.Record == nil, Bad: i.Flaw, Known: !i.News && i.Flaw == ""}
	if i.Record != nil {
		row.Hash, row.Value = i.Record.Hash.String(), i.Record.Value
	}
	if p.json {
		return a.printLine(row)
	}
	note := ""
	switch {
	case row.Bad != "":
		note = " (cannot be published: " + row.Bad + ")"
	case row.Deleted && row.Known:
		note = " (deleted, and was not there)"
	case row.Deleted:
		note = " (deleted)"
	case row.Known:
		note = " (no news)"
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s%s  %s\n", i.Collection, oneLine([]byte(i.ID)), note, oneLine(row.Value))
	return err
}

// shortState shows so much of a state as a line may have.
func shortState(state json.RawMessage) string {
	text := oneLine(state)
	if len(text) > shownBody {
		return fmt.Sprintf("%s… (%d bytes)", text[:shownBody], len(text))
	}
	return text
}
