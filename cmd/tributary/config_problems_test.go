package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"tributary/connector/rest"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

// canary begins every secret of the tests. It must never be seen.
const canary = "canary-"

// testEnv is the environment of the tests.
func testEnv(name string) (string, bool) {
	value, ok := map[string]string{
		"TOKEN": canary + "token", "EMPTY": "", "N": "3", "INTERVAL": "7s", "YES": "true",
		"STRUCTURE": "crm\nsources: []", "SALESLOFT_TOKEN": canary + "salesloft", "EXAMPLE_TOKEN": canary + "example",
	}[name]
	for _, preset := range rest.PresetNames() {
		if !ok && strings.HasPrefix(name, strings.ToUpper(preset)+"_") {
			value, ok = canary+preset, true
		}
	}
	return value, ok
}

// testPresets has one preset, "shop".
func testPresets() presets {
	return presets{
		names: func() []string { return []string{"shop"} },
		lookup: func(name string) ([]byte, bool) {
			data, err := os.ReadFile("testdata/preset.yaml")
			return data, err == nil && name == "shop"
		},
	}
}

func parseTest(text string) (*Config, error) {
	return parseConfig(newConfigText("t.yaml", []byte(text)), "testdata", testEnv, testPresets())
}

// TestProblems runs testdata/problems.txt: what is said about each wrong config.
func TestProblems(t *testing.T) {
	const file = "testdata/problems.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten strings.Builder
	for section := range strings.SplitSeq(strings.TrimPrefix(string(data), "=== "), "\n=== ") {
		name, rest, _ := strings.Cut(section, "\n")
		input, want, _ := strings.Cut(rest, "--- error\n")
		want = strings.TrimSuffix(want, "\n")
		t.Run(name, func(t *testing.T) {
			cfg, err := parseTest(input)
			if err == nil {
				t.Fatalf("no error, but %+v", cfg)
			}
			got := err.Error()
			if strings.Contains(got, canary) {
				t.Errorf("a secret is shown:\n%s", got)
			}
			if got != want && !*update {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			rewritten.WriteString("=== " + name + "\n" + input + "--- error\n" + got + "\n")
		})
	}
	if *update {
		if err := os.WriteFile(file, []byte(rewritten.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAConfigThatCannotBeReadIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing.yaml")
	_, err := LoadConfig(path, testEnv)
	var at *ConfigError
	if !errors.As(err, &at) || at.Line != 0 {
		t.Fatalf("got %#v", err)
	}
	if want := path + ": no such file or directory; `tributary init` writes one, -c names another"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// TestWhatIsNoConfigIsNotWrittenToTheTerminal: -c may name anything by mistake.
func TestWhatIsNoConfigIsNotWrittenToTheTerminal(t *testing.T) {
	for name, text := range map[string]string{
		"a binary":      "\x00\x1b]0;owned\x07\x1b[31m" + strings.Repeat("\xff\x00", 1<<20),
		"control codes": "a: \x1b[31m\u009b31m",
		"one long line": "a: [" + strings.Repeat("x, ", 1<<18) + "}",
		"deep":          "a: " + strings.Repeat("[", 1<<16),
	} {
		_, err := parseTest(text)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if said := err.Error(); len(said) > 2000 || strings.ContainsFunc(said, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
			t.Errorf("%s: %d bytes are said: %.300q", name, len(said), said)
		}
	}
	long := strings.Repeat("x", 600)
	line, pad := near(long[:500]+"!"+long, strings.Repeat(" ", 500))
	if []rune(line)[len(pad)] != '!' {
		t.Errorf("the caret stands elsewhere:\n%s\n%s^", line, pad)
	}
}
