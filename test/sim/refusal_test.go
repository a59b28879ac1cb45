package sim

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/test/hostile"
)

// A refusedPage is a page of a backfill whose topic refuses it once, while the pages behind
// it come in.
type refusedPage struct {
	err *kerr.Error
	n   int // the nth produce to the topic
}

func (c refusedPage) String() string {
	return fmt.Sprintf("produce %d of a backfill is answered with %s", c.n, c.err.Message)
}

// What was refused is put aside, and what is read meanwhile comes behind it.
func TestABackfillOfWhichOnePageIsRefusedKeepsItsOrder(t *testing.T) {
	var cases []refusedPage
	for _, e := range []*kerr.Error{
		kerr.TopicAuthorizationFailed, kerr.MessageTooLarge, kerr.InvalidRecord, kerr.PolicyViolation, kerr.InvalidTimestamp, kerr.InvalidTopicException,
	} {
		for n := range 6 {
			cases = append(cases, refusedPage{e, n + 1})
		}
	}
	var refused atomic.Int64
	sideBySide(t, sample(cases), func(t *testing.T, c refusedPage) error {
		// How pages group into transactions depends on how goroutines are scheduled: a
		// produce that was not made may be in another run.
		for range 5 {
			hit, err := c.live(t)
			if err != nil {
				return err
			}
			if hit {
				refused.Add(1)
				return nil
			}
		}
		return fmt.Errorf("there were never %d produces to the topic", c.n)
	})
	t.Logf("%d pages refused", refused.Load())
}

func (c refusedPage) live(t *testing.T) (hit bool, err error) {
	// With a slow network, pages of both collections come into one transaction.
	w := &world{about: c.String(), seed: *seed, brokers: 2, partitions: 1, slow: 60 * time.Millisecond}
	err = live(t, w, func(w *world) error {
		for range 10 * pageSize {
			w.api.Insert("people", 1)
			w.api.Insert("accounts", 1)
			time.Sleep(time.Millisecond)
		}
		w.api.Set(hostile.Hostility{Latency: 40 * time.Millisecond})
		produces := 0 // Kafka asks one request at a time
		fault := w.kafka.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: topicOf("people"), Err: c.err, Count: 1,
			When: func(kmsg.Request) bool { produces++; return produces == c.n },
		})
		err := w.finish("a")
		hit = fault.Hits() > 0
		return err
	})
	return hit, err
}
