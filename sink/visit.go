package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Visit makes the lane a command's while use stages what it has to change, and leaves
// it again: whoever ran the lane waits for as long, and goes on from what was committed.
// It acquires as a start does and fences as a start does; its claim says that it is no
// successor. Between two batches use must not rest for as long as a claim is waited
// for, 10 s: then the lane is taken back, and Visit returns an error. What it returns
// nil for is committed, and of the rest whole batches are.
func Visit(ctx context.Context, cfg Config, number int32, use func(context.Context, *Lane) error) error {
	if err := ping(ctx, cfg.Kafka); err != nil {
		return err
	}
	var l *Lane
	var hung hangs
	seen := sightings{}
	for try := 1; ; try++ {
		l = newLane(cfg, number, &suspects{})
		l.visit, l.hung, l.seen = true, &hung, seen
		err := l.acquire(ctx, false)
		if err == nil {
			break
		}
		l.close()
		var healed *hangError
		if errors.As(err, &healed) {
			try-- // it is one step further
		}
		// Until its claim is there, whoever runs the lane takes it back at once.
		if try == 5 || ctx.Err() != nil || fatal(err, false) {
			return err
		}
		time.Sleep(pauseAfter(try))
	}
	defer l.close()
	served := l.serve(ctx, use)
	l.mu.Lock()
	spent := l.err
	l.mu.Unlock()
	if spent != nil {
		return fmt.Errorf("lane %d was lost on the visit, taken back by who runs it or by a failure; what was committed until then stays: %w", number, spent)
	}
	if err := l.claim(true); err != nil && served == nil {
		return fmt.Errorf("leave lane %d: %w (everything is committed; who runs the lane goes on by itself within %s)", number, err, claimAge)
	}
	return served
}

// Take opens a collection for whoever means to replace its state: whatever is there is
// taken as it is, whether or not it adds up or belongs to the topic there is now. The
// topic is made if it is missing. Batches are numbered above the state's number and
// above seq. The handler of the source, if it has one, begins at its beginning.
func (l *Lane) Take(ctx context.Context, source, collection, topic string, seq uint64, m *connector.CollectionMetrics) (*Writer, error) {
	l.mu.Lock()
	c := l.table.Collection(offsets.Name{Source: source, Collection: collection})
	l.mu.Unlock()
	if err := l.notHung(ctx, c.Name, topic); err != nil {
		return nil, err
	}
	// First: a ledger that was replaced, below a handler that goes on, would miss what it
	// does not say again.
	if err := l.forgetHandler(source); err != nil {
		return nil, err
	}
	id, err := l.take(ctx, c, topic, seq)
	if err != nil {
		return nil, err
	}
	return l.writer(ctx, l.strand(topic), c, id, m)
}

func (l *Lane) take(ctx context.Context, c *offsets.Collection, topic string, seq uint64) (offsets.Identity, error) {
	id, err := l.identify(ctx, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		id, err = l.create(ctx, c.Name, topic)
	}
	if err != nil {
		return id, err
	}
	c.Memory.State.Seq = max(c.Memory.State.Seq, seq)
	c.Adopt()
	return id, nil
}

// Committed returns the state of a collection as it was when the lane was acquired.
func (l *Lane) Committed(source, collection string) connector.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.Collection(offsets.Name{Source: source, Collection: collection}).Memory.State
}

// LastBatch returns the largest number of a batch in a data topic, 0 if there is none or
// no topic: what is written over a state that was lost goes on above it. It reads the
// whole topic.
func LastBatch(ctx context.Context, cl *kgo.Client, topic string) (uint64, error) {
	id, err := Identify(ctx, cl, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, seq, err := scan(ctx, cl, id, false)
	return seq, err
}

// ours says whether the lane's producer is still the one that Kafka knows. A lane that
// commits learns it from its next transaction; an idle one would go on polling for
// whoever took it. It asks, and changes nothing. Where it cannot be told, nothing is
// concluded.
func (l *Lane) ours(ctx context.Context) error {
	id := offsets.TransactionalID(l.cfg.Topic, l.Number)
	producer, epoch, err := l.cl.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("producer of %s: %w", id, err)
	}
	described, err := kadm.NewClient(l.cl).DescribeTransactions(ctx, id)
	if err != nil {
		l.log.Debug("cannot ask who owns the lane", "err", err)
		return nil
	}
	t, ok := described[id]
	if !ok || t.Err != nil || (t.ProducerID == producer && t.ProducerEpoch == epoch) {
		return nil
	}
	return fmt.Errorf("%s has producer %d epoch %d in Kafka (%s) and %d epoch %d here: %w",
		id, t.ProducerID, t.ProducerEpoch, strings.ToLower(t.State), producer, epoch, errTaken)
}

var errTaken = errors.New("somebody else has taken the lane")
