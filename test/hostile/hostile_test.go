package hostile

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUnstableTiesLosePagesButNoRows(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	a.Insert("people", 3)
	c.t = c.t.Add(time.Second)
	a.Insert("people", 150)
	a.Set(Hostility{UnstableTies: true})
	seen := make(map[string]bool)
	differ := false
	for pass := range 20 {
		for _, n := range []string{"1", "2"} {
			p := get(t, a, ascending+"&page="+n)
			if want := map[string]int{"1": 100, "2": 53}[n]; len(p.Data) != want {
				t.Fatalf("page %s: %d rows", n, len(p.Data))
			}
			for i, r := range p.Data {
				if i > 0 && r.UpdatedAt.Before(p.Data[i-1].UpdatedAt) {
					t.Fatal("not ascending")
				}
				differ = differ || pass == 0 && n == "2" && seen[string(r.ID)]
				seen[string(r.ID)] = true
			}
		}
	}
	if len(seen) != 153 || !differ || a.Fired()["tie_shuffled"] == 0 {
		t.Errorf("%d records in 20 passes, second page repeats the first: %t, %v", len(seen), differ, a.Fired())
	}
	if p := get(t, a, "page=2&per_page=60"); len(p.Data) != 60 {
		t.Errorf("descending: %d rows", len(p.Data))
	}
}

func TestLateAndBackdated(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	id := a.Insert("people", 1)[0]
	other := a.Insert("people", 1)[0]
	c.t = c.t.Add(10 * time.Second)
	a.WriteAt("people", Update, Timing{Late: 3 * time.Second}, id)
	a.WriteAt("people", Update, Timing{Backdate: 15 * time.Second}, id, other)
	if got := get(t, a, ascending).ids(); got != "1.1 2.1" {
		t.Fatalf("before: %s", got)
	}
	c.t = c.t.Add(3 * time.Second)
	p := get(t, a, ascending)
	if got := p.ids(); got != "1.3 2.2" {
		t.Fatalf("after: %s", got)
	}
	vs := a.Versions("people", id)
	if !vs[2].Stamp.Before(vs[0].Stamp) || vs[1].VisibleFrom.After(vs[2].VisibleFrom) {
		t.Errorf("versions: %+v", vs)
	}
	if f := a.Fired(); f["late"] != 3 || f["backdated"] != 2 || f["bulk"] != 1 {
		t.Errorf("fired: %v", f)
	}
	a.WriteAt("people", Delete, Timing{Late: time.Hour}, id)
	a.Quiesce()
	if v := a.Truth("people")[id]; !v.Deleted || v.Ver != 4 || get(t, a, ascending).Data[1].DeletedAt == nil {
		t.Errorf("quiesced: %+v", v)
	}
}

func TestStaleReplica(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	a.Set(Hostility{Stale: 1, ReplicaLag: 2 * time.Second})
	id := a.Insert("people", 1)[0]
	got := make(map[string]bool)
	for range 200 {
		c.t = c.t.Add(50 * time.Millisecond)
		a.Write("people", Update, id)
		p := get(t, a, ascending+"&ids[]=1")
		if len(p.Data) == 0 {
			continue
		}
		v, _ := a.Lookup("people", id, p.Data[0].Ver)
		next, ok := a.Lookup("people", id, v.Ver+1)
		if ok && c.t.Sub(next.VisibleFrom) > 2*time.Second {
			t.Fatalf("version %d was overwritten %s ago", v.Ver, c.t.Sub(next.VisibleFrom))
		}
		list := get(t, a, ascending)
		got[list.ids()] = true
	}
	if a.Fired()["stale"] < 100 || len(got) < 20 {
		t.Errorf("%v, %d answers", a.Fired(), len(got))
	}
	if n := len(a.collections["people"].roots); n > 200 {
		t.Errorf("%d snapshots are kept", n)
	}
	a.Set(Hostility{})
	if p := get(t, a, ascending); p.Data[0].Ver != 201 {
		t.Errorf("the present: %s", p.ids())
	}
}

func TestPrecisionAndBounds(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	a.Set(Hostility{StampPrecision: time.Second, BoundTick: time.Minute, MaxPerPage: 2, MixedOffsets: true})
	a.Insert("people", 5)
	p := get(t, a, ascending+"&updated_at[gte]=2026-01-02T03:04:59Z")
	if len(p.Data) != 2 || p.Metadata.Paging.PerPage != 2 || *p.Metadata.Paging.NextPage != 2 {
		t.Errorf("%+v", p)
	}
	if want := c.t.Truncate(time.Second); !p.Data[0].UpdatedAt.Equal(want) {
		t.Errorf("stamp %s, want %s", p.Data[0].UpdatedAt, want)
	}
	a.Set(Hostility{ShownPrecision: time.Second})
	a.Insert("people", 1)
	if got := get(t, a, ascending+"&updated_at[gte]=2026-01-02T03:04:05.5Z").ids(); got != "6.1" {
		t.Errorf("finer than shown: %s", got)
	}
	f := a.Fired()
	if f["per_page_cut"] != 1 || f["bound_floored"] != 1 || f["stamp_floored"] != 5 {
		t.Errorf("fired: %v", f)
	}
}

