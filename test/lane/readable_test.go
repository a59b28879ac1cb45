//go:build unix

package lane

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
)

// A consumer reads as most do: its position is behind the last record that it was given.
type consumer struct {
	tails     map[int32]*offsets.Tail
	positions map[int32]int64
	seen      map[string]bool
}

func (l *life) consumer(topic string, partitions int32) *consumer {
	c := &consumer{tails: map[int32]*offsets.Tail{}, positions: map[int32]int64{}, seen: map[string]bool{}}
	for p := range partitions {
		c.tails[p] = offsets.NewTail(l.broker.Client(l.t), topic, p)
	}
	return c
}

// come reads on until its position has come there.
func (c *consumer) come(t *testing.T, to connector.Position) {
	t.Helper()
	for fetches := 0; c.positions[to.Partition] < to.Offset; fetches++ {
		if fetches == 40 { // each waits for a quarter of a second
			t.Fatalf("a consumer of %s partition %d never comes to offset %d: it stands at %d", to.Topic, to.Partition, to.Offset, c.positions[to.Partition])
		}
		must(t, c.tails[to.Partition].Fetch(t.Context(), func(r *kgo.Record) error {
			c.positions[r.Partition] = r.Offset + 1
			c.seen[string(r.Key)+"="+string(r.Value)] = true
			return nil
		}))
	}
}

// stable asks at once for the last stable offsets of a topic, as a consumer is told them.
func (l *life) stable(topic string, partitions int32) map[int32]int64 {
	l.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = 1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	for p := range partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(l.t.Context(), l.client)
	must(l.t, err)
	stable := map[int32]int64{}
	for _, p := range resp.Topics[0].Partitions {
		stable[p.Partition] = p.Offset
	}
	return stable
}

func TestWhoHasReadUpToThePositionsHasSeenTheRecord(t *testing.T) {
	const partitions, times = 3, 200
	l := begin(t, partitions)
	topic := l.prefix + "people"
	w, err := l.lane.Open(t.Context(), "s", "people", topic, l.metrics("s", "people"))
	must(t, err)
	c := l.consumer(topic, partitions)
	late := 0
	check := func(want string) {
		t.Helper()
		positions, err := w.Readable(t.Context())
		must(t, err)
		if len(positions) != partitions {
			t.Fatalf("%d positions of %d partitions", len(positions), partitions)
		}
		stable := l.stable(topic, partitions)
		for _, p := range positions {
			if stable[p.Partition] < p.Offset {
				late++
			}
			c.come(t, p)
		}
		if want != "" && !c.seen[want] {
			t.Fatalf("who has read up to %v has not seen %s", positions, want)
		}
	}
	for n := range times {
		id, value := fmt.Sprint(n%7), fmt.Sprint("v", n+1)
		must(t, w.Stage(t.Context(), version(w.Memory(), id, int64(n+1), value)), w.Flush(t.Context()))
		check(id + "=" + value)
	}
	if late > 0 {
		t.Errorf("%d times of %d it was said to be readable before it was", late, times)
	}
	// The next life has written nothing, and finds the same.
	last := c.positions
	l.end()
	l.again()
	w, err = l.lane.Open(t.Context(), "s", "people", topic, l.metrics("s", "people"))
	must(t, err)
	positions, err := w.Readable(t.Context())
	must(t, err)
	for _, p := range positions {
		if p.Offset != last[p.Partition] {
			t.Errorf("the next life says %v, and the last record stands before %d", p, last[p.Partition])
		}
	}
	l.end()
}
