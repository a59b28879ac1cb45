package sink

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/offsets"
)

// await waits until cond holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (k *kafka) holds(topic string, n int64) func() bool {
	cl := k.client()
	return func() bool {
		_, err := offsets.HighWatermark(context.Background(), cl, topic, 0)
		return err == nil && int64(len(k.values(topic))) >= n
	}
}

func (k *kafka) check(topic string, n int64) {
	k.t.Helper()
	if got, want := k.values(topic), wants(n); !slices.Equal(got, want) {
		k.t.Errorf("topic %s holds %d records: %v\nwant %d, each once and in order", topic, len(got), got, len(want))
	}
}

func TestARestartGoesOnWhereTheTopicSays(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	for n := int64(5); n <= 20; n += 5 {
		f.next.Store(n)
		l := k.live(k.config("a", "1"), f.run)
		await(t, "the versions are there", func() bool { return f.opened.Load() == n/5 && k.holds(f.topic(), n)() })
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
	k.check(f.topic(), 20)
}

func TestASecondInstanceFencesTheFirstWhichNamesIt(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	first := k.live(k.config("a", "run-1"), f.run)
	await(t, "the first runs", func() bool { return f.opened.Load() == 1 && k.holds(f.topic(), 3)() })
	second := k.live(k.config("a", "run-2"), f.run)
	await(t, "the second runs", func() bool { return f.opened.Load() == 2 })
	f.next.Store(30)
	var fenced *FencedError
	if err := first.ended(); !errors.As(err, &fenced) || fenced.By.Run != "run-2" {
		t.Errorf("the first ended with %v, want a FencedError that names run-2", err)
	}
	await(t, "the versions are there", k.holds(f.topic(), 30))
	if err := second.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 30)
}

// Every way in which the outcome of a transaction can be unknown, or known to be bad,
// ends in the topic holding each version once, in order.
func TestAfterAnyErrorOnlyKafkaIsBelieved(t *testing.T) {
	const n = 40
	fault := func(key kmsg.Key, err *kerr.Error, count int) func(*kafka, *cutter) {
		return func(k *kafka, _ *cutter) {
			k.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: count})
		}
	}
	for name, inject := range map[string]func(*kafka, *cutter){
		"the reply to EndTxn is lost":                 func(_ *kafka, c *cutter) { c.key.Store(26); c.armed.Store(3) },
		"the reply to Produce is lost":                func(_ *kafka, c *cutter) { c.key.Store(0); c.armed.Store(3) },
		"the reply to InitProducerID is lost":         func(_ *kafka, c *cutter) { c.key.Store(22); c.armed.Store(1) },
		"EndTxn answers UNKNOWN_SERVER_ERROR":         fault(kmsg.EndTxn, kerr.UnknownServerError, 2),
		"EndTxn answers INVALID_TXN_STATE":            fault(kmsg.EndTxn, kerr.InvalidTxnState, 1),
		"EndTxn answers PRODUCER_FENCED":              fault(kmsg.EndTxn, kerr.ProducerFenced, 1),
		"EndTxn answers CONCURRENT_TRANSACTIONS":      fault(kmsg.EndTxn, kerr.ConcurrentTransactions, 5),
		"Produce answers INVALID_PRODUCER_EPOCH":      fault(kmsg.Produce, kerr.InvalidProducerEpoch, 1),
		"Produce answers OUT_OF_ORDER_SEQUENCE":       fault(kmsg.Produce, kerr.OutOfOrderSequenceNumber, 1),
		"Produce answers NOT_LEADER_OR_FOLLOWER":      fault(kmsg.Produce, kerr.NotLeaderForPartition, 3),
		"Produce answers TRANSACTION_ABORTABLE":       fault(kmsg.Produce, kerr.TransactionAbortable, 1),
		"InitProducerID answers COORDINATOR_LOADING":  fault(kmsg.InitProducerID, kerr.CoordinatorLoadInProgress, 2),
		"fetch answers NOT_LEADER_OR_FOLLOWER":        fault(kmsg.Fetch, kerr.NotLeaderForPartition, 2),
		"the coordinator moves":                       func(k *kafka, _ *cutter) { k.RehashCoordinators() },
		"an idle connection is closed by the network": func(_ *kafka, c *cutter) { c.key.Store(3); c.armed.Store(2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			f := newFeed("people")
			f.next.Store(n / 2)
			cut := &cutter{}
			cut.key.Store(-1)
			cfg := k.config("a", "1")
			cfg.Kafka = append(cfg.Kafka, kgo.Dialer(cut.dial))
			l := k.live(cfg, f.run)
			await(t, "half of it is there", k.holds(f.topic(), n/2))
			inject(k, cut)
			f.next.Store(n)
			await(t, "all of it is there", k.holds(f.topic(), n))
			if err := l.end(); err != nil {
				t.Fatal(err)
			}
			k.check(f.topic(), n)
		})
	}
}

