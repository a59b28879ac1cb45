package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/connector"
)

func ids(all ...string) connector.Query {
	return connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1, IDs: all}
}

func probing(change func(*Config)) func(string) Config {
	return func(base string) Config {
		c := plain(base)
		c.ProbeParam, c.Auth, c.Params = "", nil, url.Values{"v": {"2"}, "since": {"{from}"}}
		c.From = ""
		change(&c)
		return c
	}
}

func TestAProbeAsksAsItsAPIWants(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name, want, body string
		change           func(*Config)
	}{
		{"once with all", "GET /v2/people?v=2&per_page=100&ids=7%2C8", "", func(c *Config) { c.ProbeParam, c.ProbeJoin = "ids", "," }},
		{"in a text of the request", "GET /v2/people?q=id+in+%287%2C8%29&v=2&per_page=100", "", func(c *Config) { c.Params.Set("q", "id in ({ids})") }},
		{"at another endpoint", "GET /v2/people/batch?id=7&id=8", "", func(c *Config) {
			c.Probe = &Probe{Path: "people/batch", Records: "data", Request: &Request{Params: url.Values{"id": {"{id}"}}}}
		}},
		{"at another endpoint, as the collection asks", "GET /v2/people/batch?ids=7%2C8&v=2&per_page=100", "", func(c *Config) {
			c.Params.Set("ids", "{ids}")
			c.Probe = &Probe{Path: "people/batch", Records: "data"}
		}},
		{"by a body", "POST /v2/people/batch/read", `{"inputs":[{"id":"7"},{"id":"8"}],"properties":["name"]}`, func(c *Config) {
			body := object(Member{"inputs", list(object(Member{"id", words("{id}")}))}, Member{"properties", list(words("name"))})
			c.Probe = &Probe{Path: "people/batch/read", Records: "data", Request: &Request{Method: "POST", Body: &body}}
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var got, body string
			b := setup(t, probing(x.change), func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				got, body = r.Method+" "+r.RequestURI, string(text)
				write(`{"data":[{"id":8,"updated_at":"2024-01-01T00:00:00Z"}]}`)(w, r)
			})
			p, err := b.Fetch(context.Background(), ids("7", "8"))
			if err != nil || len(p.Records) != 1 || p.Records[0].ID != "8" {
				t.Fatal(p, err)
			}
			if got != x.want || body != x.body {
				t.Errorf("got  %s %s\nwant %s %s", got, body, x.want, x.body)
			}
		})
	}
}

func TestABatchMaySayThatSomeWereNotFound(t *testing.T) {
	t.Parallel()
	change := func(c *Config) {
		c.Probe = &Probe{Path: "batch", Records: "results", Request: &Request{Params: url.Values{"id": {"{id}"}}}}
	}
	b := setup(t, probing(change), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMultiStatus)
		write(`{"results":[{"id":"7","updated_at":"2024-01-01T00:00:00Z"}],"numErrors":1}`)(w, r)
	})
	p, err := b.Fetch(context.Background(), ids("7", "8"))
	if err != nil || len(p.Records) != 1 || p.Last {
		t.Errorf("got %+v %v", p, err)
	}
}

