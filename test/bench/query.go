//go:build unix

package main

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// query is a list request, understood.
type query struct {
	from, to      int64 // from included, to excluded, in microseconds
	page, perPage int
	counts        bool
	ids           []int
	echo          string // of the filters, as metadata.filtering shows them
}

func parseQuery(v url.Values) (query, error) {
	q := query{from: math.MinInt64, to: math.MaxInt64, page: 1, perPage: 25}
	if err := q.parseBounds(v); err != nil {
		return q, err
	}
	if by := v.Get("sort_by"); by != "" && by != "updated_at" {
		return q, fmt.Errorf("cannot sort by %q", by)
	}
	// Descending is the real one's default; this API serves readers that know.
	if d := v.Get("sort_direction"); !strings.EqualFold(d, "asc") {
		return q, fmt.Errorf("cannot sort in direction %q", d)
	}
	for name, field := range map[string]*int{"page": &q.page, "per_page": &q.perPage} {
		s := v.Get(name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			return q, fmt.Errorf("%s: %w", name, err)
		}
		*field = max(1, n)
	}
	q.perPage = min(q.perPage, maxPerPage)
	q.counts = v.Get("include_paging_counts") == "true"
	for _, s := range v["ids[]"] {
		id, err := strconv.Atoi(s)
		if err != nil {
			return q, fmt.Errorf("ids: %w", err)
		}
		q.ids = append(q.ids, id)
	}
	return q, nil
}

// parseBounds reads the filters on updated_at, and makes their echo: in UTC and with
// microseconds, whatever was sent.
func (q *query) parseBounds(v url.Values) error {
	var echo []string
	for _, op := range []string{"gt", "gte", "lt", "lte"} {
		s := v.Get("updated_at[" + op + "]")
		if s == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return fmt.Errorf("updated_at[%s]: %w", op, err)
		}
		us := t.UnixMicro()
		switch op {
		case "gt":
			q.from = max(q.from, us+1)
		case "gte":
			q.from = max(q.from, us)
		case "lt":
			q.to = min(q.to, us)
		case "lte":
			q.to = min(q.to, us+1)
		}
		echo = append(echo, fmt.Sprintf("%q:%q", op, t.UTC().Format(stampLayout)))
	}
	q.echo = "{}"
	if len(echo) > 0 {
		q.echo = `{"updated_at":{` + strings.Join(echo, ",") + `}}`
	}
	return nil
}
