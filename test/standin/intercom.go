package standin

import (
	"net/http"
	"strconv"
	"time"
)

// Intercom serves the search of conversations: whole seconds, bounds that are exclusive,
// and pages by token.
func Intercom(s *Store) http.Handler {
	return serve(s, map[string]handler{
		"POST /conversations/search": intercomSearch,
		"GET /conversations/{id}":    intercomOne,
	})
}

func intercomSearch(q *question) any {
	q.only()
	q.header("Intercom-Version", "2.14")
	var ask struct {
		Query struct {
			Operator string `json:"operator"`
			Value    []struct {
				Field    string `json:"field"`
				Operator string `json:"operator"`
				Value    int64  `json:"value"`
			} `json:"value"`
		} `json:"query"`
		Sort       struct{ Field, Order string } `json:"sort"`
		Pagination struct {
			PerPage       int    `json:"per_page"`
			StartingAfter string `json:"starting_after"`
		} `json:"pagination"`
	}
	q.decode(&ask)
	var after, before time.Time
	for _, c := range ask.Query.Value {
		at := time.Unix(c.Value, 0).UTC()
		switch c.Field + c.Operator {
		case "updated_at>":
			after = at
		case "updated_at<":
			before = at
		default:
			q.wrong("condition %+v", c)
		}
	}
	if ask.Query.Operator != "AND" || len(ask.Query.Value) == 0 || ask.Sort.Field != "updated_at" || ask.Sort.Order != "ascending" || ask.Pagination.PerPage < 1 || ask.Pagination.PerPage > 150 {
		q.wrong("query, sort or pagination")
	}
	rows := q.s.rows(func(r Row) bool {
		return !r.Gone && r.Updated.After(after) && (before.IsZero() || r.Updated.Before(before))
	})
	from := 0
	if ask.Pagination.StartingAfter != "" {
		var err error
		if from, err = strconv.Atoi(ask.Pagination.StartingAfter); err != nil {
			q.wrong("starting_after: %v", err)
		}
	}
	page, more := slice(rows, from, ask.Pagination.PerPage)
	pages := document{"type": "pages", "per_page": ask.Pagination.PerPage}
	if more {
		pages["next"] = document{"per_page": ask.Pagination.PerPage, "starting_after": strconv.Itoa(from + len(page))}
	}
	return document{"type": "conversation.list", "total_count": len(rows), "pages": pages, "conversations": each(page, intercomOf)}
}

func intercomOf(r Row) document {
	return document{"type": "conversation", "id": strconv.Itoa(r.ID), "ver": r.Ver, "updated_at": r.Updated.Unix()}
}

func intercomOne(q *question) any {
	q.only()
	q.header("Intercom-Version", "2.14")
	r, ok := q.s.one(q.id())
	if !ok || r.Gone {
		return q.status(http.StatusNotFound, `{"type":"error.list","errors":[{"code":"not_found","message":"Resource Not Found"}]}`)
	}
	return intercomOf(r)
}
