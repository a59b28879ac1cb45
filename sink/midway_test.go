package sink

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Where retention has cut a partition behind what the client wrote last, the client takes
// certain refusals for forgetfulness, gets its producer id anew, and goes on. If that is in
// the middle of a transaction, what was written before was aborted thereby, and what comes
// after would be committed alone.
func TestATransactionOfWhichTheClientBeganAnewHalfwayIsNotCommitted(t *testing.T) {
	for name, refused := range map[string]string{"with its record": "s.people", "with its state": "crm.offsets"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 6
			k := newKafka(t, kfake.NumBrokers(2))
			f := newFeed("people")
			f.next.Store(n / 2)
			l := k.live(k.config("a", "1"), f.run)
			await(t, "half of it is there", k.holds(f.topic(), n/2))
			must := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			must(k.MoveTopicPartition("crm.offsets", 0, 0))
			must(k.MoveTopicPartition(f.topic(), 0, 1))
			f.next.Store(n - 1)
			await(t, "it goes on", k.holds(f.topic(), n-1))
			id, err := Identify(context.Background(), k.client(), refused)
			must(err)
			var times atomic.Int64
			k.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
				k.KeepControl()
				produce := req.(*kmsg.ProduceRequest)
				if len(produce.Topics) != 1 || produce.Topics[0].TopicID != id.ID || times.Add(1) > 1 {
					return nil, nil, false
				}
				k.SleepControl(func() { time.Sleep(300 * time.Millisecond) }) // the other broker has taken its part
				return forgotten(produce), nil, true
			})
			f.next.Store(n)
			await(t, "all of it is there", k.holds(f.topic(), n))
			must(l.end())
			if times.Load() == 0 {
				t.Fatal("nothing was refused")
			}
			again := k.live(k.config("a", "2"), f.run)
			await(t, "it is opened again", func() bool { return f.opened.Load() >= 2 })
			f.next.Store(n + 1)
			await(t, "it goes on", k.holds(f.topic(), n+1))
			must(again.end())
			k.check(f.topic(), n+1)
		})
	}
}

// forgotten says that the broker does not know the producer any more, and that its log
// begins behind what was written last.
func forgotten(req *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode, part.BaseOffset, part.LogStartOffset = p.Partition, kerr.UnknownProducerID.Code, -1, 1<<40
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