func TestATopicThatRefusesRecordsDoesNotHoldUpOthers(t *testing.T) {
	for name, err := range map[string]*kerr.Error{
		"for want of rights": kerr.TopicAuthorizationFailed, "for want of replicas": kerr.NotEnoughReplicas,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			good, bad := newFeed("good"), newFeed("bad")
			good.next.Store(3)
			bad.next.Store(3)
			l := k.live(k.config("a", "1"), both(good, bad))
			await(t, "both run", func() bool { return k.ready(good, bad) && k.holds(good.topic(), 3)() && k.holds(bad.topic(), 3)() })
			h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: bad.topic(), Err: err, Count: -1})
			bad.next.Store(6)
			await(t, "the bad one is refused", func() bool { return h.Hits() > 0 })
			good.next.Store(20)
			await(t, "the good one goes on", k.holds(good.topic(), 20))
			h.Remove()
			await(t, "the bad one recovers", k.holds(bad.topic(), 6))
			if err := l.end(); err != nil {
				t.Fatal(err)
			}
			k.check(good.topic(), 20)
			k.check(bad.topic(), 6)
		})
	}
}

func (k *kafka) ready(feeds ...*feed) bool {
	for _, f := range feeds {
		if f.opened.Load() == 0 {
			return false
		}
	}
	return true
}

// both runs feeds on one lane, as an engine does: the first error ends them all.
func both(feeds ...*feed) func(context.Context, *Lane) error {
	return func(ctx context.Context, l *Lane) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var wg sync.WaitGroup
		for _, f := range feeds {
			wg.Go(func() { cancel(f.run(ctx, l)) })
		}
		wg.Wait()
		return context.Cause(ctx)
	}
}

