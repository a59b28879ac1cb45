//go:build unix

package e2e

import (
	"bytes"
	bin "encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"tributary/test/kafkatest"
)

// A process was killed in a transaction, and Kafka lost the marker that was to end it in
// one partition (KAFKA-20734). To the partition, whatever the same producer commits next
// belongs to what hangs there: so it has to be ended as it was elsewhere, before.
func TestATransactionThatKafkaLeftHanging(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{"transaction.partition.verification.enable": "false"}))
	t.Run("in a data topic is aborted when its state was not committed", func(t *testing.T) {
		t.Parallel()
		r, people := stoppedRig(t, b, 55)
		r.leaveHanging(r.topic("people"), numbered(people[len(people)-1], 1<<40))
		p := r.run()
		line := p.says(soon, "Kafka had lost the end of a transaction", r.topic("people"), "it was aborted")
		r.goesOn(p)
		t.Log(strings.TrimSpace(line))
	})
	t.Run("in a data topic is committed when its state was committed", func(t *testing.T) {
		t.Parallel()
		r, people := stoppedRig(t, b, 56)
		last := people[len(people)-1]
		r.leaveHanging(r.topic("people"), last)
		p := r.run()
		line := p.says(soon, "Kafka had lost the end of a transaction", r.topic("people"), "it was committed elsewhere", "published there anew")
		p.says(soon, `msg="caught up"`)
		now := r.records(r.topic("people"))
		if len(now) != len(people)+1 || string(now[len(people)].Value) != string(last.Value) {
			t.Errorf("%d records were there, and now %d", len(people), len(now))
		}
		r.endedBy(p)
		t.Log(strings.TrimSpace(line))
	})
	t.Run("in a data topic is left to a person when it cannot be told", func(t *testing.T) {
		t.Parallel()
		r, people := stoppedRig(t, b, 57)
		stranger := *people[0]
		stranger.Headers = nil
		r.leaveHanging(r.topic("people"), &stranger)
		end := func() int64 {
			high, err := r.admin().ListEndOffsets(r.context(), r.topic("people"))
			if err != nil {
				t.Fatal(err)
			}
			return sums(high)[r.topic("people")]
		}
		before := end()
		p := r.run()
		p.says(soon, "level=ERROR", "collection=people", "Kafka has lost the end of a transaction", "without the headers", "kafka-transactions.sh abort --topic "+r.topic("people"))
		r.api.Insert("people", 3)
		r.api.Insert("notes", 3)
		r.converge(r.oracle("accounts", "notes"), soon)
		if now := end(); now != before {
			t.Errorf("%d records were written beside it", now-before)
		}
		r.endHanging()
		r.rest(soon, three...)
		r.endedBy(p)
	})
	t.Run("in the offsets topic is committed when what it published is there", func(t *testing.T) {
		t.Parallel()
		r, people := stoppedRig(t, b, 58)
		state := r.loseEnd(people[len(people)-1])
		p := r.run()
		line := p.says(soon, "Kafka had lost the end of a transaction", r.offsets(), "it was committed elsewhere", "published there anew")
		p.says(soon, `msg="caught up"`)
		if all := r.records(r.offsets()); !slices.ContainsFunc(all, func(x *kgo.Record) bool { return bytes.Equal(x.Value, state.Value) }) {
			t.Errorf("what hung there is not to be seen: %s", state.Value)
		}
		r.goesOn(p)
		t.Log(strings.TrimSpace(line))
	})
	t.Run("in the offsets topic is aborted when nobody has seen what it published", func(t *testing.T) {
		t.Parallel()
		r, _ := stoppedRig(t, b, 60)
		all := r.records(r.offsets())
		last := *all[slices.IndexFunc(all, isStateOf("people"))]
		for _, x := range all {
			if isStateOf("people")(x) {
				last = *x
			}
		}
		seq := stateSeq(t, &last)
		last.Value = bytes.Replace(last.Value, fmt.Appendf(nil, `"seq":%d`, seq), fmt.Appendf(nil, `"seq":%d`, seq+1), 1)
		if stateSeq(t, &last) != seq+1 {
			t.Fatalf("%s", last.Value)
		}
		r.leaveHanging(r.offsets(), &last)
		p := r.run()
		line := p.says(soon, "Kafka had lost the end of a transaction", r.offsets(), "it was aborted")
		r.goesOn(p)
		t.Log(strings.TrimSpace(line))
	})
	t.Run("in the topic of a collection that was never committed is aborted", func(t *testing.T) {
		t.Parallel()
		r := changingRig(t, b, 62)
		r.config.sources[0].collections = []string{"people", "accounts"}
		p := r.run()
		p.says(soon, `msg="caught up"`)
		r.converge(r.oracle("people", "accounts"), soon)
		r.settled(soon)
		p.stop()
		like := numbered(r.records(r.topic("people"))[0], 1)
		for i, h := range like.Headers {
			if h.Key == "ce_source" {
				like.Headers[i].Value = []byte("/crm/notes")
			}
		}
		r.createTopic(r.topic("notes"), 1, map[string]string{"cleanup.policy": "compact"})
		r.leaveHanging(r.topic("notes"), like)
		r.config.sources[0].collections = three
		p = r.run()
		p.says(soon, "lane is spent", "a transaction of this lane hangs in "+r.topic("notes"))
		p.says(soon, "Kafka had lost the end of a transaction", r.topic("notes"), "it was aborted")
		r.goesOn(p)
	})
	t.Run("of another producer in a data topic is let alone", func(t *testing.T) {
		t.Parallel()
		r, people := stoppedRig(t, b, 59)
		stranger := r.broker.Client(t, kgo.TransactionalID(r.prefix+"-stranger"))
		if err := stranger.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		rec := &kgo.Record{Topic: r.topic("people"), Key: people[0].Key, Value: []byte("{}")}
		if err := stranger.ProduceSync(r.context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		p := r.run()
		p.says(soon, `msg="caught up"`)
		before := p.metric("tributary_records_published_total")
		r.api.Insert("people", 3)
		eventually(t, soon, "it is published beside it", func() bool { return p.metric("tributary_records_published_total") >= before+3 })
		if open := r.open(); open[r.topic("people")].CurrentTxnStartOffset < 0 {
			t.Errorf("the stranger's transaction was ended: %v", open)
		}
		if err := stranger.EndTransaction(r.context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
		r.rest(soon, three...)
		if n := p.acquisitions(); n != 1 {
			t.Errorf("the lane was acquired %d times", n)
		}
		r.endedBy(p)
	})
}

// What hangs where the connector may not write holds up nobody else.
func TestWhatHangsWhereNothingMayBeWrittenWaitsForTheRight(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.SASL(kafkatest.ScramSHA256, kafkatest.User{Name: "tributary", Password: password}), kafkatest.ACLs(false),
		kafkatest.Properties(map[string]string{"transaction.partition.verification.enable": "false"}))
	r := guarded(t, b)
	r.allow(r.topic("people"), kadm.OpAll)
	p := r.run()
	r.converge(r.oracle("people", "accounts"), soon)
	p.stop()
	gone := kadm.NewACLs().Allow("User:tributary").AllowHosts().Topics(r.topic("people")).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll)
	if _, err := r.admin().DeleteACLs(r.context(), gone); err != nil {
		t.Fatal(err)
	}
	r.allow(r.topic("people"), kadm.OpRead)
	for _, c := range []string{"people", "accounts"} {
		r.leaveHanging(r.topic(c), numbered(r.records(r.topic(c))[0], 1<<40))
	}
	p = r.run()
	p.says(soon, "Kafka had lost the end of a transaction", r.topic("accounts"), "it was aborted")
	p.says(soon, "level=ERROR", "collection=people", "it cannot be ended: it is refused", "TOPIC_AUTHORIZATION_FAILED")
	r.othersGoOn(p)
	r.allow(r.topic("people"), kadm.OpAll)
	p.says(soon, "Kafka had lost the end of a transaction", r.topic("people"), "it was aborted")
	r.api.Insert("people", 7)
	r.rest(soon, "people", "accounts")
	p.stop()
}

