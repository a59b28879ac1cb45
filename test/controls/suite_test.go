package controls

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// A suite is some tests of a package, and how they are run.
type suite struct {
	pkg   string
	tests []string
	flags string
}

// atMost bounds one run. Running out of time is no catch: on a slow machine anything does.
const atMost = 8 * time.Minute

// pattern is what selects the tests: a subtest only where it is the only one asked for.
func (s suite) pattern() string {
	if len(s.tests) == 1 {
		parts := strings.Split(s.tests[0], "/")
		for i, p := range parts {
			parts[i] = "^" + regexp.QuoteMeta(p) + "$"
		}
		return strings.Join(parts, "/")
	}
	var names []string
	for _, test := range s.tests {
		name, _, _ := strings.Cut(test, "/")
		names = append(names, name)
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// outcome is what tests came to.
type outcome struct {
	ended map[string]string // by test: pass, fail or skip
	said  map[string][]string
	all   bytes.Buffer
}

// run runs the suite in the module at root, with the files that overlay names in place of
// the real ones if it is not empty. An error is a run that says nothing of the tests.
func (s suite) run(ctx context.Context, root, overlay string) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, atMost+4*time.Minute) // it is compiled first
	defer cancel()
	args := []string{"test", "-json", "-count=1", "-vet=off", "-timeout=" + atMost.String(), "-run=" + s.pattern()}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	args = append(append(args, s.pkg), strings.Fields(s.flags)...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	o, err := parse(stdout)
	switch {
	case err != nil:
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	case len(o.said) == 0:
		return nil, fmt.Errorf("no test was run: it does not build, or has another name\n%s%s", o.all.String(), stderr.String())
	case strings.Contains(o.all.String(), "panic: test timed out"):
		return nil, fmt.Errorf("it ran out of time after %s", atMost)
	}
	return o, nil
}

// parse reads what go test -json writes (see go doc test2json).
func parse(stdout []byte) (*outcome, error) {
	o := &outcome{ended: map[string]string{}, said: map[string][]string{}}
	for dec := json.NewDecoder(bytes.NewReader(stdout)); ; {
		var e struct{ Action, Test, Output string }
		err := dec.Decode(&e)
		if err == io.EOF {
			return o, nil
		}
		if err != nil {
			return nil, err
		}
		o.all.WriteString(e.Output)
		if e.Test == "" {
			continue
		}
		o.said[e.Test] = append(o.said[e.Test], strings.TrimSpace(e.Output))
		switch e.Action {
		case "pass", "fail", "skip":
			o.ended[e.Test] = e.Action
		}
	}
}

// message returns the first lines of what a test and its subtests said when they failed:
// not what tests log on the way.
func (o *outcome) message(test string) string {
	var lines []string
	for name, said := range o.said {
		if (name != test && !strings.HasPrefix(name, test+"/")) || o.ended[name] != "fail" {
			continue
		}
		for _, line := range said {
			if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") && !strings.Contains(line, " level=") {
				lines = append(lines, line[:min(len(line), 300)])
			}
		}
	}
	return strings.Join(lines[:min(len(lines), 4)], "\n")
}
