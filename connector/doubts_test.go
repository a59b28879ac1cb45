package connector

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A script is a source that answers by a function.
type script struct {
	f     func(q Query) Page
	asked []Query
}

func (s *script) Fetch(_ context.Context, q Query) (Page, error) {
	s.asked = append(s.asked, q)
	return s.f(q), nil
}

// A collector keeps what is staged.
type collector struct{ batches []Batch }

func (s *collector) Stage(_ context.Context, b *Batch) error {
	c := *b
	c.Changes, c.Letters = append([]Change(nil), b.Changes...), append([]Letter(nil), b.Letters...)
	c.Entries = append([]EntryChange(nil), b.Entries...)
	c.Doubts = append([]DoubtChange(nil), b.Doubts...)
	s.batches = append(s.batches, c)
	return nil
}

func (s *collector) Flush(context.Context) error { return nil }

func scripted(t *testing.T, set Settings, f func(q Query) Page) (*Reader, *script, *collector) {
	t.Helper()
	src, out := &script{f: f}, &collector{}
	world := &sim{p: simParams{stamp: 1, tick: 1}, now: 0, versions: map[string][]simVersion{}}
	r, err := NewReader(set, src, out, NewMemory(), simEnvOf(world), NewMetrics(prometheus.NewRegistry()).Collection("s", "c"))
	if err != nil {
		t.Fatal(err)
	}
	return r, src, out
}

func row(id string, at Instant, h byte) Record {
	return Record{ID: id, Instant: at, Stamp: at.String(), Hash: Hash{h}, Value: []byte(fmt.Sprint(id, h))}
}

const sec = Instant(1_000_000)

// Two machines of an API, whole seconds: the clock steps back while a doubt is looked at.
func TestADoubtIsNotDroppedWhenTheServersClockStepsBack(t *testing.T) {
	for _, probe := range []int{0, 10} {
		date := 10000 * sec
		cur := row("a", 9000*sec, 2)
		rows := []Record{row("b", 9500*sec, 1)}
		dates := []Instant{}
		set := Settings{Tick: time.Second, Paged: true, Probe: probe, Overlap: 5 * time.Second, Lookback: 300 * time.Second, Start: Start{At: Beginning}}
		r, _, _ := scripted(t, set, func(q Query) Page {
			d := date
			if len(dates) > 0 {
				d, dates = dates[0], dates[1:]
			}
			p := Page{Date: d, Total: -1, Last: true}
			if len(q.IDs) > 0 {
				p.Records = []Record{cur, rows[0]}
				return p
			}
			for _, x := range append([]Record{cur}, rows...) {
				if x.Instant >= q.From && x.Instant < q.To {
					p.Records = append(p.Records, x)
				}
			}
			return p
		})
		ctx := t.Context()
		if err := r.Pull(ctx); err != nil {
			t.Fatal(err)
		}
		// An import backdates a: older stamp, other content
		r.mem.Doubts["a"] = Doubt{Since: 10000 * sec, At: 8000 * sec}
		cur = row("a", 8000*sec, 3)
		// The head's answer is a lookback after the doubt arose, the look's a second before.
		date = 10299 * sec
		dates = []Instant{10300 * sec} // head
		if err := r.Pull(ctx); err != nil {
			t.Fatal(err)
		}
		e, _ := r.mem.Ledger.Get("a")
		_, doubted := r.mem.Doubts["a"]
		if !doubted && e.Hash[0] != 3 {
			t.Errorf("probe %d: the doubt is gone and the truth was not published", probe)
		}
	}
}

func TestABadRecordInATieThatTheAPICountsIsPassedOver(t *testing.T) {
	set := Settings{Tick: time.Second, Paged: true, Overlap: 5 * time.Second, Lookback: 300 * time.Second, Start: Start{At: Beginning}, OnBadRecord: SkipBadRecord}
	all := []Record{row("a", sec, 1), row("b", sec, 1), row("c", sec, 1), row("d", sec, 1)}
	all[3].Bad = "its id is null"
	r, src, _ := scripted(t, set, func(q Query) Page {
		var in []Record
		for _, x := range all {
			if x.Instant >= q.From && x.Instant < q.To {
				in = append(in, x)
			}
		}
		from, to := min((q.Page-1)*2, len(in)), min(q.Page*2, len(in))
		return Page{Date: 1000 * sec, Records: append([]Record(nil), in[from:to]...), Total: len(in), Last: to == len(in)}
	})
	if err := r.Pull(t.Context()); err != nil {
		t.Errorf("after %d requests: %v", len(src.asked), err)
	}
}

// Some APIs show whole seconds and filter by more: >= T shows T − 1 s too.
func TestAGenerousBoundWithoutAnEndComesToAnEnd(t *testing.T) {
	set := Settings{Tick: time.Second, Paged: true, Overlap: 5 * time.Second, Lookback: 300 * time.Second, Start: Start{At: Beginning}}
	all := []Record{row("a", 10*sec, 1), row("b", 20*sec, 1)}
	r, src, _ := scripted(t, set, func(q Query) Page {
		var in []Record
		for _, x := range all {
			if (q.From == Beginning || x.Instant >= q.From-sec) && x.Instant < q.To {
				in = append(in, x)
			}
		}
		from, to := min((q.Page-1)*2, len(in)), min(q.Page*2, len(in))
		return Page{Date: 1000 * sec, Records: append([]Record(nil), in[from:to]...), Total: -1}
	})
	if err := r.Pull(t.Context()); err != nil {
		t.Errorf("after %d requests: %v", len(src.asked), err)
	}
}

func TestAProbeThatShowsARecordTooYoungForSettleIsNoSignOfItsDeletion(t *testing.T) {
	date := 10000 * sec
	set := Settings{Tick: time.Second, Paged: true, Probe: 10, Settle: 60 * time.Second, Overlap: 5 * time.Second, Lookback: 300 * time.Second, Start: Start{At: Beginning}}
	all := []Record{row("b", 8000*sec, 1), row("a", 9000*sec, 1)}
	r, _, out := scripted(t, set, func(q Query) Page {
		p := Page{Date: date, Total: -1, Last: true}
		for _, x := range all {
			if len(q.IDs) > 0 || (x.Instant >= q.From && x.Instant < q.To) {
				p.Records = append(p.Records, x)
			}
		}
		return p
	})
	ctx := t.Context()
	if err := r.Pull(ctx); err != nil {
		t.Fatal(err)
	}
	r.mem.Doubts["a"] = Doubt{Since: date, At: 8000 * sec}
	for i := range 3 {
		date += 301 * sec
		all[1] = row("a", date-sec, byte(10+i)) // is alive, and written to every few seconds
		if err := r.Pull(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range out.batches {
		for _, c := range b.Changes {
			if c.Value == nil {
				t.Errorf("tombstone of %s, which is alive", c.ID)
			}
		}
	}
}