// Another producer's open transaction below our commit holds the last stable offset
// back: a restore that stopped there would find no state, and publish all again.
func TestAnOpenTransactionOfAStrangerDoesNotHideOurState(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(1)
	l := k.live(k.config("a", "1"), f.run)
	await(t, "the topic is made", func() bool { return f.opened.Load() == 1 && k.holds(f.topic(), 1)() })
	stranger := k.client(kgo.TransactionalID("stranger"), kgo.TransactionTimeout(4*time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := stranger.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	layout := offsets.LayoutRecord("crm.offsets", 0, offsets.Layout{Lanes: 99, Hash: "none"})
	if err := stranger.ProduceSync(t.Context(), layout).FirstErr(); err != nil {
		t.Fatal(err)
	}
	f.next.Store(10)
	cl := k.client()
	await(t, "all is committed above it", func() bool {
		end, err := offsets.HighWatermark(t.Context(), cl, f.topic(), 0)
		return err == nil && end >= 10+2
	})
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	l = k.live(k.config("a", "2"), f.run)
	await(t, "it is acquired again", func() bool { return f.opened.Load() == 2 })
	f.next.Store(12)
	await(t, "it goes on", k.holds(f.topic(), 12))
	t.Logf("waited %s for the stranger's transaction to time out", time.Since(began).Round(time.Millisecond))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 12)
}

func TestWhoeverMustWaitForAClaim(t *testing.T) {
	const young, old = time.Second, time.Minute
	other := offsets.Claim{Instance: "b", Run: "2"}
	visit := offsets.Claim{Instance: "b", Run: "2", Visit: true}
	released := offsets.Claim{Instance: "b", Run: "2", Visit: true, Released: true}
	for name, c := range map[string]struct {
		claim         offsets.Claim
		instance      string
		seen, written time.Duration
		want          bool
	}{
		"another name's young claim is waited out": {other, "a", young, young, true},
		"not for ever":        {other, "a", 11 * time.Second, young, false},
		"an old claim is not": {other, "a", 0, old, false},
		"a claim from the future is seen unchanged for a time": {other, "a", young, -time.Hour, true},
		"the same name never waits":                            {other, "b", 0, young, false},
		"a visitor is waited for, whatever its name":           {visit, "b", young, old, true},
		"a visitor that died is not waited for":                {visit, "b", 11 * time.Second, old, false},
		"a visitor that has left is not waited for":            {released, "a", 0, young, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mustWait(c.claim, c.instance, c.seen, c.written); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestALaneOfAnotherLayoutIsRefused(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	l := k.live(k.config("a", "1"), f.run)
	await(t, "it runs", func() bool { return f.opened.Load() == 1 })
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	cfg := k.config("a", "2")
	cfg.Lanes = 2
	err := k.live(cfg, f.run).ended()
	if err == nil || !strings.Contains(err.Error(), "has 1 partitions and the config says 2 lanes") {
		t.Errorf("got %v", err)
	}
}

// A produce that is neither answered nor refused holds its lane until the watchdog
// bites. The topic it hung at is tried alone from then on.
func TestAProduceThatHangsIsGivenUpByForce(t *testing.T) {
	t.Parallel()
	k := newKafka(t, kfake.NumBrokers(2))
	good, bad := newFeed("good"), newFeed("bad")
	for topic, node := range map[string]int32{"crm.offsets": 0, good.topic(): 0, bad.topic(): 1} {
		k.makeTopic(topic)
		if err := k.MoveTopicPartition(topic, 0, node); err != nil {
			t.Fatal(err)
		}
	}
	good.next.Store(3)
	bad.next.Store(3)
	cfg := k.config("a", "1")
	l := k.live(cfg, both(good, bad))
	await(t, "both run", func() bool { return k.holds(good.topic(), 3)() && k.holds(bad.topic(), 3)() })
	var hang atomic.Bool
	hang.Store(true)
	release := make(chan struct{})
	k.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if k.CurrentNode() == 1 && hang.Load() {
			k.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	began := time.Now()
	bad.next.Store(4)
	good.next.Store(20)
	await(t, "the good one goes on", k.holds(good.topic(), 20))
	t.Logf("the watchdog took %s", time.Since(began).Round(time.Millisecond))
	hang.Store(false)
	close(release)
	await(t, "the bad one recovers", k.holds(bad.topic(), 4))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(good.topic(), 20)
	k.check(bad.topic(), 4)
}

// EndTxn is answered before the markers are written. An owner whose lane is spent in that
// moment still reads the claim that its own took the place of, and must not take it for
// a successor's.
func TestAnOwnerDoesNotTakeItsPredecessorForItsSuccessor(t *testing.T) {
	k := newKafka(t)
	if err := k.live(k.config("a", "predecessor"), func(context.Context, *Lane) error { return nil }).ended(); err != nil {
		t.Fatal(err)
	}
	_, table := k.collection(newFeed("people"))
	for _, c := range []struct {
		before *offsets.Claim
		fenced bool
	}{{table.Claim, false}, {nil, true}, {&offsets.Claim{Run: "somebody", Instance: "a"}, true}} {
		cfg := k.config("a", "owner")
		l := newLane(cfg, 0, &suspects{})
		l.cl, l.table, l.before = k.client(), offsets.NewTable(), c.before
		err := l.look(t.Context(), offsets.NewTail(l.cl, cfg.Topic, 0), true)
		var fenced *FencedError
		if errors.As(err, &fenced) != c.fenced {
			t.Errorf("before %+v: %v", c.before, err)
		}
	}
}

// A visit that has ended what Kafka left hanging is no failure, and pauses for the first
// time after none.
func TestThePauseGrowsWithFailuresFromNoneOn(t *testing.T) {
	t.Parallel()
	for failures, most := range map[int]time.Duration{0: 50 * time.Millisecond, 1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 1000: 10 * time.Second} {
		for range 100 {
			if d := pauseAfter(failures); d < most/2 || d > most {
				t.Errorf("after %d failures it pauses %v, want %v to %v", failures, d, most/2, most)
			}
		}
	}
}
