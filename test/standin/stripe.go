package standin

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Stripe serves customers, newest first and by nothing but their creation, and the events
// of their changes, which are kept for 30 days. Pages go on after the last id.
func Stripe(s *Store) http.Handler {
	return serve(s, map[string]handler{
		"GET /v1/customers":      stripeCustomers,
		"GET /v1/customers/{id}": stripeCustomer,
		"GET /v1/events":         stripeEvents,
	})
}

func stripeID(r Row) string { return fmt.Sprintf("cus_%06d", r.ID) }

func stripeCustomerOf(r Row) document {
	return document{"id": stripeID(r), "object": "customer", "ver": r.Ver, "created": r.Created.Unix()}
}

func stripeCustomers(q *question) any {
	q.only("limit", "starting_after")
	rows := q.s.rows(live(time.Time{}, time.Time{}))
	slices.SortFunc(rows, func(a, b Row) int { return b.ID - a.ID })
	return q.stripePage(each(rows, stripeCustomerOf))
}

// stripePage cuts the page after an id. An id that is not there is refused, as is that of
// an object deleted meanwhile.
func (q *question) stripePage(all []document) any {
	if after := q.query.Get("starting_after"); after != "" {
		at := slices.IndexFunc(all, func(d document) bool { return d["id"] == after })
		if at < 0 {
			return q.status(http.StatusBadRequest, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"starting_after"}}`)
		}
		all = all[at+1:]
	}
	size := min(q.int("limit", 10, 1, 100), len(all))
	return document{"object": "list", "data": all[:size], "has_more": size < len(all)}
}

func stripeCustomer(q *question) any {
	q.only()
	var id int
	if _, err := fmt.Sscanf(q.r.PathValue("id"), "cus_%06d", &id); err != nil {
		q.wrong("%v", err)
	}
	r, ok := q.s.one(id)
	switch {
	case !ok:
		return q.status(http.StatusNotFound, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`)
	case r.Gone:
		return document{"id": stripeID(r), "object": "customer", "deleted": true}
	}
	return stripeCustomerOf(r)
}

func stripeEvents(q *question) any {
	q.only("limit", "starting_after", "created[gte]", "created[lt]")
	from, to := q.unix("created[gte]"), q.unix("created[lt]")
	kept := q.s.Now().Add(-30 * 24 * time.Hour)
	q.s.mu.Lock()
	now := q.s.clock()
	var events []Row
	for _, vs := range q.s.records {
		for _, r := range vs {
			if !r.shown.After(now) && !r.Updated.Before(from) && r.Updated.After(kept) && (to.IsZero() || r.Updated.Before(to)) {
				events = append(events, r)
			}
		}
	}
	q.s.mu.Unlock()
	slices.SortFunc(events, func(a, b Row) int {
		if c := b.Updated.Compare(a.Updated); c != 0 {
			return c
		}
		return (b.ID<<20 + b.Ver) - (a.ID<<20 + a.Ver)
	})
	return q.stripePage(each(events, func(r Row) document {
		return document{"id": fmt.Sprintf("evt_%d_%d", r.ID, r.Ver), "object": "event", "created": r.Updated.Unix(), "data": document{"object": stripeCustomerOf(r)}}
	}))
}
