package sink

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
)

// A forgetter makes a client not know of the topics that it has just produced to, as it does
// for a moment after the first records of a topic: the moment is too short for a test.
type forgetter struct {
	cl     atomic.Pointer[kgo.Client]
	topics []string
	armed  atomic.Bool
	forgot atomic.Int64
}

func (f *forgetter) OnNewClient(cl *kgo.Client) { f.cl.Store(cl) }

func (f *forgetter) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	if err == nil && r.Topic == f.topics[0] && f.armed.Swap(false) {
		f.cl.Load().PurgeTopicsFromProducing(f.topics...)
		f.forgot.Add(1)
	}
}

func TestNothingIsTakenForCommittedThatTheClientWouldNotCommit(t *testing.T) {
	k := newKafka(t)
	f := newFeed("people")
	hook := &forgetter{topics: []string{f.topic(), "crm.offsets"}}
	cfg := k.config("a", "1")
	cfg.Kafka = append(cfg.Kafka, kgo.WithHooks(hook))
	cfg.DeliveryTimeout = time.Second
	f.next.Store(1)
	l := k.live(cfg, f.run)
	await(t, "the first version is there", k.holds(f.topic(), 1))
	hook.armed.Store(true)
	f.next.Store(2)
	await(t, "the client has forgotten", func() bool { return hook.forgot.Load() == 1 })
	f.next.Store(3)
	await(t, "the third is there", k.holds(f.topic(), 3))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(f.topic(), 3)
}

func TestAClaimIsNotTakenForCommittedThatTheClientWouldNotCommit(t *testing.T) {
	k := newKafka(t)
	hook := &forgetter{topics: []string{"crm.offsets"}}
	cfg := k.config("a", "1")
	cfg.Kafka = append(cfg.Kafka, kgo.WithHooks(hook))
	cfg.DeliveryTimeout = time.Second
	hook.armed.Store(true)
	held := make(chan offsets.Claim, 1)
	l := k.live(cfg, func(ctx context.Context, l *Lane) error {
		held <- k.claim()
		<-ctx.Done()
		return nil
	})
	await(t, "the lane is held", func() bool { return len(held) == 1 })
	if c := <-held; c.Run != "1" || hook.forgot.Load() != 1 {
		t.Errorf("the lane is held, and the claim on it is %+v (forgotten %d times)", c, hook.forgot.Load())
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
}

// claim reads whose claim is on the lane.
func (k *kafka) claim() (c offsets.Claim) {
	k.t.Helper()
	table := offsets.NewTable()
	for _, r := range k.records("crm.offsets") {
		if err := table.Apply(r.Key, r.Value); err != nil {
			k.t.Fatal(err)
		}
	}
	if table.Claim != nil {
		c = *table.Claim
	}
	return c
}
