package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
	"tributary/sink"
)

const (
	offsetsTopic = "crm.offsets"
	dataTopic    = "crm.people"
)

var people = offsets.Name{Source: "crm", Collection: "people"}

// A world is an in-process Kafka in which the real sink publishes one collection.
type world struct {
	*kfake.Cluster
	t          *testing.T
	partitions int32
	run        int
}

func newWorld(t *testing.T, partitions int32) *world {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &world{Cluster: c, t: t, partitions: partitions}
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.ListenAddrs()...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.Close)
	return cl
}

// A page is what one batch publishes: ids and their values, "" for a deletion.
type page [][2]string

// publish commits each page as one batch, as a reader would.
func (w *world) publish(pages ...page) {
	w.t.Helper()
	w.stage(func(m *connector.Memory) (batches []*connector.Batch) {
		for _, p := range pages {
			batches = append(batches, p.batch(m))
		}
		return batches
	})
}

// change sets an entry and publishes nothing.
func (w *world) change(id string, e connector.Entry) {
	w.t.Helper()
	w.stage(func(m *connector.Memory) []*connector.Batch {
		old, had := m.Ledger.Get(id)
		b := &connector.Batch{State: m.State, Entries: []connector.EntryChange{{ID: id, Old: old, Had: had, New: e}}}
		b.State.Seq++
		return []*connector.Batch{b}
	})
}

// stage commits the batches that make returns, as one life of the connector.
func (w *world) stage(make func(*connector.Memory) []*connector.Batch) {
	w.t.Helper()
	w.run++
	cfg := sink.Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(w.ListenAddrs()...)}, Topic: offsetsTopic, Lanes: 1, Replication: 1,
		Instance: "first", Run: fmt.Sprint(w.run), Data: sink.TopicSettings{Partitions: w.partitions, Replication: 1, Create: true},
		TransactionTimeout: 5 * time.Second, DeliveryTimeout: 2 * time.Second,
		Log: slog.New(slog.DiscardHandler), Metrics: connector.NewMetrics(prometheus.NewRegistry()),
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	err := sink.Own(ctx, cfg, 0, func(ctx context.Context, l *sink.Lane) error {
		out, err := l.Open(ctx, people.Source, people.Collection, dataTopic, cfg.Metrics.Collection(people.Source, people.Collection))
		if err != nil {
			return err
		}
		for _, b := range make(out.Memory()) {
			if err := out.Stage(ctx, b); err != nil {
				return err
			}
		}
		return out.Flush(ctx)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (p page) batch(m *connector.Memory) *connector.Batch {
	b := &connector.Batch{State: m.State}
	b.State.Seq++
	b.State.Trailing, b.State.Prints = 0, []connector.Numbered{{Number: 1}}
	for i, x := range p {
		old, had := m.Ledger.Get(x[0])
		at := connector.Instant(b.State.Seq)*1000 + connector.Instant(i)
		c := connector.Change{ID: x[0], Instant: at}
		e := connector.Entry{Instant: at, Mark: true}
		if x[1] != "" {
			c.Value = []byte(x[1])
			c.Hash = hashOf(x[1])
			e = connector.Entry{Instant: at, Hash: c.Hash, Print: 1}
		}
		b.Changes = append(b.Changes, c)
		change := connector.EntryChange{ID: x[0], Old: old, Had: had, New: e}
		b.Entries = append(b.Entries, change)
		m.Ledger.Put(x[0], e)
	}
	b.State.Cursor.Instant = max(b.State.Cursor.Instant, connector.Instant(b.State.Seq)*1000+connector.Instant(len(p)-1))
	m.State = b.State
	return b
}

func hashOf(value string) (h connector.Hash) {
	sum := sha256.Sum256([]byte("hash of " + value))
	copy(h[:], sum[:])
	return h
}

// filled publishes some pages: k0 … k9 twice, k3 deleted, k10 … k19 once.
func (w *world) filled() *world {
	w.t.Helper()
	var first, second, third page
	for i := range 10 {
		first = append(first, [2]string{fmt.Sprint("k", i), fmt.Sprintf(`{"v":1,"i":%d}`, i)})
		second = append(second, [2]string{fmt.Sprint("k", i), fmt.Sprintf(`{"v":2,"i":%d}`, i)})
		third = append(third, [2]string{fmt.Sprint("k", 10+i), fmt.Sprintf(`{"v":1,"i":%d}`, 10+i)})
	}
	w.publish(first, second, page{{"k3", ""}}, third)
	return w
}

// verify runs the verification with the config's one collection.
func (w *world) verify(change ...func(*Options)) *Report {
	w.t.Helper()
	o := Options{Offsets: offsetsTopic, Lanes: 1, Targets: []Target{{people, dataTopic}}, Limit: 100, Stall: 5 * time.Second}
	for _, c := range change {
		c(&o)
	}
	r, err := Run(w.t.Context(), w.client(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// records reads a topic as a read_committed consumer does, partition after partition.
func (w *world) records(topic string) (got []*kgo.Record) {
	w.t.Helper()
	cl := w.client()
	d, err := kadm.NewClient(cl).ListTopics(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	for p := range int32(len(d[topic].Partitions)) {
		end, err := offsets.HighWatermark(w.t.Context(), cl, topic, p)
		if err != nil {
			w.t.Fatal(err)
		}
		for tail := offsets.NewTail(cl, topic, p); tail.Next < end; {
			if err := tail.Fetch(w.t.Context(), func(r *kgo.Record) error { got = append(got, r); return nil }); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return got
}

// record returns the last record of a key.
func (w *world) record(topic, key string) *kgo.Record {
	w.t.Helper()
	var last *kgo.Record
	for _, r := range w.records(topic) {
		if string(r.Key) == key {
			last = r
		}
	}
	if last == nil {
		w.t.Fatalf("%s has no %s", topic, key)
	}
	return last
}

// forge writes a record as nobody should, to the partition that it names.
func (w *world) forge(records ...*kgo.Record) {
	w.t.Helper()
	cl := w.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, r := range records {
		again := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers}
		if err := cl.ProduceSync(w.t.Context(), again).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// found says whether a report lists a finding of that check and key.
func (r *Report) found(check, key string) bool {
	for _, f := range r.Findings {
		if f.Check == check && f.Key == key {
			return true
		}
	}
	return false
}

func (r *Report) text() string {
	s := ""
	for _, f := range r.Findings {
		s += fmt.Sprintf("%+v\n", f)
	}
	for _, c := range r.Collections {
		s += fmt.Sprintf("%+v\n", *c)
	}
	return s
}
