package standin

import (
	"fmt"
	"net/http"
	"net/url"
)

// GitHub serves the issues of the repository acme/app: whole seconds, `since`, which is
// taken as strictly after, and pages by the Link header. Deleted issues are 410.
func GitHub(s *Store) http.Handler {
	return serve(s, map[string]handler{
		"GET /repos/acme/app/issues":      githubList,
		"GET /repos/acme/app/issues/{id}": githubOne,
	})
}

func githubIssue(r Row) document {
	return document{"id": 9_007_199_254_740_993 + r.ID, "number": r.ID, "ver": r.Ver, "updated_at": r.Updated.Format(seconds)}
}

func githubList(q *question) any {
	q.only("state", "sort", "direction", "since", "per_page", "page")
	q.must("state", "all")
	q.must("sort", "updated")
	q.must("direction", "asc")
	q.header("X-Github-Api-Version", "2022-11-28")
	q.header("Accept", "application/vnd.github+json")
	since := q.time("since", seconds, q.query.Get("since"))
	size, page := q.int("per_page", 30, 1, 100), q.int("page", 1, 1, 1e6)
	rows := q.s.rows(func(r Row) bool { return !r.Gone && r.Updated.After(since) })
	shown, more := slice(rows, (page-1)*size, size)
	if more {
		next := *q.r.URL
		query := url.Values{}
		for name, v := range q.query {
			query[name] = v
		}
		query.Set("page", fmt.Sprint(page+1))
		next.RawQuery = query.Encode()
		q.w.Header().Set("Link", fmt.Sprintf(`<http://%s%s>; rel="next", <http://%s/last>; rel="last"`, q.r.Host, next.RequestURI(), q.r.Host))
	}
	return each(shown, githubIssue)
}

func githubOne(q *question) any {
	q.only("state") // which means nothing here, and GitHub lets it pass
	r, ok := q.s.one(q.id())
	switch {
	case !ok:
		return q.status(http.StatusNotFound, `{"message":"Not Found"}`)
	case r.Gone:
		return q.status(http.StatusGone, `{"message":"This issue was deleted"}`)
	}
	return githubIssue(r)
}
