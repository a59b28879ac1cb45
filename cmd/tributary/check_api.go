package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/contract"
	"tributary/connector/rest"
	"tributary/connector/rest/oauth"
)

// An apiCheck is the check of one collection's API, or of its list of deletions, half done.
type apiCheck struct {
	c      CollectionConfig
	what   string
	rest   *rest.Config
	check  *contract.Check
	answer answers
	since  time.Time
}

// answers is what the exchanges of a check showed beside records.
type answers struct {
	header http.Header // of the last answer with status 200
	hints  []rest.EchoHint
}

// collections asks the APIs of those that are read, all of them once, and after a while once more: what is
// listed late shows only then.
func (r *checkReport) collections(ctx context.Context, cfg *Config, chosen []CollectionConfig, wait time.Duration) {
	clients := map[string]*rest.Client{}
	for _, s := range cfg.Sources {
		clients[s.Name] = rest.NewClient(r.a.version, s.Budget, s.TLS.transport())
		defer clients[s.Name].CloseIdleConnections()
	}
	var again []*apiCheck
	for _, c := range chosen {
		if ctx.Err() != nil {
			return
		}
		if c.Handler != nil {
			continue
		}
		client := clients[c.Settings.Source]
		a := &apiCheck{c: c, what: "collection " + c.String(), rest: &c.Rest}
		again = r.begin(ctx, cfg, a, client, nil, again)
		if c.Feed != nil && a.check != nil {
			feed := &apiCheck{c: c, what: a.what + ", deletions.feed", rest: c.Feed}
			again = r.begin(ctx, cfg, feed, client, a.check, again)
			r.pace(cfg, feed)
		}
	}
	r.again(ctx, again, wait)
}

// begin asks what can be asked at once. It returns again with a, where that is to be looked
// at a second time.
func (r *checkReport) begin(ctx context.Context, cfg *Config, a *apiCheck, client *rest.Client, of *contract.Check, again []*apiCheck) []*apiCheck {
	source := a.c.Settings.Source
	src, err := rest.New(*a.rest, client, connector.NewMetrics(prometheus.NewRegistry()).Source(source))
	if err != nil {
		r.fail(a.what, err.Error(), "")
		return again
	}
	if a.check = contract.New(src, contractOptions(a.c, a.rest)); of != nil {
		a.check = contract.NewFeed(src, contractOptions(a.c, a.rest), of)
	}
	more := a.check.Begin(rest.WithTrace(ctx, a.watch))
	r.contract(a)
	r.beside(cfg, a)
	if a.since = time.Now(); more {
		return append(again, a)
	}
	r.asked(a)
	return again
}

// again looks once more at what is recent, after wait; not if that is 0.
func (r *checkReport) again(ctx context.Context, again []*apiCheck, wait time.Duration) {
	for _, a := range again {
		if wait > 0 {
			if sleep(ctx, time.Until(a.since.Add(wait))) != nil {
				return
			}
			a.check.End(ctx)
			r.contract(a)
		}
		r.asked(a)
	}
}

// asked says how much was asked, where anything was answered.
func (r *checkReport) asked(a *apiCheck) {
	if a.answer.header != nil {
		r.ok(a.what, "%s asked", count(a.check.Asked(), "page"))
	}
}

// contractOptions are those of a check of what is asked for as rest says, the collection
// or its list of deletions.
func contractOptions(c CollectionConfig, rest *rest.Config) contract.Options {
	return contract.Options{
		Settings: c.Settings, Size: rest.Size, Upper: rest.TakesUpper(), Counts: rest.Total != "", Deleted: rest.Deleted,
		Remedy: func(why connector.RetryReason) string {
			if a := rest.Auth; a != nil && a.OAuth != nil && a.OAuth.Flow == oauth.RefreshToken && why == connector.RetryUnauthorized {
				return "`tributary auth status` shows what is kept; `tributary auth login " + a.OAuth.Source + "` gets a new token"
			}
			return remedyRetry[why]
		},
		Sleep: sleep,
	}
}

// watch keeps of an exchange what no page says.
func (a *apiCheck) watch(x rest.Exchange) {
	if x.Status != http.StatusOK {
		return
	}
	a.answer.header = x.Header
	if len(a.answer.hints) == 0 && a.rest.EchoFrom == "" {
		a.answer.hints = rest.FindEcho(x.URL, x.Body, a.rest.From)
	}
}

func (r *checkReport) contract(a *apiCheck) {
	for _, f := range a.check.Findings() {
		r.add(check{What: a.what, Rule: f.Rule, Status: string(f.Level), Found: f.Found, Means: f.Means, Remedy: f.Set})
	}
}

// remedyRetry says what a person can do about a request that would be tried again.
var remedyRetry = map[connector.RetryReason]string{
	connector.RetryThrottled:    "nothing is wrong: run waits as long as the API asks for",
	connector.RetryServer:       "the API is failing: run would try again",
	connector.RetryTimeout:      "raise `request.timeout`, or ask for smaller pages (`page.size`)",
	connector.RetryNetwork:      "check `url`, DNS, proxies and certificates",
	connector.RetryBody:         "check `url`, `records` and what stands between us and the API",
	connector.RetryUnauthorized: "check the credential under `auth`",
	connector.RetryRefused:      "check `path`, `cursor`, `order` and `page` against the API's documentation",
}
