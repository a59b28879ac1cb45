package controls

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/test/sources"
)

var every = flag.Bool("all", false, "try every mistake: a quarter of an hour on two cores; without it one of five, with -short one of twenty")

// few returns which part of the controls is tried: every so-manieth.
func few() int {
	switch {
	case *every:
		return 1
	case testing.Short():
		return 20
	}
	return 5
}

// setup returns the root of the module and the controls to try. What only child processes
// read is read here too: a result is kept no longer than the sources, and the suites, are
// the same.
func setup(t *testing.T) (root string, all []control) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sources.Read(root); err != nil {
		t.Fatal(err)
	}
	for i, c := range controls(t) {
		if _, err := c.overlay(root, t.TempDir()); err != nil {
			t.Errorf("%s: %v", c.name, err) // whether it is tried or not
		}
		if i%few() != 0 {
			continue
		}
		all = append(all, c)
		suites, err := filepath.Glob(filepath.Join(root, c.suite.pkg, "*_test.go"))
		if err != nil || len(suites) == 0 {
			t.Errorf("%s: package %s has no tests (%v)", c.name, c.suite.pkg, err)
		}
		for _, path := range suites {
			if _, err := os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root, all
}

func TestEveryMistakeIsCaught(t *testing.T) {
	root, all := setup(t)
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			overlay, err := c.overlay(root, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			o, err := c.suite.run(t.Context(), root, overlay)
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range c.suite.tests {
				end := o.ended[test]
				if end == "skip" { // which it does nowhere that has what it needs, or requires it
					t.Skipf("%s %s was skipped: %s", c.suite.pkg, test, o.message(test))
				}
				if end != "fail" {
					t.Errorf("a hole in the suites: %s %s does not catch it (%q after %s)", c.suite.pkg, test, end, time.Since(began).Round(time.Millisecond))
					continue
				}
				t.Logf("caught by %s %s in %s\n%s", c.suite.pkg, test, time.Since(began).Round(time.Millisecond), o.message(test))
			}
		})
	}
}

func TestWithoutAMistakeTheSuitesPass(t *testing.T) {
	root, all := setup(t)
	for name, s := range together(all) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := s.run(t.Context(), root, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range s.tests {
				if end := o.ended[test]; end != "pass" && end != "skip" {
					t.Errorf("%s %s ends with %q though nothing is patched\n%s", s.pkg, test, end, o.message(test))
				}
			}
		})
	}
}

// together joins the suites of the same package and flags, so that each test is run once.
func together(all []control) map[string]suite {
	joined := map[string]suite{}
	for _, c := range all {
		key := strings.TrimSpace(c.suite.pkg + " " + c.suite.flags)
		s := joined[key]
		s.pkg, s.flags = c.suite.pkg, c.suite.flags
		s.tests = slices.Concat(s.tests, c.suite.tests)
		slices.Sort(s.tests)
		s.tests = slices.Compact(s.tests)
		joined[key] = s
	}
	return joined
}
