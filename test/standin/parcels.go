package standin

import (
	"net/http"
	"strconv"
	"time"
)

// Parcels is no vendor's API, and like none of them: local times of Paris in a form of its
// own, the bound in a header, pages by offset, records within their items under two ids,
// deletions by a state, and errors with status 200.
func Parcels(s *Store) http.Handler {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err) // a test without time zones
	}
	const layout = "02.01.2006 15:04:05"
	return serve(s, map[string]handler{"GET /depot/parcels": func(q *question) any {
		q.only("skip", "sorted")
		q.must("sorted", "changed-up")
		if s.Requests()%7 == 0 {
			return document{"fault": "busy"}
		}
		var from time.Time
		if text := q.r.Header.Get("X-Changed-Since"); text != "" {
			var err error
			if from, err = time.ParseInLocation(layout, text, paris); err != nil {
				q.wrong("%v", err)
			}
		}
		size, _ := strconv.Atoi(q.r.Header.Get("X-Count"))
		if size < 1 || size > 50 {
			q.wrong("count %d", size)
		}
		skip := q.int("skip", 0, 0, 1e9)
		rows := q.s.rows(func(r Row) bool { return !r.Updated.Before(from) })
		page, _ := slice(rows, skip, size)
		return document{"out": document{"left": len(rows) - min(len(rows), skip+len(page)), "items": each(page, func(r Row) document {
			state := "moving"
			if r.Gone {
				state = "void"
			}
			return document{"parcel": document{"depot": "P/" + strconv.Itoa(r.ID%3), "no": r.ID, "ver": r.Ver, "state": state, "changed": r.Updated.In(paris).Format(layout)}}
		})}}
	}})
}
