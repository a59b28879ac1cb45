package oracle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// Config says what is judged against what.
type Config struct {
	// Brokers are the seeds of the cluster; Opts go to the client that reads (TLS, a
	// dialer), and must not set what it consumes.
	Brokers []string
	Opts    []kgo.Opt
	// Topics maps each topic to the collection that it should hold. A topic that
	// does not exist yet is empty.
	Topics map[string]string
	// API is the source, with its whole history.
	API History
	// Compacted says that the topics may have been compacted before they were read:
	// batches with holes are then not judged, and a tombstone may be a key's first.
	Compacted bool
	// Examples is how many violations of each kind are told in full; 0 means 5.
	Examples int
}

// History is what a source held. *hostile.API has it of itself; of a server that is not
// ours, whoever writes to it keeps it.
type History interface {
	// Truth returns what a collection holds now, by id.
	Truth(collection string) map[string]hostile.Version
	// Versions returns the versions of a record in the order in which the source held
	// them, and Lookup one of them.
	Versions(collection, id string) []hostile.Version
	Lookup(collection, id string, ver int64) (hostile.Version, bool)
	// Fired counts what the source did to its readers, by name: "stale" are answers from
	// a replica that lagged.
	Fired() map[string]int
}

var _ History = (*hostile.API)(nil)

// Oracle reads topics and judges them. One goroutine may use it at a time.
type Oracle struct {
	cfg    Config
	client *kgo.Client
	topics map[string]*topic
	found  *tally

	records, tombstones, batches, unjudged int
}

// topic is what was read of one topic.
type topic struct {
	name, collection string
	partitions       map[int32]*partition
	keys             map[string]*key
	open             map[int64]*batch // batches of which records are missing, by seq
	done             map[int64]bool   // seqs of those that are whole, or were judged
}

// New returns an oracle that has read nothing yet.
func New(cfg Config) (*Oracle, error) {
	if len(cfg.Topics) == 0 || cfg.API == nil {
		return nil, errors.New("oracle: no topics or no API to judge by")
	}
	if cfg.Examples == 0 {
		cfg.Examples = 5
	}
	o := &Oracle{cfg: cfg, topics: make(map[string]*topic), found: newTally(cfg.Examples)}
	for name, collection := range cfg.Topics {
		o.topics[name] = &topic{
			name: name, collection: collection, partitions: make(map[int32]*partition),
			keys: make(map[string]*key), open: make(map[int64]*batch), done: make(map[int64]bool),
		}
	}
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// A log that ends with a transaction's marker ends with no record: only with
		// the markers does what was read tell the position.
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableClientMetrics(),
	}, cfg.Opts...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("oracle: client: %w", err)
	}
	o.client = client
	return o, nil
}

// Close ends the reading.
func (o *Oracle) Close() { o.client.Close() }

// Judge reads on to the high watermarks of this moment and judges everything read so
// far. It waits for open transactions below them to end.
func (o *Oracle) Judge(ctx context.Context) (*Verdict, error) {
	if err := o.read(ctx); err != nil {
		return nil, err
	}
	if missing := o.openBatches(); len(missing) > 0 {
		// Partitions show one commit moments apart. Whatever belongs to a batch of
		// which a record was visible lies below the watermarks of now.
		if err := o.read(ctx); err != nil {
			return nil, err
		}
		o.judgeBatches(missing)
	}
	return o.verdict(), nil
}

// WaitCaughtUp judges again and again until nothing is behind, and returns how long
// that took. If ctx ends before, it returns the last verdict there was, which may be
// nil, with the error of ctx. A source that does not rest is never caught up with.
func (o *Oracle) WaitCaughtUp(ctx context.Context, every time.Duration) (time.Duration, *Verdict, error) {
	began := time.Now()
	var last *Verdict
	for {
		v, err := o.Judge(ctx)
		if err != nil {
			return time.Since(began), last, err
		}
		last = v
		if v.Behind() == 0 {
			return time.Since(began), v, nil
		}
		select {
		case <-ctx.Done():
			return time.Since(began), last, fmt.Errorf("oracle: %d records behind: %w", v.Behind(), ctx.Err())
		case <-time.After(every):
		}
	}
}

// verdict sums up, with the end of each topic compared with the truth of now.
func (o *Oracle) verdict() *Verdict {
	end := newTally(o.cfg.Examples)
	v := &Verdict{
		Records: o.records, Tombstones: o.tombstones, Batches: o.batches, Unjudged: o.unjudged,
		Counts: maps.Clone(o.found.counts), Allowed: maps.Clone(o.found.allowed),
	}
	for _, t := range o.topics {
		v.Keys += len(t.keys)
		for _, k := range t.keys {
			if k.live() {
				v.Live++
			}
		}
		o.fold(t, end)
	}
	for kind, n := range end.counts {
		v.Counts[kind] += n
	}
	v.Examples = append(append(v.Examples, o.found.examples...), end.examples...)
	return v
}

// fold compares the last state of each key with the truth.
func (o *Oracle) fold(t *topic, end *tally) {
	truth := o.cfg.API.Truth(t.collection)
	for id, v := range truth {
		if v.Deleted {
			continue
		}
		k := t.keys[id]
		switch {
		case k == nil || !k.live():
			end.add(Violation{Lost, t.name, -1, -1, id, fmt.Sprintf("version %d, %s, is not there", v.Ver, served(v))})
		case k.last.content != v.Content:
			end.add(Violation{Lost, t.name, k.partition, k.last.offset, id,
				fmt.Sprintf("version %d is the last there, version %d, %s, is the truth", k.last.ver, v.Ver, served(v))})
		}
	}
	for id, k := range t.keys {
		if v, listed := truth[id]; k.live() && (!listed || v.Deleted) {
			end.add(Violation{Undeleted, t.name, k.partition, k.last.offset, id, fmt.Sprintf("version %d is live there and deleted at the source", k.last.ver)})
		}
	}
}

// served says whether a version had a chance to be read: it separates what the
// connector did not ask for from what it dropped.
func served(v hostile.Version) string {
	if v.Served == 0 {
		return "never served"
	}
	return fmt.Sprintf("served %d times", v.Served)
}
