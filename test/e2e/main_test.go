//go:build unix

// Package e2e runs the real binary between a real Kafka and a hostile API, and has
// package oracle judge what came of it. What it shows is what the README promises; the
// parts are tested where they live.
//
//	go test ./test/e2e            # a few minutes, and most of them of waiting
//	go test ./test/e2e -long      # longer, and what takes a timeout of a minute
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tributary/test/kafkatest"
	"tributary/test/sources"
)

// The flag of longer runs.
var long = flag.Bool("long", false, "write for a minute instead of 20 s, and wait out the timeouts of the defaults")

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(mainCode(m)) }

func mainCode(m *testing.M) int {
	flag.Parse()
	wide := true
	flag.Visit(func(f *flag.Flag) { wide = wide && f.Name != "test.parallel" })
	if wide {
		flag.Set("test.parallel", "5") // they wait for clocks more than for processors
	}
	if kafkatest.Available() == nil {
		dir, err := os.MkdirTemp("", "tributary-e2e-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = build(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
	}
	return kafkatest.Main(m)
}

func build(dir string) error {
	binary = filepath.Join(dir, "tributary")
	out, err := exec.Command("go", "build", "-o", binary, "tributary/cmd/tributary").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build tributary: %w\n%s", err, out)
	}
	return nil
}

// The sources are read by a test, for what TestMain reads is not remembered.
func TestTheProgramIsBuiltFromTheSourcesOfNow(t *testing.T) {
	if n, err := sources.Read("../.."); err != nil || n < 50 {
		t.Fatalf("%d files: %v", n, err)
	}
}

// soon is for how long a test waits for what has to come by itself. It is no promise: a
// machine that is busy with other tests takes its time, and only what fails waits for all
// of it.
const soon = 2 * time.Minute

// phase is for how long a source is written to.
func phase() time.Duration {
	if *long {
		return time.Minute
	}
	return 20 * time.Second
}
