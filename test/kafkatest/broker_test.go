//go:build unix

package kafkatest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// transact produces the values in one transaction, and commits it or aborts it.
func transact(t *testing.T, b *Broker, topic string, end kgo.TransactionEndTry, values ...string) {
	t.Helper()
	cl := b.Client(t, kgo.TransactionalID(topic+"-writer"), kgo.DefaultProduceTopic(topic))
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, kgo.KeyStringRecord("key", v))
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	Known(t, cl, records...)
	if err := cl.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func wantValues(t *testing.T, b *Broker, topic string, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []string
	for _, r := range b.ReadCommitted(ctx, t, topic) {
		got = append(got, string(r.Value))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("read %q, want %q", got, want)
	}
}

func TestReadsWhatATransactionCommitted(t *testing.T) {
	b := Shared(t)
	topic := b.Prefix(t) + "people"
	b.CreateTopic(t, topic, 1, map[string]string{"cleanup.policy": "compact"})
	wantValues(t, b, topic)
	transact(t, b, topic, kgo.TryCommit, "a", "b")
	// An aborted transaction at the end: the last offsets are not of any record that
	// a reader is shown.
	transact(t, b, topic, kgo.TryAbort, "c")
	wantValues(t, b, topic, "a", "b")
}

func TestReadWaitsForAnOpenTransaction(t *testing.T) {
	b := Shared(t)
	topic := b.Prefix(t) + "people"
	b.CreateTopic(t, topic, 1, nil)
	cl := b.Client(t, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	open := kgo.StringRecord("open")
	if err := cl.ProduceSync(t.Context(), open).FirstErr(); err != nil {
		t.Fatal(err)
	}
	Known(t, cl, open)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if got, err := readCommitted(ctx, b.Client(t), topic); err == nil {
		t.Fatalf("read %d records past an open transaction", len(got))
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	wantValues(t, b, topic, "open")
}

func TestKillKeepsWhatWasCommitted(t *testing.T) {
	b := Start(t)
	topic := b.Prefix(t) + "people"
	b.CreateTopic(t, topic, 1, nil)
	transact(t, b, topic, kgo.TryCommit, "before")
	addr := b.Addr()

	b.Kill()
	if err := b.Pause(); err == nil {
		t.Error("a killed broker was paused")
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.Addr() != addr {
		t.Errorf("after the restart at %s, before at %s", b.Addr(), addr)
	}
	transact(t, b, topic, kgo.TryCommit, "after")
	wantValues(t, b, topic, "before", "after")
}

func TestPauseAndStop(t *testing.T) {
	b := Start(t)
	if err := b.Pause(); err != nil {
		t.Fatal(err)
	}
	// The client's own deadline: it does not heed a context while it shakes hands.
	impatient := b.Client(t, kgo.RequestTimeoutOverhead(time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := kadm.NewClient(impatient).BrokerMetadata(ctx); err == nil {
		t.Error("a paused broker answered")
	}
	if err := b.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := kadm.NewClient(b.Client(t)).BrokerMetadata(t.Context()); err != nil {
		t.Error("after resuming:", err)
	}
	// Stopping must not wait for a broker that cannot hear it.
	if err := b.Pause(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	b.Stop()
	if d := time.Since(start); d >= stopGrace {
		t.Errorf("stopping a paused broker took %s", d)
	}
}

func TestTwoAtOnce(t *testing.T) {
	Require(t)
	var brokers [2]*Broker
	var wg sync.WaitGroup
	for i := range brokers {
		wg.Go(func() {
			b, err := Launch(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(b.Close)
			brokers[i] = b
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	brokers[0].CreateTopic(t, "only-here", 1, nil)
	transact(t, brokers[0], "only-here", kgo.TryCommit, "a")
	wantValues(t, brokers[0], "only-here", "a")
	topics, err := kadm.NewClient(brokers[1].Client(t)).ListTopics(t.Context())
	if err != nil || topics.Has("only-here") {
		t.Errorf("the other broker has the topic too, or says nothing: %v", err)
	}
}

func TestStartSaysWhyItFailed(t *testing.T) {
	Require(t)
	b, err := Launch(t.Context(), Properties(map[string]string{"log.retention.ms": "soon"}))
	if err == nil {
		b.Close()
		t.Fatal("started with a setting that is no number")
	}
	if !strings.Contains(err.Error(), "log.retention.ms") {
		t.Errorf("the error does not name the setting: %v", err)
	}
}
