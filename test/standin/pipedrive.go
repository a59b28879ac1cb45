package standin

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Pipedrive serves persons by version 2 of its API: whole seconds, an inclusive lower and an
// exclusive upper bound, and pages by cursor. Deleted persons are not listed.
func Pipedrive(s *Store) http.Handler {
	return serve(s, map[string]handler{"GET /api/v2/persons": pipedriveList})
}

func pipedriveList(q *question) any {
	q.only("updated_since", "updated_until", "sort_by", "sort_direction", "limit", "cursor", "ids")
	q.header("X-Api-Token", "secret")
	from, to := q.time("updated_since", seconds, q.query.Get("updated_since")), q.time("updated_until", seconds, q.query.Get("updated_until"))
	var ids []string
	if text := q.query.Get("ids"); text != "" {
		if ids = strings.Split(text, ","); len(ids) > 100 {
			q.wrong("%d ids", len(ids))
		}
	} else {
		q.must("sort_by", "update_time")
		q.must("sort_direction", "asc")
	}
	at := 0
	if token := q.query.Get("cursor"); token != "" {
		text, err := base64.URLEncoding.DecodeString(token)
		if at, _ = strconv.Atoi(string(text)); err != nil || at == 0 {
			q.wrong("cursor %q", token)
		}
	}
	rows := q.s.rows(func(r Row) bool {
		return live(from, to)(r) && (ids == nil || slices.Contains(ids, strconv.Itoa(r.ID)))
	})
	page, more := slice(rows, at, q.int("limit", 100, 1, 500))
	additional := document{"next_cursor": nil}
	if more {
		additional["next_cursor"] = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(at + len(page))))
	}
	return document{"success": true, "additional_data": additional, "data": each(page, func(r Row) document {
		return document{"id": r.ID, "ver": r.Ver, "is_deleted": false, "update_time": r.Updated.Format(seconds)}
	})}
}
