package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tributary/connector/rest/draft"
)

// rowsOf writes n records of a template, in which %d is their number.
func rowsOf(n int, template string) string {
	var rows []string
	for i := range n {
		rows = append(rows, strings.ReplaceAll(template, "%d", fmt.Sprint(i+10)))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

func TestInitDraftsAConfigFromAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name, path string // with a query
		header     http.Header
		body       string
		auth       string
		says       []string
	}{
		{
			name: "an envelope as Salesloft has it", path: "/v2/people?per_page=25&updated_at%5Bgte%5D=2026-01-01T00:00:00Z&sort_by=updated_at&sort_direction=ASC&team=7",
			body: `{"data":` + rowsOf(25, `{"id":%d,"created_at":"2026-01-02T03:04:%d.000001Z","updated_at":"2026-02-02T03:04:%d.123456-05:00","name":"x","owner":{"id":7}}`) +
				`,"metadata":{"paging":{"per_page":25,"current_page":1,"next_page":2,"total_count":80}}}`,
			auth: "bearer:TOKEN", header: http.Header{"X-Ratelimit-Limit-Minute": {"600"}, "X-Ratelimit-Remaining-Minute": {"599"}},
			says: []string{
				"records: data", "id: id", "field: updated_at", `from: "updated_at[gte]"`, "format: rfc3339_us", "tick: 1us", "next: metadata.paging.next_page",
				"total: metadata.paging.total_count", "size_param: per_page", "size: 25", "param: page", "order: {sort_by: updated_at, sort_direction: ASC}",
				`auth: {bearer: "${env:TOKEN}"}`, "budget: {per_minute: 600, share: 0.8}", "- people", `request: {params: {team: "7"}}`, "in 25 of 25 records",
			},
		},
		{
			name: "a bare list with a Link header", path: "/repos/x/y/issues?since=2026-01-01T00:00:00Z&direction=asc&sort=updated",
			header: http.Header{"Link": {`</repos/x/y/issues?since=2026&page=2&per_page=30>; rel="next", </x?page=9>; rel="last"`}, "X-Ratelimit-Limit": {"5000"}},
			body:   rowsOf(7, `{"id":%d,"node_id":"n%d","updated_at":"2026-02-02T03:04:%dZ","closed_at":null}`),
			auth:   "header:X-Api-Key:TOKEN",
			says:   []string{`records: ""`, "format: rfc3339\n", "tick: 1s", "from: since", "param: page", "Link header", "size_param: per_page", "TODO: the answer speaks of a budget", `auth: {header: {name: X-Api-Key, value: "${env:TOKEN}"}}`},
		},
		{
			name: "tokens and milliseconds, one level down", path: "/crm/v3/objects/contacts",
			body: `{"results":` + rowsOf(6, `{"id":"%d","properties":{"hs_lastmodifieddate":"17670000%d000","createdate":"2026-01-01T00:00:00.000Z"},"archived":false}`) + `,"paging":{"next":{"after":"abc"}}}`,
			says: []string{"records: results", "field: properties.hs_lastmodifieddate", "format: unix_ms", "token: paging.next.after", "token_param: after", "# deletions: {field: archived}", "TODO: the parameter of an inclusive lower bound"},
		},
		{
			name: "seconds, has_more and a key in the query", path: "/v1/customers.json?limit=3", auth: "query:api_key:TOKEN",
			body: `{"object":"list","has_more":true,"data":` + rowsOf(3, `{"id":"cus_%d","modified":17670000%d}`) + `}`,
			says: []string{"format: unix\n", "next: has_more", `auth: {query: {name: api_key, value: "${env:TOKEN}"}}`, "- {name: customers, path: customers.json}", "size: 3"},
		},
		{
			name: "no offsets and no paging", path: "/api/list", auth: "basic:TOKEN:TOKEN",
			body: `{"items":` + rowsOf(5, `{"uuid":"u%d","Modified":"2026-02-02 03:04:%d"}`) + `}`,
			says: []string{"id: uuid", "field: Modified", `format: "2006-01-02 15:04:05"`, "zone: UTC", "in which zone", "name: api"},
		},
		{name: "a bound that is written otherwise than stamps", path: "/a?after=1767000000", body: rowsOf(5, `{"id":%d,"updated":"2026-02-02T03:04:%d.123Z"}`), says: []string{"from: after", "format: unix\n", "tick: 1s"}},
		{
			name: "a link in the body", path: "/a", body: `{"value":` + rowsOf(5, `{"key":"k%d","lastModified":"2026-02-02T03:04:%dZ"}`) + `,"@odata.nextLink":null,"links":{"next":"/a?cursor=abcdef"}}`,
			says: []string{"records: value", "next_url: links.next", "id: key", "field: lastModified"},
		},
		{
			name: "a link to another host", path: "/a", body: `{"value":` + rowsOf(5, `{"id":"k%d","modified":"2026-02-02T03:04:%dZ"}`) + `,"next":"https://elsewhere.test/a?page=2"}`,
			says: []string{"leads to https://elsewhere.test", "next: next"},
		},
		{
			name: "offsets", path: "/a?limit=5", body: `{"value":` + rowsOf(5, `{"id":"k%d","modified":"2026-02-02T03:04:%dZ"}`) + `,"next":"/a?limit=5&offset=5","total":5}`,
			says: []string{"offset_param: offset", "size_param: limit", "total: total"},
		},
		{
			name: "a token in the Link header", path: "/a", header: http.Header{"Link": {`<?page_info=abcdefghij>; rel="next"`}},
			body: `{"value":` + rowsOf(5, `{"id":"k%d","modified":"2026-02-02T03:04:%dZ"}`) + `}`,
			says: []string{"link: next"},
		},
		{
			name: "a token beside a link", path: "/crm/people.json?_size=3", body: `{"rows":` + rowsOf(3, `{"id":%d,"updated_at":"2026-11-22T18:11:%d.163Z"}`) + `,"next":"3","next_url":"/crm/people.json?_size=3&_next=3"}`,
			says: []string{"next_url: next_url", "records: rows", "size_param: _size"},
		},
		{
			name: "a filter in a language of its own", path: "/api/collections/posts/records?perPage=30&sort=updated&filter=updated%20%3E%3D%20%272026-01-01%2000%3A00%3A00.000Z%27%20%26%26%20x%3D%7Ba%7D",
			body: `{"page":1,"perPage":30,"totalItems":90,"items":` + rowsOf(5, `{"id":"a%d","updated":"2026-02-02 03:04:%d.123Z"}`) + `}`,
			says: []string{`request: {params: {filter: "updated >= '{from}' && x={{a}}"}}`, `format: "2006-01-02 15:04:05.000Z"`, "tick: 1ms", "name: posts", "path: \"posts/records\"", "total: totalItems", "order: {sort: updated}"},
		},
		{
			name: "numbers of pages in the answer alone", path: "/posts", body: `{"meta":{"page":1,"pageSize":5},"items":` + rowsOf(5, `{"id":"a%d","updatedAt":"2026-02-02T03:04:%dZ"}`) + `}`,
			says: []string{"param: page", "size_param: pageSize", "size: 5", "TODO: the answer says its number at meta.page"},
		},
		{name: "an offset in the address alone", path: "/a?limit=5&offset=0", body: `{"items":` + rowsOf(5, `{"id":"a%d","updatedAt":"2026-02-02T03:04:%dZ"}`) + `}`, says: []string{"offset_param: offset", "size_param: limit"}},
		{name: "milliseconds that are no whole seconds", path: "/a", body: rowsOf(6, `{"id":%d,"updated":17670000%d123}`), says: []string{"format: unix_ms", "tick: 1ms"}},
		{name: "milliseconds that are", path: "/a", body: rowsOf(6, `{"id":%d,"updated":17670000%d000}`), says: []string{"format: unix_ms", "tick: 1s", "all of them whole seconds"}},
		{name: "an id one level down", path: "/a", body: rowsOf(5, `{"ref":{"n":"x%d","t":"same"},"updated":"2026-02-02T03:04:%dZ"}`), says: []string{"id: ref.n", "one level down"}},
		{
			name: "a header that repeats the credential", path: "/a", auth: "bearer:TOKEN", header: http.Header{"X-Quota-User": {canary + "token"}},
			body: rowsOf(5, `{"id":%d,"updated":"2026-02-02T03:04:%dZ"}`), says: []string{"[hidden]"},
		},
		{name: "an empty list", path: "/things", body: `{"things":[]}`, says: []string{"records: things", "it is empty", "TODO: no record was shown"}},
		{name: "no list", path: "/things", body: `{"message":"hello"}`, says: []string{"records: data", "no list of objects"}},
		{name: "a scalar", path: "/", body: `7`, says: []string{"records: data"}},
		{name: "only when it was made", path: "/a", body: rowsOf(5, `{"id":%d,"created":"2026-02-02T03:04:%d.000Z"}`), says: []string{"field: created", "TODO: is it the instant of the last change?", "tick: 1s", "all of them whole seconds"}},
		{name: "names that are not nice", path: "/a", body: `{"${env:TOKEN}":[{"id":1}],"x\n# y":[{"id":1,"${file:x}":"2026-02-02T03:04:05Z"}],"a.b":[{"id":1},{"id":2}]}`, says: []string{`records: "/a.b"`}},
		{
			name: "HAL, whose pages are counted from 0", path: "/orders",
			body: `{"_embedded":{"orders":` + rowsOf(5, `{"orderNumber":"A-%d","modifiedAt":"2026-02-02T03:04:%dZ","_links":{"self":{"href":"/orders/%d"}}}`) + `},"_links":{"self":{"href":"/orders"},"next":{"href":"/orders?page=1&size=5"}},"page":{"size":5,"totalElements":12,"number":0}}`,
			says: []string{"records: _embedded.orders", "param: page\n", "first: 0\n", "next: _links.next.href", "size_param: size", "total: page.totalElements", "orderNumber"},
		},
		{
			name: "OData, whose names have dots", path: "/orders",
			body: `{"@odata.count":99,"value":` + rowsOf(5, `{"Id":%d,"LastModifiedDate":"2026-02-02T03:04:%dZ"}`) + `,"@odata.nextLink":"/orders?$skiptoken=ab"}`,
			says: []string{"id: Id\n", `next_url: "/@odata.nextLink"`, `total: "/@odata.count"`},
		},
		{
			name: "names with dots in the records", path: "/a", body: `{"my/list":` + rowsOf(5, `{"app.id":%d,"m":{"last.updated":"2026-02-02T03:04:%dZ"}}`) + `}`,
			says: []string{`records: "/my~1list"`, `id: "/app.id"`, `field: "/m/last.updated"`},
		},
		{
			name: "more beside the records than there are of them", path: "/articles",
			body: `{"data":[{"id":"1","updated_at":"2026-02-02T03:04:05Z"}],"included":` + rowsOf(9, `{"id":%d,"type":"people","a":1,"b":2,"updated_at":"2026-02-02T03:04:%dZ"}`) + `}`,
			says: []string{"records: data"},
		},
		{name: "no id but two members", path: "/a", body: `[{"n":1,"line":1,"updated":"2026-02-02T03:04:05Z"},{"n":1,"line":2,"updated":"2026-02-02T03:04:05Z"},{"n":2,"line":1,"updated":"2026-02-02T03:04:05Z"}]`, says: []string{"id: [line, n]"}},
		{name: "the first page is 0", path: "/a?page=0", body: rowsOf(5, `{"id":%d,"updated":"2026-02-02T03:04:%dZ"}`), says: []string{"param: page\n", "first: 0\n"}},
		{name: "the next page is 1", path: "/a", body: `{"next_page":1,"rows":` + rowsOf(5, `{"id":%d,"updated":"2026-02-02T03:04:%dZ"}`) + `}`, says: []string{"param: page\n", "first: 0\n"}},
		{name: "an error with status 200", path: "/a", body: `{"ok":false,"error":"not_authed"}`, says: []string{"no list of objects is in the answer, which has error, ok"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, values := range c.header {
					w.Header()[name] = values
				}
				if c.auth != "" && !strings.Contains(r.Header.Get("Authorization")+r.Header.Get("X-Api-Key")+r.URL.Query().Get("api_key"), canary) && !strings.HasPrefix(r.Header.Get("Authorization"), "Basic") {
					w.WriteHeader(401)
				}
				fmt.Fprint(w, c.body)
			}))
			defer srv.Close()
			path := filepath.Join(t.TempDir(), "t.yaml")
			args := []string{"init", path, "--url", srv.URL + c.path}
			if c.auth != "" {
				args = append(args, "--auth", c.auth)
			}
			if code, stdout, stderr := tributary(t, args...); code != 0 || strings.Contains(stdout+stderr, canary) {
				t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, says := range c.says {
				if !strings.Contains(string(text), says) {
					t.Errorf("it does not say %q", says)
				}
			}
			code, _, stderr := tributary(t, "validate", "-c", path)
			if code != 0 || strings.Contains(string(text), canary) || t.Failed() {
				t.Errorf("validate ended with %d: %s\n%s", code, stderr, text)
			}
		})
	}
}

