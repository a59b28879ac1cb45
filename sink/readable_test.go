package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/test/kafkatest"
)

// acquired hands a lane over that lives until the test ends it.
func (k *kafka) acquired(cfg Config) (*Lane, *life) {
	k.t.Helper()
	lanes := make(chan *Lane, 1)
	life := k.live(cfg, func(ctx context.Context, l *Lane) error {
		lanes <- l
		<-ctx.Done()
		return context.Cause(ctx)
	})
	select {
	case l := <-lanes:
		return l, life
	case err := <-life.done:
		k.t.Fatal(err)
	case <-time.After(20 * time.Second):
		k.t.Fatal("the lane was not acquired")
	}
	return nil, nil
}

func (k *kafka) writer(l *Lane, collection string) *Writer {
	k.t.Helper()
	w, err := l.Open(k.t.Context(), "s", collection, "s."+collection, l.cfg.Metrics.Collection("s", collection))
	if err != nil {
		k.t.Fatal(err)
	}
	return w
}

// upserts commits a batch of new records.
func (w *Writer) upserts(t *testing.T, keys ...string) {
	t.Helper()
	m := w.Memory()
	b := &connector.Batch{State: m.State}
	for _, key := range keys {
		at := connector.Instant(m.State.Seq)
		b.Changes = append(b.Changes, connector.Change{ID: key, Instant: at, Value: []byte(key)})
		b.Entries = append(b.Entries, connector.EntryChange{ID: key, New: connector.Entry{Instant: at, Print: 1}})
	}
	b.State.Seq++
	b.State.Trailing, b.State.Prints = 0, []connector.Numbered{{Number: 1}}
	m.Apply(b)
	if err := errors.Join(w.Stage(t.Context(), b), w.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func (w *Writer) offsets(t *testing.T) (offsets []int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	positions, err := w.Readable(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range positions {
		if p.Topic != w.topic || p.Partition != int32(i) {
			t.Errorf("position %d is of %s partition %d", i, p.Topic, p.Partition)
		}
		offsets = append(offsets, p.Offset)
	}
	return offsets
}

func TestAnOffsetIsBehindTheLastRecordAndNeverBehindAMarker(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg := k.config("a", "1")
	l, life := k.acquired(cfg)
	w := k.writer(l, "people")
	if got := w.offsets(t); !slices.Equal(got, []int64{0}) {
		t.Errorf("an empty topic is read at %v", got)
	}
	w.upserts(t, "1", "2") // 0, 1 and a marker
	w.upserts(t, "3")      // 3 and a marker
	if got := w.offsets(t); !slices.Equal(got, []int64{4}) {
		t.Errorf("it is readable at %v, and its last record has offset 3", got)
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
	l, life = k.acquired(cfg)
	if got := k.writer(l, "people").offsets(t); !slices.Equal(got, []int64{4}) {
		t.Errorf("the next life says %v, and nothing was written since", got)
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
	// What was aborted takes up offsets at the end, for more than a piece that is looked into.
	cl := k.client(kgo.TransactionalID("stranger"), kgo.DefaultProduceTopic("s.people"))
	for n := range 20 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := kgo.KeySliceRecord([]byte("x"), fmt.Append(nil, n))
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		kafkatest.Known(t, cl, r)
		if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	}
	l, life = k.acquired(cfg)
	if got := k.writer(l, "people").offsets(t); !slices.Equal(got, []int64{4}) {
		t.Errorf("behind 40 offsets without a record it says %v", got)
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryPartitionHasItsOwnPosition(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg := k.config("a", "1")
	cfg.Data.Partitions = 3
	l, life := k.acquired(cfg)
	w := k.writer(l, "people")
	keys := []string{"1", "2", "3", "4", "5", "6", "7"}
	w.upserts(t, keys...)
	want := map[int32]int64{}
	cl := k.client(kgo.ConsumeTopics("s.people"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	for n := 0; n < len(keys); {
		cl.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) { n++; want[r.Partition] = r.Offset + 1 })
	}
	got := w.offsets(t)
	for p, offset := range got {
		if offset != want[int32(p)] {
			t.Errorf("partition %d is readable at %d, want %d", p, offset, want[int32(p)])
		}
	}
	if len(got) != 3 || len(want) < 2 {
		t.Errorf("%d positions; records in %d partitions", len(got), len(want))
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
}

func TestReadableWaitsForTheMarkers(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	l, life := k.acquired(k.config("a", "1"))
	w := k.writer(l, "people")
	w.upserts(t, "1")
	// EndTxn is answered before the markers are written: here they take five questions.
	var asked atomic.Int64
	k.ControlKey(kmsg.ListOffsets.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		r := req.(*kmsg.ListOffsetsRequest)
		if r.IsolationLevel != 1 {
			t.Error("it asks for the high watermark")
		}
		if asked.Add(1) > 5 {
			return nil, nil, false
		}
		return unmarked(r), nil, true
	})
	if got := w.offsets(t); !slices.Equal(got, []int64{1}) || asked.Load() != 6 {
		t.Errorf("it is readable at %v after %d questions, want [1] after 6", got, asked.Load())
	}
	asked.Store(-1 << 40)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := w.Readable(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "s.people") || !strings.Contains(err.Error(), "up to offset 0") {
		t.Errorf("a topic that never becomes readable: %v", err)
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Readable(t.Context()); err == nil {
		t.Error("a lane that has ended says what is readable")
	}
}

// unmarked answers that no transaction of a partition has its marker yet.
func unmarked(r *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Offset = p.Partition, 0
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// An earlier life's records may lie above a transaction that a stranger has open in the topic.
func TestReadableWaitsForAStrangerThatHidesWhatAnEarlierLifeCommitted(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg := k.config("a", "1")
	l, life := k.acquired(cfg)
	w := k.writer(l, "people")
	w.upserts(t, "1") // 0 and a marker
	stranger := k.client(kgo.TransactionalID("stranger"), kgo.DefaultProduceTopic("s.people"))
	open := func() {
		if err := errors.Join(stranger.BeginTransaction(), stranger.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr()); err != nil {
			t.Fatal(err)
		}
	}
	open()            // 2
	w.upserts(t, "2") // 3 and a marker
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
	l, life = k.acquired(cfg)
	w = k.writer(l, "people")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err := w.Readable(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "its records go up to 4") {
		t.Errorf("readable at %v (%v), and nobody is shown the record at offset 3", got, err)
	}
	if err := stranger.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if got := w.offsets(t); !slices.Equal(got, []int64{4}) {
		t.Errorf("readable at %v", got)
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
	// One that hides nothing of ours is not waited for.
	open()
	l, life = k.acquired(cfg)
	if got := k.writer(l, "people").offsets(t); !slices.Equal(got, []int64{4}) {
		t.Errorf("readable at %v", got)
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
}

func TestALeaderThatMovesIsAskedAgain(t *testing.T) {
	t.Parallel()
	k := newKafka(t, kfake.NumBrokers(2))
	l, life := k.acquired(k.config("a", "1"))
	w := k.writer(l, "people")
	w.upserts(t, "1")
	w.offsets(t)
	leader := k.LeaderFor("s.people", 0)
	if err := k.MoveTopicPartition("s.people", 0, 1-leader); err != nil {
		t.Fatal(err)
	}
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition, Count: 3})
	if got := w.offsets(t); !slices.Equal(got, []int64{1}) {
		t.Errorf("it is readable at %v", got)
	}
	if h.Hits() == 0 {
		t.Error("nothing was refused")
	}
	if err := life.end(); err != nil {
		t.Fatal(err)
	}
}
