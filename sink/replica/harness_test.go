package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/test/kafkatest"
)

// A kafka is an in-process cluster with a transactional producer.
type kafka struct {
	*kfake.Cluster
	t  testing.TB
	cl *kgo.Client
}

func newKafka(t testing.TB) *kafka {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	k := &kafka{Cluster: c, t: t}
	k.cl = k.client(kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return k
}

func (k *kafka) client(opts ...kgo.Opt) *kgo.Client {
	k.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(cl.Close)
	return cl
}

func (k *kafka) topic(name string, partitions int32) {
	k.t.Helper()
	if _, err := kadm.NewClient(k.cl).CreateTopic(context.Background(), partitions, 1, nil, name); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kafka) delete(topic string) {
	k.t.Helper()
	if _, err := kadm.NewClient(k.cl).DeleteTopic(context.Background(), topic); err != nil {
		k.t.Fatal(err)
	}
	k.cl.PurgeTopicsFromClient(topic) // it knows the old one by its id
}

// commit writes records in one transaction; abort gives them up.
func (k *kafka) commit(records ...*kgo.Record) []connector.Position {
	k.t.Helper()
	return k.transaction(kgo.TryCommit, records...)
}

func (k *kafka) abort(records ...*kgo.Record) { k.t.Helper(); k.transaction(kgo.TryAbort, records...) }

func (k *kafka) transaction(end kgo.TransactionEndTry, records ...*kgo.Record) []connector.Position {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := k.cl.BeginTransaction(); err != nil {
		k.t.Fatal(err)
	}
	if err := k.cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
	kafkatest.Known(k.t, k.cl, records...)
	if err := k.cl.EndTransaction(ctx, end); err != nil {
		k.t.Fatal(err)
	}
	last := map[string]connector.Position{}
	for _, r := range records {
		last[fmt.Sprint(r.Topic, r.Partition)] = connector.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset + 1}
	}
	var positions []connector.Position
	for _, p := range last {
		positions = append(positions, p)
	}
	return positions
}

// put is a record of people, in partition 0.
func put(id, value string) *kgo.Record { return on("s.people", 0, id, value) }

func on(topic string, partition int32, id, value string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Key: []byte(id)}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

// A side is a replica as a test runs it.
type side struct {
	*Replica
	t    testing.TB
	logs *logs
	stop func()
}

func (k *kafka) config(path string, collections ...Collection) Config {
	if len(collections) == 0 {
		collections = []Collection{{Name: "people", Topic: "s.people"}}
	}
	return Config{
		Path: path, Group: "crm", Source: "s", Collections: collections,
		Kafka: []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.MetadataMinAge(50 * time.Millisecond)},
		look:  500 * time.Millisecond,
	}
}

func pathOf(t testing.TB) string { return filepath.Join(t.TempDir(), "replica.db") }

// start opens a replica and runs it until stop, or the end of the test.
func start(t testing.TB, cfg Config) *side {
	t.Helper()
	l := &logs{}
	cfg.Log = slog.New(slog.NewTextHandler(l, nil))
	cfg.Metrics = connector.NewMetrics(prometheus.NewRegistry())
	r, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { r.Run(ctx) })
	s := &side{Replica: r, t: t, logs: l}
	s.stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// logs are what was logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (s *side) await(positions []connector.Position) {
	s.t.Helper()
	if err := s.Await(within(s.t), positions); err != nil {
		s.t.Fatalf("%v\n%s", err, s.logs)
	}
}

// An answer is one of List.
type answer struct {
	Records   []json.RawMessage
	Next      *string
	Count     *int64
	Positions []connector.Position
}

func (s *side) list(query string) answer {
	s.t.Helper()
	data, err := s.List(within(s.t), "people", json.RawMessage(query))
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		s.t.Fatalf("%s: %v", data, err)
	}
	return a
}

// lists fails the test unless the answer's records are these.
func (s *side) lists(query string, want ...string) {
	s.t.Helper()
	var got []string
	for _, r := range s.list(query).Records {
		got = append(got, string(r))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("%s:\ngot\n%s\nwant\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// eventually waits for what is true sooner or later.
func (s *side) eventually(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within 20 s: %s\n%s", what, s.logs)
		}
	}
}
