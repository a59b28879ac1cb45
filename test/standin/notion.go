package standin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Notion serves the pages of a data source: edits are stamped to the minute, pages in the
// trash are not shown by a query, and no query shows more than 10,000 pages.
func Notion(s *Store) http.Handler {
	return serve(s, map[string]handler{
		"POST /v1/data_sources/tasks/query": notionQuery,
		"GET /v1/pages/{id}":                notionPage,
	})
}

func notionQuery(q *question) any {
	q.only()
	q.header("Notion-Version", "2025-09-03")
	type condition struct {
		Timestamp      string `json:"timestamp"`
		LastEditedTime struct {
			OnOrAfter string `json:"on_or_after"`
			Before    string `json:"before"`
		} `json:"last_edited_time"`
	}
	var ask struct {
		Filter *struct {
			And []condition `json:"and"`
		} `json:"filter"`
		Sorts       []map[string]string `json:"sorts"`
		PageSize    int                 `json:"page_size"`
		StartCursor string              `json:"start_cursor"`
	}
	q.decode(&ask)
	var from, to time.Time
	var conditions []condition // none: all pages
	if ask.Filter != nil {
		if conditions = ask.Filter.And; len(conditions) == 0 {
			q.wrong("an empty filter")
		}
	}
	for _, c := range conditions {
		if c.Timestamp != "last_edited_time" || (c.LastEditedTime.OnOrAfter == "") == (c.LastEditedTime.Before == "") {
			q.wrong("filter %+v", c)
		}
		if text := c.LastEditedTime.OnOrAfter; text != "" {
			from = q.time("on_or_after", millis, text)
		}
		if text := c.LastEditedTime.Before; text != "" {
			to = q.time("before", millis, text)
		}
	}
	if len(ask.Sorts) != 1 || ask.Sorts[0]["timestamp"] != "last_edited_time" || ask.Sorts[0]["direction"] != "ascending" || ask.PageSize > 100 {
		q.wrong("sorts or page_size")
	}
	rows := q.s.rows(live(from, to))
	capped := len(rows) > 10_000
	rows = rows[:min(len(rows), 10_000)]
	at := 0
	if ask.StartCursor != "" {
		if at = slices.IndexFunc(rows, func(r Row) bool { return notionID(r) == ask.StartCursor }); at < 0 {
			return q.status(http.StatusBadRequest, `{"object":"error","status":400,"code":"validation_error","message":"The start_cursor provided is invalid"}`)
		}
	}
	page, more := slice(rows, at, ask.PageSize)
	answer := document{"object": "list", "results": each(page, notionOf), "has_more": more, "next_cursor": nil}
	if more {
		answer["next_cursor"] = notionID(rows[at+len(page)])
	}
	if capped {
		answer["request_status"] = document{"type": "incomplete"}
	}
	return answer
}

func notionID(r Row) string { return fmt.Sprintf("59833787-2cf9-4fdf-8782-%012d", r.ID) }

func notionOf(r Row) document {
	return document{"object": "page", "id": notionID(r), "ver": r.Ver, "in_trash": r.Gone, "last_edited_time": r.Updated.Format(millis)}
}

func notionPage(q *question) any {
	q.only()
	q.header("Notion-Version", "2025-09-03")
	text := q.r.PathValue("id")
	n, err := strconv.Atoi(text[strings.LastIndexByte(text, '-')+1:])
	if err != nil {
		q.wrong("id %q", text)
	}
	r, ok := q.s.one(n)
	if !ok {
		return q.status(http.StatusNotFound, `{"object":"error","status":404,"code":"object_not_found"}`)
	}
	return notionOf(r)
}
