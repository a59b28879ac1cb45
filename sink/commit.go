package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transact commits every record of the batches in one transaction, or none of them.
//
// Without an error and without failed topics all of it is committed. With failed topics
// nothing is: the transaction was aborted because those topics refused a record, and
// the client can go on. With an error the outcome is unknown, and the lane is spent.
func (l *Lane) transact(batches []*staged) (failed map[string]error, err error) {
	l.pace.wait()
	if err := l.cl.BeginTransaction(); err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	began := time.Now()
	ctx := context.Background() // a request in flight heeds no context, and must not: see below
	before, err := l.producerNow(ctx)
	if err != nil {
		return nil, err
	}
	out := outcome{written: map[partition]bool{}, failed: map[string]error{}}
	// A produce that hangs is given up by force, after which the client is worthless.
	watchdog := time.AfterFunc(l.cfg.watchdog(), func() {
		out.fail(l.cfg.Topic, errHung)
		l.cl.UnsafeAbortBufferedRecords()
	})
	slow := time.AfterFunc(unanswered, func() {
		l.log.Warn("Kafka has not answered for a while: it is tried on, and nothing is lost", "since", unanswered, "gives_up_after", l.cfg.deliveryTimeout())
	})
	defer slow.Stop()
	records, bytes := l.produce(ctx, batches, out.promise)
	err = l.cl.Flush(ctx)
	bit := !watchdog.Stop()

	acked, failed := out.result()
	failed = culprits(failed)
	switch {
	case err != nil:
		return failed, fmt.Errorf("flush: %w", err)
	case bit:
		return failed, errHung
	}
	if err := l.known(out.written); err != nil {
		return failed, err
	}
	switch {
	case len(failed) == 0 && acked != records:
		return nil, fmt.Errorf("%d of %d records have no answer", records-acked, records)
	case len(failed) > 0:
		return failed, l.abort(failed)
	}
	if now, err := l.producerNow(ctx); err != nil || now != before {
		return nil, errors.Join(errAnew, err)
	}
	// Not before every promise is kept: the client commits whatever succeeded. The
	// context has a deadline of its own, since to cancel this request for any other
	// reason is to make its outcome unknown.
	ctx, cancel := context.WithTimeout(ctx, l.cfg.transactionTimeout())
	defer cancel()
	if err := l.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	l.pace.done(began, bytes)
	l.m.Transactions.WithLabelValues("committed").Inc()
	l.m.Seconds.Observe(time.Since(began).Seconds())
	l.m.Records.Observe(float64(records))
	return nil, nil
}

// A producer is an id and its epoch.
type producer struct {
	id    int64
	epoch int16
}

// producerNow is the one as which the client writes.
func (l *Lane) producerNow(ctx context.Context) (p producer, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.transactionTimeout())
	defer cancel()
	if p.id, p.epoch, err = l.cl.ProducerID(ctx); err != nil {
		return p, fmt.Errorf("producer id: %w", err)
	}
	return p, nil
}

// errAnew is a transaction in the middle of which the client got its producer id anew. It
// does so by itself where it takes a refusal for the forgetfulness of a partition whose
// beginning retention has cut. What it wrote before was aborted thereby, though it was
// answered, and what it wrote afterwards would be committed alone.
var errAnew = errors.New("the client began anew in the middle of a transaction")

// unanswered is for how long a transaction may take before somebody is told.
const unanswered = 5 * time.Second

// produce hands every record to the client, and says how many and how large they are.
func (l *Lane) produce(ctx context.Context, batches []*staged, promise func(*kgo.Record, error)) (records, bytes int) {
	for _, s := range batches {
		for _, r := range s.records {
			// The delivery timeout counts from the timestamp: a second try is as young as
			// a first.
			r.Timestamp = time.Time{}
			l.cl.Produce(ctx, r, promise)
		}
		records += len(s.records)
		bytes += s.bytes
	}
	return records, bytes
}

// abort ends the transaction in which topics refused records. It returns an error
// unless it is certain that nothing of it was committed and that the client can go on.
func (l *Lane) abort(failed map[string]error) error {
	for topic, err := range failed {
		if topic == l.cfg.Topic || !refusal(err) {
			return fmt.Errorf("produce to %s: %w", topic, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.transactionTimeout())
	defer cancel()
	if err := l.cl.AbortBufferedRecords(ctx); err != nil {
		return fmt.Errorf("abort buffered records: %w", err)
	}
	if err := l.cl.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	l.m.Transactions.WithLabelValues("aborted").Inc()
	return nil
}

// culprits are the topics for whose sake others failed too. A broker that refuses a topic
// before it takes it into the transaction does not even try the rest of the request, which
// it says of each: to hold that against them would spend the lane.
func culprits(failed map[string]error) map[string]error {
	refused := maps.Clone(failed)
	maps.DeleteFunc(refused, func(_ string, err error) bool { return errors.Is(err, kerr.OperationNotAttempted) })
	if len(refused) == 0 {
		return failed
	}
	return refused
}

// refusal says whether an error of a produce is about its topic and not about the
// producer: then the transaction can be aborted and the client used again.
func refusal(err error) bool {
	for _, e := range []error{
		kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException,
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.PolicyViolation, kerr.InvalidTimestamp,
		kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable,
		kerr.KafkaStorageError, kgo.ErrRecordTimeout, kgo.ErrRecordRetries,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// errHung is a produce that was neither answered nor given up by the client.
var errHung = errors.New("produce hangs beyond its delivery timeout")

// errNowhere is a produce of which is not told where it went: nobody could be told up to
// where to read to see it.
var errNowhere = errors.New("a record was taken and its offset was not told")

// outcome collects the promises of a transaction's records.
type outcome struct {
	mu      sync.Mutex
	acked   int
	written map[partition]bool
	last    partition        // of written, so that a run of records looks it up once
	failed  map[string]error // the first error of each topic
}

func (o *outcome) promise(r *kgo.Record, err error) {
	if err == nil && r.Offset < 0 {
		err = errNowhere
	}
	if err != nil {
		o.fail(r.Topic, err)
		return
	}
	o.mu.Lock()
	o.acked++
	if p := (partition{r.Topic, r.Partition}); p != o.last {
		o.last, o.written[p] = p, true
	}
	o.mu.Unlock()
}

func (o *outcome) fail(topic string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed[topic] == nil {
		o.failed[topic] = err
	}
}

func (o *outcome) result() (int, map[string]error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acked, maps.Clone(o.failed)
}
