package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
)

// That a real broker is healed is shown in test/e2e: kfake loses no marker.

func TestWhatHangsInADataTopicEndedAsTheStateOfItsBatchDid(t *testing.T) {
	t.Parallel()
	const people, notes = "/crm/people", "/crm/notes"
	at := map[string]uint64{people: 7, notes: 0}
	type set = map[published]bool
	for name, c := range map[string]struct {
		batches set
		commit  bool
		doubt   string
	}{
		"the last batch of the state":             {set{{people, 7}: true}, true, ""},
		"batches that a commit grouped":           {set{{people, 5}: true, {people, 6}: true, {people, 7}: true}, true, ""},
		"the next batch":                          {set{{people, 8}: true}, false, ""},
		"several batches above the state":         {set{{people, 8}: true, {people, 9}: true}, false, ""},
		"the first batch of all":                  {set{{notes, 1}: true}, false, ""},
		"the ends of two transactions were lost":  {set{{people, 7}: true, {people, 8}: true}, false, "batch 7 of /crm/people, which was committed, and batch 8"},
		"nothing is there":                        {set{}, false, "no record"},
		"a record without a batch number":         {set{{people, 0}: true}, false, "without the headers"},
		"a record of no collection of this topic": {set{{people, 7}: true, {"/crm/other", 7}: true}, false, "/crm/other"},
	} {
		commit, err := judge(c.batches, at)
		var doubtful *doubtfulError
		if c.doubt == "" && (err != nil || commit != c.commit) {
			t.Errorf("%s: commit %v (%v), want %v", name, commit, err, c.commit)
		}
		if c.doubt != "" && (!errors.As(err, &doubtful) || !strings.Contains(err.Error(), c.doubt)) {
			t.Errorf("%s: commit %v, error %v, want a doubt about %q", name, commit, err, c.doubt)
		}
	}
}

func TestWhatHangsInTheOffsetsTopicEndedAsItsBatchesDid(t *testing.T) {
	t.Parallel()
	for f, want := range map[fate]bool{{0, 0}: false, {1, 0}: true, {3, 0}: true, {0, 2}: false} {
		if commit, err := f.judge(); err != nil || commit != want {
			t.Errorf("%+v: commit %v (%v), want %v", f, commit, err, want)
		}
	}
	if _, err := (fate{1, 1}).judge(); err == nil {
		t.Error("two partitions that contradict each other are no doubt")
	}
}

// Nothing tells elsewhere what became of a record that stands alone in its transaction.
func TestWhatBelongsToNoCollectionIsCommittedOnceMore(t *testing.T) {
	t.Parallel()
	name := offsets.Name{Source: "s", Collection: "c"}
	moved, err := offsets.HandlerRecord("crm.offsets", 0, "s", "a", &connector.HandlerState{Seq: 1})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		record *kgo.Record
		commit bool
	}{
		"a hold":                       {offsets.HoldRecord("crm.offsets", 0, name, &offsets.Hold{Hold: "paused"}), true},
		"the end of a hold":            {offsets.HoldRecord("crm.offsets", 0, name, nil), true},
		"a handler that found nothing": {moved, true},
		"a claim, which is made anew":  {offsets.ClaimRecord("crm.offsets", 0, offsets.Claim{}), false},
	} {
		l := &Lane{table: offsets.NewTable()}
		if commit, err := l.verdictOfOwn(t.Context(), &found{records: []*kgo.Record{c.record}}); err != nil || commit != c.commit {
			t.Errorf("%s: commit %v (%v), want %v", what, commit, err, c.commit)
		}
	}
}

func TestAStartAsksOnceWhetherSomethingHangs(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	a, b := newFeed("a"), newFeed("b")
	a.next.Store(2)
	b.next.Store(2)
	l := k.live(k.config("a", "1"), both(a, b))
	await(t, "both run", func() bool { return k.holds(a.topic(), 2)() && k.holds(b.topic(), 2)() })
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	k.ControlKey(kmsg.DescribeProducers.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})
	l = k.live(k.config("a", "2"), both(a, b))
	a.next.Store(4)
	b.next.Store(4)
	await(t, "both go on", func() bool { return k.holds(a.topic(), 4)() && k.holds(b.topic(), 4)() })
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("it asked %d times", n)
	}
}

// Without the right to ask whose a transaction is, one that is open might be ours.
func TestWithoutTheRightToAskATopicIsWrittenWhenNothingIsOpenInIt(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(2)
	l := k.live(k.config("a", "1"), f.run)
	await(t, "it runs", k.holds(f.topic(), 2))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	stranger := k.client(kgo.TransactionalID("stranger"))
	if err := stranger.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := stranger.ProduceSync(t.Context(), &kgo.Record{Topic: f.topic()}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	denied := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeProducers}, Topic: f.topic(), Err: kerr.TopicAuthorizationFailed, Count: -1})
	t.Cleanup(denied.Remove)
	l = k.live(k.config("a", "2"), func(ctx context.Context, l *Lane) error {
		_, err := l.Open(ctx, "s", "people", f.topic(), l.cfg.Metrics.Collection("s", "people"))
		var refused *TopicError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "allow Read") {
			t.Errorf("while a transaction is open: %v", err)
		}
		if err := stranger.EndTransaction(ctx, kgo.TryAbort); err != nil {
			t.Error(err)
		}
		return f.run(ctx, l)
	})
	f.next.Store(4)
	await(t, "it goes on", k.holds(f.topic(), 4))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 4)
}