func TestInitRefusesWhatItCannotAskFor(t *testing.T) {
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/401" {
			w.WriteHeader(401)
			fmt.Fprint(w, r.Header.Get("Authorization"))
		}
		fmt.Fprint(w, "<html>log in</html>")
	}))
	defer html.Close()
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"--url ftp://x", "--url wants the address", 2},
		{"--url https://u:" + canary + "@x/", "--auth basic:", 2},
		{"--url https://x/?api_key=" + canary, "--auth query:api_key:VARIABLE", 2},
		{"--url https://x/ --auth bearer:" + canary + "-x", "not the credential", 2},
		{"--url https://x/ --auth bearer:canary_x", "is it exported?", 2},
		{"--url https://x/ --auth " + canary, "--auth wants bearer:VARIABLE", 2},
		{"--url https://x/ --auth bearer:a:TOKEN", "--auth wants", 2},
		{"--auth bearer:TOKEN", "--auth is for --url", 2},
		{"--url https://x/ --preset salesloft", "none of the others can be", 2},
		{"--url " + html.URL, "web page", 1},
		{"--url " + html.URL + "/401", "--auth bearer:VARIABLE", 1},
		{"--url " + html.URL + "/401 --auth bearer:TOKEN", "renew auth", 1},
		{"--url http://127.0.0.1:1/", "refused the connection", 1},
	} {
		code, stdout, stderr := tributary(t, append([]string{"init", "-"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.says) || stdout != "" || strings.Contains(stderr, canary[:6]) {
			t.Errorf("%s: exit code %d, %s%s", c.args, code, stdout, stderr)
		}
	}
}

func FuzzWhatInitDraftsIsValid(f *testing.F) {
	f.Add(`{"data":[{"id":1,"updated_at":"2026-01-01T00:00:00Z"}],"next":"?page=2"}`, "https://api.test/v2/people?since=2026-01-01", `<x?page=2>; rel=next`)
	f.Add(`[{"updated":1767000000,"k":"${env:X}"}]`, "http://x/?{a}=${b}&y=", "")
	f.Add(`{"{id}":{"a b":[{"_id":"x","m":"2026-01-01"}]},"total":3,"next":{"page":null}}`, "https://a.b.c/%7Bx%7D/..%2f/list?a=%00&sort={x}", "")
	f.Fuzz(func(t *testing.T, body, address, link string) {
		at, err := url.Parse(address)
		if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Hostname() == "" || at.User != nil {
			return
		}
		d, err := draft.Of(draft.Sample{URL: at, Header: http.Header{"Link": {link}}, Body: []byte(body)})
		if err != nil {
			return
		}
		text := d.YAML(draft.Options{Rates: []string{link}, Preset: "x"})
		leak := func(string) (string, bool) { t.Fatalf("it refers to a variable:\n%s", text); return "", false }
		if _, err := parseConfig(newConfigText("t.yaml", text), "/nonexistent", leak, testPresets()); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}

func TestInitFindsThePresetOfAnAPI(t *testing.T) {
	if got := presetOf("api.salesloft.com"); got != "salesloft" {
		t.Errorf("got %q", got)
	}
	if got := presetOf("api.example.com"); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestWhatInitDraftsIsValidForAnyAnswer draws answers that look like an API's.
func TestWhatInitDraftsIsValidForAnyAnswer(t *testing.T) {
	names := []string{"data", "items", "id", "_id", "uuid", "updated_at", "modified", "created", "next", "next_page", "next_url", "next_cursor", "cursor", "after", "page", "per_page", "limit", "total", "count", "has_more", "isLast",
		"meta", "a.b", "x y", "", "${env:X}", "{from}", "deleted_at", "null", "true", "~", "#", "- a", "ключ", "page[number]", "a\tb", `"`}
	values := []any{nil, true, false, 1, 0, 2, 99, 1767000000, 1767000000123, -1, 1.5, "", "x", "abc", "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456+02:00", "2026-01-01 00:00:00.1234567 +0200", "2026-01-01T00:00",
		"https://api.test/v1/people?page=2&per_page=10", "https://other.test/x?cursor=abcdefgh", "?offset=10&limit=10", "/v1/people?after=x&${env:Y}=1", "${env:X}", "{from}", "1767000000", "Thu, 01 Jan 2026 00:00:00 GMT"}
	queries := []string{"", "?page=1", "?per_page=10&since=2026-01-01T00:00:00Z", "?q=a%3E2026-01-01%7B%24&sort=x&sort=y", "?next=1&limit=0&after=1767000000", "?filter=%27", "?x=%24%7Benv%3AX%7D&y=%24%7Benv%3AX%7D2026-01-01", "?updated_since=x&updated_since=y"}
	rapid.Check(t, func(rt *rapid.T) {
		var draw func(depth int) any
		draw = func(depth int) any {
			switch kind := rapid.IntRange(0, 5).Draw(rt, "kind"); {
			case depth == 0 || kind < 2:
				return rapid.SampledFrom(values).Draw(rt, "value")
			case kind < 4:
				m := map[string]any{}
				for range rapid.IntRange(0, 5).Draw(rt, "members") {
					m[rapid.SampledFrom(names).Draw(rt, "name")] = draw(depth - 1)
				}
				return m
			}
			var list []any
			one := draw(depth - 1)
			for range rapid.IntRange(0, 6).Draw(rt, "items") {
				list = append(list, one)
			}
			return list
		}
		body, err := json.Marshal(draw(4))
		if err != nil {
			rt.Fatal(err)
		}
		at, err := url.Parse("https://api.test/v1/people" + rapid.SampledFrom(queries).Draw(rt, "query"))
		if err != nil {
			rt.Fatal(err)
		}
		d, err := draft.Of(draft.Sample{URL: at, Header: http.Header{"Link": {`</v1/people?page=2>; rel=next`}}, Body: body})
		if err != nil {
			rt.Fatal(err)
		}
		text := d.YAML(draft.Options{})
		leak := func(string) (string, bool) { rt.Fatalf("it refers to a variable:\n%s", text); return "", false }
		if _, err := parseConfig(newConfigText("t.yaml", text), "/nonexistent", leak, testPresets()); err != nil {
			rt.Fatalf("%v\n%s\n%s", err, body, text)
		}
	})
}
