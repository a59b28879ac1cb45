package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
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
		case !errors.As(err, &at):
			t.Errorf("not a ConfigError: %v", err)
		case strings.Contains(err.Error(), canary+"token") && !strings.Contains(text, canary+"token"):
			t.Errorf("a secret is shown: %v", err)
		}
	})
}

func TestAFileThatNestsWithoutEndIsRefusedAtOnce(t *testing.T) {
	const n = 100_000
	var steps strings.Builder
	for i := range 1000 {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"lists": strings.Repeat("[", n), "maps": strings.Repeat("{a: ", n), "dashes": strings.Repeat("- ", n), "keys": strings.Repeat("? ", n),
		"anchors": strings.Repeat("&a ", n), "tags": strings.Repeat("!a ", n), "indents": steps.String(), "colons": strings.Repeat("a: ", n),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := parseTest(text); err == nil {
				t.Error("accepted")
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
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
