package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestNothingIsFoundInWhatTheSinkPublished(t *testing.T) {
	for _, partitions := range []int32{1, 5} {
		r := newWorld(t, partitions).filled().verify()
		if !r.OK || len(r.Findings) != 0 || len(r.Collections) != 1 {
			t.Fatalf("%d partitions:\n%s", partitions, r.text())
		}
		c := r.Collections[0]
		if c.Seq != 4 || c.Live != 19 || c.Agreed != 19 || c.Marks != 1 || c.Records != 31 || c.Tombstones != 1 || c.Whole != 4 || c.Unjudged != 0 || c.Changed != 0 {
			t.Errorf("%d partitions: %+v", partitions, c)
		}
	}
}

// header returns the record with one header replaced.
func header(r *kgo.Record, name, value string) *kgo.Record {
	again := *r
	again.Headers = slices.Clone(r.Headers)
	for i := range again.Headers {
		if again.Headers[i].Key == name {
			again.Headers[i].Value = []byte(value)
		}
	}
	return &again
}

func in(r *kgo.Record, partition int32) *kgo.Record {
	again := *r
	again.Partition = partition
	return &again
}

func valued(r *kgo.Record, value string) *kgo.Record {
	again := *r
	again.Value = []byte(value)
	return &again
}

func digestOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:16])
}

// at makes a record one of batch seq, alone in it.
func at(r *kgo.Record, seq int) *kgo.Record {
	return header(header(r, "tributary_batch", fmt.Sprintf("%d.0.1", seq)), "ce_id", fmt.Sprintf("%d.0", seq))
}

// deletion makes a tombstone with headers as the sink writes them.
func deletion(r *kgo.Record, seq int) *kgo.Record {
	again := header(at(r, seq), "ce_type", "crm.people.deleted")
	again.Value = nil
	again.Headers = slices.DeleteFunc(again.Headers, func(h kgo.RecordHeader) bool {
		return h.Key == "content-type" || h.Key == "tributary_digest" || h.Key == "tributary_hash"
	})
	return again
}

func entryKey(id string) []byte { return fmt.Appendf(nil, `["v1","entry","crm","people",%q]`, id) }

func (w *world) entry(id string) *kgo.Record { return w.record(offsetsTopic, string(entryKey(id))) }

func TestWhatWasTamperedWithIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		partitions int32
		do         func(w *world)
		// findings are checks and keys of which each must be listed; a check behind "" must
		// find nothing.
		findings []string
	}{
		"a key deleted by a tombstone without headers": {1, func(w *world) {
			w.forge(&kgo.Record{Topic: dataTopic, Key: []byte("k5")})
		}, []string{CheckHeaders, "k5", CheckMissing, "k5"}},
		"a key deleted by a tombstone of the last batch": {1, func(w *world) {
			w.forge(deletion(w.record(dataTopic, "k5"), 4))
		}, []string{CheckOrder, "k5", CheckMissing, "k5"}},
		"a key deleted by a tombstone of a batch to come": {1, func(w *world) {
			w.forge(deletion(w.record(dataTopic, "k5"), 5))
		}, []string{CheckAhead, "k5"}},
		"the log cut below": {1, func(w *world) {
			offsets := kadm.Offsets{}
			offsets.Add(kadm.Offset{Topic: dataTopic, At: w.record(dataTopic, "k19").Offset - 1})
			if _, err := kadm.NewClient(w.client()).DeleteRecords(w.t.Context(), offsets); err != nil {
				w.t.Fatal(err)
			}
		}, []string{CheckMissing, "k0", CheckMissing, "k17", "", CheckBatch}},
		"a key added without headers": {1, func(w *world) {
			w.forge(&kgo.Record{Topic: dataTopic, Key: []byte("new"), Value: []byte("{}")})
		}, []string{CheckHeaders, "new", CheckExtra, "new"}},
		"a key added with headers of another": {1, func(w *world) {
			r := *w.record(dataTopic, "k19")
			r.Key = []byte("new")
			w.forge(&r)
		}, []string{CheckHeaders, "new", CheckOrder, "new", CheckExtra, "new"}},
		"a value altered under its old digest": {1, func(w *world) {
			w.forge(valued(w.record(dataTopic, "k5"), "{}"))
		}, []string{CheckDigest, "k5"}},
		"a value altered with digest and hash": {1, func(w *world) {
			r := header(valued(w.record(dataTopic, "k5"), "{}"), "tributary_digest", digestOf("{}"))
			w.forge(header(r, "tributary_hash", "1."+strings.Repeat("ab", 16)))
		}, []string{CheckOrder, "k5", CheckDiffers, "k5"}},
		"a record repeated": {1, func(w *world) {
			w.forge(w.record(dataTopic, "k5"))
		}, []string{CheckOrder, "k5"}},
		"the last record repeated": {1, func(w *world) {
			w.forge(w.record(dataTopic, "k19"))
		}, []string{CheckOrder, "k19"}},
		"a key in two partitions": {5, func(w *world) {
			r := w.record(dataTopic, "k5")
			w.forge(in(r, (r.Partition+1)%5))
		}, []string{CheckPartition, "k5"}},
		"an entry changed": {1, func(w *world) {
			r := w.entry("k5")
			r.Value = slices.Clone(r.Value)
			r.Value[27]++
			w.forge(r)
		}, []string{CheckSum, "", CheckDiffers, "k5"}},
		"an entry removed": {1, func(w *world) {
			r := w.entry("k5")
			r.Value = nil
			w.forge(r)
		}, []string{CheckSum, "", CheckExtra, "k5"}},
		"an entry added": {1, func(w *world) {
			r := w.entry("k5")
			r.Key = entryKey("new")
			w.forge(r)
		}, []string{CheckSum, "", CheckMissing, "new"}},
		"a state set back": {1, func(w *world) {
			r := w.record(offsetsTopic, `["v1","state","crm","people"]`)
			r.Value = bytes.Replace(r.Value, []byte(`"seq":4`), []byte(`"seq":3`), 1)
			w.forge(r)
		}, []string{CheckAhead, "k10", CheckMissing, "k10"}},
		"a state removed": {1, func(w *world) {
			r := w.record(offsetsTopic, `["v1","state","crm","people"]`)
			r.Value = nil
			w.forge(r)
		}, []string{CheckState, ""}},
		"a command interrupted": {1, func(w *world) {
			r := w.record(offsetsTopic, `["v1","state","crm","people"]`)
			r.Value = append(bytes.TrimSuffix(slices.Clone(r.Value), []byte("}")), `,"partial":"state import"}`...)
			w.forge(r)
		}, []string{CheckState, "", "", CheckSum, "", CheckDecode}},
		"a record of the offsets topic that nobody understands": {1, func(w *world) {
			w.forge(&kgo.Record{Topic: offsetsTopic, Key: []byte("hello"), Value: []byte("x")})
		}, []string{CheckDecode, "hello"}},
		"an entry of another version": {1, func(w *world) {
			w.forge(&kgo.Record{Topic: offsetsTopic, Key: entryKey("k5"), Value: []byte{9}})
		}, []string{CheckDecode, string(entryKey("k5"))}},
		"the topic made again": {1, func(w *world) {
			adm := kadm.NewClient(w.client())
			if _, err := adm.DeleteTopic(w.t.Context(), dataTopic); err != nil {
				w.t.Fatal(err)
			}
			if _, err := adm.CreateTopic(w.t.Context(), 1, 1, nil, dataTopic); err != nil {
				w.t.Fatal(err)
			}
		}, []string{CheckTopic, "", CheckMissing, "k5"}},
		"the topic deleted": {1, func(w *world) {
			if _, err := kadm.NewClient(w.client()).DeleteTopic(w.t.Context(), dataTopic); err != nil {
				w.t.Fatal(err)
			}
		}, []string{CheckTopic, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.partitions).filled()
			c.do(w)
			r := w.verify()
			if r.OK {
				t.Error("it is ok")
			}
			for i := 0; i < len(c.findings); i += 2 {
				check, key := c.findings[i], c.findings[i+1]
				if check == "" && r.Counts[key] > 0 || check != "" && !r.found(check, key) {
					t.Errorf("finding %q of key %q in\n%s", check, key, r.text())
				}
			}
		})
	}
}

func TestAFindingSaysWhereItLies(t *testing.T) {
	w := newWorld(t, 5).filled()
	good := w.record(dataTopic, "k5")
	w.forge(header(good, "tributary_hash", "1."+strings.Repeat("ab", 16)))
	bad := w.record(dataTopic, "k5")
	r := w.verify()
	at := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Check == CheckDiffers })
	if at < 0 {
		t.Fatal(r.text())
	}
	f := r.Findings[at]
	if f.Source != "crm" || f.Collection != "people" || f.Topic != dataTopic || f.Partition != bad.Partition || f.Offset != bad.Offset || f.Offset <= good.Offset || f.Key != "k5" {
		t.Errorf("%+v, the record is in partition %d at offset %d", f, bad.Partition, bad.Offset)
	}
}

// A ledger that does not add up where it was read first is read on, and no finding if it
// adds up there.
func TestALedgerIsLookedAtAgain(t *testing.T) {
	w := newWorld(t, 1).filled()
	good := w.entry("k5")
	bad := *good
	bad.Value = append(slices.Clone(good.Value[:27]), good.Value[27]^1)
	w.forge(&bad)
	mended := false
	r := w.verify(func(o *Options) {
		o.Progress = func(p Progress) {
			if !mended {
				mended = true
				w.forge(good)
			}
		}
	})
	if !r.OK || !mended {
		t.Error(r.text())
	}
}

