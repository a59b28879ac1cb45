package hostile

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// query is a list request as it was understood.
type query struct {
	collection string
	// from (included) and to (not included) bound the stamps, in microseconds.
	from, to int64
	floored  bool // a bound was cut down to a tick
	ids      []string
	byIDs    bool
	sortBy   string
	desc     bool
	page     int
	perPage  int
	counts   bool
	bounds   map[string]string // the bounds as they are echoed
}

// invalid is a parameter with a value that cannot be taken: status 422.
type invalid struct{ param, why string }

// parseQuery reads the parameters as Salesloft does: names it does not know are
// ignored, page numbers and sizes that cannot be are corrected, and a filter or an
// order that cannot be read is refused.
func parseQuery(collection string, params url.Values, tick time.Duration) (query, *invalid) {
	q := query{
		collection: collection, from: math.MinInt64, to: math.MaxInt64,
		sortBy: "updated_at", desc: true, bounds: make(map[string]string),
	}
	for name, values := range params {
		if len(values) == 0 {
			continue
		}
		value := values[len(values)-1]
		switch name {
		case "updated_at[gte]", "updated_at[gt]", "updated_at[lte]", "updated_at[lt]":
			op := strings.TrimSuffix(strings.TrimPrefix(name, "updated_at["), "]")
			if !q.bound(op, value, tick) {
				return q, &invalid{"updated_at", "is not a valid time"}
			}
		case "ids[]":
			q.byIDs, q.ids = true, append(q.ids, values...)
		case "ids":
			q.byIDs, q.ids = true, append(q.ids, strings.Split(value, ",")...)
		case "sort_by":
			if value != "updated_at" && value != "created_at" {
				return q, &invalid{"sort_by", "is not included in the list"}
			}
			q.sortBy = value
		case "sort_direction":
			q.desc = strings.EqualFold(value, "DESC")
			if !q.desc && !strings.EqualFold(value, "ASC") {
				return q, &invalid{"sort_direction", "is not included in the list"}
			}
		case "include_paging_counts":
			q.counts = value == "true" || value == "1"
		}
	}
	q.page = number(params.Get("page"), 1, math.MaxInt32)
	q.perPage = 25
	if text := params.Get("per_page"); text != "" {
		q.perPage = number(text, 25, 100)
	}
	return q, nil
}

// bound narrows the stamps by one bound.
func (q *query) bound(op, value string, tick time.Duration) bool {
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return false
	}
	q.bounds[op] = stampText(t, 0)
	us := floor(t.UnixMicro(), tick)
	q.floored = q.floored || us != t.UnixMicro()
	switch op {
	case "gte":
		q.from = max(q.from, us)
	case "gt":
		q.from = max(q.from, us+1)
	case "lt":
		q.to = min(q.to, us)
	case "lte":
		q.to = min(q.to, us+1)
	}
	return true
}

// number reads text as a number of at least 1, or returns otherwise; larger ones
// become most.
func number(text string, otherwise, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}
