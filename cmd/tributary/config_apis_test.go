package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
)

// TestRequestsOfKnownAPIs runs testdata/apis.txt: for each API a config in the user's own
// language, and the requests that its vendor documents: everything, from a cursor, the
// second page of one tick, and records by their ids.
func TestRequestsOfKnownAPIs(t *testing.T) {
	const file = "testdata/apis.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten []string
	for section := range strings.SplitSeq(strings.TrimPrefix(string(data), "=== "), "\n=== ") {
		name, text, _ := strings.Cut(section, "\n")
		config, rest, _ := strings.Cut(text, "--- answer\n")
		answer, want, _ := strings.Cut(rest, "--- requests")
		t.Run(name, func(t *testing.T) {
			rewritten = append(rewritten, name+"\n"+strings.TrimSuffix(text, "\n"))
			got := requestsOf(t, config, answer)
			if want = strings.TrimSpace(want); got != want && !*update {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			rewritten[len(rewritten)-1] = (name + "\n" + config + "--- answer\n" + answer + "--- requests\n" + got)
		})
	}
	if *update {
		if err := os.WriteFile(file, []byte("=== "+strings.Join(rewritten, "\n=== ")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// answering is an API that has one answer, and notes what it was asked.
type answering struct {
	answer, record string // to a list, and to GET of one record
	asked, hosts   []string
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	query, err := url.PathUnescape(strings.ReplaceAll(r.URL.RawQuery, "+", " "))
	if err != nil {
		return nil, err
	}
	line := strings.TrimSuffix(r.Method+" "+r.URL.EscapedPath()+"?"+query, "?")
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.Header {
			if !yield(name) {
				return
			}
		}
	}) {
		if !slices.Contains([]string{"Accept", "Accept-Encoding", "Authorization", "Content-Type", "User-Agent"}, name) {
			line += fmt.Sprintf("\n    %s: %s", name, r.Header.Get(name))
		}
	}
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		line += "\n    " + string(body)
	}
	a.asked, a.hosts = append(a.asked, line), append(a.hosts, r.URL.Host)
	header := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	body := a.answer
	if a.record != "" && strings.HasSuffix(r.URL.Path, "/7") {
		body = a.record
	}
	if link, rest, ok := strings.Cut(body, "\n{"); ok && strings.HasPrefix(link, "Link: ") {
		header.Set("Link", strings.TrimPrefix(link, "Link: "))
		body = "{" + rest
	}
	if list, rest, ok := strings.Cut(body, "\n["); ok && strings.HasPrefix(list, "Link: ") {
		header.Set("Link", strings.TrimPrefix(list, "Link: "))
		body = "[" + rest
	}
	return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1}, nil
}

// sourceText is a whole config of one source.
func sourceText(source string) string {
	return head + "sources:\n  - name: api\n    " + strings.ReplaceAll(strings.TrimRight(source, "\n"), "\n", "\n    ") + "\n"
}

func requestsOf(t *testing.T, config, answer string) string {
	t.Helper()
	cfg, err := parseTest(sourceText(config))
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Sources[0].Collections[0]
	api := &answering{}
	api.answer, api.record, _ = strings.Cut(answer, "--- record\n")
	src, err := rest.New(c.Rest, rest.NewClient("test", rest.Budget{}, api), connector.NewMetrics(prometheus.NewRegistry()).Source("api"))
	if err != nil {
		t.Fatal(err)
	}
	at := connector.InstantOf(time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC)).Floor(c.Settings.Tick)
	var out []string
	ask := func(what string, q connector.Query) {
		api.asked = nil
		_, err := src.Fetch(t.Context(), q)
		if err != nil && (q.Page == 1 || len(api.asked) == 0) { // the second page leads to itself
			api.asked = append(api.asked, err.Error())
		}
		out = append(out, what+": "+strings.Join(api.asked, "\n  then "))
	}
	ask("everything", connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1})
	ask("from a cursor", connector.Query{From: at, To: connector.Forever, Page: 1})
	if c.Settings.Paged {
		tick := connector.Query{From: at, To: at.Add(c.Settings.Tick), Page: 1, Count: true}
		ask("one tick", tick)
		tick.Page = 2
		ask("its second page", tick)
	}
	if c.Settings.Probe > 0 {
		ids := []string{"7", "8"}
		if c.Rest.ID == rest.ParentPart {
			ids = []string{"a~1b/7"}
		}
		if api.record != "" {
			ids = ids[:1]
		}
		ask("a probe", connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1, IDs: ids[:min(len(ids), c.Settings.Probe)]})
	}
	return strings.Join(out, "\n")
}
