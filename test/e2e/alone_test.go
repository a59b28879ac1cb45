//go:build unix

package e2e

import (
	"testing"
	"time"

	"tributary/test/hostile"
)

// Each hostility alone, so that a failure has a name: 300 records, 100 writes a second
// for three seconds or more, a lookback of four. Fired names what the API must have done.
func TestEachHostilityAloneIsWithstood(t *testing.T) {
	t.Parallel()
	const (
		second = time.Second
		milli  = time.Millisecond
	)
	update := hostile.Mix{Insert: 1, Update: 4}
	for name, c := range map[string]struct {
		h     hostile.Hostility
		fired string
		tick  string
	}{
		"ties in another order at every request":      {hostile.Hostility{UnstableTies: true, Writes: hostile.Mix{Update: 20, Bulk: 1, BulkSize: 120}}, "tie_shuffled", "1us"},
		"records that turn visible late":              {hostile.Hostility{Late: 0.5, Lateness: 2 * second}, "late", "1us"},
		"stamps older than those they overwrite":      {hostile.Hostility{Backdate: 0.5, MaxBackdate: 2 * second}, "backdated", "1us"},
		"replicas that lag":                           {hostile.Hostility{Stale: 0.5, ReplicaLag: 1500 * milli}, "stale", "1us"},
		"pages that are cut":                          {hostile.Hostility{MaxPerPage: 7}, "per_page_cut", "1us"},
		"bounds of whole seconds":                     {hostile.Hostility{BoundTick: second}, "", "1s"},
		"stamps of whole seconds":                     {hostile.Hostility{StampPrecision: second}, "stamp_floored", "1s"},
		"stamps shown in seconds and kept in micro":   {hostile.Hostility{ShownPrecision: second, StampPrecision: 0}, "", "1s"},
		"stamps of changing offsets":                  {hostile.Hostility{MixedOffsets: true, Writes: hostile.Mix{Update: 1, Touch: 1}}, "touch", "1us"},
		"throttling":                                  {hostile.Hostility{Throttle: 0.2, RetryAfter: second}, "throttled", "1us"},
		"servers that fail":                           {hostile.Hostility{ServerError: 0.2}, "server_error", "1us"},
		"a login page":                                {hostile.Hostility{HTML: 0.2}, "html", "1us"},
		"bodies cut in the middle":                    {hostile.Hostility{CutBody: 0.2}, "cut_body", "1us"},
		"a second document behind the first":          {hostile.Hostility{SecondDocument: 0.2}, "second_document", "1us"},
		"answers that never come":                     {hostile.Hostility{Hang: 0.1, HangFor: second}, "hang", "1us"},
		"connections that are reset":                  {hostile.Hostility{Reset: 0.2}, "reset", "1us"},
		"answers that take long":                      {hostile.Hostility{Latency: 400 * milli}, "", "1us"},
		"updates of nothing that matters":             {hostile.Hostility{Writes: hostile.Mix{Update: 1, Touch: 3}}, "touch", "1us"},
		"contents that come back":                     {hostile.Hostility{Writes: hostile.Mix{Update: 2, Revert: 1}}, "revert", "1us"},
		"deletions and their undoing":                 {hostile.Hostility{Writes: hostile.Mix{Insert: 2, Update: 2, Delete: 2, Undelete: 1}}, "soft_delete", "1us"},
		"bulks of a page and a half with one stamp":   {hostile.Hostility{Writes: hostile.Mix{Update: 30, Bulk: 1, BulkSize: 150}}, "bulk", "1us"},
		"a record deleted and made again in one tick": {hostile.Hostility{Writes: hostile.Mix{Update: 2, Recreate: 1}}, "recreate", "1us"},
	} {
		if c.h.Writes == (hostile.Mix{}) {
			c.h.Writes = update
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hostile.Config{Collections: []string{"people"}, Seed: 7})
			r.set("lookback", "4s")
			r.set("cursor", "{tick: "+c.tick+"}")
			if need := c.h.MinLookback(); need > 4*time.Second {
				t.Fatalf("needs a lookback of %s", need)
			}
			r.api.Set(hostile.Hostility{StampPrecision: c.h.StampPrecision, ShownPrecision: c.h.ShownPrecision})
			for i := range 300 {
				r.api.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*time.Second})
			}
			r.api.Set(c.h)
			r.run().says(soon, `msg="caught up"`)
			for i := 0; i < 3 || i < 12 && c.fired != "" && r.api.Fired()[c.fired] == 0; i++ {
				r.write(100, time.Second, uint64(17+i))
			}
			took := r.converge(r.oracle("people"), 3*4*time.Second+busy)
			v := r.right("people")
			if c.fired != "" {
				r.fired(c.fired)
			}
			if len(v.Allowed) > 0 && !r.stale() {
				t.Errorf("allowed without any stale answer: %v", v.Allowed)
			}
			t.Logf("equal %s after the last write; %d records, %d tombstones of %d versions; allowed: %v",
				took.Round(10*time.Millisecond), v.Records, v.Tombstones, r.versions([]string{"people"}), v.Allowed)
		})
	}
}

// Bulk updates stamp thousands of records alike, and people go on editing them while
// they are read page by page.
func TestATieIsReadAlthoughItsRecordsGoOnChanging(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}, Seed: 8})
	r.api.InsertAt("people", 2000, hostile.Timing{Backdate: time.Hour})
	r.api.Set(hostile.Hostility{Latency: 20 * time.Millisecond, Writes: hostile.Mix{Update: 1}})
	began := time.Now()
	p := r.run()
	stop := r.writing(5, 18)
	p.says(soon, `msg="caught up"`) // while 5 a second change, and not because no more do
	t.Logf("the 2,000 of one tie were read in %d answers of 100 records", len(r.api.Responses()))
	time.Sleep(15*time.Second - time.Since(began))
	stop()
	t.Logf("equal %s after the last write", r.converge(r.oracle("people"), soon).Round(10*time.Millisecond))
}
