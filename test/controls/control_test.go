package controls

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A control is a mistake, and the suite that must catch it.
type control struct {
	name  string
	patch string // the file, absolute
	files []string
	suite suite
}

var touched = regexp.MustCompile(`(?m)^--- a/(\S+)`)

// read reads a control and refuses one that could not tell anything.
func read(path string) (c control, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	c.name = strings.TrimSuffix(filepath.Base(path), ".patch")
	if c.patch, err = filepath.Abs(path); err != nil {
		return c, err
	}
	header, _, _ := strings.Cut(string(text), "\n--- a/")
	words, fields, _ := strings.Cut(header, "\n\n")
	if len(strings.Fields(words)) < 5 || strings.Contains(words, "Caught-by:") {
		return c, errors.New("the header does not begin with what the mistake is, in words")
	}
	for _, line := range strings.Split(strings.TrimSpace(fields), "\n") {
		switch key, value, _ := strings.Cut(line, ": "); key {
		case "Caught-by":
			var tests string
			c.suite.pkg, tests, _ = strings.Cut(value, " ")
			c.suite.tests = strings.Split(tests, ", ")
		case "Flags":
			c.suite.flags = value
		default:
			return c, fmt.Errorf("the header has a line %q: it takes Caught-by and Flags", line)
		}
	}
	if !strings.HasPrefix(c.suite.pkg, "./") || !strings.HasPrefix(c.suite.tests[0], "Test") {
		return c, errors.New("the header names no package and test after Caught-by")
	}
	for _, m := range touched.FindAllStringSubmatch(string(text), -1) {
		// What is embedded is a part of the program.
		embedded := strings.HasPrefix(m[1], "connector/rest/presets/") || strings.HasPrefix(m[1], "connector/control/page/")
		if !embedded && (strings.HasSuffix(m[1], "_test.go") || !strings.HasSuffix(m[1], ".go")) {
			return c, fmt.Errorf("it changes %s, which is not the program", m[1])
		}
		c.files = append(c.files, m[1])
	}
	if len(c.files) == 0 {
		return c, errors.New("it changes no file")
	}
	return c, nil
}

// overlay applies the patch to copies of the files it touches, in dir, and returns the
// file that tells go test to take them in place of those below root.
func (c control) overlay(root, dir string) (string, error) {
	replace := map[string]string{}
	for _, name := range c.files {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", fmt.Errorf("%w: the source moved, renew the patch", err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = to
	}
	git := exec.Command("git", "apply", "--whitespace=nowarn", c.patch)
	git.Dir = dir
	// Inside of a repository git would look for the files from its root.
	git.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }),
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_CONFIG_GLOBAL="+os.DevNull)
	if out, err := git.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the source moved: renew the patch (%w)\n%s", err, out)
	}
	for name, to := range replace {
		before, _ := os.ReadFile(name)
		if after, err := os.ReadFile(to); err != nil || bytes.Equal(before, after) {
			return "", fmt.Errorf("git apply left %s as it was (%v)", name, err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// controls reads all of them.
func controls(t *testing.T) []control {
	t.Helper()
	paths, err := filepath.Glob("patches/*.patch")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no controls (%v)", err)
	}
	var all []control
	for _, p := range paths {
		c, err := read(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		all = append(all, c)
	}
	return all
}
