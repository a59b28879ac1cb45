package sink

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Lane is an acquired lane. Its collections are opened and stage batches; one goroutine
// commits them.
type Lane struct {
	Number int32

	cfg  Config
	log  *slog.Logger
	m    *connector.LaneMetrics
	cl   *kgo.Client
	pace pace

	table      *offsets.Table
	stateLimit int // bytes that the offsets topic takes
	suspects   *suspects
	visit      bool      // a command's, which leaves again
	asked      time.Time // when it was last known to be ours
	// before is the claim that our own last one took the place of.
	before *offsets.Claim
	// producer and epoch are those with which it fenced its predecessor. used and
	// usedBefore are its last two producer ids: Kafka gives another when the epochs of one
	// are spent, and each transaction spends one (KIP-890).
	producer         int64
	epoch            int16
	used, usedBefore int64
	hung             *hangs
	breaks           breaks
	seen             sightings

	// What collections ask Kafka when they are opened.
	details gatherer[kadm.TopicDetail]
	making  gatherer[error]
	sizes   gatherer[int32]

	mu      sync.Mutex
	queue   []*staged          // in the order of staging
	urgent  []*staged          // what is committed before that, each alone
	writers map[string]*Writer // by topic
	limits  map[string]int32   // bytes of a batch, by topic
	// letterTopics are the dead letter queues in use.
	letterTopics map[string]offsets.Identity
	whole        map[string]error // nil for a topic in which nothing hangs, else why it cannot be written
	wake         chan struct{}
	closing      bool
	tried        bool          // the last transaction was of a quarantined collection: the queue is next
	err          error         // once the lane is spent
	spent        chan struct{} // closed then
}

// How large a transaction grows under load.
const (
	maxRecords = 20_000
	maxBytes   = 16 << 20
)

func newLane(cfg Config, number int32, suspects *suspects) *Lane {
	name := strconv.Itoa(int(number))
	l := &Lane{
		Number: number, cfg: cfg, log: cfg.Log.With("lane", number), m: cfg.Metrics.Lane(name), suspects: suspects,
		writers: map[string]*Writer{}, limits: map[string]int32{}, letterTopics: map[string]offsets.Identity{}, whole: map[string]error{}, hung: &hangs{}, wake: make(chan struct{}, 1),
		seen: sightings{}, spent: make(chan struct{}),
	}
	l.gather()
	return l
}

// batchBytes tells the client how large a batch for a topic may be.
func (l *Lane) batchBytes(topic string) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.limits[topic]; n > 0 {
		return n
	}
	return defaultMessageBytes
}

func (l *Lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// commits commits what is staged until the lane is spent, or closed and empty. It is
// the lane's one goroutine that speaks to the producer.
func (l *Lane) commits() error {
	for {
		batches, alone, done := l.next()
		if done {
			return nil
		}
		if err := l.ended(len(batches) == 0); err != nil {
			return err
		}
		if len(batches) == 0 {
			if err := l.ownedStill(); err != nil {
				return err
			}
			continue
		}
		failed, err := l.transact(batches)
		l.asked = time.Now()
		switch {
		case err != nil:
			l.m.Transactions.WithLabelValues("unknown").Inc()
			l.blame(batches, failed)
			return err
		case len(failed) > 0 && l.visit:
			return refused(failed) // a visitor does not wait while others do
		case len(failed) > 0:
			l.quarantine(batches, alone, failed)
		default:
			l.settle(batches, alone)
		}
	}
}

// next waits for work and returns the batches of the next transaction: of a
// quarantined collection whose time has come its own alone, else whatever is staged,
// up to the bounds.
func (l *Lane) next() (batches []*staged, alone *strand, done bool) {
	l.mu.Lock()
	t, wait := l.due(time.Now())
	switch {
	case len(l.urgent) > 0:
		batches, l.urgent = l.urgent[:1:1], l.urgent[1:]
	case t != nil && (len(l.queue) == 0 || !l.tried):
		batches, alone, l.tried = t.held, t, true
	case len(l.queue) > 0:
		batches, l.queue = cut(l.queue)
		l.tried = false
	case l.closing:
		done = true
	}
	l.mu.Unlock()
	if batches != nil || done {
		return batches, alone, done
	}
	timer := time.NewTimer(min(wait, l.cfg.askEvery()))
	defer timer.Stop()
	select {
	case <-l.wake:
	case <-timer.C:
	}
	return nil, nil, false
}

// ownedStill returns an error when the lane was idle and was taken meanwhile.
func (l *Lane) ownedStill() error {
	if time.Since(l.asked) < l.cfg.askEvery() {
		return nil
	}
	// Briefly: what is staged meanwhile waits. A broker that does not answer says nothing.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := l.ours(ctx)
	l.asked = time.Now()
	return err
}

// refused is one of the refusals of topics.
func refused(failed map[string]error) error {
	for topic, err := range failed {
		return &TopicError{Topic: topic, Err: err}
	}
	return nil
}

// cut takes from the front of the queue as much as fits a transaction, at least one.
func cut(queue []*staged) (batches, rest []*staged) {
	records, bytes := 0, 0
	for i, s := range queue {
		records += len(s.records)
		bytes += s.bytes
		if i > 0 && (records > maxRecords || bytes > maxBytes) {
			return queue[:i:i], queue[i:]
		}
	}
	return queue, nil
}

// settle counts batches as committed.
func (l *Lane) settle(batches []*staged, alone *strand) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range batches {
		if s.of == nil {
			s.done()
			continue
		}
		s.of.committed(s, now)
	}
	if alone != nil {
		l.release(alone, len(batches))
	}
}

// spend makes the lane worthless: whoever awaits something of it gets err.
func (l *Lane) spend(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.spent)
	for _, w := range l.writers {
		w.broadcast()
	}
}

// serve runs the collections, which use must have ended when it returns, and commits
// what they stage. It returns when ctx is done and everything staged is committed, or
// with the error by which the lane is spent.
func (l *Lane) serve(ctx context.Context, use func(context.Context, *Lane) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	committed := make(chan error, 1)
	go func() {
		err := l.commits()
		if err != nil {
			l.spend(err)
			cancel(err)
		}
		committed <- err
	}()
	useErr := use(ctx, l)
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.nudge()
	if err := <-committed; err != nil {
		return err
	}
	return useErr
}

// close ends the client. What it left open in Kafka the next owner's fence aborts.
func (l *Lane) close() {
	l.m.Acquired.Set(0)
	l.spend(fmt.Errorf("lane %d is closed", l.Number))
	if l.cl != nil {
		l.cl.Close()
	}
}
