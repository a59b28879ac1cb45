//go:build unix

package e2e

import (
	"bytes"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/kafkatest"
)

// letteredRig has run until nothing was left to commit; what came last was a dead letter of
// people alone, which it returns.
func letteredRig(t *testing.T, b *kafkatest.Broker, seed uint64) (*rig, *kgo.Record) {
	t.Helper()
	r := changingRig(t, b, seed)
	r.set("on_bad_record", "dlq")
	r.keepOffsets()
	r.api.Plant("people", `{"id":"odd","updated_at":null}`)
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle(three...), soon)
	r.settled(soon)
	r.api.Plant("people", `{"updated_at":"AT","name":"of nobody"}`)
	eventually(t, soon, "it is a dead letter", func() bool { return p.metric("tributary_dead_letters_total", "collection", "people") == 2 })
	p.stop()
	letters := r.records(r.letters())
	if len(letters) != 2 {
		t.Fatalf("%d dead letters", len(letters))
	}
	return r, letters[1]
}

// What KAFKA-20734 leaves hanging in a dead letter queue, or of a batch that published
// nothing but a dead letter, is ended as it was elsewhere.
func TestADeadLetterThatKafkaLeftHanging(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{"transaction.partition.verification.enable": "false"}))
	for name, c := range map[string]struct {
		seed    uint64
		hang    func(r *rig, last *kgo.Record) (topic string, state []byte)
		says    []string
		letters int
	}{
		"is aborted when its state was not committed": {81, func(r *rig, last *kgo.Record) (string, []byte) {
			r.leaveHanging(r.letters(), numbered(last, 1<<40))
			return r.letters(), nil
		}, []string{"it was aborted"}, 2},
		"is committed when its state was committed": {82, func(r *rig, last *kgo.Record) (string, []byte) {
			r.leaveHanging(r.letters(), last)
			return r.letters(), nil
		}, []string{"it was committed elsewhere", "published there anew"}, 3}, // the copy that hung and the one that was there
		"tells that the state that hangs was committed": {83, func(r *rig, last *kgo.Record) (string, []byte) {
			return r.offsets(), r.loseEnd(last).Value
		}, []string{"it was committed elsewhere", "published there anew"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, last := letteredRig(t, b, c.seed)
			topic, state := c.hang(r, last)
			p := r.run()
			p.says(soon, append([]string{"Kafka had lost the end of a transaction", topic}, c.says...)...)
			p.says(soon, `msg="caught up"`)
			if all := r.records(r.offsets()); state != nil && !slices.ContainsFunc(all, func(x *kgo.Record) bool { return bytes.Equal(x.Value, state) }) {
				t.Errorf("what hung there is not to be seen: %s", state)
			}
			r.goesOn(p)
			if n := len(r.records(r.letters())); n != c.letters {
				t.Errorf("%d dead letters, want %d", n, c.letters)
			}
		})
	}
}
