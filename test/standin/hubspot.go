package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// HubSpot serves the search of contacts: milliseconds, an index that lags, tokens that
// are offsets, and nothing beyond 10,000 results.
func HubSpot(s *Store) http.Handler {
	return serve(s, map[string]handler{"POST /crm/v3/objects/contacts/search": hubspotSearch})
}

type hubspotQuery struct {
	FilterGroups []struct {
		Filters []struct {
			PropertyName, Operator string
			Value                  json.RawMessage
			Values                 []string
		}
	}
	Sorts      []struct{ PropertyName, Direction string }
	Properties []string
	Limit      int
	After      string
}

func hubspotSearch(q *question) any {
	q.only()
	var ask hubspotQuery
	q.decode(&ask)
	if len(ask.FilterGroups) > 1 || ask.Limit < 1 || ask.Limit > 200 {
		q.wrong("filter groups or limit")
	}
	var fits []func(Row) bool
	ids := false
	for _, g := range ask.FilterGroups {
		if len(g.Filters) == 0 || len(g.Filters) > 6 {
			q.wrong("%d filters in a group", len(g.Filters))
		}
		for _, f := range g.Filters {
			switch f.PropertyName + " " + f.Operator {
			case "lastmodifieddate GTE":
				fits = append(fits, live(q.hubspotTime(f.Value), time.Time{}))
			case "lastmodifieddate LT":
				fits = append(fits, live(time.Time{}, q.hubspotTime(f.Value)))
			case "hs_object_id IN":
				ids = true
				wanted := map[string]bool{}
				for _, id := range f.Values {
					wanted[id] = true
				}
				if len(wanted) == 0 || len(wanted) > 100 {
					q.wrong("%d ids", len(wanted))
				}
				fits = append(fits, func(r Row) bool { return wanted[strconv.Itoa(r.ID)] })
			default:
				q.wrong("filter %+v", f)
			}
		}
	}
	if !ids && (len(ask.Sorts) != 1 || ask.Sorts[0].PropertyName != "lastmodifieddate" || ask.Sorts[0].Direction != "ASCENDING") {
		q.wrong("sorts %v", ask.Sorts)
	}
	from := 0
	if ask.After != "" {
		from, _ = strconv.Atoi(ask.After)
	}
	if from+ask.Limit > 10_000 {
		q.wrong("results beyond 10,000")
	}
	rows := q.s.rows(func(r Row) bool {
		for _, fit := range fits {
			if !fit(r) {
				return false
			}
		}
		return !r.Gone
	})
	page, more := slice(rows, from, ask.Limit)
	answer := document{"total": len(rows), "results": each(page, func(r Row) document {
		at := r.Updated.Format(millis)
		return document{"id": strconv.Itoa(r.ID), "archived": false, "updatedAt": at, "properties": document{
			"hs_object_id": strconv.Itoa(r.ID), "lastmodifieddate": at, "ver": strconv.Itoa(r.Ver)}}
	})}
	if more {
		answer["paging"] = document{"next": document{"after": fmt.Sprint(from + ask.Limit)}}
	}
	return answer
}

// hubspotTime reads milliseconds, as a number or as its text.
func (q *question) hubspotTime(value json.RawMessage) time.Time {
	text := string(value)
	if u, err := strconv.Unquote(text); err == nil {
		text = u
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		q.wrong("value %s", value)
	}
	return time.UnixMilli(ms).UTC()
}
