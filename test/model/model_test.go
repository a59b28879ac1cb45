package model

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// requireSpin makes the tests fail where they would be skipped.
const requireSpin = "TRIBUTARY_REQUIRE_SPIN"

// What pan says of an assertion that it found violated.
const (
	p1        = "value==(published+1)"
	p2        = "decided_cursor==published"
	trueFence = ".value!=((16+1)+i)"
	reached   = "met&&(published=="
)

func TestTheProtocolKeepsItsPromise(t *testing.T) {
	for _, c := range []struct{ name, flags string }{
		{"TV2", "-DN=3 -DACQUIRES=4 -DTRUE_FENCE"},
		{"TV2 with requests sent again", "-DRESEND -DACQUIRES=3"},
		{"TV2 beside a foreign transaction", "-DFOREIGN -DACQUIRES=3 -DREFUSALS=0"},
		{"TV2 reading to the LSO of a partition of its own", "-DREAD_LSO -DACQUIRES=3"},
		{"TV1", "-DTV1 -DACQUIRES=4 -DREFUSALS=0 -DTRUE_FENCE"},
		{"TV1 with a refused record", "-DTV1 -DACQUIRES=3"},
		{"TV1 beside a foreign transaction", "-DTV1 -DFOREIGN -DACQUIRES=3 -DREFUSALS=0"},
		{"TV2 on a calm day, to the end", "-DCALM -DFOREIGN -DN=3 -DACQUIRES=4"},
		{"TV1 on a calm day, to the end", "-DCALM -DFOREIGN -DN=3 -DACQUIRES=4 -DTV1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := check(t, "-O1", c.flags)
			if r.violated != "" || r.errors != 0 {
				t.Fatalf("%d errors: %s\n%s", r.errors, r.violated, r.story)
			}
			if !r.complete {
				t.Fatalf("the search was not completed:\n%s", r.output)
			}
		})
	}
}

func TestAWrongProtocolIsCaught(t *testing.T) {
	for _, c := range []struct{ flags, violated string }{
		{"-DNO_FENCE -DONLY_P1", p1},
		{"-DFENCE_AFTER_READ -DONLY_P1", p1},
		{"-DREAD_LSO -DFOREIGN -DONLY_P1 -DREFUSALS=0", p1},
		{"-DCOMMIT_FAILED_PRODUCE", p2},
		{"-DCOMMIT_FAILED_PRODUCE -DONLY_P1", p1},
		{"-DRETRY_AFTER_ENDTXN_ERROR", p1},
		{"-DKEEP_MEMORY", p1},
		{"-DCURSOR_FIRST", p2},
		{"-DCURSOR_FIRST -DONLY_P1", p1},
		{"-DDATA_FIRST", p2},
		{"-DDATA_FIRST -DONLY_P1", p1},
		// Costs an instance and no record. See doc.go.
		{"-DSTABLE_CLAIM -DTRUE_FENCE -DREFUSALS=0", trueFence},
		// Not ours: what KIP-890 mends. See doc.go.
		{"-DTV1 -DRESEND", p2},
	} {
		t.Run(strings.ReplaceAll(c.flags, "-D", ""), func(t *testing.T) {
			r := check(t, "-O0", c.flags+" -DACQUIRES=3")
			if r.errors == 0 || !strings.Contains(r.violated, c.violated) {
				t.Fatalf("%d errors, %q violated, want %q\n%s", r.errors, r.violated, c.violated, r.output)
			}
			t.Logf("\n%s", r.story)
		})
	}
}

// A model in which nothing happens keeps every promise.
func TestWhatTheProtocolWithstandsDoesHappen(t *testing.T) {
	for _, c := range []struct{ goal, flags string }{
		{"CRASHED", ""}, {"CRASHED", "-DTV1"},
		{"UNKNOWN", ""}, {"UNKNOWN", "-DTV1"},
		{"LATE", ""}, {"LATE", "-DTV1"},
		{"ABORTED", ""}, {"ABORTED", "-DTV1"},
		{"TAKEN", "-DREFUSALS=0"},
		{"TIMEOUT", ""},
		{"HIDDEN", "-DFOREIGN -DREFUSALS=0"},
	} {
		t.Run(strings.TrimSpace(c.goal+" "+strings.ReplaceAll(c.flags, "-D", "")), func(t *testing.T) {
			r := check(t, "-O0", "-DREACH="+c.goal+" -DACQUIRES=3 "+c.flags)
			if r.errors == 0 || !strings.Contains(r.violated, reached) {
				t.Fatalf("never met with all versions published: %d errors, %q\n%s", r.errors, r.violated, r.output)
			}
			t.Logf("\n%s", r.story)
		})
	}
}

// A result is what pan found out about one variant.
type result struct {
	errors   int
	states   float64
	complete bool   // every reachable state was visited
	violated string // pan's line about the violation, if any
	story    string // what happened until then, a line each
	output   string
}

// check generates, compiles and runs the verifier of a variant, in parallel with others.
func check(t *testing.T, optimise, flags string) result {
	t.Helper()
	needTools(t)
	t.Parallel()
	dir, defines := t.TempDir(), strings.Fields(flags)
	src, err := os.ReadFile("commit.pml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "commit.pml"), src, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "spin", append([]string{"-a"}, append(defines, "commit.pml")...)...)
	// Half of 2 GB each, since two run at a time on a small machine.
	must(t, dir, "gcc", "-w", optimise, "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=1000", "-o", "pan", "pan.c")
	began := time.Now()
	r := parse(t, must(t, dir, "./pan", "-m10000", "-w22"))
	t.Logf("%s: %.0f states in %.1f s, %d errors", flags, r.states, time.Since(began).Seconds(), r.errors)
	if r.errors > 0 {
		r.story = story(must(t, dir, "spin", append([]string{"-k", "commit.pml.trail"}, append(defines, "commit.pml")...)...))
	}
	return r
}

func needTools(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv(requireSpin) == "1" {
				t.Fatal(err)
			}
			t.Skipf("%v: install the packages spin and gcc to check the model", err)
		}
	}
}

// must runs a command and returns what it printed.
func must(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

var (
	errorsIn   = regexp.MustCompile(`errors: (\d+)`)
	statesIn   = regexp.MustCompile(`([\d.e+]+) states, stored`)
	violatedIn = regexp.MustCompile(`(?m)^pan:\d+: (.*)$`)
	toldIn     = regexp.MustCompile(`(?m)^ *((?:kafka|stranger|instance [01]): .*|spin: .*assertion.*)$`)
)

func parse(t *testing.T, output string) result {
	t.Helper()
	e, s := errorsIn.FindStringSubmatch(output), statesIn.FindStringSubmatch(output)
	if e == nil || s == nil {
		t.Fatalf("pan did not say what it found:\n%s", output)
	}
	r := result{output: output, complete: true}
	r.errors, _ = strconv.Atoi(e[1])
	r.states, _ = strconv.ParseFloat(s[1], 64)
	if v := violatedIn.FindStringSubmatch(output); v != nil {
		r.violated = v[1]
	}
	for _, cut := range []string{"Search not completed", "max search depth too small", "reached -DMEMLIM", "out of memory"} {
		r.complete = r.complete && !strings.Contains(output, cut)
	}
	return r
}

// story is what the model's printf statements say of a trail.
func story(replayed string) string {
	var b strings.Builder
	for i, m := range toldIn.FindAllStringSubmatch(replayed, 200) {
		fmt.Fprintf(&b, "%3d  %s\n", i+1, m[1])
	}
	return b.String()
}
