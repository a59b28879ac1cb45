package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/test/hostile"
)

const checkedFeed = `    deletions: {field: deleted_at, feed: {path: people/deleted, every: 1s, cursor: {field: deleted_at, from: "deleted_at[gte]", to: "deleted_at[lt]"%s},
      page: {size_param: per_page, size: 20, param: page, next: metadata.paging.next_page, total: null, count_params: null}%s}}`

// newFeedRig is a contractRig whose collection has a list of deletions, of n records.
func newFeedRig(t *testing.T, h hostile.Hostility, n int, cursor, more string) *contractRig {
	t.Helper()
	r := newContractRig(t, hostile.Hostility{}, fmt.Sprintf(checkedFeed, cursor, more))
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.config, []byte(strings.Replace(string(text), "    deletions: {field: deleted_at}\n", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		id := r.api.API.InsertAt("people", 1, hostile.Timing{Backdate: 50 * time.Minute})
		if r.api.API.WriteAt("people", hostile.Remove, hostile.Timing{Backdate: 40*time.Minute - time.Duration(i)*7654321*time.Microsecond}, id...) != 1 {
			t.Fatal("not removed")
		}
	}
	r.api.API.Set(h)
	return r
}

func TestCheckLooksAtTheListOfDeletionsToo(t *testing.T) {
	for _, c := range []struct {
		name         string
		hostility    hostile.Hostility
		removed      int
		cursor, more string
		rule, status string
		says         string
	}{
		{"a friendly one", hostile.Hostility{}, 60, "", "", "bound", "ok", "begins there"},
		{"what it tells of is gone", hostile.Hostility{}, 60, "", "", "events", "ok", "none of 5 records"},
		{"how often it is asked", hostile.Hostility{}, 60, "", "", "pace", "ok", "60 times a minute"},
		{"an empty one", hostile.Hostility{}, 0, "", "", "records", "note", "tells of no deletion"},
		{"a filter that is ignored", hostile.Hostility{IgnoreFilter: 1}, 60, "", "", "bound", "fail", "ignores the filter"},
		{"an order that is ignored", hostile.Hostility{IgnoreOrder: 1}, 60, "", "", "order", "fail", "`order`"},
		{"bounds of minutes", hostile.Hostility{BoundTick: time.Minute}, 60, "", "", "tick", "fail", "`cursor.tick: 1m`"},
		{"bounds of minutes that are configured", hostile.Hostility{BoundTick: time.Minute}, 60, ", tick: 1m", "", "tick", "ok", ""},
		{"an id that is not the record's", hostile.Hostility{}, 60, "", ", id: deleted_at", "events", "warn", "`id`"},
		{"a request that is refused", hostile.Hostility{}, 0, "", ", request: {method: POST}", "answer", "fail", "not heard of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			byRule, code, text := newFeedRig(t, c.hostility, c.removed, c.cursor, c.more).findings("0")
			got := byRule["feed."+c.rule]
			if got.Status != c.status || !strings.Contains(got.Found+got.Means+got.Remedy, c.says) {
				t.Errorf("want %s %s with %q\n%s", c.status, c.rule, c.says, text)
			}
			if bad := c.status == "warn" || c.status == "fail"; bad && code != exitCheck || c.hostility == (hostile.Hostility{}) && !bad && code != 0 {
				t.Errorf("exit code %d\n%s", code, text)
			}
		})
	}
}

func TestCheckSeesDeletionsThatAreToldLate(t *testing.T) {
	r := newFeedRig(t, hostile.Hostility{}, 3, "", "")
	// All the time there are deletions that turn visible long after their stamps: whenever
	// the two looks are, some come between them.
	ctx, stop := context.WithCancel(t.Context())
	var deleting sync.WaitGroup
	deleting.Go(func() {
		for sleep(ctx, time.Second) == nil {
			id := r.api.API.InsertAt("people", 1, hostile.Timing{Backdate: 50 * time.Minute})
			r.api.API.WriteAt("people", hostile.Remove, hostile.Timing{Backdate: 20 * time.Second}, id...)
		}
	})
	byRule, _, text := r.findings("3s")
	stop()
	deleting.Wait()
	if byRule["feed.late"].Status != "note" {
		t.Error(text)
	}
}
