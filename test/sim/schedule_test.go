package sim

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"pgregory.net/rapid"

	"tributary/sink"
	"tributary/test/hostile"
)

// A schedule is a world to which operations are done.
type schedule struct {
	*world
	writer    *hostile.Writer
	faults    []*kfake.FaultHandle
	strangers int
	fired     map[string]int

	// Both under the world's mutex.
	due  map[int16]fate // what the next request of a key meets
	fate map[fate]int   // how many did
}

// try lives through a schedule and returns what went wrong, and what it did.
func try(t *testing.T, seed uint64, ops []op) (fired map[string]int, err error) {
	w := &world{about: "-replay " + encode(seed, ops), seed: seed, brokers: 2, partitions: 1}
	s := &schedule{world: w, fired: map[string]int{}, due: map[int16]fate{}, fate: map[fate]int{}}
	err = live(t, w, func(*world) error { return s.run(ops) })
	return s.fired, err
}

func (s *schedule) run(ops []op) error {
	// A slow API hands out one page after the other while the one before is committed.
	latency := time.Duration(s.seed%3) * 20 * time.Millisecond
	s.api.Set(hostile.Hostility{Latency: latency, Writes: hostile.Mix{Insert: 6, Update: 40, Touch: 6, Delete: 6, Undelete: 3, Bulk: 4, BulkSize: 40}})
	s.writer = hostile.NewWriter(s.api, s.seed, 0)
	for i := range 12 {
		s.api.Insert(collections[i%len(collections)], 1)
		time.Sleep(time.Millisecond)
	}
	s.start("a")
	time.Sleep(time.Second)
	for _, o := range ops {
		time.Sleep(time.Duration(o.n%50) * time.Millisecond)
		s.log.notef("--- %s", o)
		if actions[o.name].do(s, o.n, o.m) {
			s.fired[o.name]++
		}
	}
	if err := s.heal(); err != nil {
		return err
	}
	return s.finish("a")
}

// heal takes away all that was done to the world. Who was asleep wakes up, and speaks.
// Whoever has ended by itself must have had a reason to.
func (s *schedule) heal() error {
	s.log.notef("--- heal")
	s.api.Set(s.api.Hostility().Calm())
	s.api.Quiesce()
	s.setPlan(nil)
	hits := 0
	for _, f := range s.faults {
		hits += f.Hits()
		f.Remove()
	}
	s.mu.Lock()
	s.dark = time.Time{}
	for f, n := range s.fate {
		s.fired[map[fate]string{dropped: "request lost", unheard: "reply lost", diesAt: "dies at a request", diesWith: "dies with a reply", outage: "outage", blackout: "blackout"}[f]] += n
	}
	s.mu.Unlock()
	s.fired["broker answered with an error"] += hits
	s.fired["batches committed"] += len(s.claims)
	s.fired["collection was quarantined"] += s.log.count("its collection is quarantined and tried alone")
	s.fired["lane was acquired again"] += s.log.count("lane is spent, acquiring it again")
	for _, p := range s.processes {
		p.link.setSlow(0)
		p.link.wake()
	}
	time.Sleep(time.Second)
	for _, p := range s.processes {
		p.log.Info("process is told to stop")
		p.cancel()
	}
	for _, p := range s.processes {
		<-p.ended
		var fenced *sink.FencedError
		switch {
		case errors.As(p.err, &fenced):
			s.fired["process was fenced"]++
		case errors.Is(p.err, kerr.TopicAuthorizationFailed):
			s.fired["process was refused at its start"]++
		case p.err != nil:
			return fmt.Errorf("process %s has ended by itself: %w", p.run, p.err)
		}
		for collection, stop := range p.stops {
			return fmt.Errorf("process %s: %s was stopped: %w", p.run, collection, stop)
		}
	}
	return nil
}

// Of three processes of one name the last stays, and the others end and name who took the
// lane: they do not take it back.
func TestOfSeveralProcessesTheLastStays(t *testing.T) {
	w := &world{seed: *seed, brokers: 2, partitions: 1}
	err := live(t, w, func(w *world) error {
		for _, c := range collections {
			w.api.Insert(c, 3)
		}
		first := w.start("a")
		for range 2 {
			time.Sleep(5 * time.Second)
			w.start("a")
		}
		last := w.processes[2]
		for range 20 {
			time.Sleep(interval)
			w.api.Insert("people", 1)
		}
		for _, p := range []*process{first, w.processes[1]} {
			var fenced *sink.FencedError
			if p.alive() || !errors.As(p.err, &fenced) {
				return fmt.Errorf("process %s lives (%v) or has ended without naming who fenced it: %w", p.run, p.alive(), p.err)
			}
		}
		if err := w.quiet(last); err != nil {
			return err
		}
		return w.judge()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRandomSchedules(t *testing.T) {
	if *replay != "" {
		seed, ops, err := decode(*replay)
		if err == nil {
			_, err = try(t, seed, ops)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	workers := runtime.GOMAXPROCS(0)
	if err := flag.Set("rapid.checks", strconv.Itoa(max(*schedules/workers/slower, 1))); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	fired, tried := map[string]int{}, 0
	t.Run("worker", func(t *testing.T) {
		for i := range workers {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(rt *rapid.T) {
					seed, ops := rapid.Uint64().Draw(rt, "seed"), anyOps.Draw(rt, "ops")
					f, err := try(t, seed, ops)
					mu.Lock()
					for k, n := range f {
						fired[k] += n
					}
					tried++
					mu.Unlock()
					if err != nil {
						rt.Fatalf("%v: %v\nto live through it again, as often as it takes: go test ./test/sim -run TestRandomSchedules -count 20 -replay %s",
							ops, err, encode(seed, ops))
					}
				})
			})
		}
	})
	t.Logf("%d schedules", tried)
	for _, name := range sorted(fired) {
		t.Logf("%7d %s", fired[name], name)
	}
	must := append(sorted(actions), "batches committed", "collection was quarantined", "lane was acquired again", "process was fenced", "broker answered with an error")
	for _, name := range must {
		if fired[name] == 0 && tried >= 100 {
			t.Errorf("in %d schedules nothing fired of: %s", tried, name)
		}
	}
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
