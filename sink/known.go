package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A partition of a topic.
type partition struct {
	topic  string
	number int32
}

// known waits until the lane's client knows of the partitions that were written.
func (l *Lane) known(written map[partition]bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.deliveryTimeout())
	defer cancel()
	return known(ctx, l.cl, written)
}

// known waits until the client knows of the partitions that it has produced to. The first
// records of a topic it sends a moment before it keeps what it was told of the topic
// (kgo v1.22.2, storePartitionsUpdate), and EndTransaction looks at what is kept: within that
// moment it finds nothing to commit, aborts, and returns no error; or it commits, and the
// sequence numbers of that partition do not begin anew, which Kafka refuses next time.
func known(ctx context.Context, cl *kgo.Client, written map[partition]bool) error {
	for p := range written {
		for wait := 50 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
			leader, epoch, err := cl.PartitionLeader(p.topic, p.number)
			if leader != -1 || epoch != -1 {
				break
			}
			if sleep(ctx, wait) != nil {
				return fmt.Errorf("the client has produced to %s partition %d and does not know of it: it would not commit the transaction, and not say so (%v)", p.topic, p.number, err)
			}
		}
	}
	return nil
}
