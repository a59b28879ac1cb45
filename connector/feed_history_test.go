package connector

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// It was deleted and brought back as it was before anybody read the collection.
func TestTheHistoryOfAFeedDeletesNothingThatLives(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"with probes": func(set *Settings) { set.Probe = 10 },
		"with sweeps": func(set *Settings) { set.Probe, set.Sweeps.Every = 10, time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			h := hearingOf(t, change)
			h.events = append(h.events, Record{ID: "r3", Instant: 5000 * sec, Stamp: "x", Deleted: true})
			h.events = append(h.events, Record{ID: "r4", Instant: 6000 * sec, Stamp: "x", Deleted: true})
			for range 3 {
				h.pull(3)
				h.again()
			}
			if got := h.buried(); got != "" || h.mem.Ledger.Len() != 10 {
				t.Errorf("buried %q, %d live", got, h.mem.Ledger.Len())
			}
			h.remove("r4")
			h.events = append(h.events, Record{ID: "r4", Instant: h.shelf.date, Stamp: "x", Deleted: true})
			h.pull(1)
			if got := h.buried(); got != "r4" {
				t.Errorf("buried %q, and r4 was deleted", got)
			}
		})
	}
}

// The feed shows all of its events at each pull.
func TestAFeedThatCannotBeFilteredDeletesOnce(t *testing.T) {
	h := hearingOf(t, func(set *Settings) {
		set.Probe, set.Sweeps.Every = 10, time.Second
		set.Feed.Unordered, set.Feed.Unfiltered = true, true
	})
	h.pull(2)
	was := h.shelf.rows
	h.delete("r3", h.shelf.date)
	h.pull(3)
	h.shelf.rows = was
	h.delete("unknown", h.shelf.date)
	h.shelf.rows = was
	for range 10 {
		h.pull(1)
		h.delete(fmt.Sprint("unknown", h.shelf.date), h.shelf.date)
	}
	if got := h.buried(); got != "r3" || h.mem.Ledger.Len() != 10 {
		t.Errorf("buried %q, %d live", got, h.mem.Ledger.Len())
	}
}

// It came back with its old stamp, was found by its trailing pass, and then the connector
// was started again.
func TestAnEventOfAnEarlierLifeIsCheckedByAProbe(t *testing.T) {
	h := hearingOf(t, func(set *Settings) { set.Probe = 10 })
	h.pull(2)
	h.delete("r3", h.shelf.date)
	h.pull(1)
	h.shelf.rows = append(h.shelf.rows, row("r3", 103*sec, 1))
	h.mem.Ledger.Put("r3", Entry{Instant: 103 * sec, Hash: Hash{1}, Print: 1})
	h.again()
	h.pull(4)
	if got := h.buried(); got != "r3" {
		t.Errorf("buried %q", got)
	}
}

// A bulk of deletions within one tick, in an order that changes with each request.
func TestABulkOfDeletionsInNoOrderComesToRest(t *testing.T) {
	h := hearingOf(t, nil)
	h.size = 4
	rnd := rand.New(rand.NewPCG(1, 2))
	h.pull(1)
	for i := range 9 {
		h.delete(fmt.Sprint("r", i), 900_000*sec)
	}
	h.order = func(n int, swap func(i, j int)) { rnd.Shuffle(n, swap) }
	h.pull(2)
	if c := h.mem.State.Feed.Cursor.Instant; c < 900_000*sec {
		t.Errorf("the cursor of the feed is at %s", c)
	}
	if n := h.mem.Ledger.Len(); n != 1 {
		t.Errorf("%d live, buried %q", n, h.buried())
	}
}

func TestAFeedThatIgnoresTheNumberOfThePageIsStopped(t *testing.T) {
	h := hearingOf(t, nil)
	h.size = 4
	h.pull(1)
	for i := range 9 {
		h.delete(fmt.Sprint("r", i), 900_000*sec)
	}
	h.ignores = true
	h.shelf.date = h.shelf.date.Add(h.set.Lookback)
	h.now = h.now.Add(h.set.Lookback)
	err := h.Pull(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ignores the number of the page") {
		t.Errorf("got %v after %d requests", err, len(h.asked))
	}
}
