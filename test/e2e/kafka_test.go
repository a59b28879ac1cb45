//go:build unix

package e2e

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a foreign hand does to the topics, and looks up of them.

func (r *rig) admin() *kadm.Client { return kadm.NewClient(r.broker.Client(r.t)) }

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	r.t.Cleanup(cancel)
	return ctx
}

// ends returns the high watermarks of topics, summed over their partitions. It waits
// for the markers of transactions, which come a moment after their commit.
func (r *rig) ends(topics ...string) (ends map[string]int64) {
	r.t.Helper()
	eventually(r.t, soon, "no transaction is open", func() bool {
		stable, err := r.admin().ListCommittedOffsets(r.context(), topics...)
		if err := errors.Join(err, stable.Error()); err != nil {
			r.t.Fatal(err)
		}
		high, err := r.admin().ListEndOffsets(r.context(), topics...)
		if err := errors.Join(err, high.Error()); err != nil {
			r.t.Fatal(err)
		}
		ends = sums(high)
		return maps.Equal(sums(stable), ends)
	})
	return ends
}

func sums(listed kadm.ListedOffsets) map[string]int64 {
	sums := map[string]int64{}
	listed.Each(func(o kadm.ListedOffset) { sums[o.Topic] += o.Offset })
	return sums
}

// produce writes one record to the offsets topic's only lane, as nobody should.
func (r *rig) produce(key string, value []byte) int64 {
	r.t.Helper()
	rec := &kgo.Record{Topic: r.offsets(), Key: []byte(key), Value: value}
	if err := r.broker.Client(r.t).ProduceSync(r.context(), rec).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	return rec.Offset
}

func (r *rig) deleteTopic(topic string) {
	r.t.Helper()
	if _, err := r.admin().DeleteTopic(r.context(), topic); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, soon, "topic "+topic+" is gone", func() bool {
		d, err := r.admin().ListTopics(r.context(), topic)
		return err == nil && !d.Has(topic)
	})
}

func (r *rig) createTopic(topic string, partitions int32, settings map[string]string) {
	r.t.Helper()
	r.broker.CreateTopic(r.t, topic, partitions, settings)
}

func (r *rig) addPartitions(topic string, set int) {
	r.t.Helper()
	if resp, err := r.admin().UpdatePartitions(r.context(), set, topic); err != nil || resp.Error() != nil {
		r.t.Fatal(err, resp.Error())
	}
	// The broker answers before its own metadata tells of them.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		topics, err := r.admin().ListTopics(r.context(), topic)
		if err == nil && len(topics[topic].Partitions) == set {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("topic %s has no %d partitions: %v", topic, set, err)
		}
	}
}

// seed has the connector read the API to its end, and ends it.
func (r *rig) seed(flags ...string) {
	r.t.Helper()
	p := r.run(append([]string{"--until-caught-up"}, flags...)...)
	if code := p.wait(soon); code != 0 {
		r.t.Fatalf("ended with code %d", code)
	}
}

func equalEnds(t *testing.T, before, after map[string]int64) {
	t.Helper()
	for topic, end := range before {
		if after[topic] != end {
			t.Errorf("topic %s went from offset %d to %d", topic, end, after[topic])
		}
	}
}
