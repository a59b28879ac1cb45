package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"tributary/offsets"
)

// A deniedError names topics for which a right is missing, or which refuse what is to be
// published anew. Then nothing was ended.
type deniedError struct {
	topics map[string]bool
	err    error
}

func (e *deniedError) Error() string { return fmt.Sprintf("it is refused: %v", e.err) }
func (e *deniedError) Unwrap() error { return e.err }

// end has the coordinator write an abort where a marker was lost, by a transaction of the
// lane's producer that consists of those partitions and nothing else. It is of the epoch of
// our fence, so that whoever was fenced meanwhile is refused.
//
// It never commits what hangs. Between the two requests the transaction is open, and if we
// died there the next fence would abort it: an abort comes to the same, a commit would be
// lost. commit says only what became of it: then mend has published it before.
func (l *Lane) end(ctx context.Context, hangs []hang, commit bool) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.transactionTimeout())
	defer cancel()
	if err := l.abortIn(ctx, hangs, offsets.TransactionalID(l.cfg.Topic, l.Number), l.producer, l.epoch); err != nil {
		return err
	}
	l.hung.count(hangs)
	return &hangError{hangs: hangs, commit: commit}
}

func (l *Lane) abortIn(ctx context.Context, hangs []hang, id string, producer int64, epoch int16) error {
	// A client of the lane's kind would not send the first request any more (KIP-890).
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.AddPartitionsToTxn.Int16(), 3)
	versions.SetMaxKeyVersion(kmsg.EndTxn.Int16(), 4)
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, l.cfg.Kafka...), kgo.MaxVersions(versions), kgo.DisableClientMetrics())...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = id, producer, epoch
	partitions := map[string][]int32{}
	for _, h := range hangs {
		partitions[h.topic] = append(partitions[h.topic], h.partition)
	}
	for topic, of := range partitions {
		t := kmsg.NewAddPartitionsToTxnRequestTopic()
		t.Topic, t.Partitions = topic, of
		add.Topics = append(add.Topics, t)
	}
	added, err := add.RequestWith(ctx, cl)
	denied := deniedError{topics: map[string]bool{}, err: kerr.TopicAuthorizationFailed}
	if err == nil {
		for _, t := range added.Topics {
			for _, p := range t.Partitions {
				err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
				if p.ErrorCode == kerr.TopicAuthorizationFailed.Code {
					denied.topics[t.Topic] = true
				}
			}
		}
	}
	if len(denied.topics) > 0 {
		return &denied
	}
	if err != nil {
		return fmt.Errorf("add %s to a transaction, to end what hangs there: %w", hangs[0], err)
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = id, producer, epoch
	ended, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(ended.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("end what hangs in %s: %w", hangs[0], err)
	}
	return nil
}

// mend publishes anew what hangs although it was committed, by a producer beside the
// lane's. When that is committed, and the next turn has seen it, what hangs is aborted: so
// wherever this ends, every record is committed once. The id of that producer is the
// lane's, and more: whoever mends fences whoever was at it before, and then looks again.
func (l *Lane) mend(ctx context.Context, hangs []hang) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.transactionTimeout())
	defer cancel()
	id := offsets.TransactionalID(l.cfg.Topic, l.Number) + "-mend"
	sizes := map[string]int32{}
	for _, h := range hangs {
		sizes[h.topic] = l.maxMessageBytes(ctx, h.topic)
	}
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, l.cfg.Kafka...),
		kgo.TransactionalID(id), kgo.TransactionTimeout(l.cfg.transactionTimeout()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return cmp.Or(sizes[topic], defaultMessageBytes) }), kgo.MaxBufferedRecords(10*maxRecords),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()), kgo.DisableClientMetrics())...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	producer, epoch, err := cl.ProducerID(ctx)
	if errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		denied := deniedError{topics: map[string]bool{}, err: fmt.Errorf("allow Write on the transactional id %s, and restart: %w", id, err)}
		for topic := range sizes {
			denied.topics[topic] = true
		}
		return &denied
	}
	if err != nil {
		return fmt.Errorf("producer id of %s, by which is published anew what Kafka left hanging: %w", id, err)
	}
	// Its own end may have been lost as well.
	req := kmsg.NewPtrDescribeProducersRequest()
	for _, h := range hangs {
		t := kmsg.NewDescribeProducersRequestTopic()
		t.Topic, t.Partitions = h.topic, []int32{h.partition}
		req.Topics = append(req.Topics, t)
	}
	open, unknown, err := l.describe(ctx, req, epoch, producer)
	for _, why := range unknown {
		err = errors.Join(err, why)
	}
	if err != nil {
		return err
	}
	if len(open) > 0 {
		if err := l.abortIn(ctx, open, id, producer, epoch); err != nil {
			return err
		}
		return fmt.Errorf("what was published anew in %s was left hanging itself, and aborted", open[0])
	}
	var again []*found
	for _, h := range hangs {
		f, err := l.read(ctx, h)
		if err != nil {
			return err
		}
		if f.copies == 0 {
			again = append(again, f)
		}
	}
	if err := republish(ctx, cl, again); err != nil {
		return err
	}
	l.hung.count(hangs)
	return &hangError{hangs: hangs, commit: true, published: true}
}

// republish commits copies of what hangs, all in one transaction.
func republish(ctx context.Context, cl *kgo.Client, what []*found) error {
	if err := cl.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	var mu sync.Mutex
	var failed error
	denied := deniedError{topics: map[string]bool{}, err: kerr.TopicAuthorizationFailed}
	written := map[partition]bool{}
	for _, f := range what {
		for _, r := range f.records {
			written[partition{r.Topic, r.Partition}] = true
			c := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
			cl.Produce(ctx, c, func(r *kgo.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
				if refusal(err) && !kerr.IsRetriable(err) {
					denied.topics[r.Topic], denied.err = true, err
				}
			})
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	switch {
	case len(denied.topics) > 0: // the next one to mend aborts it
		return &denied
	case failed != nil:
		return fmt.Errorf("publish anew what Kafka left hanging: %w", failed)
	}
	if err := known(ctx, cl, written); err != nil {
		return err
	}
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("publish anew what Kafka left hanging: %w", err)
	}
	return nil
}
