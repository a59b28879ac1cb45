package sim

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

var (
	seed      = flag.Uint64("seed", 1, "of the worlds of the crash and code suites, and of the sample of them that -short takes")
	schedules = flag.Int("schedules", 2000, "random schedules to try; a fifth of them with -short")
	replay    = flag.String("replay", "", "a schedule that failed, to be lived through once more instead of others")
	tell      = flag.Int("tell", 80, "how many lines of a world's journal a failure tells")
)

// Bubbles see by themselves what outlives them; this sees the rest.
func TestMain(m *testing.M) {
	// Thousands of short worlds are soon garbage, and a larger heap is no harm.
	debug.SetGCPercent(400)
	goleak.VerifyTestMain(m)
}

// sample shuffles cases by the seed, and with -short or under the race detector takes a
// part of them.
func sample[T any](cases []T) []T {
	cases = slices.Clone(cases)
	rng := rand.New(rand.NewPCG(*seed, 0))
	rng.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	part := slower
	if testing.Short() {
		part *= 5
	}
	return cases[:(len(cases)+part-1)/part]
}

// sideBySide tries every case, as many at once as there are processors, and stops at the
// fifth that fails.
func sideBySide[T any](t *testing.T, cases []T, try func(*testing.T, T) error) {
	var next, failed atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for failed.Load() < 5 {
					n := int(next.Add(1)) - 1
					if n >= len(cases) {
						return
					}
					if err := try(t, cases[n]); err != nil {
						failed.Add(1)
						t.Errorf("%v: %v", cases[n], err)
					}
				}
			})
		}
	})
}

// byKey tells how many of something there were, by API key.
func byKey(counts map[int16]int) string {
	var parts []string
	total := 0
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", kmsg.NameForKey(k), counts[k]))
		total += counts[k]
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}