// getter answers GETs of single records.
func getter(t *testing.T, seen *[]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, r.RequestURI)
		switch id := strings.TrimPrefix(r.URL.Path, "/v2/people/"); id {
		case "404":
			http.NotFound(w, r)
		case "410":
			w.WriteHeader(http.StatusGone)
		case "deleted":
			fmt.Fprintf(w, `{"data":{"id":"deleted","deleted":true}}`)
		case "nothing":
			fmt.Fprint(w, `{"data":null}`)
		case "other":
			fmt.Fprint(w, ` {"data":{"id":"evil","updated_at":"2024-01-01T00:00:00Z"}} `)
		case "500":
			w.WriteHeader(500)
		case "busy":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"code":"busy"}`)
		case "moved":
			http.Redirect(w, r, "/v2/people/elsewhere", http.StatusMovedPermanently)
		case "alias":
			http.Redirect(w, r, "/v2/humans/alias", http.StatusMovedPermanently)
		case "/v2/humans/alias":
			fmt.Fprintf(w, `{"data":{"id":"alias","updated_at":"2024-01-01T00:00:00Z"}}`)
		default:
			fmt.Fprintf(w, ` {"data":{"id":%q,"updated_at":"2024-01-01T00:00:00Z"}} `, id)
		}
	}
}

func getting(c *Config) {
	c.Headers = http.Header{"X-Version": {"3"}, "X-From": {"{from}"}}
	c.Probe = &Probe{Get: "people/{id}", Record: "data", Gone: &Match{Path: "data.deleted", Equals: "true"}}
}

func TestRecordsCanBeAskedForOneByOne(t *testing.T) {
	t.Parallel()
	var seen []string
	b := setup(t, probing(getting), getter(t, &seen))
	p, err := b.Fetch(context.Background(), ids("7", "404", "a/../b?", "410", "deleted", "8"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.Records {
		got = append(got, r.ID+" "+string(r.Value))
	}
	const v = `","updated_at":"2024-01-01T00:00:00Z"}`
	if fmt.Sprint(got) != fmt.Sprint([]string{`7 {"id":"7` + v, `a/../b? {"id":"a/../b?` + v, `8 {"id":"8` + v}) {
		t.Errorf("got %q", got)
	}
	if !p.Last || p.Date != connector.InstantOf(date) || p.Total != -1 {
		t.Errorf("got %+v", p)
	}
	if want := []string{"/v2/people/7", "/v2/people/404", "/v2/people/a%2F..%2Fb%3F"}; fmt.Sprint(seen[:3]) != fmt.Sprint(want) {
		t.Errorf("asked for %q, want %q", seen[:3], want)
	}
	if n := testutil.ToFloat64(b.m.Requests.WithLabelValues("404")); n != 1 {
		t.Errorf("%v answers with 404 are counted", n)
	}
}

func TestAnAnswerToAGetThatIsNotTheRecordIsNoAbsence(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		id, says string
		as       any
	}{
		{"nothing", "should be one record", new(*connector.RetryError)},
		{"500", "answered 500", new(*connector.RetryError)},
		{"other", "ignored the ids", new(*connector.StopError)},
		{"..", "leads to another place", new(*connector.StopError)},
		{".", "leads to another place", new(*connector.StopError)},
	} {
		var seen []string
		b := setup(t, probing(getting), getter(t, &seen))
		if _, err := b.Fetch(context.Background(), ids("7", x.id)); err == nil || !errors.As(err, x.as) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: got %v, want %q", x.id, err, x.says)
		}
	}
}