func TestAPartKnowsWhereItsLogHasGaps(t *testing.T) {
	p := newPart(&verifier{}, dataTopic, 0)
	hole := func(from, to int64) { p.tail.Hole(from, to) }
	step := func(offset int64) bool {
		p.gap = false
		p.step(offset)
		return p.gap
	}
	if step(0) || step(1) {
		t.Error("a gap between 0 and 1")
	}
	if step(5) {
		t.Error("markers and aborted records are no gap")
	}
	hole(6, 7)
	hole(10, 19) // a batch that has lost some of its records
	for _, c := range []struct {
		offset int64
		gap    bool
	}{{8, true}, {9, false}, {10, false}, {12, true}, {13, false}, {25, true}, {26, false}} {
		if got := step(c.offset); got != c.gap {
			t.Errorf("before %d: %v", c.offset, got)
		}
	}
	if p.holeAtEnd() {
		t.Error("a gap at the end")
	}
	hole(27, 28)
	if !p.holeAtEnd() {
		t.Error("no gap at the end")
	}
	cut := newPart(&verifier{}, dataTopic, 0)
	cut.tail.Start = 7
	if cut.step(7); !cut.gap || !cut.cut {
		t.Error("no gap at the beginning of a log that was cut")
	}
	empty := newPart(&verifier{}, dataTopic, 0)
	empty.tail.Start = 7
	if !empty.holeAtEnd() {
		t.Error("no gap in a log that was emptied")
	}
}

// rewrite makes the data topic again with what keep leaves of it, and has the state name
// it.
func (w *world) rewrite(keep func(*kgo.Record) bool) {
	w.t.Helper()
	all := w.records(dataTopic)
	adm := kadm.NewClient(w.client())
	if _, err := adm.DeleteTopic(w.t.Context(), dataTopic); err != nil {
		w.t.Fatal(err)
	}
	if _, err := adm.CreateTopic(w.t.Context(), w.partitions, 1, nil, dataTopic); err != nil {
		w.t.Fatal(err)
	}
	d, err := adm.ListTopics(w.t.Context(), dataTopic)
	if err != nil {
		w.t.Fatal(err)
	}
	state := w.record(offsetsTopic, `["v1","state","crm","people"]`)
	id := d[dataTopic].ID
	from := bytes.Index(state.Value, []byte(`"topic_id":"`)) + len(`"topic_id":"`)
	state.Value = slices.Clone(state.Value)
	copy(state.Value[from:], hex.EncodeToString(id[:]))
	w.forge(state)
	w.forge(slices.DeleteFunc(all, func(r *kgo.Record) bool { return !keep(r) })...)
}

func batchOf(r *kgo.Record) string {
	for _, h := range r.Headers {
		if h.Key == "tributary_batch" {
			return string(h.Value)
		}
	}
	return ""
}

func TestWhatIsLeftOutIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		partitions int32
		out        func(*kgo.Record) bool
		findings   []string
	}{
		"nothing": {1, func(*kgo.Record) bool { return false }, nil},
		"a batch": {1, func(r *kgo.Record) bool { return strings.HasPrefix(batchOf(r), "4.") },
			[]string{CheckMissing, "k10", CheckMissing, "k19"}},
		"a record within a batch":             {1, func(r *kgo.Record) bool { return batchOf(r) == "2.5.10" }, []string{CheckBatch, "", CheckDiffers, "k5"}},
		"a record that was replaced":          {1, func(r *kgo.Record) bool { return batchOf(r) == "1.5.10" }, []string{CheckBatch, ""}},
		"the last record of the last batch":   {1, func(r *kgo.Record) bool { return batchOf(r) == "4.9.10" }, []string{CheckBatch, "", CheckMissing, "k19"}},
		"the first record of the first batch": {1, func(r *kgo.Record) bool { return batchOf(r) == "1.0.10" }, []string{CheckBatch, ""}},
		"a deletion":                          {1, func(r *kgo.Record) bool { return r.Value == nil }, []string{CheckExtra, "k3"}},
		"a record of five partitions":         {5, func(r *kgo.Record) bool { return batchOf(r) == "1.5.10" }, []string{CheckBatch, ""}},
		"nothing of five partitions":          {5, func(*kgo.Record) bool { return false }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.partitions).filled()
			w.rewrite(func(r *kgo.Record) bool { return !c.out(r) })
			r := w.verify()
			if r.OK != (c.findings == nil) {
				t.Fatalf("ok: %v\n%s", r.OK, r.text())
			}
			for i := 0; i < len(c.findings); i += 2 {
				if !r.found(c.findings[i], c.findings[i+1]) {
					t.Errorf("no finding %q of key %q in\n%s", c.findings[i], c.findings[i+1], r.text())
				}
			}
		})
	}
}
