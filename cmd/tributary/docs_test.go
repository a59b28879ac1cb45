package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tributary/connector/rest"
	"tributary/offsets"
)

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// TestTheExamplesOfTheDocsAreConfigs decodes every example that is a config, or the sources
// of one: who copies it must not be refused.
func TestTheExamplesOfTheDocsAreConfigs(t *testing.T) {
	env := func(name string) (string, bool) {
		if strings.HasSuffix(name, "_SEAL_KEY") {
			return strings.Repeat("0f1e", offsets.SealKeySize/2), true
		}
		return canary + name, true
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	newAuthority(t, "authority").issue(folder, "tls/tls", leaf{expires: time.Hour})
	for file, least := range map[string]int{"README.md": 2, "docs/sources.md": 10, "docs/replica.md": 1, "docs/control.md": 2, "docs/handlers.md": 1} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, block := range yamlBlock.FindAllStringSubmatchIndex(string(text), -1) {
			example := string(text[block[2]:block[3]])
			line := 1 + strings.Count(string(text[:block[2]]), "\n")
			switch {
			case strings.HasPrefix(example, "sources:"):
				example = head + example
			case strings.HasPrefix(example, "control:"):
				example += head + "sources: [{name: a, url: \"https://a.test\", cursor: {field: u, from: f}, collections: [people]}]\n"
			case !strings.HasPrefix(example, "group:"):
				continue
			}
			found++
			if _, err := parseConfig(newConfigText("example", []byte(example)), folder, env, presets{rest.Preset, rest.PresetNames}); err != nil {
				t.Errorf("%s, line %d: %v", file, line, err)
			}
		}
		if found < least {
			t.Errorf("%s: %d examples were found, want %d", file, found, least)
		}
	}
}

// TestEveryKeyOfACollectionIsInTheDocs looks for what was added without a word about it.
func TestEveryKeyOfACollectionIsInTheDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "sources.md"))
	if err != nil {
		t.Fatal(err)
	}
	for key := range newCollectionDecoder(newDecoder(expander{}), nil).keys() {
		if !regexp.MustCompile("\\b" + key + "\\b").Match(text) {
			t.Errorf("%s is a key of a collection, and docs/sources.md does not say so", key)
		}
	}
}
