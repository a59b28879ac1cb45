package sink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ask asks the leaders of all partitions of topics for transactions of the lane's producer
// that were open when it was fenced. By then each has its marker in every partition: its
// coordinator answers when they are written, so that one that is open hangs. One of a
// later epoch is a successor's, or our own of now. unknown are topics of which it cannot be
// told.
func (l *Lane) ask(ctx context.Context, topics map[string]int32) (found []hang, unknown map[string]error, err error) {
	req := kmsg.NewPtrDescribeProducersRequest()
	for topic, partitions := range topics {
		req.Topics = append(req.Topics, every(topic, partitions))
	}
	return l.describe(ctx, req, l.epoch, l.producer)
}

func every(topic string, partitions int32) kmsg.DescribeProducersRequestTopic {
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic = topic
	for p := range partitions {
		t.Partitions = append(t.Partitions, p)
	}
	return t
}

// describe sends such a question, about the transactions of producers of epochs below one.
func (l *Lane) describe(ctx context.Context, req *kmsg.DescribeProducersRequest, below int16, producers ...int64) (found []hang, unknown map[string]error, err error) {
	unknown = map[string]error{}
	if len(req.Topics) == 0 {
		return nil, unknown, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	for _, shard := range l.cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			if !refusal(shard.Err) { // not about topics: a broker that is away, or the whole request
				return nil, nil, fmt.Errorf("describe producers (which Kafka can since 2.8): %w", shard.Err)
			}
			for _, t := range shard.Req.(*kmsg.DescribeProducersRequest).Topics {
				unknown[t.Topic] = shard.Err
			}
			continue
		}
		for _, t := range shard.Resp.(*kmsg.DescribeProducersResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					unknown[t.Topic] = fmt.Errorf("describe producers of %s partition %d: %w", t.Topic, p.Partition, err)
				}
				for _, a := range p.ActiveProducers {
					if slices.Contains(producers, a.ProducerID) && a.ProducerEpoch < int32(below) && a.CurrentTxnStartOffset >= 0 {
						found = append(found, hang{topic: t.Topic, partition: p.Partition, start: a.CurrentTxnStartOffset})
					}
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b hang) int { return strings.Compare(a.String(), b.String()) })
	return found, unknown, nil
}

// breaks notes that a connection to a broker ended. A broker that dies may take the end of
// a transaction with it that the lane believes to be over.
type breaks struct {
	atomic.Bool
	next time.Time // when it is asked again what came of it
}

// OnBrokerDisconnect is called by the client.
func (b *breaks) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { b.Store(true) }

var _ kgo.HookBrokerDisconnect = (*breaks)(nil)

// again puts the next question off.
func (b *breaks) again(d time.Duration) {
	b.next = time.Now().Add(d)
	b.Store(true)
}

// ended returns an error when a broker was lost, and a transaction of the lane is still
// open somewhere while there should be none: acquire knows what to do. Until then what
// hangs would share the fate of the lane's next transaction, and its readers would wait for
// that one. It is asked between two transactions, and only after a connection ended. An idle
// lane that is not told asks again later: it writes nothing meanwhile.
func (l *Lane) ended(idle bool) error {
	if now, _, err := l.cl.ProducerID(context.Background()); err == nil && now != l.used {
		l.usedBefore, l.used = l.used, now
	}
	if time.Now().Before(l.breaks.next) || !l.breaks.Swap(false) {
		return nil
	}
	own := kmsg.NewDescribeProducersRequestTopic()
	own.Topic, own.Partitions = l.cfg.Topic, []int32{l.Number}
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = append(req.Topics, own)
	l.mu.Lock()
	for topic, w := range l.writers {
		req.Topics = append(req.Topics, every(topic, w.identity.Partitions))
	}
	for topic, id := range l.letterTopics {
		req.Topics = append(req.Topics, every(topic, id.Partitions))
	}
	l.mu.Unlock()
	// Briefly: what is staged meanwhile waits.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var open []hang
	for {
		found, unknown, err := l.describe(ctx, req, math.MaxInt16, l.used, l.usedBefore)
		if err == nil {
			open = found
			told := true
			for _, why := range unknown {
				told = told && (errors.Is(why, kerr.TopicAuthorizationFailed) || errors.Is(why, kerr.UnknownTopicOrPartition))
			}
			if len(open) == 0 && told {
				return nil
			}
		}
		// EndTxn is answered before its markers are written.
		if sleep(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("a transaction of this lane stays open in %s although it has ended: Kafka may have lost its end (KAFKA-20734)", open[0])
	}
	if !idle {
		return errors.New("a broker was lost, and whether the last transaction has ended everywhere cannot be told")
	}
	l.breaks.again(l.cfg.askEvery())
	return nil
}
