package sink

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"tributary/connector"
	"tributary/offsets"
)

func TestALookThatIsNotAnsweredAtFirstFencesNobody(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	f := newFeed("people")
	f.next.Store(3)
	l := k.live(k.config("b", "1"), f.run)
	await(t, "runs", func() bool { return f.opened.Load() == 1 && k.holds(f.topic(), 3)() })
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	// Another name must wait up to 10 s for that young claim.
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "crm.offsets", Err: kerr.NotLeaderForPartition, Count: 1})
	began := time.Now()
	l = k.live(k.config("a", "2"), f.run)
	await(t, "second", func() bool { return f.opened.Load() == 2 })
	took := time.Since(began)
	if took < 5*time.Second {
		t.Errorf("it fenced after %s, without having looked", took)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
}

func TestPartitionsThatAreAddedWhileItRunsMoveNoKey(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	step := make(chan int)
	done := make(chan error)
	l := k.live(k.config("a", "1"), func(ctx context.Context, l *Lane) error {
		w, err := l.Open(ctx, "s", "p", "s.p", l.cfg.Metrics.Collection("s", "p"))
		if err != nil {
			return err
		}
		mem := w.Memory()
		for v := range step {
			b := &connector.Batch{State: mem.State}
			b.State.Seq++
			b.State.Prints = []connector.Numbered{{Number: 1}}
			for i := range 20 {
				b.Changes = append(b.Changes, connector.Change{ID: fmt.Sprint("k", i), Instant: connector.Instant(v), Value: fmt.Appendf(nil, "v%d", v)})
			}
			mem.Apply(b)
			if err := w.Stage(ctx, b); err != nil {
				return err
			}
			done <- w.Flush(ctx)
		}
		return nil
	})
	step <- 1
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := kadm.NewClient(k.client()).CreatePartitions(context.Background(), 3, "s.p"); err != nil {
		t.Fatal(err)
	}
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "s.p", Err: kerr.NotLeaderForPartition, Count: 1})
	step <- 2
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	step <- 3
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	cl := k.client()
	for p := range int32(4) {
		end, err := offsets.HighWatermark(context.Background(), cl, "s.p", p)
		if err != nil || (p > 0 && end > 0) {
			t.Errorf("partition %d ends at %d (%v): keys have moved", p, end, err)
		}
	}
	close(step)
	if err := l.ended(); err != nil {
		t.Fatal(err)
	}
}

func TestTheRightToDescribeConfigsMayBeWithheld(t *testing.T) {
	t.Parallel()
	allow := func(r kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: r, Name: name, Pattern: kmsg.ACLResourcePatternTypePrefixed, Operation: op, Allow: true}
	}
	T := kmsg.ACLResourceTypeTopic
	k := newKafka(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "root"),
		kfake.User("PLAIN", "u", "u",
			allow(T, "", kmsg.ACLOperationRead), allow(T, "", kmsg.ACLOperationWrite), allow(T, "", kmsg.ACLOperationDescribe), allow(T, "", kmsg.ACLOperationCreate),
			allow(kmsg.ACLResourceTypeTransactionalId, "", kmsg.ACLOperationWrite), allow(kmsg.ACLResourceTypeTransactionalId, "", kmsg.ACLOperationDescribe)))
	root := k.client(kgo.SASL(plain.Auth{User: "root", Pass: "root"}.AsMechanism()))
	if _, err := kadm.NewClient(root).CreateTopic(context.Background(), 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, "crm.offsets"); err != nil {
		t.Fatal(err)
	}
	cfg := k.config("a", "1")
	cfg.Kafka = append(cfg.Kafka, kgo.SASL(plain.Auth{User: "u", Pass: "u"}.AsMechanism()))
	ran := make(chan bool, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := Own(ctx, cfg, 0, func(context.Context, *Lane) error { ran <- true; return nil })
	if err != nil || len(ran) == 0 {
		t.Errorf("the lane was not acquired for want of DescribeConfigs: %v", err)
	}
}
