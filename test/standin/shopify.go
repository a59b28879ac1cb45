package standin

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// Shopify serves orders by GraphQL: whole seconds, a search syntax for the bounds, pages by
// cursor, and a question in 300 throttled with status 200.
func Shopify(s *Store) http.Handler {
	return serve(s, map[string]handler{"POST /admin/api/2026-01/graphql.json": shopifyQuery})
}

// The parts of the question that must be in its text.
var shopifyParts = []string{"orders(", "first:", "after:", "sortKey:", "UPDATED_AT", "nodes", "updatedAt", "pageInfo", "hasNextPage", "endCursor"}

var shopifySearch = regexp.MustCompile(`^updated_at:>='([^']+)'(?: AND updated_at:<'([^']+)')?$`)

func shopifyQuery(q *question) any {
	q.only()
	var ask struct {
		Query     string `json:"query"`
		Variables struct {
			First int    `json:"first"`
			After string `json:"after"`
			Query string `json:"query"`
		} `json:"variables"`
	}
	q.decode(&ask)
	for _, part := range shopifyParts {
		if !strings.Contains(ask.Query, part) {
			q.wrong("no %s in the question", part)
		}
	}
	if strings.Count(ask.Query, "{") != strings.Count(ask.Query, "}") || ask.Variables.First < 1 || ask.Variables.First > 250 {
		q.wrong("braces or first")
	}
	m := shopifySearch.FindStringSubmatch(ask.Variables.Query)
	if m == nil {
		if ask.Variables.Query != "" {
			q.wrong("query %q", ask.Variables.Query)
		}
		m = make([]string, 3)
	}
	if q.bad == "" && q.s.Requests()%300 == 0 {
		return document{"errors": []document{{"message": "Throttled", "extensions": document{"code": "THROTTLED"}}},
			"extensions": document{"cost": document{"throttleStatus": document{"currentlyAvailable": 0, "restoreRate": 50}}}}
	}
	rows := q.s.rows(live(q.time("bound", seconds, m[1]), q.time("bound", seconds, m[2])))
	at := 0
	if ask.Variables.After != "" {
		if _, err := fmt.Sscanf(ask.Variables.After, "cursor%d", &at); err != nil {
			q.wrong("after %q", ask.Variables.After)
		}
	}
	page, more := slice(rows, at, ask.Variables.First)
	info := document{"hasNextPage": more, "endCursor": nil}
	if len(page) > 0 {
		info["endCursor"] = fmt.Sprintf("cursor%d", at+len(page))
	}
	return document{"data": document{"orders": document{"pageInfo": info, "nodes": each(page, func(r Row) document {
		return document{"id": fmt.Sprintf("gid://shopify/Order/%d", r.ID), "ver": r.Ver, "updatedAt": r.Updated.Format(seconds)}
	})}}}
}
