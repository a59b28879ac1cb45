package standin

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// Jira serves the search for issues by JQL: bounds to the minute, an index that lags,
// ties in another order at every search, and pages by token.
func Jira(s *Store) http.Handler {
	return serve(s, map[string]handler{
		"POST /rest/api/3/search/jql": jiraSearch,
		"GET /rest/api/3/issue/{id}":  jiraIssue,
	})
}

// jql is the one form of question that is understood: bounded, and oldest first.
var jql = regexp.MustCompile(`^(?:updated < "([0-9/: -]+)" AND )?updated >= "([0-9/: -]+)" ORDER BY updated ASC$`)

const minutes = "2006-01-02 15:04"

func jiraSearch(q *question) any {
	q.only()
	var ask struct {
		JQL           string
		MaxResults    int
		NextPageToken string
		Fields        []string
	}
	q.decode(&ask)
	m := jql.FindStringSubmatch(ask.JQL)
	if m == nil || ask.MaxResults < 1 || len(ask.Fields) == 0 {
		q.wrong("jql, maxResults or fields")
		return nil
	}
	// In another order at every search; in one order within its pages.
	from, turn := 0, q.s.Requests()
	if ask.NextPageToken != "" {
		if _, err := fmt.Sscanf(ask.NextPageToken, "t%d.%d", &from, &turn); err != nil {
			q.wrong("nextPageToken %q", ask.NextPageToken)
		}
	}
	rows := q.s.rows(live(q.time("bound", minutes, m[2]), q.time("bound", minutes, m[1])))
	shuffleTies(rows, turn)
	page, more := slice(rows, from, min(ask.MaxResults, 5000))
	answer := document{"isLast": !more, "issues": each(page, jiraOf)}
	if more {
		answer["nextPageToken"] = fmt.Sprintf("t%d.%d", from+len(page), turn)
	}
	return answer
}

func jiraOf(r Row) document {
	return document{"id": strconv.Itoa(10_000 + r.ID), "key": fmt.Sprintf("APP-%d", r.ID),
		"fields": document{"ver": r.Ver, "updated": r.Updated.Format("2006-01-02T15:04:05.000-0700")}}
}

func jiraIssue(q *question) any {
	q.only("fields")
	r, ok := q.s.one(q.id() - 10_000)
	if !ok || r.Gone {
		return q.status(http.StatusNotFound, `{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}`)
	}
	return jiraOf(r)
}

// shuffleTies turns the order of rows with one stamp by some places.
func shuffleTies(rows []Row, by int) {
	for i := 0; i < len(rows); {
		j := i
		for j < len(rows) && rows[j].Updated.Equal(rows[i].Updated) {
			j++
		}
		tie := append([]Row(nil), rows[i:j]...)
		for k := range tie {
			rows[i+k] = tie[(k+by)%len(tie)]
		}
		i = j
	}
}
