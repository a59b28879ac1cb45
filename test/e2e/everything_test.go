//go:build unix

package e2e

import (
	"slices"
	"testing"
	"time"

	"tributary/test/hostile"
)

const lookback = 5 * time.Second

// busy is how much longer than it waits by its rules a connector may take, on a machine
// that has more to do.
const busy = 20 * time.Second

var three = []string{"people", "accounts", "notes"}

// everything is all of Nasty at once, as late and as far back as a lookback of 5 s
// covers.
func everything() hostile.Hostility {
	h := hostile.Nasty(lookback)
	h.Lateness = 1500 * time.Millisecond
	h.ReplicaLag = time.Second
	h.MaxBackdate = 1400 * time.Millisecond
	h.HangFor = 500 * time.Millisecond
	return h
}

// withoutStale is h without replicas that lag.
func withoutStale(h hostile.Hostility) hostile.Hostility {
	h.Stale, h.ReplicaLag = 0, 0
	return h
}

// hostileRig has three collections of 2,000 records.
func hostileRig(t *testing.T, seed uint64, h hostile.Hostility) *rig {
	t.Helper()
	if h.MinLookback() > lookback {
		t.Fatalf("the API needs a lookback of %s", h.MinLookback())
	}
	r := newRig(t, hostile.Config{Collections: three, Seed: seed, Token: "secret-of-the-test"})
	r.api.Set(hostile.Hostility{StampPrecision: h.StampPrecision, MixedOffsets: h.MixedOffsets})
	for _, c := range three {
		for i := range 2000 {
			r.api.InsertAt(c, 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*time.Second})
		}
	}
	r.api.Set(h)
	return r
}

// finish waits until the topics are what the API is, and judges. What was written last
// is read again a lookback and a half later at the latest, and what that contradicts is
// believed a lookback after that: three are enough where requests do not fail any more.
// Nothing may be published a lookback later either.
func (r *rig) finish(collections ...string) {
	r.t.Helper()
	r.provoke()
	h := r.api.Hostility()
	r.api.Set(h.Calm())
	time.Sleep(h.Lateness) // until then the API itself does not rest
	took := h.Lateness + r.converge(r.oracle(collections...), 3*lookback-h.Lateness+busy)
	first := r.right(collections...)
	time.Sleep(lookback)
	v := r.right(collections...)
	if v.Records != first.Records && !r.stale() {
		r.t.Errorf("%d records came after everything had been read", v.Records-first.Records)
	}
	if len(v.Allowed) > 0 && !r.stale() {
		r.t.Errorf("allowed without any stale answer: %v", v.Allowed)
	}
	r.t.Logf("equal %s after the last write; %d records, %d tombstones, %d batches of %d versions; allowed: %v",
		took.Round(10*time.Millisecond), v.Records, v.Tombstones, v.Batches, r.versions(collections), v.Allowed)
}

func (r *rig) stale() bool { return r.api.Fired()["stale"] > 0 }

func (r *rig) versions(collections []string) int {
	n := 0
	for _, c := range collections {
		n += len(r.api.History(c))
	}
	return n
}

// nasty are the names of what everything does.
var nasty = []string{
	"late", "backdated", "tie_shuffled", "per_page_cut", "throttled", "server_error", "html", "hang", "reset",
	"cut_body", "second_document", "touch", "revert", "soft_delete", "recreate", "bulk",
}

func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 1, everything())
	r.run()
	r.write(300, phase(), 11)
	r.finish(three...)
	r.fired(slices.Concat(nasty, []string{"stale"})...)
}

func TestEverythingWithoutStaleAnswersIsExact(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 2, withoutStale(everything()))
	r.run()
	r.write(300, phase(), 12)
	r.finish(three...)
	r.fired(nasty...)
}

func TestEverythingWithStampsOfWholeSecondsIsExact(t *testing.T) {
	t.Parallel()
	h := withoutStale(everything())
	h.StampPrecision = time.Second
	r := hostileRig(t, 3, h)
	r.set("cursor", "{tick: 1s}")
	r.run()
	r.write(300, phase(), 13)
	r.finish(three...)
	r.fired(append(nasty, "stamp_floored")...)
}
