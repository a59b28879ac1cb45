package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tributary/connector"
)

// forge is a server with projects, three on a page, and issues below them, two on a page.
// Projects whose name begins with "none" have no issues at all.
type forge struct {
	projects []string
	issues   map[string][]string
	status   map[string]int // of projects, in place of their issues
	asked    []string
}

func (f *forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r.RequestURI)
	q := r.URL.Query()
	at := 0
	fmt.Sscan(q.Get("at"), &at)
	list := func(all []string, size int, item func(string) string) {
		end := min(at+size, len(all))
		var rows []string
		for _, one := range all[min(at, end):end] {
			rows = append(rows, item(one))
		}
		next := "null"
		if end < len(all) {
			next = fmt.Sprint(end)
		}
		fmt.Fprintf(w, `{"items":[%s],"next":%s}`, strings.Join(rows, ","), next)
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/v2/projects"), "/")
	if len(parts) < 2 {
		list(f.projects, 3, func(p string) string {
			return fmt.Sprintf(`{"key":%q,"changed":"2024-01-0%dT00:00:00Z","org":{"name":"o-%s"}}`, p, slices.Index(f.projects, p)+1, p)
		})
		return
	}
	project, _ := url.PathUnescape(parts[1])
	if status := f.status[project]; status != 0 {
		w.WriteHeader(status)
		return
	}
	issues := f.issues[project]
	if q.Get("since") > "2024-01-01T00:00:00Z" {
		issues = nil // all are older
	}
	list(issues, 2, func(id string) string {
		return fmt.Sprintf(`{"id":%q,"updated_at":"2024-01-01T00:00:00Z"}`, id)
	})
}

func below(change func(*Config)) func(string) Config {
	return func(base string) Config {
		c := plain(base)
		c.Params, c.Order, c.Auth, c.CountParams, c.SizeParam, c.PageParam, c.To, c.Total, c.Next, c.ProbeParam, c.ProbeMax, c.Size = nil, nil, nil, nil, "", "", "", "", "", "", 0, 0
		c.Path, c.Unordered, c.Records, c.From = "projects/{parent}/issues", true, "items", "since"
		c.ID, c.IDMore, c.TokenParam, c.Token = ParentPart, []string{"id"}, "at", "next"
		c.Params = url.Values{"org": {"{parent.org.name}"}, "none": {"{parent.nothing}"}}
		c.Parent = &Parent{List: Config{Path: "projects", Records: "items", ID: "key", TokenParam: "at", Token: "next"}}
		if change != nil {
			change(&c)
		}
		return c
	}
}

func theForge() *forge {
	return &forge{projects: []string{"a", "none1", "b/c", "none2", "d", "none3", "none4"}, status: map[string]int{},
		issues: map[string][]string{"a": {"1", "2", "3"}, "b/c": {"1"}, "d": {"4", "5"}}}
}