// Issues that were transferred, people who were merged: what is shown instead is another
// record, and none that was asked for.
func TestARecordThatMovedAwayIsNotShown(t *testing.T) {
	t.Parallel()
	var seen []string
	b := setup(t, probing(getting), getter(t, &seen))
	p, err := b.Fetch(context.Background(), ids("7", "moved", "alias"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Records) != 2 || p.Records[0].ID != "7" || p.Records[1].ID != "alias" {
		t.Errorf("got %+v", p.Records)
	}
}

func TestAnErrorThatHasTheStatusOfAnAbsenceIsNone(t *testing.T) {
	t.Parallel()
	var seen []string
	b := setup(t, probing(func(c *Config) {
		getting(c)
		c.Errors = []ErrorRule{{Status: 404, When: &Match{Path: "code", Equals: `"busy"`}, As: AsThrottled}}
	}), getter(t, &seen))
	_, err := b.Fetch(context.Background(), ids("7", "404", "busy"))
	var again *connector.RetryError
	if !errors.As(err, &again) || again.Reason != connector.RetryThrottled {
		t.Errorf("got %v", err)
	}
	if p, err := b.Fetch(context.Background(), ids("7", "404")); err != nil || len(p.Records) != 1 {
		t.Errorf("got %v, %v", p.Records, err)
	}
}

func TestWhatDecidesWhatIsListedIsInItsDigest(t *testing.T) {
	t.Parallel()
	with := func(name, value string) string {
		c := plain("https://api.example.com")
		c.Params = url.Values{name: {value}}
		return c.Listing()
	}
	for name, differs := range map[string]bool{"author_id": true, "authorized": true, "keyword": true, "api_key": false, "access_token": false} {
		if got := with(name, "1") != with(name, "2"); got != differs {
			t.Errorf("another %s is another listing: %v, want %v", name, got, differs)
		}
	}
}

func TestWhatIsAnErrorCanBeSaid(t *testing.T) {
	t.Parallel()
	rules := []ErrorRule{
		{When: &Match{Path: "ok", Equals: "false"}, As: AsStop, Message: "error"},
		{When: &Match{Path: "/errors/0/extensions/code", Equals: `"THROTTLED"`}, As: AsThrottled, Message: "/errors/0/message"},
		{When: &Match{Path: "errors"}, As: AsRetry},
		{Status: 403, When: &Match{Path: "/0/errorCode", Equals: `"REQUEST_LIMIT_EXCEEDED"`}, As: AsThrottled, Message: "/0/message"},
		{Status: 418, As: AsRetry},
	}
	for _, x := range []struct {
		name, body string
		status     int
		reason     connector.RetryReason
		stops      bool
		says       string
	}{
		{"ok", `{"ok":true,"data":[]}`, 200, "", false, ""},
		{"a stop", `{"ok":false,"error":"no such base ` + canary + `"}`, 200, "", true, "no such base"},
		{"throttled in a body", `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`, 200, connector.RetryThrottled, false, "Throttled"},
		{"tried again", `{"data":[],"errors":[{"message":"x"}]}`, 200, connector.RetryServer, false, "answered 200"},
		{"throttled by another status", `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"daily"}]`, 403, connector.RetryThrottled, false, "daily"},
		{"the status alone", `[{"errorCode":"INVALID"}]`, 403, connector.RetryRefused, false, "403"},
		{"any body", `<html>`, 418, connector.RetryServer, false, "418"},
		{"no JSON", `{"ok":false`, 200, connector.RetryBody, false, "refused"},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := setup(t, func(base string) Config {
				c := plain(base)
				c.Errors = rules
				return c
			}, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(x.status)
				w.Write([]byte(x.body))
			})
			_, err := b.Fetch(context.Background(), everything)
			var again *connector.RetryError
			var stop *connector.StopError
			switch {
			case x.says == "":
				if err != nil {
					t.Error(err)
				}
			case errors.As(err, &stop) != x.stops, errors.As(err, &again) && again.Reason != x.reason, err == nil, !strings.Contains(err.Error(), x.says):
				t.Errorf("got %v (%T)", err, err)
			}
			if err != nil {
				noCanary(t, err.Error())
			}
			if x.reason == connector.RetryThrottled && again.AtMost == 0 {
				t.Error("the end of the minute is not said")
			}
		})
	}
}