func TestIgnoredFilterAndOrder(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	a.Insert("people", 1)
	c.t = c.t.Add(time.Hour)
	a.Insert("people", 1)
	for _, lie := range []bool{false, true} {
		a.Set(Hostility{IgnoreFilter: 1, IgnoreOrder: 1, LyingEcho: lie})
		p := get(t, a, ascending+"&updated_at[gte]=2026-01-02T04:00:00Z")
		if p.ids() != "2.1 1.1" {
			t.Errorf("rows %s", p.ids())
		}
		if echoed := p.Metadata.Filtering["updated_at"] != nil && strings.HasPrefix(p.Metadata.Sorting["sort_direction"], "ASC"); echoed != lie {
			t.Errorf("lying %t: %+v", lie, p.Metadata)
		}
	}
	if f := a.Fired(); f["filter_ignored"] != 2 || f["order_ignored"] != 2 {
		t.Errorf("fired: %v", f)
	}
}

func TestContentAndRecreation(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	id := a.Insert("people", 1)[0]
	a.Write("people", Touch, id)
	a.Write("people", Update, id)
	c.t = c.t.Add(time.Second)
	if !a.Recreate("people", id, 10*time.Millisecond) || a.Write("people", Insert, id) != 0 {
		t.Fatal("not re-created")
	}
	if p := get(t, a, ascending); p.Data[0].DeletedAt == nil {
		t.Error("the deletion is not shown first")
	}
	c.t = c.t.Add(10 * time.Millisecond)
	vs := a.Versions("people", id)
	if vs[0].Content != vs[1].Content || vs[1].Content == vs[2].Content || vs[4].Content != vs[2].Content || !vs[3].Stamp.Equal(vs[4].Stamp) {
		t.Errorf("%+v", vs)
	}
	if strip(t, vs[0].Body) != strip(t, vs[1].Body) || strip(t, vs[2].Body) != strip(t, vs[4].Body) || strip(t, vs[1].Body) == strip(t, vs[2].Body) {
		t.Error("equal contents differ, or different ones do not")
	}
	a.Write("people", Remove, id)
	if p := get(t, a, ascending); len(p.Data) != 0 || len(a.Truth("people")) != 0 {
		t.Errorf("removed: %s", p.ids())
	}
}

// strip returns a body without the fields that a touch changes.
func strip(t *testing.T, body []byte) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range Excluded() {
		delete(m, name)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriterFiresEverything(t *testing.T) {
	t.Parallel()
	a, c := setup(t)
	h := Nasty(5 * time.Second)
	if least := h.MinLookback(); least > 5*time.Second {
		t.Errorf("Nasty(5s) needs a lookback of %s", least)
	}
	h.Writes.Remove = 1
	a.Set(h)
	w := NewWriter(a, 1, 0)
	for range 3000 {
		c.t = c.t.Add(3 * time.Millisecond)
		w.Step()
	}
	a.Set(h.Calm())
	a.Quiesce()
	f := a.Fired()
	for _, name := range []string{"late", "backdated", "bulk", "touch", "revert", "soft_delete", "hard_delete", "recreate"} {
		if f[name] == 0 {
			t.Errorf("%s never fired: %v", name, f)
		}
	}
	// What is listed is the truth, in order, and no version came before its forerunner.
	listed := 0
	for n := 1; ; n++ {
		p := get(t, a, ascending+"&page="+itoa(n))
		for i, r := range p.Data {
			if v := a.Truth("people")[string(r.ID)]; i == 0 && v.Ver != r.Ver {
				t.Fatalf("record %s: version %d is listed, %d is true", r.ID, r.Ver, v.Ver)
			}
		}
		listed += len(p.Data)
		if p.Metadata.Paging.NextPage == nil {
			break
		}
	}
	if want := len(a.Truth("people")); listed != want {
		t.Errorf("%d listed, %d true", listed, want)
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	srv, err := Start(Config{Collections: []string{"people", "accounts"}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	h := Nasty(1500 * time.Millisecond)
	h.Throttle, h.ServerError, h.HTML, h.CutBody, h.SecondDocument, h.Hang, h.Reset = 0, 0, 0, 0, 0, 0, 0
	h.Latency = time.Millisecond
	srv.API.Set(h)
	srv.API.Insert("people", 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { NewWriter(srv.API, uint64(i), 500).Run(ctx) })
	}
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				get(t, srv.API, ascending+"&page=2")
				srv.API.Fired()
			}
		})
	}
	wg.Wait()
	srv.API.Quiesce()
	if n := len(srv.API.Responses()); n == 0 || len(srv.API.History("people")) < 1010 {
		t.Errorf("%d responses, %d versions", n, len(srv.API.History("people")))
	}
}
