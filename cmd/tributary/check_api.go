package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/contract"
	"tributary/connector/rest"
)

// An apiCheck is the check of one collection's API, half done.
type apiCheck struct {
	c      CollectionConfig
	check  *contract.Check
	answer answers
	since  time.Time
}

// answers is what the exchanges of a check showed beside records.
type answers struct {
	header http.Header // of the last answer with status 200
	hints  []rest.EchoHint
}

// collections asks the APIs, all of them once, and after a while once more: what is
// listed late shows only then.
func (r *checkReport) collections(ctx context.Context, cfg *Config, chosen []CollectionConfig, wait time.Duration) {
	clients := map[string]*rest.Client{}
	for _, s := range cfg.Sources {
		clients[s.Name] = rest.NewClient(r.a.version, s.Budget, s.TLS.transport())
		defer clients[s.Name].CloseIdleConnections()
	}
	var again []*apiCheck
	for _, c := range chosen {
		source := c.Settings.Source
		if c.Handler != nil {
			r.ok("collection "+c.String(), "is told of by a handler, which is not called: what it answers would be lost to the next pull")
			continue
		}
		src, err := rest.New(c.Rest, clients[source], connector.NewMetrics(prometheus.NewRegistry()).Source(source))
		if err != nil {
			r.fail("collection "+c.String(), err.Error(), "")
			continue
		}
		a := &apiCheck{c: c, check: contract.New(src, contractOptions(c))}
		more := a.check.Begin(rest.WithTrace(ctx, a.watch))
		r.contract(a)
		r.beside(cfg, a)
		if a.since = time.Now(); more && wait > 0 {
			again = append(again, a)
		} else {
			r.asked(a)
		}
	}
	for _, a := range again {
		if sleep(ctx, time.Until(a.since.Add(wait))) != nil {
			return
		}
		a.check.End(ctx)
		r.contract(a)
		r.asked(a)
	}
}

func (r *checkReport) asked(a *apiCheck) {
	r.ok("collection "+a.c.String(), "%s asked", count(a.check.Asked(), "page"))
}

func contractOptions(c CollectionConfig) contract.Options {
	return contract.Options{
		Settings: c.Settings, Size: c.Rest.Size, Upper: c.Rest.TakesUpper(), Counts: c.Rest.Total != "", Deleted: c.Rest.Deleted,
		Remedy: func(why connector.RetryReason) string { return remedyRetry[why] }, Sleep: sleep,
	}
}

// watch keeps of an exchange what no page says.
func (a *apiCheck) watch(x rest.Exchange) {
	if x.Status != http.StatusOK {
		return
	}
	a.answer.header = x.Header
	if len(a.answer.hints) == 0 && a.c.Rest.EchoFrom == "" {
		a.answer.hints = rest.FindEcho(x.URL, x.Body, a.c.Rest.From)
	}
}

func (r *checkReport) contract(a *apiCheck) {
	for _, f := range a.check.Findings() {
		r.add(check{What: "collection " + a.c.String(), Rule: f.Rule, Status: string(f.Level), Found: f.Found, Means: f.Means, Remedy: f.Set})
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
