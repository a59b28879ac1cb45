package connector

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// An import backdates nine records; the API shows two of those that a probe asks for.
func TestAProbeThatIsCutDeletesNothing(t *testing.T) {
	for _, one := range []bool{true, false} {
		date := 10000 * sec
		var live []Record
		for i := range 9 {
			live = append(live, row(fmt.Sprint("r", i), (9000+Instant(i))*sec, 1))
		}
		set := Settings{Tick: time.Second, Paged: true, Probe: 10, Overlap: 5 * time.Second, Lookback: 300 * time.Second, Start: Start{At: Beginning}}
		gone := map[string]bool{}
		r, _, out := scripted(t, set, func(q Query) Page {
			p := Page{Date: date, Total: -1, Last: len(q.IDs) == 0}
			for _, x := range live {
				switch {
				case gone[x.ID]:
				case len(q.IDs) > 0:
					if slices.Contains(q.IDs, x.ID) && len(p.Records) < 2 {
						p.Records = append(p.Records, x)
					}
				case x.Instant >= q.From && x.Instant < q.To:
					p.Records = append(p.Records, x)
				}
			}
			return p
		})
		if err := r.Pull(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range live {
			live[i] = row(live[i].ID, (8000+Instant(i))*sec, 2)
			r.mem.Doubts[live[i].ID] = Doubt{Since: 10000 * sec, At: live[i].Instant}
		}
		live = append(live, row("z", 9999*sec, 1))
		gone["r4"] = one // in truth
		for range 4 {
			date += 400 * sec
			if err := r.Pull(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		deleted := map[string]bool{}
		for _, b := range out.batches {
			for _, c := range b.Changes {
				if deleted[c.ID] = c.Value == nil; deleted[c.ID] && !gone[c.ID] {
					t.Errorf("a tombstone for %s, which is alive", c.ID)
				}
			}
		}
		if deleted["r4"] != gone["r4"] {
			t.Error("the one that is gone was not deleted")
		}
	}
}
