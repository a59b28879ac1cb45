package standin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Directus serves the items of the collection articles: milliseconds, a date_updated that
// is null until the first update, filters in brackets, and pages by number.
func Directus(s *Store) http.Handler {
	return serve(s, map[string]handler{"GET /items/articles": directusList})
}

const (
	directusUpdated = "filter[_or][0][date_updated][_gte]"
	directusCreated = "filter[_or][1][date_created][_gte]"
	directusIDs     = "filter[id][_in]"
)

func directusList(q *question) any {
	q.only(directusUpdated, directusCreated, directusIDs, "sort", "limit", "page", "meta")
	from := q.time("bound", millis, q.query.Get(directusUpdated))
	if created := q.query.Get(directusCreated); created != q.query.Get(directusUpdated) {
		q.wrong("bounds differ: %q", created)
	}
	var ids []string
	if text := q.query.Get(directusIDs); text != "" {
		ids = strings.Split(text, ",")
	} else {
		q.must("sort", "id")
	}
	rows := q.s.rows(func(r Row) bool {
		return live(from, time.Time{})(r) && (ids == nil || slices.Contains(ids, strconv.Itoa(r.ID)))
	})
	slices.SortFunc(rows, func(a, b Row) int { return a.ID - b.ID })
	size := q.int("limit", 100, 1, 1000)
	page, _ := slice(rows, (q.int("page", 1, 1, 1e6)-1)*size, size)
	answer := document{"data": each(page, func(r Row) document {
		d := document{"id": r.ID, "ver": r.Ver, "date_created": r.Created.Format(millis), "date_updated": nil}
		if r.Ver > 1 {
			d["date_updated"] = r.Updated.Format(millis)
		}
		return d
	})}
	if q.query.Get("meta") == "filter_count" {
		answer["meta"] = document{"filter_count": len(rows)}
	}
	return answer
}
