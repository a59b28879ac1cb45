package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// page is an answer as a client decodes it.
type page struct {
	Data []struct {
		ID        json.RawMessage `json:"id"`
		Ver       int64           `json:"ver"`
		UpdatedAt time.Time       `json:"updated_at"`
		DeletedAt *time.Time      `json:"deleted_at"`
		Revision  int64           `json:"revision"`
	} `json:"data"`
	Metadata struct {
		Filtering map[string]json.RawMessage `json:"filtering"`
		Paging    struct {
			PerPage     int  `json:"per_page"`
			CurrentPage int  `json:"current_page"`
			NextPage    *int `json:"next_page"`
			TotalCount  *int `json:"total_count"`
		} `json:"paging"`
		Sorting map[string]string `json:"sorting"`
	} `json:"metadata"`
}

// clock is a clock that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func setup(t *testing.T) (*API, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)}
	return New(Config{Collections: []string{"people"}, Seed: 7, Now: c.now}), c
}

func get(t *testing.T, a *API, query string) page {
	t.Helper()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/people?"+query, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: status %d: %s", query, w.Code, w.Body)
	}
	var p page
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("GET %s: %v", query, err)
	}
	return p
}

func (p page) ids() string {
	var ids []string
	for _, r := range p.Data {
		ids = append(ids, fmt.Sprintf("%s.%d", r.ID, r.Ver))
	}
	return strings.Join(ids, " ")
}

const ascending = "sort_by=updated_at&sort_direction=ASC&per_page=100"

func TestDefaultsAndEcho(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	for range 30 {
		a.Insert("people", 1)
		c.t = c.t.Add(time.Second)
	}
	p := get(t, a, "sort=updated_at&colour=red")
	if len(p.Data) != 25 || string(p.Data[0].ID) != "30" || p.Metadata.Sorting["sort_direction"] != "DESC NULLS LAST" {
		t.Errorf("defaults: %d rows from %s, %v", len(p.Data), p.Data[0].ID, p.Metadata.Sorting)
	}
	if p.Metadata.Paging.PerPage != 25 || *p.Metadata.Paging.NextPage != 2 || p.Metadata.Paging.TotalCount != nil || len(p.Metadata.Filtering) != 0 {
		t.Errorf("defaults: %+v", p.Metadata)
	}
	q := url.Values{"updated_at[gte]": {"2026-01-01T23:04:10.678901-04:00"}, "updated_at[lt]": {"2026-01-02T03:04:15.678901Z"}}
	p = get(t, a, ascending+"&include_paging_counts=true&per_page=3&"+q.Encode())
	// Of two values for one name the first counts.
	if got := p.ids(); got != "6.1 7.1 8.1 9.1 10.1" || p.Metadata.Paging.NextPage != nil || *p.Metadata.Paging.TotalCount != 5 {
		t.Errorf("range: %s %+v", got, p.Metadata.Paging)
	}
	if got := string(p.Metadata.Filtering["updated_at"]); got != `{"gte":"2026-01-02T03:04:10.678901Z","lt":"2026-01-02T03:04:15.678901Z"}` {
		t.Errorf("echo: %s", got)
	}
	if p.Metadata.Sorting["sort_direction"] != "ASC NULLS FIRST" {
		t.Errorf("sorting: %v", p.Metadata.Sorting)
	}
	if got := get(t, a, "page=2&per_page=20").ids(); !strings.HasPrefix(got, "10.1 9.1") {
		t.Errorf("second page: %s", got)
	}
	if p := get(t, a, "page=9&per_page=1000"); len(p.Data) != 0 || p.Metadata.Paging.PerPage != 100 {
		t.Errorf("beyond the end: %+v", p)
	}
	if got := get(t, a, "ids[]=3&ids[]=77&ids[]=5&sort_by=created_at&sort_direction=asc").ids(); got != "3.1 5.1" {
		t.Errorf("probe: %s", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a := New(Config{Collections: []string{"people"}, Token: "secret"})
	for _, tc := range []struct {
		path, token string
		status      int
		body        string
	}{
		{"/v2/people", "", 401, "Bearer"},
		{"/v2/people", "secret", 200, "data"},
		{"/v2/people.json", "secret", 200, "data"},
		{"/v2/planets", "secret", 404, "error"},
		{"/v2/people/1", "secret", 404, "error"},
		{"/v2/people?updated_at[gte]=yesterday", "secret", 422, "updated_at"},
		{"/v2/people?sort_by=name", "secret", 422, "sort_by"},
		{"/v2/people?sort_direction=up", "secret", 422, "sort_direction"},
		{"/v2/people?updated_at[since]=yesterday&per_page=x&page=-1", "secret", 200, `"per_page":25`},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, tc.path, nil)
		if tc.token != "" {
			r.Header.Set("Authorization", "Bearer "+tc.token)
		}
		a.ServeHTTP(w, r)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) {
			t.Errorf("%s: %d %s", tc.path, w.Code, w.Body)
		}
	}
}

func TestDateIsTheAPIsOwn(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	c.t = time.Date(2031, 5, 6, 7, 8, 9, 999999999, time.UTC)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/people", nil))
	if got := w.Header().Get("Date"); got != "Tue, 06 May 2031 07:08:09 GMT" {
		t.Errorf("Date: %s", got)
	}
}

func TestEachFaultFires(t *testing.T) {
	t.Parallel()
	srv, err := Start(Config{Collections: []string{"people"}, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	srv.API.Insert("people", 50)
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for name, tc := range map[string]struct {
		h    Hostility
		want func(status int, body string, header http.Header, err error) bool
	}{
		"throttled": {Hostility{Throttle: 1, RetryAfter: 1500 * time.Millisecond}, func(s int, _ string, h http.Header, _ error) bool {
			after := h.Get("Retry-After")
			return s == 429 && (after == "" || after == "2" || strings.HasSuffix(after, "GMT"))
		}},
		"server_error": {Hostility{ServerError: 1}, func(s int, _ string, _ http.Header, _ error) bool { return s >= 500 }},
		"html":         {Hostility{HTML: 1}, func(s int, b string, _ http.Header, _ error) bool { return s == 200 && strings.HasPrefix(b, "<!DOC") }},
		"cut_body": {Hostility{CutBody: 1}, func(_ int, b string, _ http.Header, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !json.Valid([]byte(b))
		}},
		"second_document": {Hostility{SecondDocument: 1}, func(_ int, b string, _ http.Header, err error) bool {
			return err == nil && json.NewDecoder(strings.NewReader(b)).Decode(new(any)) == nil && !json.Valid([]byte(b))
		}},
		"hang":  {Hostility{Hang: 1, HangFor: 5 * time.Millisecond}, func(_ int, _ string, _ http.Header, err error) bool { return err != nil }},
		"reset": {Hostility{Reset: 1}, func(_ int, _ string, _ http.Header, err error) bool { return err != nil }},
	} {
		srv.API.Set(tc.h)
		for range 8 {
			status, body, header, err := fetch(client, srv.URL+"/people")
			if !tc.want(status, body, header, err) {
				t.Errorf("%s: %d %.40q %v", name, status, body, err)
			}
		}
		// The client sends again what failed before a byte of the answer came.
		if n := srv.API.Fired()[name]; n < 8 {
			t.Errorf("%s fired %d times", name, n)
		}
	}
	for _, v := range srv.API.History("people") {
		if v.Served != 0 {
			t.Fatalf("%s was served by an answer that was not whole", v.ID)
		}
	}
}

func fetch(client *http.Client, url string) (status int, body string, header http.Header, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header, err
}
