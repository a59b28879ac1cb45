//go:build unix

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// fleet is an API of many sources, each of many collections: one api for each, at
// /SOURCE/v2/COLLECTION/people. Its methods are safe for concurrent use.
type fleet struct {
	sources int
	all     []*fleetCollection

	requests atomic.Int64
	flying   atomic.Int64
	most     atomic.Int64 // flying at one time
	failing  atomic.Bool  // everything is answered with 503
}

type fleetCollection struct {
	*api

	mu    sync.Mutex
	shown []time.Time // when each published record was first answered with, by its index
}

// fleetRecords are in each collection at the beginning.
const fleetRecords = 3

func newFleet(n, sources int) *fleet {
	f := &fleet{sources: sources}
	for range n {
		f.all = append(f.all, &fleetCollection{api: newBackfillAPI(fleetRecords)})
	}
	return f
}

// source and name are those of the i-th collection, as config and topics have them.
func (f *fleet) source(i int) string { return fmt.Sprintf("account%02d", i%f.sources) }
func (f *fleet) name(i int) string   { return fmt.Sprintf("c%05d", i) }

// asked is how many collections were asked for since the last forget.
func (f *fleet) asked() (n int) {
	for _, c := range f.all {
		if c.api.asked.Load() != nil {
			n++
		}
	}
	return n
}

func (f *fleet) forget() {
	for _, c := range f.all {
		c.reset()
	}
	f.requests.Store(0)
	f.most.Store(0)
}

// ServeHTTP answers for one collection.
func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	flying := f.flying.Add(1)
	defer f.flying.Add(-1)
	for most := f.most.Load(); flying > most && !f.most.CompareAndSwap(most, flying); {
		most = f.most.Load()
	}
	name := strings.TrimSuffix(strings.TrimSuffix(r.URL.Path, ".json"), "/people")
	i, err := strconv.Atoi(strings.TrimPrefix(name[strings.LastIndexByte(name, '/')+1:], "c"))
	switch {
	case err != nil || i < 0 || i >= len(f.all):
		http.Error(w, `{"error":"not found"}`, http.StatusNotFound)
	case f.failing.Load():
		http.Error(w, `{"error":"down"}`, http.StatusServiceUnavailable)
	default:
		f.all[i].ServeHTTP(w, r)
	}
}

// ServeHTTP notes what is shown for the first time, before it is: a time taken from
// there is rather too long than too short.
func (c *fleetCollection) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.api.mu.RLock()
	n := len(c.api.visible)
	c.api.mu.RUnlock()
	c.mu.Lock()
	for now := time.Now(); len(c.shown) < n; {
		c.shown = append(c.shown, now)
	}
	c.mu.Unlock()
	c.api.ServeHTTP(w, r)
}

// shownAt returns when the i-th published record was first answered with.
func (c *fleetCollection) shownAt(i int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown[i]
}

// config is what a user would write for it: four lanes, the sources spread over them,
// intervals from one minute to two; but quick is polled every second.
func (f *fleet) config(brokers, api, listen string, quick int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `group: fleet
kafka:
  brokers: [%q]
offsets: {lanes: 4, replication: 1}
topics: {partitions: 1, replication: 1}
log: {format: text, level: info}
listen: %s
sources:
`, brokers, listen)
	for s := range f.sources {
		fmt.Fprintf(&b, `  - name: %s
    preset: salesloft
    url: %s/%[1]s/v2
    auth: {bearer: none}
    budget: {per_minute: 100000000, share: 1, window: none}
    deletions: none
    collections:
`, f.source(s), api)
		for i := s; i < len(f.all); i += f.sources {
			interval := fmt.Sprintf("%ds", 60+i*7919%61)
			if i == quick {
				interval = "1s"
			}
			fmt.Fprintf(&b, "      - {name: %s, path: %[1]s/people, interval: %s}\n", f.name(i), interval)
		}
	}
	return b.String()
}
