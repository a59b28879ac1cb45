package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tributary/connector"
)

// An API that filters a page after it was cut shows none of it, and leads on.
func TestAPageWithoutRecordsThatLeadsOnIsNoEnd(t *testing.T) {
	t.Parallel()
	pages := []string{"", "", "1 2", "", "", "3", ""}
	answer := func(w http.ResponseWriter, r *http.Request) {
		at, _ := strconv.Atoi(r.URL.Query().Get("after"))
		var rows []string
		for _, id := range strings.Fields(pages[at]) {
			rows = append(rows, fmt.Sprintf(`{"id":%s,"updated_at":"2024-01-01T00:00:00Z"}`, id))
		}
		tail := `"has_more":false,"end":true`
		if at++; at < len(pages) {
			next := fmt.Sprintf("/v2/people?after=%d", at)
			w.Header().Add("Link", fmt.Sprintf(`<%s>; rel=next`, next))
			tail = fmt.Sprintf(`"has_more":true,"end":false,"paging":{"next":{"after":"%d"}},"next":%q`, at, next)
		}
		fmt.Fprintf(w, `{"data":[%s],%s}`, strings.Join(rows, ","), tail)
	}
	for _, name := range []string{"token", "token and more", "token and end", "address", "Link header"} {
		b := setup(t, paged(ways[name]), answer)
		if ids := b.walk(t, between(1e6, 9e6)); !slices.Equal(ids, []string{"1", "2", "3"}) {
			t.Errorf("%s: got %q", name, ids)
		}
	}
	// Below a parent too, and in the list of parents.
	b := setup(t, below(nil), func(w http.ResponseWriter, r *http.Request) {
		switch at := r.URL.Query().Get("at"); {
		case at == "":
			fmt.Fprint(w, `{"items":[],"next":"on"}`)
		case strings.HasSuffix(r.URL.Path, "/projects"):
			fmt.Fprint(w, `{"items":[{"key":"a"}]}`)
		default:
			fmt.Fprint(w, `{"items":[{"id":"1","updated_at":"2024-01-01T00:00:00Z"}]}`)
		}
	})
	if ids := b.walk(t, everything); !slices.Equal(ids, []string{"a/1"}) {
		t.Errorf("below a parent: got %q", ids)
	}
}

func TestPagesWithoutRecordsDoNotLeadOnForEver(t *testing.T) {
	t.Parallel()
	asked := 0
	b := setup(t, paged(ways["token"]), func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprintf(w, `{"data":[],"paging":{"next":{"after":"%d"}}}`, asked)
	})
	q := between(1e6, 9e6)
	q.Page = 1
	var stop *connector.StopError
	if _, err := b.Fetch(context.Background(), q); !errors.As(err, &stop) || asked != maxEmpty+1 {
		t.Errorf("after %d requests: %v", asked, err)
	}
	// One that leads to where it is shows nothing more.
	b = setup(t, paged(ways["token"]), func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[],"paging":{"next":{"after":"here"}}}`)
	})
	if p, err := b.Fetch(context.Background(), q); err != nil || len(p.Records) > 0 {
		t.Errorf("got %v, %v", p, err)
	}
}

// A total beside a token may be that of the page.
func TestATokenLeadsOnWhateverTheTotalIs(t *testing.T) {
	t.Parallel()
	b := setup(t, paged(func(c *Config) { ways["token"](c); c.Total = "count" }), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("after") {
			fmt.Fprint(w, `{"data":[{"id":2,"updated_at":"2024-01-01T00:00:00Z"}],"count":1}`)
			return
		}
		fmt.Fprint(w, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}],"count":1,"paging":{"next":{"after":"1"}}}`)
	})
	if ids := b.walk(t, between(1e6, 9e6)); len(ids) != 2 {
		t.Errorf("got %q", ids)
	}
}

// A walk that cannot ask for a second page must not take the first for all there is.
func TestAWalkWithoutAWayToTheNextPageStopsWhereOneFollows(t *testing.T) {
	t.Parallel()
	const two = `"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"},{"id":2,"updated_at":"2024-01-01T00:00:00Z"}]`
	for name, tc := range map[string]struct {
		change func(*Config)
		body   string
		stops  bool
	}{
		"all there is":     {func(*Config) {}, `{` + two + `}`, false},
		"more":             {func(c *Config) { c.Next = "more" }, `{"more":true,` + two + `}`, true},
		"no more":          {func(c *Config) { c.Next = "more" }, `{"more":false,` + two + `}`, false},
		"a larger total":   {func(c *Config) { c.Total = "total" }, `{"total":3,` + two + `}`, true},
		"the total":        {func(c *Config) { c.Total, c.SizeParam, c.Size = "total", "limit", 2 }, `{"total":2,` + two + `}`, false},
		"a whole page":     {func(c *Config) { c.SizeParam, c.Size = "limit", 2 }, `{` + two + `}`, true},
		"less than a page": {func(c *Config) { c.SizeParam, c.Size = "limit", 3 }, `{` + two + `}`, false},
	} {
		b := setup(t, paged(func(c *Config) { c.Unordered, c.Order, c.SizeParam = true, nil, ""; tc.change(c) }), func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, tc.body)
		})
		q := everything
		q.Page = 1
		_, err := b.Fetch(context.Background(), q)
		if stops := errors.As(err, new(*connector.StopError)); stops != tc.stops || !stops && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
