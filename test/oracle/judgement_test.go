package oracle

import (
	"math/rand/v2"
	"testing"
	"time"

	"tributary/test/hostile"
)

// A reader that makes no mistake must be found right, whatever the API does to it.
func TestARightReaderIsFoundRight(t *testing.T) {
	t.Parallel()
	allowed := make(map[Limit]int)
	fired := make(map[string]int)
	for seed := range uint64(8) {
		h := trouble(seed)
		if least := h.MinLookback(); least > lookback {
			t.Fatalf("seed %d needs a lookback of %s", seed, least)
		}
		v, api := followed(t, seed, h, "")
		if !v.OK() || h.Stale == 0 && len(v.Allowed) > 0 || v.Records < 200 {
			t.Errorf("seed %d:\n%s", seed, v)
		}
		for l, n := range v.Allowed {
			allowed[l] += n
		}
		for name, n := range api.Fired() {
			fired[name] += n
		}
	}
	if allowed[SameTick] == 0 || allowed[NewerStamp] == 0 || fired["stale"] == 0 || fired["backdated"] == 0 || fired["tie_shuffled"] == 0 {
		t.Errorf("the limits were not reached: %v, fired %v", allowed, fired)
	}
}

// A reader without one of the rules must be found wrong, and soon.
func TestWrongReadersAreFoundWrong(t *testing.T) {
	t.Parallel()
	for bug, kinds := range map[string][]Kind{
		"drops what is older":     {Lost, Undeleted},
		"believes what is older":  {Twice, Reordered, Resurrected},
		"leaves no marks":         {Resurrected},
		"does not drain":          {Lost, Undeleted},
		"has no trailing pass":    {Lost, Undeleted},
		"publishes touches":       {Touch},
		"skips the newest of all": {Lost},
	} {
		caught := false
		for seed := uint64(0); seed < 8 && !caught; seed++ {
			v, _ := followed(t, seed, trouble(seed), bug)
			for _, kind := range kinds {
				caught = caught || v.Counts[kind] > 0
			}
		}
		if !caught {
			t.Errorf("a reader that %s was found right", bug)
		}
	}
}

const lookback = 6 * time.Second

// trouble is what the API does under a seed: with and without replicas that lag,
// fine stamps and coarse ones.
func trouble(seed uint64) hostile.Hostility {
	h := hostile.Nasty(lookback)
	h.Throttle, h.ServerError, h.HTML, h.CutBody, h.SecondDocument, h.Hang, h.Reset = 0, 0, 0, 0, 0, 0, 0
	h.Stale = float64(seed%4) * 0.2
	h.Backdate, h.Writes.BulkSize = 0.3, 150
	if seed%8 > 3 {
		h.Lateness, h.MaxBackdate, h.StampPrecision, h.BoundTick = time.Second, time.Second, time.Second, time.Second
	}
	return h
}

// followed lets a reader follow an API for some seconds of its time, and then for
// as long as it may take.
func followed(t *testing.T, seed uint64, h hostile.Hostility, bug string) (*Verdict, *hostile.API) {
	t.Helper()
	tr := newTrace("people")
	tr.api.Set(h)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := hostile.NewWriter(tr.api, seed, 0)
	tr.api.Insert("people", 120)
	writing := true
	r := &reader{
		t: t, api: tr.api, bug: bug, lookback: lookback, tick: max(time.Microsecond, h.BoundTick, h.StampPrecision),
		o: &Oracle{
			cfg: Config{API: tr.api, Examples: 5}, found: newTally(5),
			topics: map[string]*topic{"t": {
				name: "t", collection: "people", partitions: map[int32]*partition{0: {}},
				keys: make(map[string]*key), open: make(map[int64]*batch), done: make(map[int64]bool),
			}},
		},
		ledger: make(map[string]entry), doubts: make(map[string]time.Time),
	}
	r.between = func() {
		*tr.clock = tr.clock.Add(time.Duration(rng.Int64N(int64(40 * time.Millisecond))))
		if writing && rng.IntN(2) == 0 {
			w.Step()
		}
	}
	began := *tr.clock
	for tr.clock.Sub(began) < 15*time.Second {
		r.pull()
		*tr.clock = tr.clock.Add(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
	}
	writing = false
	tr.api.Set(h.Calm())
	tr.api.Quiesce()
	for end := tr.clock.Add(4 * lookback); tr.clock.Before(end); *tr.clock = tr.clock.Add(300 * time.Millisecond) {
		r.pull()
	}
	return r.o.verdict(), tr.api
}
