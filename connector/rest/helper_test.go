package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/connector"
)

// date is the server's clock in tests: far from ours, so that a use of ours shows.
var date = time.Date(2031, 5, 6, 7, 8, 42, 0, time.UTC)

// canary is a credential that must not be seen anywhere.
const canary = "canary/ak+0123456789abcdef"

// salesloftLike is a config with everything set.
func salesloftLike(base string) Config {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return Config{
		Base: u, Path: "people",
		Params: url.Values{"api_key": {canary}}, Headers: http.Header{"X-Team": {"seven"}},
		Auth:    &Auth{Bearer: canary},
		Timeout: 5 * time.Second, MaxBody: 1 << 20, MaxCompressed: 1 << 18, MaxDepth: 64,
		From: "updated_at[gte]", To: "updated_at[lt]", Format: "rfc3339_us",
		Order:     url.Values{"sort_by": {"updated_at"}, "sort_direction": {"ASC"}},
		SizeParam: "per_page", Size: 100, PageParam: "page",
		Next: "metadata.paging.next_page", Total: "metadata.paging.total_count", CountParams: url.Values{"include_paging_counts": {"true"}},
		ProbeParam: "ids[]", ProbeMax: 100,
		Records: "data", ID: "id", Instant: "updated_at",
		EchoFrom:  "metadata.filtering.updated_at.gte",
		EchoOrder: map[string]string{"metadata.sorting.sort_by": "updated_at", "metadata.sorting.sort_direction": "ASC"},
	}
}

// plain is a config that expects nothing but records.
func plain(base string) Config {
	c := salesloftLike(base)
	c.EchoFrom, c.EchoOrder = "", nil
	return c
}

// bundle is a source and a server that answers it.
type bundle struct {
	*Source
	server *httptest.Server
	t      *testing.T
}

func setup(t *testing.T, config func(base string) Config, answer http.HandlerFunc) *bundle {
	t.Helper()
	server := httptest.NewServer(dated(answer))
	t.Cleanup(server.Close)
	c := config(server.URL + "/v2")
	client := NewClient("test", Budget{}, nil)
	t.Cleanup(client.CloseIdleConnections)
	s, err := New(c, client, connector.NewMetrics(prometheus.NewRegistry()).Source("s"))
	if err != nil {
		t.Fatal(err)
	}
	return &bundle{s, server, t}
}

func dated(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		h(w, r)
	})
}

var everything = connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1}

// retry fetches and wants an error that is to be tried again for this reason, shows
// no credential and says all of the texts.
func (b *bundle) retry(reason connector.RetryReason, says ...string) *connector.RetryError {
	b.t.Helper()
	_, err := b.Fetch(context.Background(), everything)
	var r *connector.RetryError
	if !errors.As(err, &r) || r.Reason != reason {
		b.t.Fatalf("got %v (%T), want reason %s", err, err, reason)
	}
	for _, text := range append(says, "people") {
		if !strings.Contains(r.Error(), text) {
			b.t.Errorf("%q does not say %q", r.Error(), text)
		}
	}
	noCanary(b.t, fmt.Sprintf("%v %+v %#v", err, r.Err, r))
	return r
}

func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{canary, url.QueryEscape(canary), "0123456789abcdef"} {
		if strings.Contains(text, form) {
			t.Errorf("a credential shows in %q", text)
		}
	}
}

// refused counts the bodies refused for a reason.
func (b *bundle) refused(reason string) int {
	return int(testutil.ToFloat64(b.m.Refused.WithLabelValues(reason)))
}

func zipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

func write(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Write([]byte(body))
	}
}

func instant(t *testing.T, s string) connector.Instant {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return connector.InstantOf(at)
}

// testMetrics are for tests that look at none.
var testMetrics = connector.NewMetrics(prometheus.NewRegistry()).Source("s")
