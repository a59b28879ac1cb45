package sim

import (
	"fmt"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/offsets"
	"tributary/test/hostile"
)

// compact compacts every topic, at a moment at which no transaction is open: kfake takes
// what such a one holds for the newest of its key and drops what is committed, where
// Kafka's cleaner does not pass the last stable offset.
func (s *schedule) compact(int, int) bool {
	synctest.Wait() // nobody does anything until time goes on
	for _, topic := range []string{offsetsTopic, topicOf(collections[0]), topicOf(collections[1])} {
		for _, p := range s.kafka.PartitionInfos(topic) {
			if p.LastStableOffset != p.HighWatermark {
				return false
			}
		}
	}
	s.compacted = true
	s.kafka.Compact()
	return true
}

func (s *schedule) coordinatorsMove(int, int) bool {
	s.kafka.RehashCoordinators()
	return true
}

func (s *schedule) leaderMoves(n, m int) bool {
	topic := []string{offsetsTopic, topicOf(collections[0]), topicOf(collections[1])}[n%3]
	return s.kafka.MoveTopicPartition(topic, 0, int32(m%s.brokers)) == nil
}

// apiTurnsNasty does to requests and writes whatever a lookback covers. Answers from the
// past come only now and then: where replicas lag, the oracle has to let more pass.
func (s *schedule) apiTurnsNasty(n, _ int) bool {
	h := hostile.Nasty(lookback)
	if n%4 > 0 {
		h.Stale = 0
	}
	h.Latency = time.Duration(n%3) * 50 * time.Millisecond
	if n%2 == 0 {
		h.ServerError, h.Throttle, h.Reset, h.CutBody = 0.2, 0.1, 0.1, 0.1
	}
	s.api.Set(h)
	return true
}

func (s *schedule) apiCalmsDown(int, int) bool {
	s.api.Set(s.api.Hostility().Calm())
	return true
}

// answers are codes of which each has its own way through a client.
var answers = []struct {
	key kmsg.Key
	err *kerr.Error
}{
	{kmsg.EndTxn, kerr.UnknownServerError}, {kmsg.EndTxn, kerr.ConcurrentTransactions}, {kmsg.EndTxn, kerr.NotCoordinator},
	{kmsg.EndTxn, kerr.RequestTimedOut}, {kmsg.EndTxn, kerr.InvalidTxnState}, {kmsg.EndTxn, kerr.ProducerFenced}, {kmsg.EndTxn, kerr.TransactionAbortable},
	{kmsg.Produce, kerr.RequestTimedOut}, {kmsg.Produce, kerr.NotLeaderForPartition}, {kmsg.Produce, kerr.InvalidProducerEpoch},
	{kmsg.Produce, kerr.ConcurrentTransactions}, {kmsg.Produce, kerr.NotEnoughReplicas}, {kmsg.Produce, kerr.TopicAuthorizationFailed},
	{kmsg.Produce, kerr.TopicAuthorizationFailed}, {kmsg.Produce, kerr.InvalidRecord}, {kmsg.Produce, kerr.OutOfOrderSequenceNumber}, {kmsg.Produce, kerr.TransactionAbortable},
	{kmsg.InitProducerID, kerr.ConcurrentTransactions}, {kmsg.InitProducerID, kerr.NotCoordinator}, {kmsg.InitProducerID, kerr.RequestTimedOut},
	{kmsg.Fetch, kerr.NotLeaderForPartition}, {kmsg.Fetch, kerr.OffsetOutOfRange}, {kmsg.ListOffsets, kerr.OffsetNotAvailable},
	{kmsg.Metadata, kerr.LeaderNotAvailable},
}

// brokerAnswers makes a broker refuse the next requests of a kind, some of them only for a
// data topic.
func (s *schedule) brokerAnswers(n, m int) bool {
	a := answers[n%len(answers)]
	f := kfake.Fault{Keys: []kmsg.Key{a.key}, Err: a.err, Count: 1 + m%4, When: notStrangers}
	if a.key == kmsg.Produce && m%3 > 0 {
		f.Topic = topicOf(collections[m%2])
	}
	s.log.notef("broker answers %s with %s", kmsg.NameForKey(int16(a.key)), a.err.Message)
	s.faults = append(s.faults, s.kafka.Fault(f))
	return true
}

// notStrangers keeps faults away from strangers, who are there to be in the way: a client
// whose producer id is refused again and again may turn in a circle without a pause, for as
// long as its records live, and in a bubble that is for ever.
func notStrangers(req kmsg.Request) bool {
	id := (*string)(nil)
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		id = req.TransactionID
	case *kmsg.InitProducerIDRequest:
		id = req.TransactionalID
	case *kmsg.EndTxnRequest:
		return req.TransactionalID == offsets.TransactionalID(offsetsTopic, 0)
	}
	return id == nil || *id == offsets.TransactionalID(offsetsTopic, 0)
}

// keys at which replies and requests are lost, and processes die.
var keys = []kmsg.Key{
	kmsg.EndTxn, kmsg.Produce, kmsg.EndTxn, kmsg.Produce, kmsg.EndTxn, kmsg.InitProducerID, kmsg.ListOffsets, kmsg.Fetch, kmsg.Metadata, kmsg.DescribeTransactions,
}

func (s *schedule) replyLost(n, _ int) bool     { return s.next(n, unheard) }
func (s *schedule) requestLost(n, _ int) bool   { return s.next(n, dropped) }
func (s *schedule) diesAtRequest(n, _ int) bool { return s.next(n, diesAt) }
func (s *schedule) diesWithReply(n, _ int) bool { return s.next(n, diesWith) }
func (s *schedule) outage(n, _ int) bool        { return s.next(n, outage) }
func (s *schedule) blackout(n, _ int) bool      { return s.next(n, blackout) }

// next lets the next request of a key meet a fate. It fires when one comes.
func (s *schedule) next(n int, f fate) bool {
	key := int16(keys[n%len(keys)])
	s.log.notef("next %s: %d", kmsg.NameForKey(key), f)
	s.setPlan(func(k int16, _ int) fate {
		if k != key || s.due[key] == arrives {
			return arrives
		}
		f := s.due[key]
		s.due[key] = arrives
		s.fate[f]++
		return f
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due[key] = f
	return false
}

// stranger leaves a transaction of another id open on the offsets topic and one data topic.
// It is aborted when it times out. Until then, nothing above it is stable.
func (s *schedule) stranger(n, m int) bool {
	timeout := time.Duration(1+m%15) * time.Second
	s.strangers++
	cl, err := s.client(kgo.TransactionalID(fmt.Sprintf("stranger-%d", s.strangers)), kgo.TransactionTimeout(timeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(time.Second), kgo.ProducerLinger(0))
	if err != nil {
		return false
	}
	defer cl.Close()
	if cl.BeginTransaction() != nil {
		return false
	}
	ctx, cancel := bounded()
	defer cancel()
	records := []*kgo.Record{offsets.LayoutRecord(offsetsTopic, 0, offsets.Layout{Lanes: 99, Hash: "none"})}
	if n%2 == 0 {
		records = append(records, &kgo.Record{Topic: topicOf(collections[n%2]), Key: []byte("stranger"), Value: []byte("{}")})
	}
	s.log.notef("a stranger's transaction, for %s", timeout)
	return cl.ProduceSync(ctx, records...).FirstErr() == nil
}
