//go:build unix

// Package lane shows on a real Kafka what package sink promises and an in-process one
// cannot tell: there, markers are written before the end of a transaction is answered.
package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/sink"
	"tributary/test/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }

// A life is one run of an owner of a lane.
type life struct {
	t      *testing.T
	prefix string
	broker *kafkatest.Broker
	client *kgo.Client
	cfg    sink.Config
	lane   *sink.Lane
	end    func() // ends it, and waits
}

func begin(t *testing.T, partitions int32) *life {
	t.Helper()
	b := kafkatest.Shared(t)
	l := &life{t: t, broker: b, client: b.Client(t), prefix: b.Prefix(t)}
	l.cfg = sink.Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(b.InternalAddr())},
		Topic: l.prefix + "offsets", Lanes: 1, Replication: 1, Instance: "a", Run: "1",
		Data:               sink.TopicSettings{Partitions: partitions, Replication: 1, Create: true},
		TransactionTimeout: 10 * time.Second, DeliveryTimeout: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: connector.NewMetrics(prometheus.NewRegistry()),
	}
	l.again()
	return l
}

// again begins the next life, by which the one before must have ended.
func (l *life) again() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l.t.Cleanup(cancel)
	lanes, done := make(chan *sink.Lane, 1), make(chan error, 1)
	go func() {
		done <- sink.Own(ctx, l.cfg, 0, func(ctx context.Context, lane *sink.Lane) error {
			lanes <- lane
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	select {
	case l.lane = <-lanes:
	case err := <-done:
		l.t.Fatal(err)
	case <-time.After(time.Minute):
		l.t.Fatal("the lane was not acquired")
	}
	l.end = func() {
		l.t.Helper()
		cancel()
		if err := <-done; err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *life) metrics(source, collection string) *connector.CollectionMetrics {
	return l.cfg.Metrics.Collection(source, collection)
}

// version is a batch that publishes version v of record id.
func version(m *connector.Memory, id string, v int64, value string) *connector.Batch {
	old, had := m.Ledger.Get(id)
	e := connector.Entry{Instant: connector.Instant(v), Print: 1, Hash: connector.Hash{byte(v), byte(v >> 8)}}
	b := &connector.Batch{
		Changes: []connector.Change{{ID: id, Instant: e.Instant, Hash: e.Hash, Value: []byte(value)}},
		Entries: []connector.EntryChange{{ID: id, Old: old, Had: had, New: e}},
		State:   m.State,
	}
	b.State.Seq++
	b.State.Trailing, b.State.Prints = 0, []connector.Numbered{{Number: 1}}
	m.Apply(b)
	return b
}

// read is what a read_committed consumer is given of a topic of one partition.
func (l *life) read(topic string) (values []string) {
	l.t.Helper()
	for _, r := range l.broker.ReadCommitted(l.t.Context(), l.t, topic) {
		values = append(values, string(r.Value))
	}
	return values
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) (values []string) {
	for v := range n {
		values = append(values, fmt.Sprint("v", v+1))
	}
	return values
}
