package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/connector"
)

func TestARequestAsksForWhatTheQuerySays(t *testing.T) {
	t.Parallel()
	var got *http.Request
	b := setup(t, plain, func(w http.ResponseWriter, r *http.Request) {
		got = r
		write(`{"data":[]}`)(w, r)
	})
	from, to := instant(t, "2024-01-02T03:04:05.000006Z"), instant(t, "2024-02-03T00:00:00Z")
	for _, c := range []struct {
		name string
		q    connector.Query
		want url.Values
	}{
		{"everything", everything, url.Values{"page": {"1"}}},
		{"within bounds, counted", connector.Query{From: from, To: to, Page: 3, Count: true}, url.Values{
			"updated_at[gte]": {"2024-01-02T03:04:05.000006Z"}, "updated_at[lt]": {"2024-02-03T00:00:00.000000Z"}, "page": {"3"}, "include_paging_counts": {"true"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := b.Fetch(context.Background(), c.q); err != nil {
				t.Fatal(err)
			}
			c.want["sort_by"], c.want["sort_direction"] = []string{"updated_at"}, []string{"ASC"}
			c.want["per_page"], c.want["api_key"] = []string{"100"}, []string{canary}
			if q := got.URL.Query(); fmt.Sprint(q) != fmt.Sprint(c.want) {
				t.Errorf("got  %v\nwant %v", q, c.want)
			}
			if got.Method != "GET" || got.URL.Path != "/v2/people" || got.Header.Get("User-Agent") != "tributary/test" || got.Header.Get("X-Team") != "seven" ||
				got.Header.Get("Authorization") != "Bearer "+canary || got.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("got %s %s %v", got.Method, got.URL.Path, got.Header)
			}
		})
	}
	if n := testutil.ToFloat64(b.m.Requests.WithLabelValues("200")); n != 2 {
		t.Errorf("%v requests are counted", n)
	}
}

func TestAProbeAsksForItsIDsAlone(t *testing.T) {
	t.Parallel()
	show := "7"
	b := setup(t, salesloftLike, func(w http.ResponseWriter, r *http.Request) {
		want := url.Values{"ids[]": {"7", "a&b"}, "per_page": {"100"}, "api_key": {canary}}
		if got := r.URL.Query(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		write(`{"data":[{"id":`+show+`,"updated_at":"2024-01-01T00:00:00Z"}]}`)(w, r)
	})
	probe := connector.Query{IDs: []string{"7", "a&b"}, From: connector.Beginning, To: connector.Forever}
	if p, err := b.Fetch(context.Background(), probe); err != nil || len(p.Records) != 1 {
		t.Fatalf("got %v, %v", p, err)
	}
	show = "8"
	var stop *connector.StopError
	if _, err := b.Fetch(context.Background(), probe); !errors.As(err, &stop) {
		t.Errorf("an answer to other ids gave %v", err)
	}
	probe.IDs = make([]string, 101)
	if _, err := b.Fetch(context.Background(), probe); err == nil {
		t.Error("101 ids were asked for")
	}
}

func TestAPageSaysWhatTheAPISays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, metadata string
		last           bool
		total          int
	}{
		{"a next page", `{"paging":{"next_page":2,"total_count":201}}`, false, 201},
		{"no next page", `{"paging":{"next_page":null,"total_count":0}}`, true, 0},
		{"next page is false", `{"paging":{"next_page":false}}`, true, -1},
		{"next page is absent", `{"paging":{}}`, true, -1},
		{"paging is absent", `{}`, false, -1},
		{"paging is null", `{"paging":null}`, false, -1},
		{"metadata is absent", `null`, false, -1},
		{"a total that is none", `{"paging":{"next_page":"abc","total_count":-5}}`, false, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, plain, write(`{"metadata":`+c.metadata+`,"data":[]}`))
			p, err := b.Fetch(context.Background(), everything)
			if err != nil || p.Last != c.last || p.Total != c.total || p.Date != connector.InstantOf(date) {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

func TestTheDeadlineCoversThePageToItsLastByte(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a body that drips": func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(`{"data":[`))
			for {
				select {
				case <-r.Context().Done():
					return
				case <-time.After(5 * time.Millisecond):
					w.Write([]byte(" "))
					w.(http.Flusher).Flush()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, func(base string) Config {
				c := plain(base)
				c.Timeout = 50 * time.Millisecond
				return c
			}, answer)
			b.retry(connector.RetryTimeout, "50ms")
		})
	}
}

func TestTheCallersEndIsNoFailure(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	b := setup(t, plain, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := b.Fetch(ctx, everything); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestANetworkThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t, plain, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	b.retry(connector.RetryNetwork)
	b.server.Close()
	b.retry(connector.RetryNetwork, "refused")
	if n := testutil.ToFloat64(b.m.Requests.WithLabelValues("0")); n < 2 {
		t.Errorf("%v requests without an answer are counted", n)
	}
}

func TestTheEchoIsChecked(t *testing.T) {
	t.Parallel()
	from := instant(t, "2024-03-10T06:30:00.000001Z")
	const order = `"sorting":{"sort_by":"updated_at","sort_direction":"asc NULLS FIRST"}`
	for _, c := range []struct {
		name, metadata string
		from           connector.Instant
		says           string // empty: it is right
	}{
		{"repeated", order + `,"filtering":{"updated_at":{"gte":"2024-03-10T06:30:00.000001Z"}}`, from, ""},
		{"repeated in another zone", order + `,"filtering":{"updated_at":{"gte":"2024-03-10T01:30:00.000001-05:00"}}`, from, ""},
		{"no bound was sent", order + `,"filtering":{}`, connector.Beginning, ""},
		{"filter absent", order + `,"filtering":{}`, from, "ignored the filter"},
		{"another bound", order + `,"filtering":{"updated_at":{"gte":"2024-03-10T06:30:00.000000Z"}}`, from, "06:30:00.000000Z"},
		{"a bound that is no instant", order + `,"filtering":{"updated_at":{"gte":null}}`, from, "null"},
		{"order absent", `"filtering":{}`, connector.Beginning, "ignored the order"},
		{"another direction", `"sorting":{"sort_by":"updated_at","sort_direction":"DESC NULLS LAST"}`, connector.Beginning, "DESC"},
		{"another key", `"sorting":{"sort_by":"id","sort_direction":"ASC"}`, connector.Beginning, `"id"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, salesloftLike, write(`{"data":[],"metadata":{`+c.metadata+`}}`))
			_, err := b.Fetch(context.Background(), connector.Query{From: c.from, To: connector.Forever, Page: 1})
			var stop *connector.StopError
			if c.says == "" && err != nil || c.says != "" && (!errors.As(err, &stop) || !strings.Contains(err.Error(), c.says) || stop.Remedy == "") {
				t.Errorf("got %v", err)
			}
		})
	}
}