// A broker that dies soon after a commit takes its end with it, and the lane knows nothing
// of it: nobody would see what it published until it has more to publish there.
func TestWhatHangsIsFoundByALaneThatLostItsBroker(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{"transaction.partition.verification.enable": "false"}))
	r, people := stoppedRig(t, b, 61)
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.settled(soon)
	r.leaveHanging(r.topic("people"), numbered(people[len(people)-1], 1<<40))
	b.Kill()
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(p.says(soon, "lane is spent, acquiring it again")) // told or not: nothing is written before it is known
	t.Log(p.says(soon, "Kafka had lost the end of a transaction", r.topic("people"), "it was aborted"))
	r.goesOn(p)
}

// stoppedRig has run until nothing was left to commit, and returns what it published of
// people; what came last was there alone.
func stoppedRig(t *testing.T, b *kafkatest.Broker, seed uint64) (*rig, []*kgo.Record) {
	t.Helper()
	r := changingRig(t, b, seed)
	r.keepOffsets()
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle(three...), soon)
	r.settled(soon)
	r.api.Insert("people", 3)
	r.converge(r.oracle(three...), soon)
	p.stop()
	return r, r.records(r.topic("people"))
}

// goesOn fails the test unless everything is right and goes on by itself.
func (r *rig) goesOn(p *process) {
	r.t.Helper()
	r.rest(soon, three...)
	for _, c := range three {
		r.api.Insert(c, 3)
	}
	r.rest(soon, three...)
	r.endedBy(p)
}

// endedBy ends a process, and fails the test if something still hangs then.
func (r *rig) endedBy(p *process) {
	r.t.Helper()
	p.running()
	p.stop()
	if open := r.open(); len(open) > 0 {
		r.t.Errorf("transactions are open: %v", open)
	}
}

