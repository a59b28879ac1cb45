//go:build unix

package e2e

import (
	"testing"
	"time"
)

// The list is newest first, and what is written meanwhile moves to its front: it is walked,
// swept by walks, and the connector is killed in the middle of them.
func TestAnAPIThatCannotSortIsWalkedWhileItIsKilled(t *testing.T) {
	t.Parallel()
	h := removing()
	h.Backdate = 0
	r := hostileRig(t, 37, h)
	r.config.sources[0].collections = []string{"people"}
	r.set("order", "none")
	r.set("request", "{params: {sort_by: updated_at, sort_direction: DESC}}")
	r.set("echo", "null")
	r.set("deletions", swept)
	kills := r.killedEvery(4*time.Second, 60, 38, "people")
	if kills < 3 {
		t.Fatalf("killed %d times only", kills)
	}
	h = r.api.Hostility()
	r.api.Set(h.Calm())
	time.Sleep(h.Lateness)
	took := r.converge(r.oracle("people"), 3*lookback+soon)
	v := r.right("people")
	r.fired("hard_delete", "late", "per_page_cut")
	t.Logf("killed %d times; equal %s after the last write; %d hard deletions, %d tombstones in all; allowed: %v",
		kills, took.Round(100*time.Millisecond), r.api.Fired()["hard_delete"], v.Tombstones, v.Allowed)
}
