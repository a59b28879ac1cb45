package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
	"tributary/test/kafkatest"
)

// The predecessor commits until its successor's producer id has fenced it: whoever has
// read the state before then publishes that again.
func TestWhatIsCommittedDuringATakeoverIsNotPublishedAgain(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	first := k.live(k.config("a", "run-1"), f.run)
	await(t, "the first runs", k.holds(f.topic(), 3))
	asked, goOn := make(chan struct{}), make(chan struct{})
	k.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.SleepControl(func() { close(asked); <-goOn })
		return nil, nil, false
	})
	second := k.live(k.config("a", "run-2"), f.run)
	<-asked
	f.next.Store(4)
	await(t, "the first commits one more", k.holds(f.topic(), 4))
	close(goOn)
	await(t, "the second runs", func() bool { return f.opened.Load() == 2 })
	f.next.Store(10)
	await(t, "the versions are there", k.holds(f.topic(), 10))
	var fenced *FencedError
	if err := first.ended(); !errors.As(err, &fenced) {
		t.Errorf("the first ended with %v", err)
	}
	if err := second.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 10)
}

// A successor fences first and claims a moment later. Who is fenced must not take the lane
// back in between: the successor would end, as the one that was taken over.
func TestWhoIsFencedWaitsForTheClaimOfItsSuccessor(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	first := k.live(k.config("a", "run-1"), f.run)
	await(t, "the first runs", k.holds(f.topic(), 3))
	ctx := t.Context()
	successor := k.client(kgo.TransactionalID(offsets.TransactionalID("crm.offsets", 0)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if _, _, err := successor.ProducerID(ctx); err != nil {
		t.Fatal(err)
	}
	// All but the end of it is done before the first learns of it, so that a machine that is
	// slow to do it does not use up the second that the first waits.
	if err := successor.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	claim := offsets.ClaimRecord("crm.offsets", 0, offsets.Claim{Instance: "b", Run: "run-2", At: connector.InstantOf(time.Now())})
	if err := successor.ProduceSync(ctx, claim).FirstErr(); err != nil {
		t.Fatal(err)
	}
	kafkatest.Known(t, successor, claim)
	f.next.Store(4) // by which the first learns that it is fenced
	time.Sleep(300 * time.Millisecond)
	if err := successor.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	var fenced *FencedError
	if err := first.ended(); !errors.As(err, &fenced) || fenced.By.Run != "run-2" {
		t.Errorf("the first ended with %v", err)
	}
	k.check(f.topic(), 3)
}

// Two that are started together both look before either has claimed. The later fence must
// not take the lane from a claim that is a moment old, or they change places at once.
func TestWhoFencesAClaimThatItHasNotSeenLeavesItTheLane(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	asked, goOn := make(chan struct{}), make(chan struct{})
	var fences atomic.Int64
	k.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		if fences.Add(1) == 1 {
			k.SleepControl(func() { close(asked); <-goOn })
		}
		return nil, nil, false
	})
	waits := &sayings{testWriter: testWriter{t}, text: "waiting: another instance has just claimed the lane"}
	late := k.config("b", "run-2")
	late.Log = slog.New(slog.NewTextHandler(waits, nil))
	second := k.live(late, f.run)
	<-asked
	f.next.Store(3)
	first := k.live(k.config("a", "run-1"), f.run)
	await(t, "the first runs", k.holds(f.topic(), 3))
	close(goOn)
	await(t, "the second waits", func() bool { return waits.n.Load() > 0 })
	for n := int64(4); n <= 20; n++ {
		f.next.Store(n)
		await(t, "the first goes on", k.holds(f.topic(), n))
	}
	if n := waits.n.Load(); n != 1 {
		t.Errorf("that it waits is said %d times", n)
	}
	if err := second.end(); err != nil {
		t.Error(err)
	}
	if err := first.end(); err != nil {
		t.Errorf("the first ended with %v", err)
	}
	if n := f.opened.Load(); n != 2 {
		t.Errorf("the collection was opened %d times, want twice by the first", n)
	}
	k.check(f.topic(), 20)
}

// What is done to the topics while the connector is down, so that it cannot go on.
func TestACollectionThatCannotGoOnIsStopped(t *testing.T) {
	const state, entry = `["v1","state","s","people"]`, `["v1","entry","s","people","k"]`
	forget := func(keys ...string) func(*kafka, *feed) {
		return func(k *kafka, _ *feed) {
			for _, key := range keys {
				r := &kgo.Record{Topic: "crm.offsets", Key: []byte(key)}
				if err := k.client().ProduceSync(context.Background(), r).FirstErr(); err != nil {
					k.t.Fatal(err)
				}
			}
		}
	}
	remove := func(k *kafka, f *feed) {
		if _, err := kadm.NewClient(k.client()).DeleteTopics(context.Background(), f.topic()); err != nil {
			k.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		harm func(*kafka, *feed)
		says string
	}{
		"its topic was deleted":    {remove, "was deleted while its state remains"},
		"its topic was made again": {func(k *kafka, f *feed) { remove(k, f); k.makeTopic(f.topic()) }, "was deleted and made again"},
		"its topic has another number of partitions": {func(k *kafka, f *feed) {
			if _, err := kadm.NewClient(k.client()).CreatePartitions(context.Background(), 2, f.topic()); err != nil {
				k.t.Fatal(err)
			}
		}, "has 3 partitions and had 1"},
		"an entry was lost":              {forget(entry), "adds up to"},
		"its state was lost":             {forget(state), "has no state"},
		"its state and ledger were lost": {forget(state, entry), "has no state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			f := newFeed("people")
			f.next.Store(3)
			l := k.live(k.config("a", "1"), f.run)
			await(t, "the versions are there", k.holds(f.topic(), 3))
			if err := l.end(); err != nil {
				t.Fatal(err)
			}
			f.stopped = make(chan error, 100)
			c.harm(k, f)
			f.next.Store(4)
			l = k.live(k.config("a", "2"), f.run)
			var stop *connector.StopError
			await(t, "it is opened again", func() bool { return len(f.stopped) > 0 || f.opened.Load() == 2 })
			if f.opened.Load() == 2 {
				t.Error("it goes on")
			} else if err := <-f.stopped; !errors.As(err, &stop) || !strings.Contains(stop.What, c.says) {
				t.Errorf("it is stopped by %v, want one that says %q", err, c.says)
			}
			l.end()
		})
	}
}

