//go:build unix

package e2e

import (
	"fmt"
	"testing"
	"time"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
)

// Topics whose log rolls and is compacted all the time.
const eager = "cleanup.policy: compact, segment.ms: \"100\", segment.bytes: \"1048576\", min.cleanable.dirty.ratio: \"0.01\", max.compaction.lag.ms: \"100\", delete.retention.ms: \"60000\""

func eagerRig(t *testing.T, partitions int) *rig {
	t.Helper()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{"log.cleaner.backoff.ms": "50", "log.initial.task.delay.ms": "0"}))
	r := newRigOn(t, b, hostile.Config{Collections: []string{"people"}, Seed: 41})
	r.config.topics = fmt.Sprintf("{name: %q, replication: 1, partitions: %d, config: {%s}}", r.prefix+".{source}.{collection}", partitions, eager)
	r.createTopic(r.offsets(), 1, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "100", "delete.retention.ms": "60000",
	})
	r.api.InsertAt("people", 1000, hostile.Timing{Backdate: time.Minute})
	r.api.Set(hostile.Hostility{Writes: hostile.Mix{Insert: 1, Update: 6, Delete: 1, Undelete: 1, Bulk: 1}})
	return r
}

func TestVerifyFindsNothingWhereTopicsAreCompactedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			r := eagerRig(t, partitions)
			p := r.run()
			p.says(soon, `msg="caught up"`)
			unjudged, changed := 0, 0
			times := r.again(300, 42, 5, func(v verified) {
				unjudged += v.Collections[0].Unjudged
				changed += v.Collections[0].Changed
			})
			r.converge(r.oracle("people"), soon)
			published := p.metric("tributary_records_published_total")
			var v verified
			eventually(t, soon, "most records are compacted away", func() bool {
				v = r.verifiesClean()
				return v.Collections[0].Unjudged > 0 && float64(v.Collections[0].Records) < published/2
			})
			r.unfenced(p)
			if times < 5 || unjudged == 0 {
				t.Errorf("verified %d times, and compaction left gaps beside %d batches", times, unjudged)
			}
			t.Logf("verified %d times; %d keys not judged; %v records published, %d left, of %d live keys; %d batches whole, %d not judged",
				times, changed, published, v.Collections[0].Records, v.Collections[0].Live, v.Collections[0].Whole, v.Collections[0].Unjudged)
		})
	}
}
