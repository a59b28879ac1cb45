package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	sqlite3 "modernc.org/sqlite/lib"

	"tributary/connector"
	"tributary/sink"
)

// Config is what a replica needs to know.
type Config struct {
	// Path is the file, in a folder that exists.
	Path string
	// Group and Source are whose collections it has.
	Group, Source string
	Collections   []Collection
	// Kafka says how to reach the brokers: seeds, TLS, SASL.
	Kafka   []kgo.Opt
	Log     *slog.Logger
	Metrics *connector.Metrics

	look time.Duration // shorter in tests
}

// Collection is one of the source, with the topic it is published to.
type Collection struct {
	Name, Topic string
	// Indexes are paths of values that are looked for, compared or sorted by.
	Indexes []string
}

// A Replica is a file that follows its topics while Run runs. It is safe for concurrent
// use.
type Replica struct {
	cfg  Config
	log  *slog.Logger
	lock *lock
	all  map[string]*collection // by name
	// order is theirs in the config, byTopic by topic.
	order   []*collection
	byTopic map[string]*collection

	mu      sync.Mutex
	file    *file
	changed chan struct{} // closed and made anew when a position moves or a collection is ready
	trouble error         // why nothing is applied at the moment
	broken  error         // what a reader has met in the file, until it is made anew
	ended   bool
	whole   bool // that all of it is there was logged
	n       int64
}

// A collection is one of the replica. What is below mu is the replica's.
type collection struct {
	Collection
	indexes   []path
	indexText string
	columns   map[string]string // of indexes, by path.key
	headers   *sink.HeaderReader
	m         *connector.ReplicaMetrics

	// Of the file: number is 0 for one that it does not have yet.
	number  int64
	topicID string
	insert  string

	// Below the replica's mu.
	partitions []*partition
	records    int64
	waiting    string    // why it is not followed, "" if it is
	again      time.Time // when it is looked for again
	tries      int
	foreign    bool // that a value is no JSON was logged
	lost       bool // whether the brokers lost records that were read
	away
}

// A partition is one of a collection's topic.
type partition struct {
	next   int64 // the offset that is applied next
	target int64 // the end that there was when it was first looked at, -1 before that
	wanted int64 // the largest that somebody waits for
	end    int64 // the last stable offset as last seen
	moved  time.Time
	probed time.Time
}

func (p *partition) ready() bool { return p.target >= 0 && p.next >= p.target }

// Open locks the file and opens it, or makes it. What does not fit is thrown away. Its
// error is a *RefusedError for a file that another process has, or that is no replica's.
func Open(ctx context.Context, cfg Config) (*Replica, error) {
	r := &Replica{
		cfg: cfg, log: cfg.Log.With("source", cfg.Source, "replica", cfg.Path),
		all: map[string]*collection{}, byTopic: map[string]*collection{}, changed: make(chan struct{}),
	}
	for _, conf := range cfg.Collections {
		c := &collection{
			Collection: conf, columns: map[string]string{}, waiting: "it was not looked for yet",
			headers: sink.NewHeaderReader(cfg.Source, conf.Name), m: cfg.Metrics.Replica(cfg.Source, conf.Name),
		}
		for _, text := range conf.Indexes {
			p, err := parsePath(text)
			if err != nil {
				return nil, fmt.Errorf("index %q of %s.%s: %w", text, cfg.Source, conf.Name, err)
			}
			if c.columns[p.key()] == "" {
				c.columns[p.key()] = fmt.Sprintf("i%d", len(c.indexes))
				c.indexes = append(c.indexes, p)
			}
		}
		c.indexText = indexText(c.indexes)
		r.all[c.Name], r.byTopic[c.Topic] = c, c
		r.order = append(r.order, c)
	}
	if err := examine(cfg.Path); err != nil {
		return nil, err
	}
	var err error
	if r.lock, err = takeLock(ctx, cfg.Path); err != nil {
		return nil, err
	}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.lock.release())
	}
	return r, nil
}