// A partition that is longer than one answer is read as a short one.
func TestWhatWasAbortedIsNotShownHoweverLongTheLogIs(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.makeTopic("long")
	cl := k.client(kgo.TransactionalID("t"), kgo.DefaultProduceTopic("long"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	const n = 12
	for i := range n {
		end := kgo.TransactionEndTry(i%3 != 0)
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		value := bytes.Repeat([]byte("x"), 300<<10)
		if err := cl.ProduceSync(t.Context(), kgo.KeySliceRecord(fmt.Append(nil, end), value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	shown := 0
	for _, r := range k.records("long") {
		if shown++; string(r.Key) != "true" {
			t.Errorf("what was aborted is shown at offset %d", r.Offset)
		}
	}
	if shown != n*2/3 {
		t.Errorf("%d records are shown", shown)
	}
}

func TestWhatIsHeldBeyondATransactionIsCommittedNext(t *testing.T) {
	m := connector.NewMetrics(prometheus.NewRegistry())
	l := newLane(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: m}, 0, &suspects{})
	w := l.strand("t")
	w.staged, w.suspect = 3, &suspect{}
	w.writers = []*Writer{{strand: w, topic: "t", m: m.Collection("s", "c")}}
	first, second, third := &staged{of: w}, &staged{of: w}, &staged{of: w}
	w.held = []*staged{first, second, third}
	l.settle([]*staged{first}, w)
	if len(l.queue) != 2 || l.queue[0] != second || l.queue[1] != third || w.staged != 2 || len(w.held) != 0 {
		t.Errorf("%d in the queue, %d staged, %d held; want what was held, in its order", len(l.queue), w.staged, len(w.held))
	}
}

// Whoever dies between two transactions of a batch publishes it twice, or loses it.
func TestABatchIsOneTransaction(t *testing.T) {
	k := newKafka(t)
	var ended atomic.Int64
	k.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		ended.Add(1)
		return nil, nil, false
	})
	f := newFeed("people")
	l := k.live(k.config("a", "1"), f.run)
	await(t, "it runs", func() bool { return f.opened.Load() == 1 })
	claimed := ended.Load()
	for n := range int64(20) {
		f.next.Store(n + 1)
		await(t, "the version is there", k.holds(f.topic(), n+1))
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if n := ended.Load() - claimed; n != 20 {
		t.Errorf("20 batches that were staged alone took %d transactions", n)
	}
}

// Under another hash a source that lies on one lane would be looked for on another.
func TestALaneThatWasLaidOutByAnotherHashIsRefused(t *testing.T) {
	k := newKafka(t)
	k.makeTopic("crm.offsets")
	layout := offsets.LayoutRecord("crm.offsets", 0, offsets.Layout{Lanes: 1, Hash: "crc-32"})
	if err := k.client().ProduceSync(t.Context(), layout).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := Own(ctx, k.config("a", "1"), 0, func(context.Context, *Lane) error { return nil })
	var refused *offsets.LayoutError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "crc-32") {
		t.Errorf("the lane ended with %v, want a LayoutError that names the hash", err)
	}
}

// Whether a refusal means that the topic is gone is asked for a while: what is staged
// meanwhile belongs behind what was refused.
func TestWhatIsStagedWhileARefusalIsLookedIntoIsHeldToo(t *testing.T) {
	k := newKafka(t)
	k.makeTopic("t")
	l := newLane(k.config("a", "1"), 0, &suspects{})
	id, err := Identify(t.Context(), k.client(), "t")
	if err != nil {
		t.Fatal(err)
	}
	asked, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.cl = k.client(kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
		once.Do(func() { close(asked) })
		<-goOn
		return (&net.Dialer{}).DialContext(ctx, network, host)
	}))
	w := &Writer{strand: l.strand("t"), topic: "t", identity: id, m: l.cfg.Metrics.Collection("s", "c")}
	w.staged, w.writers, l.writers["t"] = 1, []*Writer{w}, w
	first, second := &staged{of: w.strand, parts: []part{{w: w}}}, &staged{of: w.strand, parts: []part{{w: w}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.quarantine([]*staged{first}, nil, map[string]error{"t": kerr.UnknownTopicOrPartition})
	}()
	<-asked
	if err := w.enqueue(t.Context(), second); err != nil {
		t.Error(err)
	}
	close(goOn)
	<-done
	if len(l.queue) != 0 || len(w.held) != 2 || w.held[0] != first {
		t.Errorf("%d in the queue, %d held: what was staged later is committed first", len(l.queue), len(w.held))
	}
}
