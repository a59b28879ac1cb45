package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tributary/connector"
	"tributary/connector/handler"
)

// handlerCheck is what check is asked to do with handlers.
type handlerCheck struct {
	named        bool // there are names on the command line
	state        json.RawMessage
	follow, dump bool
}

// handlersOf are the sources of type handler to which collections belong.
func handlersOf(cfg *Config, chosen []CollectionConfig) (sources []SourceConfig) {
	seen := map[string]bool{}
	for _, c := range chosen {
		if s, ok := cfg.handlerNamed(c.Settings.Source); ok && !seen[s.Name] {
			seen[s.Name] = true
			sources = append(sources, s)
		}
	}
	return sources
}

// fits says which flag has no meaning for what is chosen.
func (h handlerCheck) fits(cfg *Config, chosen []CollectionConfig) error {
	sources := handlersOf(cfg, chosen)
	switch {
	case h.state == nil && !h.follow && !h.dump:
		return nil
	case !h.named || len(sources) != 1:
		return &exitError{exitUsage, fmt.Errorf("--state, --follow and --dump are for one source of type handler: name it")}
	case h.dump && sources[0].Handler.Dump == nil:
		return &exitError{exitUsage, fmt.Errorf("%s has no dumps: say so in its config first (`dump: {}`)", sources[0].Name)}
	}
	return nil
}

// handlers calls those that are named: what one gives away only once is gone with the call.
func (r *checkReport) handlers(ctx context.Context, cfg *Config, chosen []CollectionConfig, of handlerCheck) {
	for _, s := range handlersOf(cfg, chosen) {
		what := "handler " + s.Name
		if !of.named {
			r.note(what, "is called only where it is named", fmt.Sprintf("check it by itself: tributary check %s", s.Name))
			continue
		}
		if ctx.Err() != nil {
			return
		}
		t, err := r.a.tryHandler(ctx, cfg, s, "", of.state)
		if err != nil {
			r.fail(what, err.Error(), "")
			continue
		}
		r.ok(what, "is called with the state %s, %s", shortState(t.State()), t.from)
		for _, f := range t.Check(ctx, handler.CheckOptions{
			Follow: of.follow, Dump: of.dump, MaxBody: int(s.Handler.Rest.MaxBody),
			Remedy: func(why connector.RetryReason) string { return remedyHandler[why] },
		}) {
			r.add(check{What: what, Rule: f.Rule, Status: string(f.Level), Found: f.Found, Means: f.Means, Remedy: f.Set})
		}
		t.Close()
	}
}

// remedyHandler says what a person can do about a call that would be made again.
var remedyHandler = map[connector.RetryReason]string{
	connector.RetryThrottled:    "nothing is wrong: run waits as long as the handler asks for",
	connector.RetryServer:       "look into the handler's own log",
	connector.RetryTimeout:      "let it return less at once and say `more`, or raise `handler.timeout`",
	connector.RetryNetwork:      "start the handler, and check `handler.url`",
	connector.RetryBody:         "mend the handler: docs/handlers.md has the contract, and `tributary preview --request` shows what it answered",
	connector.RetryUnauthorized: "check the credential under `auth`, and what the handler expects",
	connector.RetryRefused:      "mend the handler: `tributary preview --request` shows what it was sent and answered",
}