func TestACollectionUnderParentsIsOneWalk(t *testing.T) {
	t.Parallel()
	f := theForge()
	b := setup(t, below(nil), f.ServeHTTP)
	want := []string{"a/1", "a/2", "a/3", "b~1c/1", "d/4", "d/5"}
	for range 2 {
		if got := b.walk(t, everything); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := f.asked[:5]; !slices.Equal(got, []string{"/v2/projects", "/v2/projects/a/issues?org=o-a", "/v2/projects/a/issues?org=o-a&at=2", "/v2/projects/none1/issues?org=o-none1", "/v2/projects/b%2Fc/issues?org=o-b%2Fc"}) {
		t.Errorf("asked for %q", got)
	}
	none := &forge{}
	b = setup(t, below(nil), none.ServeHTTP)
	if got := b.walk(t, everything); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestAPageUnderParentsThatIsAskedForAgainIsTheSame(t *testing.T) {
	t.Parallel()
	b := setup(t, below(nil), theForge().ServeHTTP)
	q := everything
	for _, x := range []struct {
		page int
		want string
	}{{1, "a/1"}, {1, "a/1"}, {2, "a/3"}, {2, "a/3"}, {3, "b~1c/1"}, {3, "b~1c/1"}, {4, "d/4"}, {1, "a/1"}} {
		q.Page = x.page
		p, err := b.Fetch(context.Background(), q)
		if err != nil || p.Records[0].ID != x.want || p.Last {
			t.Fatalf("page %d: got %v %v, want %s", x.page, p.Records, err, x.want)
		}
	}
	for _, q.Page = range []int{3, 7} {
		if _, err := b.Fetch(context.Background(), q); !errors.As(err, new(*connector.AnewError)) {
			t.Errorf("page %d: got %v", q.Page, err)
		}
	}
}

// What fails in the middle of parents without records goes on from there.
func TestAWalkOverParentsGoesOnFromWhereItFailed(t *testing.T) {
	t.Parallel()
	f := theForge()
	b := setup(t, below(nil), f.ServeHTTP)
	q := everything
	for q.Page = 1; q.Page < 4; q.Page++ {
		if _, err := b.Fetch(context.Background(), q); err != nil {
			t.Fatal(err)
		}
	}
	f.status["d"] = 500
	for range 2 {
		f.asked = nil
		if _, err := b.Fetch(context.Background(), q); !errors.As(err, new(*connector.RetryError)) {
			t.Fatal(err)
		}
	}
	if len(f.asked) != 1 {
		t.Errorf("asked again for %q", f.asked)
	}
	f.status["d"] = 0
	if p, err := b.Fetch(context.Background(), q); err != nil || len(p.Records) != 2 {
		t.Errorf("got %v %v", p.Records, err)
	}
}

func TestAParentThatIsGoneBeginsAnew(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		status int
		skip   []int
		anew   bool
		says   string
	}{{404, nil, true, "below the parent"}, {410, nil, true, "below the parent"}, {410, []int{410}, false, ""}, {403, nil, false, "403"}, {403, []int{403}, false, ""}, {429, []int{429}, false, "429"}} {
		f := theForge()
		f.status["b/c"] = x.status
		b := setup(t, below(func(c *Config) { c.Parent.Skip = x.skip }), f.ServeHTTP)
		q := everything
		var err error
		for q.Page = 1; q.Page <= 3 && err == nil; q.Page++ {
			_, err = b.Fetch(context.Background(), q)
		}
		if (err != nil) != (x.says != "") || errors.As(err, new(*connector.AnewError)) != x.anew || err != nil && !strings.Contains(err.Error(), x.says) {
			t.Errorf("%d, skipped %v: got %v", x.status, x.skip, err)
		}
	}
}

// What is new or changed of parents may bring along what is older than itself.
func TestAParentThatChangedIsReadFromTheBeginning(t *testing.T) {
	t.Parallel()
	f := theForge()
	b := setup(t, below(func(c *Config) { c.Parent.List.Instant, c.Format = "changed", "rfc3339" }), f.ServeHTTP)
	b.walk(t, between(instant(t, "2024-01-03T00:00:00Z"), connector.Forever))
	for _, uri := range f.asked {
		u, _ := url.Parse(uri)
		project := strings.TrimPrefix(u.Query().Get("org"), "o-")
		if i := slices.Index(f.projects, project); i >= 0 && u.Query().Has("since") != (i < 2) {
			t.Errorf("asked for %s, which is number %d", uri, i+1)
		}
	}
	if len(f.asked) < 10 {
		t.Errorf("asked for %q alone", f.asked)
	}
}

func TestARecordUnderAParentIsProbedThere(t *testing.T) {
	t.Parallel()
	var asked []string
	b := setup(t, below(func(c *Config) {
		c.Params = nil
		c.ProbeMax, c.Probe = 2, &Probe{Get: "projects/{parent}/issues/{id}"}
	}), func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.RequestURI)
		if len(asked) > 1 {
			w.WriteHeader(404)
			return
		}
		fmt.Fprint(w, `{"id":"1/2","updated_at":"2024-01-01T00:00:00Z"}`)
	})
	p, err := b.Fetch(context.Background(), ids("b~1c/1~12", "a/7"))
	if err != nil || len(p.Records) != 1 || p.Records[0].ID != "b~1c/1~12" {
		t.Fatal(p, err)
	}
	if !slices.Equal(asked, []string{"/v2/projects/b%2Fc/issues/1%2F2", "/v2/projects/a/issues/7"}) {
		t.Errorf("asked for %q", asked)
	}
}

func TestACollectionUnderParentsIsSaidWhole(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		says   string
		change func(*Config)
	}{
		{"there is no parent", func(c *Config) { c.Parent = nil }},
		{"does not name {parent}", func(c *Config) { c.Path, c.Params = "issues", nil }},
		{"set order: none", func(c *Config) { c.Unordered = false }},
		{"that of the parent alone", func(c *Config) { c.IDMore = nil }},
		{"parent.page.token is missing", func(c *Config) { c.Parent.List.Token = "" }},
		{"parent.id is empty", func(c *Config) { c.Parent.List.ID = "" }},
		{"parent.path", func(c *Config) { c.Parent.List.Path = "../x" }},
		{"parent.request names {parent}", func(c *Config) { c.Parent.List.Params = url.Values{"a": {"{parent}"}} }},
		{"parent.skip", func(c *Config) { c.Parent.Skip = []int{200} }},
		{"composed of several fields", func(c *Config) { c.ProbeMax, c.ProbeParam = 2, "ids" }},
		{"composed of several fields", func(c *Config) { c.ProbeMax, c.Probe = 2, &Probe{Get: "issues/{id}"} }},
		// A record that has no part of its parent's in its id could be below any of them.
		{"id does not tell", func(c *Config) { c.ID, c.IDMore, c.ProbeMax, c.ProbeParam = "id", nil, 2, "ids" }},
		{"id does not tell", func(c *Config) {
			c.ID, c.IDMore, c.ProbeMax, c.Probe = "id", nil, 2, &Probe{Get: "projects/{parent}/issues/{id}"}
		}},
		{"{parent.FIELD}", func(c *Config) { c.ProbeMax, c.Probe = 2, &Probe{Get: "{parent}/{parent.org}/{id}"} }},
	} {
		c := below(x.change)("https://api.example.com/v2")
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("got %v, want %q", err, x.says)
		}
	}
	c := below(nil)("https://api.example.com/v2")
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if f := c.Fingerprint().ID; f != `[".parent","id"]` {
		t.Errorf("the fingerprint shows %s", f)
	}
}

func TestAPublishedRecordHasItsParentInItsKey(t *testing.T) {
	t.Parallel()
	p, err := NewRecordParser(below(nil)("https://api.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"b~1c/7", "a/7"} {
		if r, err := p.Parse(key, []byte(`{"id":7,"updated_at":"2024-01-01T00:00:00Z"}`)); err != nil || r.ID != key {
			t.Errorf("%s: got %q %v", key, r.ID, err)
		}
	}
}
