package standin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Intercom serves the searches of conversations and of contacts: whole seconds, bounds that
// are exclusive, and pages by token. Contacts are compared by the day.
func Intercom(s *Store) http.Handler { return IntercomIn(time.UTC)(s) }

// IntercomIn is Intercom for a workspace whose days begin at midnight in a zone.
func IntercomIn(zone *time.Location) func(*Store) http.Handler {
	return func(s *Store) http.Handler {
		return serve(s, map[string]handler{
			"POST /conversations/search": func(q *question) any {
				return intercomSearch(q, "conversation.list", "conversations", intercomConversation, func(at time.Time) (time.Time, time.Time) { return at, at.Add(time.Second) })
			},
			"GET /conversations/{id}": func(q *question) any { return intercomOne(q, q.id(), intercomConversation) },
			"POST /contacts/search": func(q *question) any {
				return intercomSearch(q, "list", "data", intercomContact, func(at time.Time) (time.Time, time.Time) {
					year, month, day := at.In(zone).Date()
					return time.Date(year, month, day, 0, 0, 0, 0, zone), time.Date(year, month, day+1, 0, 0, 0, 0, zone)
				})
			},
			"GET /contacts/{id}": func(q *question) any {
				id, err := strconv.ParseInt(q.r.PathValue("id"), 16, 32)
				if err != nil {
					id = 0 // whatever it is, it is not there
				}
				return intercomOne(q, int(id), intercomContact)
			},
		})
	}
}

// intercomSearch answers a search, with its rows under a name. Unit says from when on an
// instant of a condition lasts, and until when.
func intercomSearch(q *question, kind, name string, of func(Row) document, unit func(time.Time) (from, to time.Time)) any {
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
			_, after = unit(at)
		case "updated_at<":
			before, _ = unit(at)
		default:
			q.wrong("condition %+v", c)
		}
	}
	if ask.Query.Operator != "AND" || len(ask.Query.Value) == 0 || ask.Sort.Field != "updated_at" || ask.Sort.Order != "ascending" || ask.Pagination.PerPage < 1 || ask.Pagination.PerPage > 150 {
		q.wrong("query, sort or pagination")
	}
	rows := q.s.rows(func(r Row) bool {
		return !r.Gone && !r.Updated.Before(after) && (before.IsZero() || r.Updated.Before(before))
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
	return document{"type": kind, "total_count": len(rows), "pages": pages, name: each(page, of)}
}

func intercomConversation(r Row) document {
	return document{"type": "conversation", "id": strconv.Itoa(r.ID), "ver": r.Ver, "updated_at": r.Updated.Unix()}
}

// ContactID is the id of a contact.
func ContactID(id int) string { return fmt.Sprintf("%024x", id) }

func intercomContact(r Row) document {
	return document{"type": "contact", "id": ContactID(r.ID), "ver": r.Ver, "updated_at": r.Updated.Unix()}
}

func intercomOne(q *question, id int, of func(Row) document) any {
	q.only()
	q.header("Intercom-Version", "2.14")
	r, ok := q.s.one(id)
	if !ok || r.Gone {
		return q.status(http.StatusNotFound, `{"type":"error.list","errors":[{"code":"not_found","message":"Resource Not Found"}]}`)
	}
	return of(r)
}
