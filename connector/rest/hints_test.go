package rest

import (
	"net/http"
	"slices"
	"testing"
)

func TestWhatHeadersSayOfABudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header map[string]string
		all    []string
		minute int
	}{
		{map[string]string{"X-Ratelimit-Limit-Minute": "600", "Content-Type": "x"}, []string{"X-Ratelimit-Limit-Minute: 600"}, 600},
		{map[string]string{"Ratelimit": `"default";r=50;t=30`, "Ratelimit-Policy": `"default";q=100;w=10`}, []string{`Ratelimit-Policy: "default";q=100;w=10`, `Ratelimit: "default";r=50;t=30`}, 600},
		{map[string]string{"X-Ratelimit-Remaining": "7", "X-Ratelimit-Limit": "soon"}, []string{"X-Ratelimit-Limit: soon", "X-Ratelimit-Remaining: 7"}, 0},
		{map[string]string{"Sforce-Limit-Info": "api-usage=1/2"}, []string{"Sforce-Limit-Info: api-usage=1/2"}, 0},
		{nil, nil, 0},
	} {
		h := http.Header{}
		for name, value := range c.header {
			h.Set(name, value)
		}
		if all, n := RateHeaders(h), PerMinute(h); !slices.Equal(all, c.all) || n != c.minute {
			t.Errorf("%v: got %q and %d a minute", c.header, all, n)
		}
	}
}

func TestAnEchoIsFoundWhereItIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	const sent = "https://api.test/x?since=2024-01-01T00%3A00%3A00Z"
	for _, c := range []struct{ address, body, path string }{
		{sent, `{"data":[{"at":"2024-01-01T00:00:00Z"}],"meta":{"filter":{"gte":"2024-01-01T00:00:00.000000+00:00"}}}`, "meta.filter.gte"},
		{sent, `{"meta":{"a":"2024-01-01T00:00:00Z","b":"2024-01-01T00:00:00Z"}}`, ""},
		{sent, `{"meta":{"a":"2024-01-01T00:00:01Z"}}`, ""},
		{"https://api.test/x?since=1704067200", `{"q":{"since":1704067200}}`, "q.since"},
		{"https://api.test/x?since=7", `{"n":7}`, ""},
		{"https://api.test/x", `{"n":"2024-01-01T00:00:00Z"}`, ""},
		{sent, `not JSON`, ""},
	} {
		got := ""
		for _, hint := range FindEcho(c.address, c.body, "since") {
			got += hint.Path
		}
		if got != c.path {
			t.Errorf("%s: got %q, want %q", c.body, got, c.path)
		}
	}
}
