//go:build unix

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tributary/test/hostile"
)

// removing is everything at once, and records that vanish without a word, of which some
// come back as they were.
func removing() hostile.Hostility {
	h := withoutStale(everything())
	h.Writes.Remove, h.Writes.Restore = 8, 3
	return h
}

const swept = "{field: deleted_at, sweep: {every: 3s, confirm: ids, max_ratio: 0.5, max_count: 2000, pages: 20}}"

// sweepsPassed waits for so many more sweeps of a collection that are believed.
func (p *process) sweepsPassed(collection string, more float64, within time.Duration) {
	p.t.Helper()
	passed := func() float64 {
		return p.metric("tributary_sweeps_total", "collection", collection, "outcome", "passed")
	}
	before := passed()
	eventually(p.t, within, fmt.Sprintf("%v more sweeps of %s pass", more, collection), func() bool { return passed() >= before+more })
}

// buried counts the tombstones in a topic.
func (r *rig) buried(collection string) (n int) {
	r.t.Helper()
	for _, rec := range r.records(r.topic(collection)) {
		if rec.Value == nil {
			n++
		}
	}
	return n
}

func TestWhatVanishesIsFoundWhileItIsKilled(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 31, removing())
	r.set("deletions", swept)
	kills := r.killedEvery(2*time.Second, 300, 32)
	if kills < 5 {
		t.Fatalf("killed %d times only", kills)
	}
	r.provoke()
	h := r.api.Hostility()
	r.api.Set(h.Calm())
	time.Sleep(h.Lateness)
	took := r.converge(r.oracle(three...), 3*lookback+soon)
	v := r.right(three...)
	r.fired(append(slices.Clone(nasty), "hard_delete", "restore")...)
	t.Logf("killed %d times; equal %s after the last write; %d hard deletions, %d restored, %d tombstones in all; allowed: %v",
		kills, took.Round(100*time.Millisecond), r.api.Fired()["hard_delete"], r.api.Fired()["restore"], v.Tombstones, v.Allowed)
}

func TestAListingThatIsCutInHalfDeletesNothingUntilAPersonSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}, Seed: 33})
	r.set("deletions", "{sweep: {every: 1s, confirm: ids, max_ratio: 0.2, max_count: 1000}}")
	r.set("lookback", "2s")
	var ids []string
	for i := range 600 {
		ids = append(ids, r.api.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*time.Second})...)
	}
	p := r.run()
	p.sweepsPassed("people", 1, soon)

	r.api.Set(hostile.Hostility{ListedShare: 0.5})
	p.says(soon, "sweep not believed", "300 of 600", "tributary sweep crm.people --approve")
	eventually(t, soon, "the metric tells of it", func() bool {
		return p.metric("tributary_sweep_guarded", "collection", "people") == 1
	})
	if guard := r.state().Collections[0].Sweep.Guard; guard == "" {
		t.Error("state show says nothing of the guard")
	}
	if code, out, _ := r.command("state", "show"); code != 0 || lineWith(out, "GUARD: crm.people", "tributary sweep crm.people --approve") == "" {
		t.Errorf("state show (%d) prints\n%s", code, out)
	}
	time.Sleep(5 * time.Second) // two lookbacks and more
	if n := r.buried("people"); n != 0 {
		t.Fatalf("%d tombstones by a listing that is cut", n)
	}

	// It shows everything again; and then half of it is gone in truth.
	r.api.Set(hostile.Hostility{})
	p.sweepsPassed("people", 1, soon)
	if p.metric("tributary_sweep_guarded", "collection", "people") != 0 {
		t.Error("the guard still stands")
	}
	r.api.Write("people", hostile.Remove, ids[:250]...)
	p.says(soon, "sweep not believed", "250 of 600")
	time.Sleep(3 * time.Second)
	if n := r.buried("people"); n != 0 {
		t.Fatalf("%d tombstones before anybody approved them", n)
	}
	if code, out, log := r.command("sweep", "crm.people", "--approve"); code != 0 || lineWith(out, "guards let it pass") == "" {
		t.Fatalf("sweep --approve ended with code %d: %s%s", code, out, log)
	}
	r.converge(r.oracle("people"), soon)
	if n := r.buried("people"); n != 250 {
		t.Errorf("%d tombstones, want 250", n)
	}
	p.running()
	if code, out, log := r.command("verify"); code != 0 {
		t.Errorf("verify ended with code %d: %s%s", code, out, log)
	}
	// One more is found by itself: the approval was for one sweep.
	r.api.Write("people", hostile.Remove, ids[300])
	r.converge(r.oracle("people"), soon)
	r.right("people")
	if code, out, log := r.command("verify"); code != 0 {
		t.Errorf("verify ended with code %d: %s%s", code, out, log)
	}
}

// A credential that sees a quarter of the records less shows them neither in the list nor
// by their ids: only the guard stands between it and their deletion.
func TestACredentialThatSeesLessDeletesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}, Seed: 34})
	r.set("deletions", "{sweep: {every: 1s}}")
	r.set("lookback", "2s")
	for i := range 400 {
		r.api.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*time.Second})
	}
	p := r.run()
	p.sweepsPassed("people", 1, soon)
	r.api.Set(hostile.Hostility{SeenShare: 0.75})
	p.says(soon, "sweep not believed", "100 of 400")
	time.Sleep(5 * time.Second)
	r.api.Set(hostile.Hostility{})
	p.sweepsPassed("people", 2, soon)
	if n := r.buried("people"); n != 0 {
		t.Errorf("%d tombstones", n)
	}
	r.right("people")
	r.fired("view_lost")
}

const feed = `{path: people/deleted, every: 500ms, cursor: {field: deleted_at, from: "deleted_at[gte]", to: "deleted_at[lt]"},
        page: {size_param: per_page, size: 100, param: page, next: metadata.paging.next_page}}`

// The list of deletions is all that tells of them: nothing sweeps.
func TestTheFeedOfDeletionsIsHeardWhileItIsKilled(t *testing.T) {
	t.Parallel()
	h := withoutStale(everything())
	h.Writes.Remove, h.Backdate = 8, 0
	r := hostileRig(t, 35, h)
	r.config.sources[0].collections = []string{"people"}
	r.set("deletions", "{field: deleted_at, sweep: none, feed: "+feed+"}")
	kills := r.killedEvery(2*time.Second, 150, 36, "people")
	h = r.api.Hostility()
	r.api.Set(h.Calm())
	time.Sleep(h.Lateness)
	took := r.converge(r.oracle("people"), 3*lookback+busy)
	v := r.right("people")
	r.fired("hard_delete", "feed")
	t.Logf("killed %d times; equal %s after the last write; %d hard deletions, %d tombstones in all; allowed: %v",
		kills, took.Round(100*time.Millisecond), r.api.Fired()["hard_delete"], v.Tombstones, v.Allowed)
}
