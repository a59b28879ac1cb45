//go:build unix

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// published has 40 people, of which some were updated and 3 was deleted: in three
// batches or more. The connector does not run any more.
func published(t *testing.T, partitions int) *rig {
	t.Helper()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.config.topics = fmt.Sprintf("{name: %q, replication: 1, partitions: %d}", r.prefix+".{source}.{collection}", partitions)
	ids := r.api.InsertAt("people", 40, hostile.Timing{Backdate: time.Minute})
	r.seed()
	r.api.Write("people", hostile.Update, ids[:10]...)
	r.api.Write("people", hostile.Delete, "3")
	r.seed()
	r.api.Insert("people", 10)
	r.seed()
	r.verifiesClean()
	return r
}

// last returns the last record of a key in a topic.
func (r *rig) last(topic, key string) *kgo.Record {
	r.t.Helper()
	all := r.records(topic)
	for _, rec := range slices.Backward(all) {
		if string(rec.Key) == key {
			return rec
		}
	}
	r.t.Fatalf("topic %s has no %s", topic, key)
	return nil
}

func (r *rig) entry(id string) *kgo.Record { return r.last(r.offsets(), entryKey(id)) }

func entryKey(id string) string { return fmt.Sprintf(`["v1","entry","crm","people",%q]`, id) }

const stateKey = `["v1","state","crm","people"]`