// numbered returns a record as the only one of another batch.
func numbered(like *kgo.Record, seq uint64) *kgo.Record {
	r := *like
	r.Headers = slices.Clone(like.Headers)
	for i, h := range r.Headers {
		switch h.Key {
		case "ce_id":
			r.Headers[i].Value = fmt.Appendf(nil, "%d.0", seq)
		case "tributary_batch":
			r.Headers[i].Value = fmt.Appendf(nil, "%d.0.1", seq)
		}
	}
	return &r
}

func isStateOf(collection string) func(*kgo.Record) bool {
	return func(r *kgo.Record) bool { return string(r.Key) == `["v1","state","crm","`+collection+`"]` }
}

func stateSeq(t *testing.T, r *kgo.Record) uint64 {
	t.Helper()
	var state struct{ Seq uint64 }
	if err := json.Unmarshal(r.Value, &state); err != nil || state.Seq == 0 {
		t.Fatalf("state %s: %v", r.Value, err)
	}
	return state.Seq
}

// loseEnd makes the offsets topic anew as if the marker had been lost in it of the
// transaction that published a record, and returns the state in that one.
func (r *rig) loseEnd(published *kgo.Record) *kgo.Record {
	r.t.Helper()
	all := r.records(r.offsets())
	batch := ""
	for _, h := range published.Headers {
		if h.Key == "tributary_batch" {
			batch, _, _ = strings.Cut(string(h.Value), ".")
		}
	}
	last := slices.IndexFunc(all, func(x *kgo.Record) bool {
		return isStateOf("people")(x) && fmt.Sprint(stateSeq(r.t, x)) == batch
	})
	first := last
	for first > 0 && !bytes.HasPrefix(all[first-1].Key, []byte(`["v1","state"`)) {
		first--
	}
	if last < 0 || first == 0 || first == last {
		r.t.Fatalf("batch %s is at %d to %d of %d records", batch, first, last, len(all))
	}
	if _, err := r.admin().DeleteTopic(r.context(), r.offsets()); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, soon, "the topic is gone", func() bool {
		topics, err := r.admin().ListTopics(r.context(), r.offsets())
		return err == nil && !topics.Has(r.offsets())
	})
	r.keepOffsets()
	cl := r.broker.Client(r.t, kgo.TransactionalID(r.offsets()+"-0"))
	if err := cl.BeginTransaction(); err != nil {
		r.t.Fatal(err)
	}
	var copies []*kgo.Record
	for _, x := range all[:first] {
		copies = append(copies, &kgo.Record{Topic: r.offsets(), Key: x.Key, Value: x.Value})
	}
	if err := cl.ProduceSync(r.context(), copies...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	kafkatest.Known(r.t, cl, copies...)
	if err := cl.EndTransaction(r.context(), kgo.TryCommit); err != nil {
		r.t.Fatal(err)
	}
	r.leaveHanging(r.offsets(), all[first:last+1]...)
	return all[last]
}

// leaveHanging appends copies of records to a topic as part of a transaction of the
// lane's producer of which its coordinator knows nothing.
func (r *rig) leaveHanging(topic string, like ...*kgo.Record) {
	r.t.Helper()
	id := r.offsets() + "-0"
	d, err := r.admin().DescribeTransactions(r.context(), id)
	if err != nil || d[id].Err != nil {
		r.t.Fatal(err, d[id].Err)
	}
	// Of a later version the broker itself would tell the coordinator.
	old := kversion.Stable()
	old.SetMaxKeyVersion(kmsg.Produce.Int16(), 11)
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis = &id, -1, 5000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = openBatch(like, d[id].ProducerID, d[id].ProducerEpoch)
	top := kmsg.NewProduceRequestTopic()
	top.Topic, top.Partitions = topic, []kmsg.ProduceRequestTopicPartition{part}
	req.Topics = append(req.Topics, top)
	raw, err := r.broker.Client(r.t, kgo.MaxVersions(old)).Broker(1).RetriableRequest(r.context(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := kerr.ErrorForCode(raw.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode); err != nil {
		r.t.Fatal(err)
	}
}

// openBatch is a batch of records of a transaction.
func openBatch(like []*kgo.Record, producer int64, epoch int16) []byte {
	b := kmsg.NewRecordBatch()
	for i, x := range like {
		rec := kmsg.NewRecord()
		rec.Key, rec.Value, rec.OffsetDelta = x.Key, x.Value, int32(i)
		for _, h := range x.Headers {
			rec.Headers = append(rec.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		rec.Length = int32(len(rec.AppendTo(nil)) - 1) // less the length itself, of one byte while it is 0
		b.Records = rec.AppendTo(b.Records)
	}
	b.PartitionLeaderEpoch, b.Magic, b.Attributes = -1, 2, 1<<4
	b.NumRecords, b.LastOffsetDelta = int32(len(like)), int32(len(like)-1)
	b.FirstTimestamp = time.Now().UnixMilli()
	b.MaxTimestamp, b.ProducerID, b.ProducerEpoch = b.FirstTimestamp, producer, epoch
	raw := b.AppendTo(nil)
	bin.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	bin.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}
