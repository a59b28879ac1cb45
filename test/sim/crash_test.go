package sim

import (
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A point is a request to Kafka at which something happens: the nth of its key.
type point struct {
	key  int16
	n    int
	fate fate
}

func (p point) String() string {
	return fmt.Sprintf("request %d of %s %s", p.n, kmsg.NameForKey(p.key), p.what())
}

func (p point) what() string {
	return map[fate]string{
		dropped: "is not sent and its connection breaks", unheard: "is applied and its reply is lost",
		diesAt: "is not sent and the process dies", diesWith: "is applied and the process dies",
		blackout: "is not sent, and Kafka is out of reach for a while",
		outage:   "is applied, its reply is lost, and Kafka is out of reach for a while",
	}[p.fate]
}

// crashWorld has three brokers, so that what belongs together goes over several
// connections.
func crashWorld() *world { return &world{seed: *seed, brokers: 3, partitions: 2} }

// undisturbed lives through the scenario some times and returns how many requests of each
// key there are at least.
func undisturbed(t *testing.T) map[int16]int {
	t.Helper()
	var least map[int16]int
	for range 5 {
		w := crashWorld()
		if err := live(t, w, func(w *world) error { return (&scenario{world: w}).run() }); err != nil {
			t.Fatalf("with nothing in its way: %v", err)
		}
		if least == nil {
			least = w.sent
		}
		for k := range least {
			least[k] = min(least[k], w.sent[k])
		}
	}
	return least
}

func TestACrashAtEveryRequestToKafka(t *testing.T) {
	requests := undisturbed(t)
	t.Logf("requests in the scenario, %s", byKey(requests))
	for _, k := range []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.CreateTopics, kmsg.InitProducerID, kmsg.EndTxn} {
		if requests[int16(k)] == 0 {
			t.Errorf("the scenario sends no %s", kmsg.NameForKey(int16(k)))
		}
	}
	var points []point
	for key, n := range requests {
		for i := range n {
			for _, f := range []fate{dropped, unheard, diesAt, diesWith, blackout, outage} {
				points = append(points, point{key, i + 1, f})
			}
		}
	}
	if len(points) < 600 {
		t.Fatalf("%d points are too few", len(points))
	}
	var mu sync.Mutex
	reached, missed := map[fate]map[int16]int{}, 0
	tried := sample(points)
	sideBySide(t, tried, func(t *testing.T, p point) error {
		hit := false
		var err error
		// How transactions group depends on how goroutines are scheduled, and so does how
		// many requests there are: one that was not made may be in another run.
		for try := 0; try < 3 && !hit && err == nil; try++ {
			w := crashWorld()
			w.about = p.String()
			w.plan = func(key int16, n int) fate {
				if key == p.key && n == p.n {
					hit = true
					return p.fate
				}
				return arrives
			}
			err = live(t, w, func(w *world) error { return (&scenario{world: w}).run() })
		}
		mu.Lock()
		defer mu.Unlock()
		if reached[p.fate] == nil {
			reached[p.fate] = map[int16]int{}
		}
		if hit {
			reached[p.fate][p.key]++
		} else {
			missed++
		}
		return err
	})
	for _, f := range sorted(reached) {
		t.Logf("a request %s, %s", point{fate: f}.what(), byKey(reached[f]))
	}
	t.Logf("%d points tried of %d, %d of them not reached", len(tried), len(points), missed)
	if missed > 10+len(tried)/20 {
		t.Errorf("%d of %d points were not reached: the scenario is not the same from run to run", missed, len(tried))
	}
}
