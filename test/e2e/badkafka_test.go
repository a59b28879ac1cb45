//go:build unix

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
)

// refused runs the connector, which must end with code 1 soon and say all the texts in
// its last words: what is wrong, where, and what to do.
func (r *rig) refused(texts ...string) {
	r.t.Helper()
	p := r.run()
	if code := p.wait(soon); code != 1 {
		r.t.Errorf("ended with code %d, want 1", code)
	}
	if lineWith(p.log.String(), append([]string{"tributary: "}, texts...)...) == "" {
		r.t.Errorf("no last words with %q in\n%s", texts, tail(p.log.String(), 1500))
	}
}

// small has two collections of a few records.
func small(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, hostile.Config{Collections: []string{"people", "accounts"}})
	for _, c := range []string{"people", "accounts"} {
		r.api.InsertAt(c, 20, hostile.Timing{Backdate: time.Minute})
	}
	return r
}

func TestABrokerThatCannotBeReachedIsNamedAndTriedAgain(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.config.kafka = `{brokers: ["127.0.0.1:1"]}`
	p := r.run()
	p.says(soon, "level=WARN", "127.0.0.1:1", "connection refused")
	eventually(t, soon, "it is tried again", func() bool { return strings.Count(p.log.String(), "connection refused") >= 2 })
	time.Sleep(time.Second)
	p.running()
	if code, body := p.get("/readyz"); code != 503 || !strings.Contains(body, "lanes_waiting") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _ := p.get("/livez"); code != 200 {
		t.Errorf("/livez: %d: a restart mends no broker", code)
	}
	p.stop()
	if code, out, _ := r.command("check"); code != 4 || lineWith(out, "fail", "broker 127.0.0.1:1") == "" {
		t.Errorf("check: %d\n%s", code, out)
	}
}

func TestAnOffsetsTopicThatDeletesIsRefused(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.createTopic(r.offsets(), 1, map[string]string{"cleanup.policy": "delete"})
	r.refused(r.offsets(), "cleanup.policy=delete", "alter it to cleanup.policy=compact")
	if code, out, _ := r.command("check"); code != 4 || lineWith(out, "fail", r.offsets(), "cleanup.policy=delete") == "" {
		t.Errorf("check: %d\n%s", code, out)
	}
}

func TestADataTopicThatDeletesIsToldByCheckAndAllowed(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.createTopic(r.topic("people"), 1, map[string]string{"cleanup.policy": "delete"})
	if code, out, _ := r.command("check"); code != 0 || lineWith(out, "note", r.topic("people"), "cleanup.policy=delete") == "" {
		t.Errorf("check: %d\n%s", code, out)
	}
	r.seed()
	r.right("people", "accounts")
}

func TestMoreReplicasThanBrokersAreRefused(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.config.offsets = "{lanes: 1, replication: 3}"
	r.refused(r.offsets(), "replication 3", "set `offsets.replication`")
}

func TestMoreReplicasOfADataTopicThanBrokersStopItsCollection(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.config.topics = fmt.Sprintf("{name: %q, replication: 3}", r.prefix+".{source}.{collection}")
	r.run().says(soon, "collection stopped", r.topic("people"), "replication 3", "mend `topics`")
}

func TestAnotherNumberOfLanesIsRefused(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.seed()
	before := r.ends(r.topic("people"))
	r.config.offsets = "{lanes: 2, replication: 1}"
	r.refused(r.offsets(), "1 partitions", "2 lanes", "set `offsets.lanes: 1`")
	r.addPartitions(r.offsets(), 2)
	r.refused(r.offsets(), "laid out with 1 lanes", "set `offsets.lanes: 1`")
	equalEnds(t, before, r.ends(r.topic("people")))
}

func TestAnOffsetsTopicWithARecordOfAnotherProgramIsRefusedAtItsOffset(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key, value string
		says       string
	}{
		"junk":                           {"hello", "world", "was written by something else"},
		"a later version":                {`["v2","state","crm","people"]`, "{}", "use the program that wrote it, or a newer one"},
		"a kind of later":                {`["v1","handler","crm"]`, "{}", "use the program that wrote it, or a newer one"},
		"an entry of a later version":    {`["v1","entry","crm","people","1"]`, "\x02xxxx", "use the program that wrote it, or a newer one"},
		"a state that cannot be decoded": {`["v1","state","crm","people"]`, "not JSON", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := small(t)
			r.seed()
			before := r.ends(r.topic("people"), r.topic("accounts"))
			offset := r.produce(c.key, []byte(c.value))
			r.refused(r.offsets(), "partition 0", fmt.Sprintf("offset %d", offset), c.says)
			equalEnds(t, before, r.ends(r.topic("people"), r.topic("accounts")))
		})
	}
}
