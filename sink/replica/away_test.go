package replica

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TestADeletionThatCompactionHasForgottenIsNotMissed: who was away for longer than a topic
// keeps its tombstones is not told of them any more.
func TestADeletionThatCompactionHasForgottenIsNotMissed(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	settings := map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "delete.retention.ms": kadm.StringPtr("1")}
	if _, err := kadm.NewClient(k.cl).CreateTopic(context.Background(), 1, 1, settings, "s.people"); err != nil {
		t.Fatal(err)
	}
	r := start(t, k.config(path))
	k.commit(put("1", `{"a":1}`)) // stays, so that the log begins where it began
	r.await(k.commit(put("2", `{"a":2}`), put("3", `{"a":3}`)))
	r.stop()
	k.commit(put("2", ""))
	at := k.commit(put("4", `{"a":4}`))
	time.Sleep(20 * time.Millisecond)
	k.Compact()
	if began := k.PartitionInfo("s.people", 0).LogStartOffset; began != 0 {
		t.Fatalf("the log begins at %d", began)
	}
	r = start(t, k.config(path))
	r.await(at)
	r.eventually("it may be read", func() bool { return r.Status().Collections[0].Restoring == "" })
	r.lists("", `{"a":1}`, `{"a":3}`, `{"a":4}`)
}

func TestAReplicaIsReadAgainWhenItWasAwayForLongerThanDeletionsAreKept(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]struct {
		settings map[string]*string
		away     time.Duration
		again    bool
	}{
		"for less":                    {nil, 20 * time.Hour, false},
		"for more":                    {nil, 25 * time.Hour, true},
		"for a little less":           {nil, 23 * time.Hour, true}, // what was open may be committed later
		"for less than it was set to": {map[string]*string{"delete.retention.ms": kadm.StringPtr("604800000")}, 25 * time.Hour, false},
		"and nothing is compacted":    {map[string]*string{"cleanup.policy": kadm.StringPtr("delete")}, 1000 * time.Hour, false},
		"and they are kept for ever":  {map[string]*string{"delete.retention.ms": kadm.StringPtr("9223372036854775807")}, 1000 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, path := newKafka(t), pathOf(t)
			settings := map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}
			for key, v := range of.settings {
				settings[key] = v
			}
			if _, err := kadm.NewClient(k.cl).CreateTopic(context.Background(), 1, 1, settings, "s.people"); err != nil {
				t.Fatal(err)
			}
			r := start(t, k.config(path))
			r.await(k.commit(put("1", `{"a":1}`)))
			r.stop()
			execute(fmt.Sprintf("UPDATE collections SET whole = %d", time.Now().Add(-of.away).UnixMilli()))(t, path)
			r = start(t, k.config(path))
			r.await(k.commit(put("2", `{"a":2}`)))
			r.lists("", `{"a":1}`, `{"a":2}`)
			if again := strings.Contains(r.logs.String(), "deletions"); again != of.again {
				t.Errorf("read again: %v, want %v\n%s", again, of.again, r.logs)
			}
			r.stop()
			again := start(t, k.config(path))
			again.eventually("it may be read", func() bool { return again.Status().Collections[0].Restoring == "" })
			if strings.Contains(again.logs.String(), "read again") {
				t.Errorf("it was read again although it was whole:\n%s", again.logs)
			}
		})
	}
}
