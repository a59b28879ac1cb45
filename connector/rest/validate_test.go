package rest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAConfigThatCannotWorkIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	address := func(s string) func(*Config) { return func(c *Config) { c.Base, _ = url.Parse(s) } }
	for _, c := range []struct {
		says   string
		change func(*Config)
	}{
		{"url is missing", func(c *Config) { c.Base = nil }},
		{"http://", address("ftp://example.com")},
		{"http://", address("example.com/v2")},
		{"credential", address("https://u:secret@example.com")},
		{"query", address("https://example.com/?key=" + canary)},
		{"is an address", func(c *Config) { c.Path = "https://api.example.com/people" }},
		{"leaves the url", func(c *Config) { c.Path = "../admin" }},
		{"query", func(c *Config) { c.Path = "people?x=1" }},
		{"timeout", func(c *Config) { c.Timeout = 0 }},
		{"max_body", func(c *Config) { c.MaxBody = 0 }},
		{"max_body", func(c *Config) { c.MaxBody = 1 << 40 }},
		{"max_compressed", func(c *Config) { c.MaxCompressed = 0 }},
		{"max_depth", func(c *Config) { c.MaxDepth = 0 }},
		{"cursor.from", func(c *Config) { c.From = "" }},
		{"cursor.format", func(c *Config) { c.Format = "ISO" }},
		{"cursor.format", func(c *Config) { c.Format = "15:04" }},
		{"cursor.format", func(c *Config) { c.Format = "" }},
		{"page.size", func(c *Config) { c.Size = 0 }},
		{"probe.max", func(c *Config) { c.ProbeMax = 0 }},
		{"does not fit a page", func(c *Config) { c.ProbeMax = 101 }},
		{"page.total", func(c *Config) { c.Total = "" }},
		{`"page" is set by page.param and by request.params`, func(c *Config) { c.Params = url.Values{"page": {"1"}} }},
		{"id is empty", func(c *Config) { c.ID = "" }},
		{"cursor.field", func(c *Config) { c.Instant = "" }},
		{"empty name", func(c *Config) { c.Records = "a..b" }},
		{"include and exclude", func(c *Config) { c.Include, c.Exclude = []string{"a"}, []string{"b"} }},
		{"never found", func(c *Config) { c.Include = []string{"/tags/0/name"} }},
		{"never found", func(c *Config) { c.Exclude = []string{"/tags/0"} }},
		{"set by the connection", func(c *Config) { c.Headers = http.Header{"accept-encoding": {"br"}} }},
		{"set by auth", func(c *Config) { c.Headers = http.Header{"authorization": {canary}} }},
		{"control characters", func(c *Config) { c.Headers = http.Header{"X": {canary + "\n"}} }},
		{"exactly one", func(c *Config) { c.Auth = &Auth{} }},
		{"exactly one", func(c *Config) { c.Auth = &Auth{Bearer: canary, Username: "u"} }},
		{"name and a value", func(c *Config) { c.Auth = &Auth{Header: canary} }},
		{"line break", func(c *Config) { c.Auth = &Auth{Bearer: canary + "\n"} }},
		{"colon", func(c *Config) { c.Auth = &Auth{Username: "a:b", Password: canary} }},
		{"credential's header", func(c *Config) { c.Auth = &Auth{HeaderName: "Host", Header: canary} }},
	} {
		config := salesloftLike("https://api.example.com/v2")
		c.change(&config)
		if _, err := New(config, NewClient("test", Budget{}, nil), nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		} else {
			noCanary(t, err.Error())
		}
	}
	config := salesloftLike("https://api.example.com/v2")
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
}
