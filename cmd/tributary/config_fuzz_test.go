package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
)

// FuzzLoadConfig looks for a file that is answered with a panic, with an error that
// is no ConfigError, or with a secret.
func FuzzLoadConfig(f *testing.F) {
	data, err := os.ReadFile("testdata/problems.txt")
	if err != nil {
		f.Fatal(err)
	}
	for section := range strings.SplitSeq(string(data), "\n=== ") {
		_, rest, _ := strings.Cut(section, "\n")
		input, _, _ := strings.Cut(rest, "--- error\n")
		f.Add(input)
	}
	example, err := example(noPreset, testPresets())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	apis, err := os.ReadFile("testdata/apis.txt")
	if err != nil {
		f.Fatal(err)
	}
	for section := range strings.SplitSeq(string(apis), "\n=== ") {
		_, text, _ := strings.Cut(section, "\n")
		config, _, _ := strings.Cut(text, "--- answer\n")
		f.Add(sourceText(config))
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := parseTest(text)
		var at *ConfigError
		switch {
		case err == nil && cfg == nil:
			t.Error("neither a config nor an error")
		case err == nil:
			if len(cfg.Sources) == 0 || len(cfg.Kafka.Brokers) == 0 || cfg.Group == "" {
				t.Errorf("accepted without what it needs: %+v", cfg)
			}
			for _, s := range cfg.Sources {
				for _, c := range s.Collections {
					asks(t, c)
				}
			}
		case !errors.As(err, &at):
			t.Errorf("not a ConfigError: %v", err)
		case strings.Contains(err.Error(), canary+"token") && !strings.Contains(text, canary+"token"):
			t.Errorf("a secret is shown: %v", err)
		}
	})
}

func TestAFileThatNestsWithoutEndIsRefused(t *testing.T) {
	const n = 50_000 // more would be waited for long under the race detector
	var steps strings.Builder
	for i := range 1000 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"lists": strings.Repeat("[", n), "maps": strings.Repeat("{a: ", n), "dashes": strings.Repeat("- ", n), "keys": strings.Repeat("? ", n),
		"anchors": strings.Repeat("&a ", n), "tags": strings.Repeat("!a ", n), "indents": steps.String(), "colons": strings.Repeat("a: ", n),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseTest(text); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestWhatIsNoTextIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a control character": "group: c\x00rm\n", "another encoding": "group: \xff\xfe\n",
		"a file that is too large": strings.Repeat("# comment\n", maxConfigBytes/10+1),
	} {
		if _, err := parseTest(text); err == nil || !strings.HasPrefix(err.Error(), "t.yaml:1:1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// asks sends the requests of a collection that was accepted: none leaves its origin, and an
// API that answers nonsense is an error and no panic.
func asks(t *testing.T, c CollectionConfig) {
	t.Helper()
	if c.Rest.Auth != nil && c.Rest.Auth.OAuth != nil {
		return // needs a keeper of tokens
	}
	api := &answering{answer: `{"data":[{"id":"a/b","updated_at":"2024-01-01T00:00:00Z"}],"next":"//evil.example.com","items":[]}`}
	src, err := rest.New(c.Rest, rest.NewClient("test", rest.Budget{}, api), connector.NewMetrics(prometheus.NewRegistry()).Source("api"))
	if err != nil {
		t.Fatalf("accepted, and refused by its source: %v", err)
	}
	for _, q := range []connector.Query{
		{From: connector.Beginning, To: connector.Forever, Page: 1}, {From: 1e15, To: 2e15, Page: 1, Count: true}, {From: 1e15, To: 2e15, Page: 2, Count: true},
		{From: connector.Beginning, To: connector.Forever, Page: 1, IDs: []string{"a\"/../?\r\n"}},
	} {
		if _, err := src.Fetch(t.Context(), q); err == nil && len(q.IDs) > 0 && c.Settings.Probe == 0 {
			t.Error("a probe that was not asked for")
		}
	}
	for _, host := range api.hosts {
		if host != c.Rest.Base.Host {
			t.Errorf("asked %s, and the url is of %s", host, c.Rest.Base.Host)
		}
	}
}
