package standin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
)

// Zendesk serves the incremental export of tickets, by cursor: whole seconds of the
// export's own stamp, nothing of the last minute, deleted tickets with their status.
func Zendesk(s *Store) http.Handler {
	return serve(s, map[string]handler{
		"GET /api/v2/incremental/tickets/cursor":      zendeskTickets,
		"GET /api/v2/incremental/tickets/cursor.json": zendeskTickets,
	})
}

func zendeskTickets(q *question) any {
	q.only("start_time", "cursor", "per_page")
	size := q.int("per_page", 1000, 1, 1000)
	start, after := q.unix("start_time"), 0
	if token := q.query.Get("cursor"); token != "" {
		if q.query.Has("start_time") {
			q.wrong("start_time and cursor")
		}
		text, err := base64.URLEncoding.DecodeString(token)
		var unix int64
		if _, scan := fmt.Sscanf(string(text), "%d|%d", &unix, &after); err != nil || scan != nil {
			q.wrong("cursor %q", token)
		}
		start = time.Unix(unix, 0)
	} else if !q.query.Has("start_time") || q.s.Now().Sub(start) < time.Minute {
		q.wrong("start_time %q must be there and a minute old", q.query.Get("start_time"))
	}
	settled := q.s.Now().Add(-time.Minute)
	rows := q.s.rows(func(r Row) bool {
		return r.Updated.Before(settled) && (r.Updated.After(start) || r.Updated.Equal(start) && r.ID > after)
	})
	page, more := slice(rows, 0, size)
	last := fmt.Sprintf("%d|%d", start.Unix(), after)
	if len(page) > 0 {
		r := page[len(page)-1]
		last = fmt.Sprintf("%d|%d", r.Updated.Unix(), r.ID)
	}
	token := base64.URLEncoding.EncodeToString([]byte(last))
	return document{
		"tickets": each(page, func(r Row) document {
			status := "open"
			if r.Gone {
				status = "deleted"
			}
			return document{"id": r.ID, "ver": r.Ver, "status": status, "generated_timestamp": r.Updated.Unix(), "updated_at": r.Updated.Format(seconds)}
		}),
		"after_cursor": token, "end_of_stream": !more,
		"after_url": fmt.Sprintf("http://%s%s?cursor=%s&per_page=%d", q.r.Host, q.r.URL.Path, token, size),
	}
}
