package kafkatest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Known waits until a client knows of the partitions to which it has just produced. Until
// then, for a moment after the first records of a topic, its EndTransaction aborts what it
// is told to commit, and returns no error (kgo v1.22.2).
func Known(t testing.TB, cl *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); len(records) > 0; {
		if leader, _, _ := cl.PartitionLeader(records[0].Topic, records[0].Partition); leader != -1 {
			records = records[1:]
			continue
		}
		if time.Now().After(end) {
			t.Fatalf("the client does not know of %s partition %d", records[0].Topic, records[0].Partition)
		}
		time.Sleep(time.Millisecond)
	}
}
