package oracle

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// busy is a trace of twenty polls of an API that does a bit of everything.
func busy(t *testing.T) *trace {
	t.Helper()
	tr := newTrace("people")
	tr.api.Set(hostile.Hostility{
		Late: 0.2, Lateness: 3 * time.Second, Backdate: 0.2, MaxBackdate: 3 * time.Second,
		Writes: hostile.Mix{Insert: 4, Update: 8, Touch: 4, Revert: 1, Delete: 4, Undelete: 2, Bulk: 1, BulkSize: 5, Recreate: 1, Remove: 0},
	})
	w := hostile.NewWriter(tr.api, 9, 0)
	tr.api.Insert("people", 30)
	for range 20 {
		for range 12 {
			*tr.clock = tr.clock.Add(100 * time.Millisecond)
			w.Step()
		}
		tr.record(t)
	}
	// One never seen in between: what a mutant may claim to have read.
	tr.api.Write("people", hostile.Update, tr.pick(t, func(it item, v hostile.Version) bool { return it.value != nil && !v.Deleted }))
	tr.api.Quiesce()
	tr.record(t)
	return tr
}

// pick returns the key of a record whose last published state and truth satisfy ok.
func (tr *trace) pick(t *testing.T, ok func(item, hostile.Version) bool) string {
	t.Helper()
	for _, v := range tr.api.History("people") {
		truth, listed := tr.api.Truth("people")[v.ID]
		if it, known := tr.last[v.ID]; known && listed && ok(it, truth) {
			return v.ID
		}
	}
	t.Fatal("the trace has no such record")
	return ""
}

// where returns the places of the items that satisfy ok.
func (tr *trace) where(ok func(item) bool) (places [][2]int) {
	for b, batch := range tr.batches {
		for i, it := range batch {
			if ok(it) {
				places = append(places, [2]int{b, i})
			}
		}
	}
	return places
}

func (tr *trace) at(p [2]int) *item { return &tr.batches[p[0]][p[1]] }

func (tr *trace) drop(p [2]int) {
	tr.batches[p[0]] = slices.Delete(tr.batches[p[0]], p[1], p[1]+1)
}

func (tr *trace) then(items ...item) { tr.batches = append(tr.batches, items) }

// final returns the place of what was published last of a key.
func (tr *trace) final(key string) [2]int {
	places := tr.where(func(it item) bool { return it.key == key })
	return places[len(places)-1]
}

func liveNow(it item, v hostile.Version) bool { return it.value != nil && !v.Deleted }
func deadNow(it item, _ hostile.Version) bool { return it.value == nil }

