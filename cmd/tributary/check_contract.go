package main

import (
	"fmt"
	"strings"
	"time"

	"tributary/connector/contract"
	"tributary/connector/rest"
)

// beside reports what the answers show beside records: budgets, echoes, caches.
func (r *checkReport) beside(cfg *Config, a *apiCheck) {
	note := func(rule string, level contract.Level, found, means, set string) {
		r.add(check{What: a.what, Rule: rule, Status: string(level), Found: found, Means: means, Remedy: set})
	}
	for _, e := range a.answer.hints {
		note("echo", contract.Note, fmt.Sprintf("the answer repeats the lower bound at %s", e.Path), "a filter that is ignored would show on every page",
			fmt.Sprintf("set `echo: {from: %s}`", e.Path))
	}
	if a.rest.EchoFrom != "" && a.answer.header != nil {
		note("echo", contract.OK, "each answer repeats the bound and the order that it applied", "", "")
	}
	if age := a.answer.header.Get("Age"); age != "" && age != "0" {
		note("cache", contract.Warn, fmt.Sprintf("an answer came from a cache (Age: %s)", age), "what is read is older than its Date says, like that of a replica that lags",
			"ask for what is not cached (`request.headers: {Cache-Control: no-cache}`), or make `lookback` longer than answers are kept")
	}
	r.budget(cfg, a, note)
}

func (r *checkReport) budget(cfg *Config, a *apiCheck, note func(string, contract.Level, string, string, string)) {
	headers := rest.RateHeaders(a.answer.header)
	if len(headers) == 0 {
		return
	}
	found := "the API speaks of a budget: " + strings.Join(headers, ", ")
	for _, s := range cfg.Sources {
		if s.Name == a.c.Settings.Source && s.Budget.PerMinute > 0 {
			note("budget", contract.OK, found, "", "")
			return
		}
	}
	set := "set `budget: {per_minute: N, share: 0.8}` to what the API's documentation grants"
	if n := rest.PerMinute(a.answer.header); n > 0 {
		set = fmt.Sprintf("set `budget: {per_minute: %d, share: 0.8}`", n)
	}
	note("budget", contract.Note, found, "without a budget in the config it is spent at once, and then the API answers 429", set)
}

// pace says what of the budget it takes to look for what is new: a request for each
// collection and each list of deletions, as often as they are due.
func (r *checkReport) pace(cfg *Config, a *apiCheck) {
	for _, s := range cfg.Sources {
		if s.Name != a.c.Settings.Source || s.Budget.PerMinute == 0 {
			continue
		}
		granted, takes, feeds := float64(s.Budget.PerMinute)*s.Budget.Share, 0.0, 0.0
		for _, c := range s.Collections {
			takes += perMinute(c.Settings.Interval)
			if c.Feed != nil {
				feeds += perMinute(c.Settings.Feed.Interval)
			}
		}
		found := fmt.Sprintf("the source's lists of deletions are asked %.3g times a minute and its collections %.3g times, of a budget of %.0f", feeds, takes, granted)
		if takes+feeds <= granted {
			r.add(check{What: a.what, Rule: "pace", Status: "ok", Found: found})
			return
		}
		r.add(check{What: a.what, Rule: "pace", Status: "warn", Found: found, Means: "readings wait for the budget: both are less fresh than `interval` and `every` say",
			Remedy: "set `every` of the feed to how fresh deletions need to be"})
	}
}

func perMinute(every time.Duration) float64 {
	if every == 0 {
		return 0 // only at times, or when asked
	}
	return float64(time.Minute) / float64(every)
}
