package controls

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// Suites against a Kafka wait as much as they work, so that twice as many as there are
// processors are run at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
