package sink

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that refuses a topic before it is in the transaction, as one that is just being
// deleted, does not try the rest of the request. The rest is not at fault, and nor is the lane.
func TestWhatWasNotTriedForAnothersSakeSpendsNoLane(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	h := newHandler("a", "b")
	h.next.Store(1)
	l := k.live(k.config("a", "1"), h.run)
	await(t, "it runs", h.holds(k, 1))
	notTried := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: h.topic("a"), Err: kerr.OperationNotAttempted, Count: 1})
	refused := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: h.topic("b"), Err: kerr.TopicAuthorizationFailed, Count: 1})
	h.next.Store(5)
	await(t, "all is there", h.holds(k, 5))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if notTried.Hits() != 1 || refused.Hits() != 1 || h.opened.Load() != 1 {
		t.Errorf("not tried %d times, refused %d times; opened %d times", notTried.Hits(), refused.Hits(), h.opened.Load())
	}
	h.ended(k, 5)
}
