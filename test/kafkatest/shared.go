//go:build unix

package kafkatest

import (
	"context"
	"os"
	"sync"
	"testing"
)

// RequireEnv is the environment variable that, set to 1, turns the tests that would be
// skipped for want of Kafka into failures.
const RequireEnv = "TRIBUTARY_REQUIRE_KAFKA"

// Require skips the test, in one line that names it and the reason, where Kafka cannot
// run; with [RequireEnv] set to 1 it fails it. [Start] and [Shared] call it.
func Require(t testing.TB) {
	t.Helper()
	err := Available()
	switch {
	case err == nil:
	case os.Getenv(RequireEnv) == "1":
		t.Fatalf("%s=1, but no real Kafka: %v", RequireEnv, err)
	default:
		t.Skipf("not shown, for want of a real Kafka: %s: %v", t.Name(), err)
	}
}

// shared is the broker of the tests of this process.
var shared struct {
	mu     sync.Mutex
	broker *Broker
	err    error
}

// Shared returns the one broker of this test process, without options, and starts it
// for the first test that asks. Tests keep apart by [Broker.Prefix] and leave its
// process alone: to stop, kill or pause a broker, [Start] one.
//
// It is stopped by [Main]. In a package without that it ends with the test process, and
// its directory is removed by the next process that starts a broker.
func Shared(t testing.TB) *Broker {
	t.Helper()
	Require(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	// A start that failed is not tried again: every test would wait for it in turn.
	if shared.broker == nil && shared.err == nil {
		// Not the context of the test: others use the broker after it.
		shared.broker, shared.err = Launch(context.Background())
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.broker
}

// Main runs the tests of a package and then stops the broker of [Shared]:
//
//	func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }
func Main(m *testing.M) int {
	defer closeShared()
	return m.Run()
}

func closeShared() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.broker != nil {
		shared.broker.Close()
		shared.broker = nil
	}
}
