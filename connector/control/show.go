package control

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"tributary/connector"
)

func nameOf(r *http.Request) Name {
	return Name{Source: r.PathValue("source"), Collection: r.PathValue("collection")}
}

func (h *Handler) info(*http.Request) (int, any, error) { return http.StatusOK, h.plane.Info(), nil }

func (h *Handler) sources(*http.Request) (int, any, error) {
	return http.StatusOK, map[string][]Source{"sources": h.plane.Sources()}, nil
}

func (h *Handler) source(r *http.Request) (int, any, error) {
	s, err := h.sourceOf(r.PathValue("source"))
	return http.StatusOK, s, err
}

func (h *Handler) sourceOf(name string) (Source, error) {
	for _, s := range h.plane.Sources() {
		if s.Name == name {
			return s, nil
		}
	}
	return Source{}, &Error{Kind: Unknown, Detail: "there is no source " + quote(name), Remedy: "GET /v1/sources has those that there are"}
}

func (h *Handler) collection(r *http.Request) (int, any, error) {
	c, err := h.plane.Collection(nameOf(r))
	return http.StatusOK, c, err
}

// CollectionPage is a part of the collections, as a search found them.
type CollectionPage struct {
	Collections []Collection `json:"collections"`
	// Total is how many were found, All how many there are.
	Total int `json:"total"`
	All   int `json:"all"`
	// States is how many are in each state of those that source and search find, whatever
	// state was asked for.
	States map[string]int `json:"states"`
	Offset int            `json:"offset"`
	Limit  int            `json:"limit"`
}

// Bounds of a page of collections.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// A search is what GET /v1/collections is asked for.
type search struct {
	text          string
	sources       []string
	states        []string
	sort          string
	descending    bool
	offset, limit int
}

func searchOf(r *http.Request) (search, error) {
	q := queryOf(r, "search", "source", "state", "sort", "descending", "offset", "limit")
	s := search{
		text:       strings.ToLower(q.text("search")),
		sources:    q.words("source", nil),
		states:     q.words("state", connector.States),
		sort:       cmp.Or(q.text("sort"), "config"),
		descending: q.truth("descending"),
		offset:     q.number("offset", 0, 0, math.MaxInt32),
		limit:      q.number("limit", defaultLimit, 1, maxLimit),
	}
	if orders[s.sort] == nil {
		q.fail("there are "+strings.Join(orderNames(), ", "), "the collections are not sorted by %q", clip(s.sort))
	}
	return s, q.err
}

func (h *Handler) collections(r *http.Request) (int, any, error) {
	s, err := searchOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.page(h.plane.Collections()), nil
}

// page finds what is searched for. It sorts pointers: a Collection is large, and there may
// be ten thousand.
func (s *search) page(all []Collection) CollectionPage {
	page := CollectionPage{All: len(all), States: map[string]int{}, Offset: s.offset, Limit: s.limit, Collections: []Collection{}}
	for _, state := range connector.States {
		page.States[state] = 0
	}
	var found []*Collection
	for i := range all {
		c := &all[i]
		if !s.finds(c) {
			continue
		}
		page.States[c.State]++
		if len(s.states) == 0 || slices.Contains(s.states, c.State) {
			found = append(found, c)
		}
	}
	order := orders[s.sort]
	slices.SortStableFunc(found, func(a, b *Collection) int {
		if s.descending {
			return order(b, a)
		}
		return order(a, b)
	})
	page.Total = len(found)
	first := min(s.offset, len(found))
	for _, c := range found[first:min(first+s.limit, len(found))] {
		page.Collections = append(page.Collections, *c)
	}
	return page
}

func (s *search) finds(c *Collection) bool {
	if len(s.sources) > 0 && !slices.Contains(s.sources, c.Source) {
		return false
	}
	return s.text == "" || strings.Contains(strings.ToLower(c.Name.String()), s.text) || strings.Contains(strings.ToLower(c.Topic), s.text)
}

// orders are what collections may be sorted by.
var orders = map[string]func(a, b *Collection) int{
	"config":       func(_, _ *Collection) int { return 0 },
	"attention":    compareAttention,
	"name":         func(a, b *Collection) int { return cmp.Compare(a.Name.String(), b.Name.String()) },
	"state":        func(a, b *Collection) int { return cmp.Compare(a.State, b.State) },
	"lag":          func(a, b *Collection) int { return cmp.Compare(lagOf(a), lagOf(b)) },
	"rate":         func(a, b *Collection) int { return cmp.Compare(a.Rate, b.Rate) },
	"records":      func(a, b *Collection) int { return cmp.Compare(a.Records, b.Records) },
	"caught_up":    func(a, b *Collection) int { return compareTimes(a.CaughtUp, b.CaughtUp) },
	"last_success": func(a, b *Collection) int { return compareTimes(a.LastSuccess, b.LastSuccess) },
	"last_change":  func(a, b *Collection) int { return compareTimes(a.LastChange, b.LastChange) },
	"last_error":   func(a, b *Collection) int { return compareTimes(failedAt(a), failedAt(b)) },
	"next_run":     func(a, b *Collection) int { return compareTimes(a.NextRun, b.NextRun) },
}

func orderNames() []string {
	var names []string
	for name := range orders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// compareAttention puts first what a person should look at first.
func compareAttention(a, b *Collection) int {
	urgency := a.Urgency()
	if by := cmp.Compare(urgency, b.Urgency()); by != 0 || urgency > 4 {
		return by
	}
	return cmp.Compare(lagOf(b), lagOf(a))
}

// Urgency says how soon a person should look at a collection: 0 is what does not mend
// itself, 6 what he has put to rest himself.
func (c *Collection) Urgency() int {
	switch {
	case c.Hold != HoldNone:
		return 6
	case c.State == connector.StateStopped, c.State == connector.StateReauthRequired:
		return 0
	case c.State == connector.StateQuarantined:
		return 1
	case c.State == connector.StateBackoff:
		return 2
	case c.Guarded, c.Why != "":
		return 3
	case c.State == connector.StateRestoring, c.Late():
		return 4
	}
	return 5
}

// Late says that it is not caught up for longer than a run that is under way explains:
// at the end of every interval each collection is behind for a moment, and a list sorted
// by that would never rest.
func (c *Collection) Late() bool {
	return lagOf(c) > max(10, c.Interval)
}

// lagOf is endless for what was never caught up.
func lagOf(c *Collection) float64 {
	if c.Lag == nil {
		return math.Inf(1)
	}
	return *c.Lag
}

func failedAt(c *Collection) *time.Time {
	if c.LastError == nil {
		return nil
	}
	return &c.LastError.At
}

// compareTimes takes what never was for the earliest.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(*b)
}
