package sink

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// A kafka is an in-process cluster with what a test asks of it.
type kafka struct {
	*kfake.Cluster
	t *testing.T
}

func newKafka(t *testing.T, opts ...kfake.Opt) *kafka {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &kafka{c, t}
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

// config is that of one instance with one lane.
func (k *kafka) config(instance, run string) Config {
	return Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)},
		Topic: "crm.offsets", Lanes: 1, Replication: 1, Instance: instance, Run: run,
		Data:               TopicSettings{Partitions: 1, Replication: 1, Create: true},
		TransactionTimeout: 5 * time.Second, DeliveryTimeout: 2 * time.Second,
		Log: slog.New(slog.NewTextHandler(testWriter{k.t}, nil)), Metrics: connector.NewMetrics(prometheus.NewRegistry()),
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	if w.t.Context().Err() == nil {
		w.t.Logf("%s", b)
	}
	return len(b), nil
}

var _ io.Writer = testWriter{}

// sayings counts the lines of a log that hold a text.
type sayings struct {
	testWriter
	text string
	n    atomic.Int64
}

func (s *sayings) Write(b []byte) (int, error) {
	if strings.Contains(string(b), s.text) {
		s.n.Add(1)
	}
	return s.testWriter.Write(b)
}

// values reads what a read_committed consumer sees of a topic: "key=value" in order.
func (k *kafka) values(topic string) (got []string) {
	k.t.Helper()
	for _, r := range k.records(topic) {
		got = append(got, fmt.Sprintf("%s=%s", r.Key, r.Value))
	}
	return got
}

func (k *kafka) records(topic string) (got []*kgo.Record) {
	k.t.Helper()
	cl := k.client()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	end, err := offsets.HighWatermark(ctx, cl, topic, 0)
	if err != nil {
		k.t.Fatal(err)
	}
	for tail := offsets.NewTail(cl, topic, 0); tail.Next < end; {
		if err := tail.Fetch(ctx, func(r *kgo.Record) error { got = append(got, r); return nil }); err != nil {
			k.t.Fatal(err)
		}
	}
	return got
}

// A life is one run of Own.
type life struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func (k *kafka) live(cfg Config, use func(context.Context, *Lane) error) *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{t: k.t, stop: cancel, done: make(chan error, 1)}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		l.done <- Own(ctx, cfg, 0, use)
	}()
	// It is over before its Kafka is: what it still commits would wait for an answer.
	k.t.Cleanup(func() {
		cancel()
		select {
		case <-gone:
		case <-time.After(30 * time.Second):
			k.t.Error("the lane's owner outlives its test")
		}
	})
	return l
}

// ended waits for the end of a life, and returns its error.
func (l *life) ended() error {
	l.t.Helper()
	select {
	case err := <-l.done:
		return err
	case <-time.After(30 * time.Second):
		l.t.Fatal("the lane's owner did not end")
		return nil
	}
}

func (l *life) end() error {
	l.stop()
	return l.ended()
}

// A feed stages the versions of some records one batch each, as a reader would: it goes
// on from what is in the ledger, so that a version is staged again only when it was not
// committed.
type feed struct {
	name    string
	next    atomic.Int64 // versions to publish: 1 … next
	stopped chan error
	opened  atomic.Int64
}

func newFeed(name string) *feed { return &feed{name: name, stopped: make(chan error, 100)} }

func (f *feed) topic() string { return "s." + f.name }

func (f *feed) run(ctx context.Context, l *Lane) error {
	m := l.cfg.Metrics.Collection("s", f.name)
	w, err := l.Open(ctx, "s", f.name, f.topic(), m)
	if err != nil {
		f.stopped <- err
		return err
	}
	f.opened.Add(1)
	mem := w.Memory()
	for ctx.Err() == nil {
		at := max(0, int64(mem.State.Trailing))
		if mem.State.Trailing == connector.Beginning {
			at = 0
		}
		if at >= f.next.Load() {
			if err := w.Flush(ctx); err != nil {
				f.stopped <- err
				return err
			}
			time.Sleep(2 * time.Millisecond)
			continue
		}
		if err := w.Stage(ctx, f.batch(mem, at+1)); err != nil {
			f.stopped <- err
			return err
		}
	}
	return context.Cause(ctx)
}

// batch is the version v of record "k", as state its number.
func (f *feed) batch(mem *connector.Memory, v int64) *connector.Batch {
	old, had := mem.Ledger.Get("k")
	e := connector.Entry{Instant: connector.Instant(v), Print: 1, Hash: connector.Hash{byte(v), byte(v >> 8)}}
	b := &connector.Batch{
		Changes: []connector.Change{{ID: "k", Instant: e.Instant, Hash: e.Hash, Value: fmt.Appendf(nil, "v%d", v)}},
		Entries: []connector.EntryChange{{ID: "k", Old: old, Had: had, New: e}},
		State:   mem.State,
	}
	b.State.Seq++
	b.State.Trailing = connector.Instant(v)
	b.State.Prints = []connector.Numbered{{Number: 1}}
	mem.Apply(b)
	return b
}

// wants returns what the topic must hold once the feed has come to n.
func wants(n int64) (want []string) {
	for v := range n {
		want = append(want, fmt.Sprintf("k=v%d", v+1))
	}
	return want
}

// A cut conn loses the reply to the next EndTxn: the broker gets the request, and the
// connection ends before its answer is read.
type cutter struct {
	armed atomic.Int64 // how many are still to be lost
	lost  atomic.Int64
	key   atomic.Int32
}

func (c *cutter) dial(ctx context.Context, network, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn, c: c}, nil
}

type cutConn struct {
	net.Conn
	c *cutter
}

func (c *cutConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil && len(b) > 8 && int32(b[4])<<8|int32(b[5]) == c.c.key.Load() && c.c.armed.Add(-1) >= 0 {
		c.c.lost.Add(1)
		time.Sleep(30 * time.Millisecond) // the broker has applied it by now
		c.Conn.Close()
	}
	return n, err
}

func (k *kafka) makeTopic(topic string) {
	k.t.Helper()
	if _, err := kadm.NewClient(k.client()).CreateTopic(context.Background(), 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, topic); err != nil {
		k.t.Fatal(err)
	}
}
