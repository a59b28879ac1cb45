package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/connector"
)

// collection asks an API for two pages: the first of all, and one from the middle of it,
// which shows whether the bound is honoured, and taken as fine as it is shown.
func (r *checkReport) collection(ctx context.Context, c CollectionConfig) {
	what := "collection " + c.String()
	ctx, cancel := context.WithTimeout(ctx, 2*c.Rest.Timeout+10*time.Second)
	defer cancel()
	began := time.Now()
	first := connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1}
	page, ok := r.page(ctx, what, c, first)
	if !ok {
		return
	}
	if n := len(page.Records); n == 0 {
		r.note(what, "the API answers, and shows no record", "whether it honours bound and order shows only with records")
		return
	}
	r.records(what, c, page)
	from := page.Records[len(page.Records)/2].Instant
	if page.Records[len(page.Records)/2].Bad != "" {
		return
	}
	bound := connector.Query{From: from.Floor(c.Settings.Tick), To: connector.Forever, Page: 1}
	second, ok := r.page(ctx, what+" from "+from.String(), c, bound)
	if !ok {
		return
	}
	if len(second.Records) == 0 {
		r.fail(what, fmt.Sprintf("asked from %s the API shows nothing, although it has shown a record of that instant", from),
			"the bound may be exclusive: `cursor.from` must be an inclusive one (gte)")
		return
	}
	if at := second.Records[0].Instant; at.Floor(c.Settings.Tick) > bound.From {
		r.fail(what, fmt.Sprintf("asked from %s, of which it has shown a record, the API begins with %s", from, at),
			"the bound seems to be exclusive, which loses records that share an instant: `cursor.from` must be an inclusive one (gte). If the API is being written to, check again")
		return
	}
	r.ok(what, "%d records on a page in %s, from %s to %s; bound and order honoured", len(page.Records), time.Since(began).Round(time.Millisecond),
		page.Records[0].Instant, page.Records[len(page.Records)-1].Instant)
}

// page fetches and checks one page, and reports what is wrong with it.
func (r *checkReport) page(ctx context.Context, what string, c CollectionConfig, q connector.Query) (connector.Page, bool) {
	page, err := fetchOnce(ctx, r.a, c, q)
	if err == nil {
		err = c.Settings.CheckOrder(page, q)
	}
	var stop *connector.StopError
	var again *connector.RetryError
	switch {
	case err == nil:
		return page, true
	case errors.As(err, &stop):
		r.fail(what, stop.What, stop.Remedy)
	case errors.As(err, &again):
		r.fail(what, err.Error(), remedyRetry[again.Reason])
	default:
		r.fail(what, err.Error(), "")
	}
	return page, false
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

// records looks at what a page holds.
func (r *checkReport) records(what string, c CollectionConfig, p connector.Page) {
	ids := map[string]bool{}
	for _, rec := range p.Records {
		if rec.Bad != "" {
			found := fmt.Sprintf("record %q cannot be published: %s", rec.ID, rec.Bad)
			if c.Settings.OnBadRecord == connector.SkipBadRecord {
				r.note(what, found, "it is passed over, as `on_bad_record: skip` says")
			} else {
				r.fail(what, found, "check `id` and `cursor.field`, or set `on_bad_record: skip`")
			}
			return
		}
		if ids[rec.ID] {
			r.note(what, fmt.Sprintf("one page shows id %q twice", rec.ID), "check `id`: versions of one key overwrite each other")
		}
		ids[rec.ID] = true
	}
	if skew := connector.InstantOf(time.Now()).Sub(p.Date); skew > 30*time.Second || skew < -30*time.Second {
		r.note(what, fmt.Sprintf("our clock and the API's differ by %s", skew.Round(time.Second)), "no rule uses ours; logs and freshness metrics do")
	}
}