// forge writes records as nobody should, each to the partition that it names.
func (r *rig) forge(records ...*kgo.Record) {
	r.t.Helper()
	cl := r.broker.Client(r.t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, rec := range records {
		again := &kgo.Record{Topic: rec.Topic, Partition: rec.Partition, Key: rec.Key, Value: rec.Value, Headers: rec.Headers}
		if err := cl.ProduceSync(r.context(), again).FirstErr(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// with returns the record with another header, without one of no value.
func with(rec *kgo.Record, name, value string) *kgo.Record {
	again := *rec
	again.Headers = nil
	for _, h := range rec.Headers {
		if h.Key == name {
			h.Value = []byte(value)
		}
		if h.Key != name || value != "" {
			again.Headers = append(again.Headers, h)
		}
	}
	return &again
}

func valued(rec *kgo.Record, value string) *kgo.Record {
	again := *rec
	again.Value = []byte(value)
	return &again
}

// batchOf is what a record says of its batch.
func batchOf(rec *kgo.Record) (seq, i, n int) {
	for _, h := range rec.Headers {
		if h.Key == "tributary_batch" {
			fmt.Sscanf(string(h.Value), "%d.%d.%d", &seq, &i, &n)
		}
	}
	return seq, i, n
}

// tombstone forges the deletion of a record by headers as the connector writes them, as
// one more record of its batch.
func tombstone(rec *kgo.Record) *kgo.Record {
	again := with(with(with(rec, "content-type", ""), "tributary_digest", ""), "tributary_hash", "")
	again = with(again, "ce_type", "crm.people.deleted")
	again.Value = nil
	return again
}

// state returns the state record, its value changed.
func (r *rig) stateRecord(old, new string) *kgo.Record {
	r.t.Helper()
	rec := r.last(r.offsets(), stateKey)
	if !bytes.Contains(rec.Value, []byte(old)) {
		r.t.Fatalf("no %s in %s", old, rec.Value)
	}
	return valued(rec, strings.Replace(string(rec.Value), old, new, 1))
}

// cut deletes the records of a topic's one partition below an offset.
func (r *rig) cut(topic string, below int64) {
	r.t.Helper()
	// Of a topic that is only compacted Kafka deletes no records.
	policy := "compact,delete"
	altered, err := r.admin().AlterTopicConfigs(r.context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: &policy}}, topic)
	if err != nil || altered[0].Err != nil {
		r.t.Fatal(err, altered)
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, At: below})
	eventually(r.t, soon, "records are deleted", func() bool {
		deleted, err := r.admin().DeleteRecords(r.context(), offsets)
		return err == nil && deleted.Error() == nil
	})
}

// rewrite makes the data topic again without the records that out names, and has the
// state name it. It returns how many there were.
func (r *rig) rewrite(partitions int32, out func(*kgo.Record) bool) (left int) {
	r.t.Helper()
	topic := r.topic("people")
	all := r.records(topic)
	was, err := r.admin().ListTopics(r.context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	r.deleteTopic(topic)
	r.createTopic(topic, partitions, map[string]string{"cleanup.policy": "compact"})
	from, to := was[topic].ID, kadm.TopicID{}
	eventually(r.t, soon, "the new topic has an id", func() bool {
		is, err := r.admin().ListTopics(r.context(), topic)
		to = is[topic].ID
		return err == nil && to != from && to != kadm.TopicID{}
	})
	r.forge(r.stateRecord(hex.EncodeToString(from[:]), hex.EncodeToString(to[:])))
	keep := slices.DeleteFunc(slices.Clone(all), out)
	r.forge(keep...)
	return len(all) - len(keep)
}

func TestVerifyFindsWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	people := func(r *rig, id string) *kgo.Record { return r.last(r.topic("people"), id) }
	without := func(out func(*kgo.Record) bool) func(*rig) {
		return func(r *rig) {
			if r.rewrite(1, out) == 0 {
				r.t.Fatal("nothing was left out")
			}
		}
	}
	for name, c := range map[string]struct {
		partitions int
		do         func(r *rig)
		// finds are checks and keys, of which each must be listed.
		finds []string
	}{
		"a record deleted by a tombstone without headers": {1, func(r *rig) {
			r.forge(&kgo.Record{Topic: r.topic("people"), Key: []byte("5")})
		}, []string{"headers", "5", "missing", "5"}},
		"a record deleted by a tombstone with forged headers": {1, func(r *rig) {
			r.forge(tombstone(people(r, "5")))
		}, []string{"order", "5", "missing", "5"}},
		"the beginning of the log deleted": {1, func(r *rig) {
			r.cut(r.topic("people"), people(r, "5").Offset)
		}, []string{"missing", "20"}},
		"a record added": {1, func(r *rig) {
			r.forge(&kgo.Record{Topic: r.topic("people"), Key: []byte("999"), Value: []byte(`{"id":999}`)})
		}, []string{"headers", "999", "extra", "999"}},
		"a record added under another's headers": {1, func(r *rig) {
			rec := with(people(r, "50"), "ce_subject", "999")
			rec.Key = []byte("999")
			r.forge(rec)
		}, []string{"order", "999", "extra", "999"}},
		"a value altered under its old digest": {1, func(r *rig) {
			r.forge(valued(people(r, "50"), `{"id":50}`))
		}, []string{"digest", "50"}},
		"a value altered with its digest and another hash": {1, func(r *rig) {
			sum := sha256.Sum256([]byte(`{"id":5}`))
			rec := with(valued(people(r, "5"), `{"id":5}`), "tributary_digest", hex.EncodeToString(sum[:16]))
			r.forge(with(rec, "tributary_hash", "1."+strings.Repeat("5a", 16)))
		}, []string{"order", "5", "differs", "5"}},
		"a record repeated": {1, func(r *rig) { r.forge(people(r, "50")) }, []string{"order", "50"}},
		"a batch left out": {1, without(func(rec *kgo.Record) bool {
			seq, _, _ := batchOf(rec)
			return seq == 1
		}), []string{"missing", "20", "missing", "40"}},
		"a record left out within a batch": {1, without(func(rec *kgo.Record) bool {
			seq, i, _ := batchOf(rec)
			return seq == 1 && i == 20
		}), []string{"batch", "", "missing", "21"}},
		"a version left out that was replaced": {1, without(func(rec *kgo.Record) bool {
			seq, i, _ := batchOf(rec)
			return seq == 1 && i == 4
		}), []string{"batch", ""}},
		"a deletion left out": {1, without(func(rec *kgo.Record) bool { return rec.Value == nil }), []string{"extra", "3"}},
		"a record left out of five partitions": {5, func(r *rig) {
			r.rewrite(5, func(rec *kgo.Record) bool {
				seq, i, _ := batchOf(rec)
				return seq == 1 && i == 20
			})
		}, []string{"batch", "", "missing", "21"}},
		"an entry changed": {1, func(r *rig) {
			rec := r.entry("5")
			rec.Value = append(slices.Clone(rec.Value[:27]), rec.Value[27]^1)
			r.forge(rec)
		}, []string{"sum", "", "differs", "5"}},
		"an entry removed": {1, func(r *rig) {
			rec := r.entry("5")
			rec.Value = nil
			r.forge(rec)
		}, []string{"sum", "", "extra", "5"}},
		"an entry added": {1, func(r *rig) {
			rec := r.entry("5")
			rec.Key = []byte(entryKey("999"))
			r.forge(rec)
		}, []string{"sum", "", "missing", "999"}},
		"the number of batches lowered": {1, func(r *rig) {
			seq, _, _ := batchOf(people(r, "50"))
			state := string(r.last(r.offsets(), stateKey).Value)
			at := strings.Index(state, `"seq":`)
			number := strings.SplitN(state[at:], ",", 2)[0]
			r.forge(r.stateRecord(number, fmt.Sprintf(`"seq":%d`, seq-1)))
		}, []string{"ahead", "50", "missing", "50"}},
		"a key in two partitions": {5, func(r *rig) {
			rec := people(r, "50")
			rec.Partition = (rec.Partition + 1) % 5
			r.forge(rec)
		}, []string{"partition", "50"}},
		"a record of another program in the offsets topic": {1, func(r *rig) { r.produce("hello", []byte("x")) },
			[]string{"decode", "hello"}},
		"the state removed":    {1, func(r *rig) { r.produce(stateKey, nil) }, []string{"state", ""}},
		"the topic deleted":    {1, func(r *rig) { r.deleteTopic(r.topic("people")) }, []string{"topic", ""}},
		"partitions added":     {1, func(r *rig) { r.addPartitions(r.topic("people"), 3) }, []string{"topic", ""}},
		"the topic made again": {1, func(r *rig) { r.deleteTopic(r.topic("people")); r.createTopic(r.topic("people"), 1, nil) }, []string{"topic", "", "missing", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := published(t, c.partitions)
			c.do(r)
			v := r.verify(4)
			for i := 0; i < len(c.finds); i += 2 {
				found := slices.ContainsFunc(v.Findings, func(f verifiedFinding) bool { return f.Check == c.finds[i] && f.Key == c.finds[i+1] })
				if !found {
					t.Errorf("no finding %q of key %q in %+v", c.finds[i], c.finds[i+1], v)
				}
			}
		})
	}
}

// The topic is rewritten and nothing left out: what finds the rest finds nothing in it.
func TestVerifyFindsNothingInATopicThatWasCopiedWhole(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 5} {
		r := published(t, partitions)
		r.rewrite(int32(partitions), func(*kgo.Record) bool { return false })
		r.verifiesClean()
	}
}
