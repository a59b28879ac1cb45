package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// sourceOf returns the source of a config, which is not going to be asked.
func sourceOf(t testing.TB, c Config) *Source {
	t.Helper()
	s, err := New(c, NewClient("test", Budget{}, nil), connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bare is a config without anything that can be left out.
func bare() Config {
	base, _ := url.Parse("https://api.example.com/v2")
	return Config{
		Base: base, Path: "people", Timeout: 1, MaxBody: 1, MaxCompressed: 1, MaxDepth: 1,
		Format: "rfc3339", ID: "id", Instant: "updated_at", Params: url.Values{"since": {"{from}"}},
	}
}

// written is a request as a test compares it.
func written(t testing.TB, s *Source, q connector.Query) (line string, body string) {
	t.Helper()
	req, err := s.request(context.Background(), q, mark{})
	if err != nil {
		t.Fatal(err)
	}
	query, err := url.PathUnescape(req.URL.RawQuery) // readable, and still distinct
	if err != nil {
		t.Fatal(err)
	}
	if req.Body != nil {
		text, _ := io.ReadAll(req.Body)
		body = string(text)
	}
	return strings.TrimSuffix(req.Method+" "+req.URL.EscapedPath()+"?"+query, "?"), body
}

func between(from, to connector.Instant) connector.Query {
	return connector.Query{From: from, To: to, Page: 1}
}

func TestWhatNamesAValueThatTheRequestHasNotIsLeftOut(t *testing.T) {
	t.Parallel()
	c := bare()
	c.Params = url.Values{"since": {"{from}"}, "until": {"{to}"}, "q": {"updated:>={from}"}, "fixed": {"{{a}}"}, "n": {"{size}"}, "ids": {"{ids}"}}
	c.Headers = http.Header{"X-Until": {"{to}"}}
	c.Size, c.ProbeMax = 10, 3
	s := sourceOf(t, c)
	from, to := instant(t, "2024-01-02T03:04:05Z"), instant(t, "2024-02-03T00:00:00Z")
	for _, x := range []struct {
		name, want, until string
		q                 connector.Query
	}{
		{"everything", "GET /v2/people?fixed={a}&n=10", "", everything},
		{"from a bound", "GET /v2/people?fixed={a}&n=10&q=updated:>=2024-01-02T03:04:05Z&since=2024-01-02T03:04:05Z", "", between(from, connector.Forever)},
		{"up to a bound", "GET /v2/people?fixed={a}&n=10&until=2024-02-03T00:00:00Z", "2024-02-03T00:00:00Z", between(connector.Beginning, to)},
		{"a probe", "GET /v2/people?fixed={a}&ids=7,8&n=10", "", connector.Query{IDs: []string{"7", "8"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got, _ := written(t, s, x.q); got != x.want {
				t.Errorf("got  %s\nwant %s", got, x.want)
			}
			req, _ := s.request(context.Background(), x.q, mark{})
			if got := req.Header.Get("X-Until"); got != x.until {
				t.Errorf("the header is %q", got)
			}
		})
	}
}

func words(s string) Tree           { return Tree{Template: s} }
func object(members ...Member) Tree { return Tree{Members: append([]Member{}, members...)} }
func list(items ...Tree) Tree       { return Tree{Items: append([]Tree{}, items...)} }

func TestABodyIsWrittenWithWhatTheRequestHas(t *testing.T) {
	t.Parallel()
	condition := func(operator, value string) Tree {
		return object(Member{"field", words("updated")}, Member{"op", words(operator)}, Member{"value", words(value)})
	}
	c := bare()
	c.Method, c.Params, c.Format, c.Size, c.ProbeMax = "POST", nil, "unix", 50, 3
	body := object(
		Member{"filters", list(condition("GTE", "{from}"), condition("LT", "{to:text}"))},
		Member{"range", object(Member{"on", object(Member{"after", words("{from}")})})},
		Member{"only", Tree{Members: []Member{{"kind", words("deep")}, {"from", object(Member{"at", words("at {from}")})}}, If: []string{"from", "to"}}},
		Member{"where", Tree{Clauses: &Clauses{Join: " && ", Clauses: []Clause{{Template: "t >= {from}"}, {Template: "t < {to}"}}}}},
		Member{"limit", words("{size}")}, Member{"sort", list(object(Member{"by", words("updated")}))}, Member{"deep", Tree{JSON: "true"}},
		Member{"ids", words("{ids}")}, Member{"numbers", words("{ids:number}")}, Member{"inputs", list(object(Member{"id", words("{id}")}))},
		Member{`a"b`, words("c\"\\\n{{d}}")}, Member{"none", list()},
	)
	c.Body = &body
	s := sourceOf(t, c)
	tail := `"limit":50,"sort":[{"by":"updated"}],"deep":true,`
	end := `"a\"b":"c\"\\\u000a{d}","none":[]}`
	for _, x := range []struct {
		name, want string
		q          connector.Query
	}{
		{"everything", `{` + tail + end, everything},
		{"from a bound", `{"filters":[{"field":"updated","op":"GTE","value":100}],"range":{"on":{"after":100}},"only":{"kind":"deep","from":{"at":"at 100"}},"where":"t >= 100",` + tail + end,
			between(100e6, connector.Forever)},
		{"within bounds", `{"filters":[{"field":"updated","op":"GTE","value":100},{"field":"updated","op":"LT","value":"200"}],"range":{"on":{"after":100}},"only":{"kind":"deep","from":{"at":"at 100"}},"where":"t >= 100 && t < 200",` + tail + end,
			between(100e6, 200e6)},
		{"a probe", `{` + tail + `"ids":["7","8"],"numbers":[7,8],"inputs":[{"id":"7"},{"id":"8"}],` + end, connector.Query{IDs: []string{"7", "8"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, got := written(t, s, x.q)
			if got != x.want || !json.Valid([]byte(got)) {
				t.Errorf("got  %s\nwant %s", got, x.want)
			}
		})
	}
}

func TestABodyThatIsLeftEmptyIsAnEmptyObject(t *testing.T) {
	t.Parallel()
	c := bare()
	body := object(Member{"filters", list(object(Member{"value", words("{from}")}))})
	c.Method, c.Body = "POST", &body
	if _, got := written(t, sourceOf(t, c), everything); got != "{}" {
		t.Errorf("got %s", got)
	}
}

func TestClausesStandInBracketsBesideOthers(t *testing.T) {
	t.Parallel()
	c := bare()
	c.Params, c.ProbeMax = nil, 3
	c.Clauses = map[string]Clauses{"filter": {Join: " && ", Quote: QuoteJSON, Clauses: []Clause{
		{Template: "live = true"}, {Template: `updated >= "{from}"`}, {Template: `updated < "{to}"`}, {Template: `id = "{id}"`, Each: " || "}}}}
	s := sourceOf(t, c)
	for _, x := range []struct {
		want string
		q    connector.Query
	}{
		{`filter=live+=+true`, everything},
		{`filter=live+=+true+&&+updated+>=+"1970-01-01T00:00:01Z"+&&+updated+<+"1970-01-01T00:00:02Z"`, between(1e6, 2e6)},
		{`filter=live+=+true+&&+id+=+"7"`, connector.Query{IDs: []string{"7"}}},
		{`filter=live+=+true+&&+(id+=+"7"+||+id+=+"a\"\\b")`, connector.Query{IDs: []string{"7", `a"\b`}}},
	} {
		if got, _ := written(t, s, x.q); got != "GET /v2/people?"+x.want {
			t.Errorf("got  %s\nwant %s", got, x.want)
		}
	}
}

func TestAValueThatWouldChangeTheRequestIsRefused(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name   string
		change func(*Config)
		id     string
		says   string
	}{
		{"another word", func(c *Config) { c.Params.Set("q", "id:{ids}") }, "7 or true", "outside of quotation marks"},
		{"a comment", func(c *Config) { c.Params.Set("q", "id:{ids}") }, "7--", "outside of quotation marks"},
		{"the end of a quotation", func(c *Config) { c.Params.Set("q", `id:"{ids}"`) }, `7" or "`, "quotation mark"},
		{"the end of another", func(c *Config) { c.Params.Set("q", `id:'{ids}'`) }, `7' or '`, "quotation mark"},
		{"a backslash in SQL", func(c *Config) {
			c.Clauses = map[string]Clauses{"q": {Quote: QuoteSQL, Clauses: []Clause{{Template: "id='{id}'", Each: " or "}}}}
		}, `\`, "backslash"},
		{"JSON quotes elsewhere", func(c *Config) {
			c.Clauses = map[string]Clauses{"q": {Quote: QuoteJSON, Clauses: []Clause{{Template: "id='{id}'", Each: " or "}}}}
		}, `'`, "quotation mark"},
		{"what separates ids", func(c *Config) { c.Params.Set("q", "{ids}") }, "7,8", "separates ids"},
		{"a line of a header", func(c *Config) { c.Headers = http.Header{"X-Ids": {"{ids}"}} }, "7\r\nX-Evil: 1", "control character"},
		{"no number", func(c *Config) {
			body := object(Member{"ids", words("{ids:number}")})
			c.Method, c.Body = "POST", &body
		}, "7,8", "no number"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := bare()
			c.ProbeMax = 2
			x.change(&c)
			_, err := sourceOf(t, c).Fetch(context.Background(), connector.Query{IDs: []string{x.id, "9"}})
			var stop *connector.StopError
			if !errors.As(err, &stop) || !strings.Contains(stop.What, x.says) || !strings.Contains(stop.What, "people") {
				t.Errorf("got %v, want %q", err, x.says)
			}
		})
	}
}

func TestSQLQuotesAreDoubled(t *testing.T) {
	t.Parallel()
	c := bare()
	c.ProbeMax = 2
	c.Clauses = map[string]Clauses{"q": {Quote: QuoteSQL, Clauses: []Clause{{Template: "id = '{id}'", Each: " OR "}}}}
	if got, _ := written(t, sourceOf(t, c), connector.Query{IDs: []string{"o'neill"}}); got != "GET /v2/people?q=id+=+'o''neill'" {
		t.Error(got)
	}
}

// FuzzAValueNeverChangesTheRequest writes ids that nobody has thought of everywhere, and
// reads the request back: the same path, the same parameters, the same members.
func FuzzAValueNeverChangesTheRequest(f *testing.F) {
	for _, s := range []string{"7", "a b", "a/b", "../../admin", "%2e%2e", "?x=1", "#", "&since=0", "a\"b", `\`, "'", "\x00", "é\u202e", "{from}", "7 || true", "a,b"} {
		f.Add(s)
	}
	c := bare()
	body := object(Member{"one", words("{ids}")}, Member{"more", list(object(Member{"id", words("{id}")}))},
		Member{"q", Tree{Clauses: &Clauses{Quote: QuoteJSON, Clauses: []Clause{{Template: `id="{id}"`, Each: "|"}}}}})
	c.Method, c.Body, c.ProbeMax = "POST", &body, 2
	c.Params = url.Values{"a": {"{id}"}, "z": {"1"}, "since": {"{from}"}}
	s := sourceOf(f, c)
	f.Fuzz(func(t *testing.T, id string) {
		if !utf8.ValidString(id) || id == "" {
			return // no JSON text has such an id
		}
		req, err := s.request(context.Background(), connector.Query{IDs: []string{id, "9"}}, mark{})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(req.URL.String())
		if err != nil || u.Host != "api.example.com" || u.EscapedPath() != "/v2/people" || u.Fragment != "" || u.User != nil {
			t.Fatalf("%q: %v %v", id, u, err)
		}
		q := u.Query()
		if len(q) != 2 || q.Get("z") != "1" || len(q["a"]) != 2 || q["a"][0] != id || q["a"][1] != "9" {
			t.Fatalf("%q: %v", id, q)
		}
		text, _ := io.ReadAll(req.Body)
		var got struct {
			One  []string
			More []struct{ ID string }
			Q    string
		}
		if err := json.Unmarshal(text, &got); err != nil || len(got.One) != 2 || got.One[0] != id || len(got.More) != 2 || got.More[0].ID != id {
			t.Fatalf("%q: %s %v", id, text, err)
		}
		// What stands between the quotation marks of the clause is the id as JSON.
		var inner string
		quoted, ok := strings.CutSuffix(strings.TrimPrefix(got.Q, "id="), `|id="9"`)
		if err := json.Unmarshal([]byte(quoted), &inner); !ok || err != nil || inner != id {
			t.Fatalf("%q: %s %v", id, got.Q, err)
		}
	})
}

func FuzzATemplateIsParsedOrRefused(f *testing.F) {
	for _, s := range []string{"", "{from}", "{{x}}", "a{to}b", "{", "}", "{from", "{parent.a b}", "{ids:number}", "{from:text}{{", `"{id}"`, "{{{from}}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, template string) {
		if got, ok := mustParse(t, EscapeTemplate(template)).fixed(); !ok || got != template {
			t.Fatalf("%q escaped is %q", template, got)
		}
		p, err := parseText(template)
		if err != nil {
			return
		}
		v := &values{has: ^needs(0), from: "F", to: "F", token: "F", id: "F", ids: []string{"F"}, parent: &parent{id: "F", value: []byte(`{"a":"F"}`)}}
		out, err := p.append(nil, v)
		if err != nil && !errors.As(err, new(*unfit)) { // a field that the parent has not
			t.Fatal(err)
		}
		if p.needs == 0 && EscapeTemplate(string(out)) != template {
			t.Fatalf("%q is written %q", template, out)
		}
	})
}

func mustParse(t *testing.T, template string) *text {
	t.Helper()
	p, err := parseText(template)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