// open opens the file, and makes it anew if it does not fit or is damaged.
func (r *Replica) open(ctx context.Context) error {
	f, have, err := r.load(ctx)
	var misfit *errMisfit
	if damaged(err) || errors.As(err, &misfit) {
		r.log.Warn("the replica is thrown away and read again", "why", err)
		if err := discard(r.cfg.Path); err != nil {
			return err
		}
		f, have, err = r.load(ctx)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.broken, r.whole = f, nil, false
	for _, c := range r.order {
		c.restore(have[c.Name])
		r.n = max(r.n, c.lastOf(have[c.Name]))
	}
	r.tell()
	return nil
}

func (r *Replica) load(ctx context.Context) (*file, map[string]*stored, error) {
	f, err := openFile(ctx, r.cfg.Path)
	if err != nil {
		return nil, nil, err
	}
	have, err := map[string]*stored(nil), f.prepare(ctx, map[string]string{"group": r.cfg.Group, "source": r.cfg.Source})
	if err == nil {
		have, err = f.collections(ctx)
	}
	if err == nil {
		err = f.keepOnly(ctx, have, slices.Collect(maps.Keys(r.all)))
	}
	if codeOf(err) == sqlite3.SQLITE_ERROR {
		err = &errMisfit{"its tables are not those of this version: " + err.Error()}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.close())
	}
	return f, have, nil
}

// restore takes over what the file has of the collection. What does not fit the config is
// as if it were not there: the first look at the topic makes it anew.
func (c *collection) restore(s *stored) {
	c.number, c.topicID, c.partitions, c.records, c.away = 0, "", nil, 0, away{}
	if s == nil || s.topic != c.Topic || s.indexes != c.indexText || len(s.next) != int(s.partitions) {
		return
	}
	c.number, c.topicID, c.records, c.whole, c.kept = s.number, s.topicID, s.records, s.whole, s.whole
	c.insert = c.insertSQL()
	for i := range s.partitions {
		c.partitions = append(c.partitions, &partition{next: s.next[i], target: -1})
	}
	c.m.Records.Set(float64(c.records))
}

func (c *collection) lastOf(s *stored) int64 {
	if s == nil || c.number == 0 {
		return 0
	}
	return s.last
}

// Run follows the topics until ctx is done. Whatever fails is tried again: Kafka that does
// not answer, a topic that is not there yet, a disk that is full.
func (r *Replica) Run(ctx context.Context) error {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended = true
		r.tell()
	}()
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		err := r.follow(ctx)
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		if !errors.Is(err, errAnew) && ctx.Err() == nil {
			r.setTrouble(err)
			r.log.Warn("the replica does not follow its topics", "err", err, "again_in", wait)
		}
		if damaged(err) || errors.Is(err, errGone) {
			if err := r.reopen(ctx, err); err != nil && ctx.Err() == nil {
				r.setTrouble(err)
				r.log.Error("the replica cannot be made anew", "err", err, "again_in", wait)
			}
		}
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// reopen closes the file, throws it away if it is damaged, and opens what stands there.
func (r *Replica) reopen(ctx context.Context, why error) error {
	r.mu.Lock()
	old := r.file
	r.file = nil
	for _, c := range r.order {
		c.partitions, c.waiting, c.again, c.tries = nil, "the file is made anew", time.Time{}, 0
	}
	r.mu.Unlock()
	if old != nil {
		old.close()
	}
	if damaged(why) {
		r.log.Warn("the replica is damaged: it is thrown away and read again", "err", why)
		if err := discard(r.cfg.Path); err != nil {
			return err
		}
	}
	return r.open(ctx)
}

func (r *Replica) setTrouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = err
}

// tell wakes who waits. mu is held.
func (r *Replica) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Close closes the file, after Run has returned.
func (r *Replica) Close() error {
	r.mu.Lock()
	f := r.file
	r.file, r.ended = nil, true
	r.tell()
	r.mu.Unlock()
	if f != nil {
		if err := f.close(); err != nil {
			return errors.Join(err, r.lock.release())
		}
	}
	return r.lock.release()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
