package main

import (
	"fmt"
	"time"

	"tributary/test/standin"
)

// sweepHourly has deletions found soon, however many of the few records they are.
const sweepHourly = `, deletions: {sweep: {every: 1h, max_ratio: 0.9}}`

// parcels is all that has to be said of an API that is named nowhere.
const parcels = `
    request: {params: {sorted: changed-up}, headers: {X-Changed-Since: "{from}", X-Count: "{size}"}},
    cursor: {field: changed, format: "02.01.2006 15:04:05", zone: Europe/Paris, tick: 1s},
    page: {offset_param: skip, size: 7, next: out.left},
    records: out.items, unwrap: parcel, id: [depot, no],
    errors: [{when: {path: fault, equals: busy}, as: retry}],
    deletions: {field: state, equals: void}`

var presetCases = []presetCase{
	{
		preset: "none", collection: "parcels", path: "/depot", source: parcels,
		api: standin.Parcels, precision: time.Second, key: func(id int) string { return fmt.Sprintf("P~1%d/%d", id%3, id) },
	},
	{
		preset: "github", collection: "issues", path: "/repos/acme/app", config: ", page: {size: 7}" + sweepHourly,
		api: standin.GitHub, precision: time.Second, key: number,
	},
	{
		preset: "hubspot", collection: "contacts", config: ", page: {size: 7}, probe: {max: 5}" + sweepHourly,
		api: standin.HubSpot, precision: time.Millisecond, lag: 20 * time.Second, key: number,
	},
	{
		preset: "directus", collection: "articles", path: "/items", config: ", page: {size: 7}, probe: {max: 5}" + sweepHourly,
		api: standin.Directus, precision: time.Millisecond, key: number,
	},
	{
		preset: "zendesk", collection: "tickets", path: "/api/v2/incremental", config: ", page: {size: 7}",
		api: standin.Zendesk, precision: time.Second, key: number,
	},
	{
		preset: "stripe", collection: "customers", path: "/v1", config: ", page: {size: 7}" + sweepHourly,
		api: standin.Stripe, precision: time.Second, key: func(id int) string { return fmt.Sprintf("cus_%06d", id) },
	},
	{
		preset: "stripe", collection: "events", path: "/v1", config: ", page: {size: 7}", forever: true,
		api: standin.Stripe, precision: time.Second, key: number, truth: stripeEvents,
	},
	{
		preset: "jira", collection: "issues", config: ", page: {size: 7}" + sweepHourly,
		api: standin.Jira, precision: time.Millisecond, lag: 30 * time.Second, key: func(id int) string { return number(10_000 + id) },
	},
	{
		preset: "notion", collection: "tasks", place: "data_sources/tasks/query", path: "/v1", config: ", page: {size: 7}" + sweepHourly,
		api: standin.Notion, precision: time.Minute, key: func(id int) string { return fmt.Sprintf("59833787-2cf9-4fdf-8782-%012d", id) },
	},
	{
		preset: "intercom", collection: "conversations", config: ", page: {size: 7}" + sweepHourly,
		api: standin.Intercom, precision: time.Second, key: number,
	},
	{
		preset: "intercom", collection: "contacts", config: ", page: {size: 25}" + sweepHourly, quiet: 6 * 24 * time.Hour, step: 4 * time.Hour,
		api: standin.Intercom, precision: time.Second, lag: 3 * time.Minute, key: standin.ContactID,
	},
	{ // of a workspace whose day ends while it is written to
		preset: "intercom", collection: "contacts", variant: "_elsewhere", config: ", page: {size: 25}" + sweepHourly, quiet: 6 * 24 * time.Hour, step: 4 * time.Hour,
		api: standin.IntercomIn(time.FixedZone("", int(11*time.Hour/time.Second)+50*60)), precision: time.Second, lag: 3 * time.Minute, key: standin.ContactID,
	},
	{
		preset: "pipedrive", collection: "persons", path: "/api/v2", config: `, page: {size: 7}, probe: {max: 5}, auth: {header: {name: x-api-token, value: secret}}` + sweepHourly,
		api: standin.Pipedrive, precision: time.Second, key: number,
	},
	{
		preset: "shopify", collection: "orders", path: "/admin/api/2026-01", config: ", page: {size: 7}" + sweepHourly,
		api: standin.Shopify, precision: time.Second, key: func(id int) string { return fmt.Sprintf("gid://shopify/Order/%d", id) },
	},
}

// stripeEvents are those of every version, which are kept for 30 days.
func stripeEvents(s *standin.Store) map[string]int {
	events := map[string]int{}
	for id, r := range s.Truth() {
		for ver := range r.Ver {
			events[fmt.Sprintf("evt_%d_%d", id, ver+1)] = ver + 1
		}
	}
	return events
}