func TestAKeyCanBeAParameter(t *testing.T) {
	t.Parallel()
	var seen []string
	b := setup(t, func(base string) Config {
		c := plain(base)
		c.Params, c.Auth = nil, &Auth{QueryName: "api token", Query: canary}
		c.PageParam, c.NextURL, c.Next = "", "next", ""
		return c
	}, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.RawQuery)
		if len(seen) == 1 {
			http.Redirect(w, r, "/moved?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}],"next":"/v2?x=1&api%%20token=old"}`)
	})
	q := everything
	for _, q.Page = range []int{1, 2} {
		if _, err := b.Fetch(context.Background(), q); err != nil && q.Page == 1 {
			t.Fatal(err)
		}
	}
	key := "api+token=" + url.QueryEscape(canary)
	for i, raw := range seen {
		if n := strings.Count(raw, "api"); n != 1 || !strings.HasSuffix(raw, key) || strings.Contains(raw, "old") {
			t.Errorf("request %d: %s", i, raw)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d requests: %q", len(seen), seen)
	}
}

// A redirect that makes a GET of a POST would lose the body, and ask for everything.
func TestAPostIsNotRedirectedToAGet(t *testing.T) {
	t.Parallel()
	for status, follows := range map[int]bool{301: false, 302: false, 303: false, 307: true, 308: true} {
		body := object(Member{"from", words("{from}")})
		var got string
		b := setup(t, func(base string) Config {
			c := plain(base)
			c.Params, c.Method, c.Body = nil, "POST", &body
			return c
		}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/moved" {
				http.Redirect(w, r, "/moved?"+r.URL.RawQuery, status)
				return
			}
			text, _ := io.ReadAll(r.Body)
			got = r.Method + " " + string(text)
			write(`{"data":[]}`)(w, r)
		})
		_, err := b.Fetch(context.Background(), between(1e6, 2e6))
		if follows != (err == nil) || follows && got != `POST {"from":"1970-01-01T00:00:01.000000Z"}` || !follows && got != "" {
			t.Errorf("%d: got %q, %v", status, got, err)
		}
	}
}

func TestAProbeIsSaidWholeAndOnce(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		says   string
		change func(*Config)
	}{
		{"probe.get names no {id}", func(c *Config) { c.Probe = &Probe{Get: "people"} }},
		{"exclude each other", func(c *Config) { c.Probe = &Probe{Get: "people/{id}", Path: "people"} }},
		{"only readings have", func(c *Config) {
			c.Probe = &Probe{Request: &Request{Params: url.Values{"a": {"{ids}"}, "b": {"{from}"}}}}
		}},
		{"nothing asks for ids", func(c *Config) { c.Probe = &Probe{Path: "batch", Request: &Request{}} }},
		{"probe.gone is for probe.get", func(c *Config) {
			c.Probe = &Probe{Request: &Request{Params: url.Values{"a": {"{ids}"}}}, Gone: &Match{Path: "a"}}
		}},
		{"leaves the url", func(c *Config) { c.Probe = &Probe{Get: "../{id}"} }},
		{"probe.request.body is sent by POST", func(c *Config) {
			body := object(Member{"ids", words("{ids}")})
			c.Probe = &Probe{Request: &Request{Body: &body}}
		}},
		{"set by the connection", func(c *Config) {
			c.Probe = &Probe{Request: &Request{Params: url.Values{"a": {"{ids}"}}, Headers: http.Header{"Host": {"x"}}}}
		}},
		{"composed of several fields", func(c *Config) { c.IDMore = []string{"b"} }},
		{"probe.join", func(c *Config) { c.ProbeParam, c.ProbeJoin, c.Params = "", ",", url.Values{"a": {"{id}"}} }},
		{"errors[0].as", func(c *Config) { c.Errors = []ErrorRule{{When: &Match{Path: "a"}, As: "x"}} }},
		{"errors[0].when is missing", func(c *Config) { c.Errors = []ErrorRule{{As: AsStop}} }},
		{"errors[0].when.path is empty", func(c *Config) { c.Errors = []ErrorRule{{When: &Match{}, As: AsStop}} }},
		{"errors[0].when.equals", func(c *Config) { c.Errors = []ErrorRule{{When: &Match{"a", "{}"}, As: AsStop}} }},
		{"errors[0].status", func(c *Config) { c.Errors = []ErrorRule{{Status: 99, As: AsStop}} }},
		{"auth.query needs a name", func(c *Config) { c.Auth = &Auth{Query: canary} }},
		{`"page" is set by auth.query`, func(c *Config) { c.Auth = &Auth{QueryName: "page", Query: canary} }},
	} {
		c := plain("https://api.example.com/v2")
		x.change(&c)
		if c.Probe != nil {
			c.ProbeParam = ""
		}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("got %v, want %q", err, x.says)
		} else {
			noCanary(t, err.Error())
		}
	}
}