func TestMutants(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	for _, tc := range []struct {
		name   string
		want   Kind
		mutate func(t *testing.T, tr *trace)
		sealed func(batches [][]*kgo.Record) [][]*kgo.Record
	}{
		{name: "right"},
		{name: "drop one", want: Lost, mutate: func(t *testing.T, tr *trace) { tr.drop(tr.final(tr.pick(t, liveNow))) }},
		{name: "drop the last update", want: Lost, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, func(it item, v hostile.Version) bool {
				return liveNow(it, v) && len(tr.where(func(o item) bool { return o.key == it.key && o.value != nil })) > 2
			})
			tr.drop(tr.final(id))
		}},
		{name: "duplicate one", want: Twice, mutate: func(t *testing.T, tr *trace) { tr.then(*tr.at(tr.final(tr.pick(t, liveNow)))) }},
		{name: "tombstone twice", want: Twice, mutate: func(t *testing.T, tr *trace) { tr.then(*tr.at(tr.final(tr.pick(t, deadNow)))) }},
		{name: "swap two of a key", want: Reordered, mutate: swapTwo},
		{name: "resurrect", want: Resurrected, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, deadNow)
			tr.then(*tr.at(tr.where(func(it item) bool { return it.key == id && it.value != nil })[0]))
		}},
		{name: "deleted version alive", want: Resurrected, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, deadNow)
			p := tr.at(tr.final(id))
			*p = tr.version(t, id, p.ver)
		}},
		{name: "tombstone missing", want: Undeleted, mutate: func(t *testing.T, tr *trace) { tr.drop(tr.final(tr.pick(t, deadNow))) }},
		{name: "tombstone of the living", want: Fabricated, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, func(it item, v hostile.Version) bool {
				return liveNow(it, v) && !slices.ContainsFunc(tr.api.Versions("people", v.ID), func(v hostile.Version) bool { return v.Deleted })
			})
			it := tr.last[id]
			it.value = nil
			tr.then(it)
		}},
		{name: "tombstone of the unpublished", want: Fabricated, mutate: func(t *testing.T, tr *trace) {
			tr.api.Insert("people", 1)
			tr.then(item{key: "4711", stamp: *tr.clock})
		}},
		{name: "older deletion again", want: Reordered, mutate: func(t *testing.T, tr *trace) {
			dead := tr.where(func(it item) bool { return it.value == nil && tr.last[it.key].value != nil })
			it := *tr.at(dead[0])
			tr.then(it)
		}},
		{name: "alter a byte", want: Fabricated, mutate: func(t *testing.T, tr *trace) {
			it := tr.at([2]int{3, 0})
			it.value = bytes.Replace(it.value, []byte("example.com"), []byte("exbmple.com"), 1)
		}},
		{name: "fabricate", want: Fabricated, mutate: func(t *testing.T, tr *trace) {
			it := *tr.at(tr.final(tr.pick(t, liveNow)))
			it.value = bytes.Replace(it.value, []byte(`"ver":`), []byte(`"ver":9`), 1)
			tr.then(it)
		}},
		{name: "never served", want: Fabricated, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, liveNow)
			tr.api.Write("people", hostile.Update, id)
			vs := tr.api.Versions("people", id)
			tr.then(tr.version(t, id, vs[len(vs)-1].Ver))
		}},
		{name: "publish a touch", want: Touch, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, liveNow)
			tr.api.Write("people", hostile.Touch, id)
			tr.record(t)
			vs := tr.api.Versions("people", id)
			tr.then(tr.version(t, id, vs[len(vs)-1].Ver))
		}},
		{name: "swap two batches", want: Torn, mutate: nil, sealed: func(b [][]*kgo.Record) [][]*kgo.Record {
			b[4], b[5] = b[5], b[4]
			return b
		}},
		{name: "cut one from a batch", want: Torn, sealed: func(b [][]*kgo.Record) [][]*kgo.Record {
			b[2] = b[2][1:]
			return b
		}},
		{name: "commit a batch again", want: Torn, sealed: func(b [][]*kgo.Record) [][]*kgo.Record { return append(b, b[len(b)-1]) }},
		{name: "change the partition", want: Split, sealed: func(b [][]*kgo.Record) [][]*kgo.Record {
			last := b[len(b)-1]
			last[len(last)-1].Partition = (last[len(last)-1].Partition + 1) % partitions
			return b
		}},
		{name: "alter a byte behind the digest", want: Digest, sealed: func(b [][]*kgo.Record) [][]*kgo.Record {
			b[0][0].Value = bytes.ToUpper(b[0][0].Value)
			return b
		}},
		{name: "no digest", want: Header, sealed: without("tributary_digest")},
		{name: "no batch", want: Header, sealed: without("tributary_batch")},
		{name: "wrong time", want: Header, mutate: func(t *testing.T, tr *trace) {
			it := tr.at([2]int{0, 0})
			it.stamp = it.stamp.Add(time.Second)
		}},
		{name: "one hash for two contents", want: Header, mutate: func(t *testing.T, tr *trace) {
			id := tr.pick(t, func(it item, v hostile.Version) bool {
				p := tr.where(func(o item) bool { return o.key == it.key })
				return len(p) > 1 && tr.at(p[0]).value != nil && tr.at(p[1]).value != nil
			})
			p := tr.where(func(it item) bool { return it.key == id })
			tr.at(p[1]).hash = tr.at(p[0]).hash
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr := busy(t)
			if tc.mutate != nil {
				tc.mutate(t, tr)
			}
			topic := strings.ReplaceAll(tc.name, " ", "-")
			batches := seal(topic, tr.batches)
			if tc.sealed != nil {
				batches = tc.sealed(batches)
			}
			k.publish(t, topic, batches, false)
			v := k.judge(t, tr.api, topic)
			if tc.want == "" && !v.OK() || tc.want != "" && v.Counts[tc.want] == 0 {
				t.Errorf("want %q:\n%s", tc.want, v)
			}
			if len(v.Allowed) > 0 || v.Unjudged > 0 {
				t.Errorf("let pass:\n%s", v)
			}
			if tc.want != "" && !strings.Contains(v.String(), string(tc.want)) {
				t.Errorf("not named:\n%s", v)
			}
		})
	}
}

// swapTwo swaps the first two live versions of a key that has them in a row.
func swapTwo(t *testing.T, tr *trace) {
	id := tr.pick(t, func(it item, v hostile.Version) bool {
		p := tr.where(func(o item) bool { return o.key == it.key })
		return len(p) > 1 && tr.at(p[0]).value != nil && tr.at(p[1]).value != nil
	})
	p := tr.where(func(it item) bool { return it.key == id })
	a, b := tr.at(p[0]), tr.at(p[1])
	*a, *b = *b, *a
}

// without returns a mutation that takes a header from one record.
func without(name string) func([][]*kgo.Record) [][]*kgo.Record {
	return func(b [][]*kgo.Record) [][]*kgo.Record {
		b[0][0].Headers = slices.DeleteFunc(b[0][0].Headers, func(h kgo.RecordHeader) bool { return h.Key == name })
		return b
	}
}