// A topic of which it cannot be told now holds up nobody else.
func TestATopicThatDoesNotAnswerWhetherSomethingHangsIsAskedWhenItIsOpened(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	good, bad := newFeed("good"), newFeed("bad")
	good.next.Store(2)
	bad.next.Store(2)
	l := k.live(k.config("a", "1"), both(good, bad))
	await(t, "both run", func() bool { return k.holds(good.topic(), 2)() && k.holds(bad.topic(), 2)() })
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	away := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeProducers}, Topic: bad.topic(), Err: kerr.KafkaStorageError, Count: -1})
	l = k.live(k.config("a", "2"), func(ctx context.Context, l *Lane) error {
		if _, err := l.Open(ctx, "s", "bad", bad.topic(), l.cfg.Metrics.Collection("s", "bad")); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("opened: %v", err)
		}
		away.Remove()
		return both(good, bad)(ctx, l)
	})
	good.next.Store(4)
	bad.next.Store(4)
	await(t, "both go on", func() bool { return k.holds(good.topic(), 4)() && k.holds(bad.topic(), 4)() })
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
}

// A lane that was fenced must not decide about what its successor has begun.
func TestALaneThatWasFencedEndsNothing(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.makeTopic("s.people")
	zombie := newLane(k.config("a", "1"), 0, &suspects{})
	defer zombie.close()
	zombie.cl = k.client(zombie.options()...)
	var err error
	if zombie.producer, zombie.epoch, err = zombie.cl.ProducerID(t.Context()); err != nil {
		t.Fatal(err)
	}
	what := []hang{{topic: "s.people"}}
	var done *hangError
	if err := zombie.end(t.Context(), what, false); !errors.As(err, &done) {
		t.Fatalf("while it owns the lane: %v", err)
	}
	successor := k.client(kgo.TransactionalID(offsets.TransactionalID("crm.offsets", 0)))
	if err := successor.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := successor.ProduceSync(t.Context(), &kgo.Record{Topic: "s.people", Value: []byte("of the successor")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := zombie.end(t.Context(), what, false); err == nil || errors.As(err, &done) {
		t.Errorf("it ended it: %v", err)
	}
	stable, err := kadm.NewClient(successor).ListCommittedOffsets(t.Context(), "s.people")
	if o, _ := stable.Lookup("s.people", 0); err != nil || o.Offset > 1 {
		t.Errorf("the successor's transaction was ended: last stable offset %d (%v)", o.Offset, err)
	}
	if err := successor.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Errorf("the successor cannot commit: %v", err)
	}
}

// What was committed and hangs is published anew once, wherever it was interrupted.
func TestWhatIsPublishedAnewIsPublishedOnce(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.makeTopic("s.people")
	l := newLane(k.config("a", "1"), 0, &suspects{})
	defer l.close()
	l.cl = k.client(l.options()...)
	var err error
	if l.producer, l.epoch, err = l.cl.ProducerID(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	batch := func(cl *kgo.Client, n int) {
		for i := range n {
			r := &kgo.Record{Topic: "s.people", Key: []byte("k"), Value: fmt.Appendf(nil, "v%d", i+1),
				Headers: []kgo.RecordHeader{{Key: "tributary_batch", Value: fmt.Appendf(nil, "7.%d.3", i)}}}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	batch(l.cl, 3)
	h := hang{topic: "s.people"}
	if f, err := l.read(t.Context(), h); err != nil || len(f.records) != 3 || f.copies != 0 {
		t.Fatalf("before: %+v (%v)", f, err)
	}
	// One that died while it was at it.
	dead := k.client(kgo.TransactionalID(offsets.TransactionalID("crm.offsets", 0) + "-mend"))
	if err := dead.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	batch(dead, 2)
	for range 3 {
		var done *hangError
		if err := l.mend(t.Context(), []hang{h}); !errors.As(err, &done) {
			t.Fatal(err)
		}
	}
	if err := dead.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Error("one that was fenced has committed")
	}
	f, err := l.read(t.Context(), h)
	if err != nil || f.copies != 3 {
		t.Fatalf("after: %+v (%v)", f, err)
	}
	if err := l.cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	k.check("s.people", 3)
}

// A broker that goes away may have lost the end of the last transaction; if it has not,
// the lane goes on as if nothing had been.
func TestAConnectionThatEndsSpendsNoLane(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(2)
	asked := make(chan struct{}, 100)
	k.ControlKey(kmsg.DescribeProducers.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked <- struct{}{}
		return nil, nil, false
	})
	l := k.live(k.config("a", "1"), func(ctx context.Context, l *Lane) error {
		go func() {
			await(t, "it runs", k.holds(f.topic(), 2))
			l.breaks.OnBrokerDisconnect(kgo.BrokerMetadata{}, nil)
			f.next.Store(4)
		}()
		return f.run(ctx, l)
	})
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Fatal("it never asked")
	}
	await(t, "it goes on", k.holds(f.topic(), 4))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if n := f.opened.Load(); n != 1 {
		t.Errorf("it was opened %d times", n)
	}
	k.check(f.topic(), 4)
}
