package sink

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Config is what a lane needs to know.
type Config struct {
	// Kafka says how to reach the brokers: seeds, TLS, SASL.
	Kafka []kgo.Opt
	// Topic is the offsets topic, with Lanes partitions; Replication is for its
	// creation, -1 for the broker's default.
	Topic       string
	Lanes       int
	Replication int16
	// Instance names this process, Run is a number drawn when it started.
	Instance, Run string
	// Data says how data topics are made.
	Data TopicSettings
	// Letters names the dead letter queue of each collection that has one. Collections may
	// share one.
	Letters map[offsets.Name]string
	// Bootstrap lets a collection without state begin beside a data topic that holds
	// records already.
	Bootstrap bool

	// TransactionTimeout is after how long Kafka aborts a transaction that its
	// producer left open; it is also how long a producer that died holds up readers.
	TransactionTimeout time.Duration
	// DeliveryTimeout is how long a produce is tried before its collection is
	// quarantined.
	DeliveryTimeout time.Duration

	Log     *slog.Logger
	Metrics *connector.Metrics

	ask time.Duration // shorter in tests
}

// Defaults of the timeouts. The transaction's is longer than delivery, abort and
// commit together: it is to catch a dead process and not a slow one.
const (
	DefaultTransactionTimeout = 45 * time.Second
	DefaultDeliveryTimeout    = 15 * time.Second
)

// watchdog is after how long a produce that hangs is given up by force: a request in
// flight heeds no delivery timeout.
func (c *Config) watchdog() time.Duration { return 2 * c.deliveryTimeout() }

// askEvery is how often an idle lane asks whether it is still ours: so long may an
// instance that was replaced, or visited, go on polling without knowing it.
func (c *Config) askEvery() time.Duration { return cmp.Or(c.ask, 5*time.Second) }

func (c *Config) transactionTimeout() time.Duration {
	return cmp.Or(c.TransactionTimeout, DefaultTransactionTimeout)
}

func (c *Config) deliveryTimeout() time.Duration {
	return cmp.Or(c.DeliveryTimeout, DefaultDeliveryTimeout)
}

// options are those of a lane's client. It fences nobody until its producer id is
// asked for.
func (l *Lane) options() []kgo.Opt {
	return append(append([]kgo.Opt{}, l.cfg.Kafka...),
		kgo.TransactionalID(offsets.TransactionalID(l.cfg.Topic, l.Number)),
		kgo.TransactionTimeout(l.cfg.transactionTimeout()),
		kgo.RecordDeliveryTimeout(l.cfg.deliveryTimeout()),
		kgo.RecordPartitioner(partitioner{lane: l, keyed: keyed()}),
		// Everything of a transaction is handed over in one go and then flushed, which
		// does not wait for the linger.
		kgo.ProducerLinger(50*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytesFn(l.batchBytes),
		kgo.MaxBufferedRecords(10*maxRecords),
		// With the default of 5 s a produce that has to look for its leader again waits
		// as long, and so does the first one to a topic.
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(50*time.Millisecond<<min(tries, 5), time.Second) }),
		// A slow schedule would dial anew for every pull.
		kgo.ConnIdleTimeout(9*time.Minute),
		kgo.WithHooks(&l.pace, &l.breaks),
		kgo.DisableClientMetrics(),
	)
}

// keyed spreads records by key as Java's producer does.
func keyed() kgo.Partitioner { return kgo.StickyKeyPartitioner(nil) }

// partitioner pins the records of the offsets topic to their lane's partition and
// spreads data records by key over the partitions that a topic had when it was opened:
// with more of them, keys would move and lose their order. The next start stops that
// collection.
type partitioner struct {
	lane  *Lane
	keyed kgo.Partitioner
}

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	if topic == p.lane.cfg.Topic {
		return kgo.ManualPartitioner().ForTopic(topic)
	}
	p.lane.mu.Lock()
	defer p.lane.mu.Unlock()
	if _, letters := p.lane.letterTopics[topic]; letters {
		return p.keyed.ForTopic(topic) // nobody reads them by key
	}
	pinned := 1
	if w := p.lane.writers[topic]; w != nil {
		pinned = int(w.identity.Partitions)
	}
	return pinnedPartitioner{p.keyed.ForTopic(topic), pinned}
}

type pinnedPartitioner struct {
	kgo.TopicPartitioner
	partitions int
}

func (p pinnedPartitioner) Partition(r *kgo.Record, n int) int {
	return p.TopicPartitioner.Partition(r, min(n, p.partitions))
}
