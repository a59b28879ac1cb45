//go:build unix

package e2e

import (
	"fmt"
	"testing"

	"tributary/test/hostile"
)

// peopleStop runs the connector on what was changed while it was down. The collection
// people must stop with all the texts in one line, publish nothing, and not keep
// accounts from going on.
func (r *rig) peopleStop(texts ...string) *process {
	r.t.Helper()
	r.api.Insert("accounts", 5)
	p := r.run()
	p.says(soon, append([]string{"collection stopped", "collection=people", "remedy="}, texts...)...)
	r.converge(r.oracle("accounts"), soon)
	eventually(r.t, soon, "the metrics say that people is stopped and accounts runs", func() bool {
		return p.metric("tributary_collection_state", "collection", "people", "state", "stopped") == 1 &&
			p.metric("tributary_collection_state", "collection", "accounts", "state", "running") == 1
	})
	p.running()
	return p
}

// seeded has read its two collections once.
func seeded(t *testing.T) *rig {
	t.Helper()
	r := small(t)
	r.seed()
	return r
}

func TestACollectionThatLostItsStateStopsAndBootstrapReadsItAnew(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	before := r.ends(r.topic("people"))
	r.produce(`["v1","state","crm","people"]`, nil)
	if code, out, _ := r.command("check"); code != 4 || lineWith(out, "fail", r.topic("people"), "crm.people has no state") == "" {
		t.Errorf("check: %d\n%s", code, out)
	}
	p := r.peopleStop("crm.people has no state", r.offsets(), r.topic("people"), "--bootstrap")
	equalEnds(t, before, r.ends(r.topic("people")))
	p.stop()
	if code, out, _ := r.command("state", "show"); code != 0 || lineWith(out, "PROBLEM", "crm.people", "state record is missing") == "" {
		t.Errorf("state show: %d\n%s", code, out)
	}
	r.seed("--bootstrap")
	if n := len(r.records(r.topic("people"))); n != 40 {
		t.Errorf("%d records after a bootstrap of 20, want them twice", n)
	}
	again := r.ends(r.topic("people"))
	r.seed()
	equalEnds(t, again, r.ends(r.topic("people")))
}

func TestBootstrapFillsATopicThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	r.produce(`["v1","state","crm","people"]`, nil)
	r.deleteTopic(r.topic("people"))
	r.seed("--bootstrap")
	r.right("people", "accounts")
}

func TestALedgerThatDoesNotAddUpStopsItsCollection(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	before := r.ends(r.topic("people"))
	r.produce(`["v1","entry","crm","people","7"]`, nil)
	r.peopleStop("crm.people", "restore topic "+r.offsets())
	equalEnds(t, before, r.ends(r.topic("people")))
}

func TestWithoutItsOffsetsTopicEveryCollectionStops(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	before := r.ends(r.topic("people"), r.topic("accounts"))
	r.deleteTopic(r.offsets())
	p := r.run()
	for _, c := range []string{"people", "accounts"} {
		p.says(soon, "collection stopped", "crm."+c+" has no state", r.offsets(), r.topic(c)+" holds records", "restore the offsets topic", "--bootstrap")
	}
	p.stop()
	equalEnds(t, before, r.ends(r.topic("people"), r.topic("accounts")))
}

func TestADataTopicThatWasChangedWhileDownStopsItsCollection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(r *rig)
		says string
	}{
		"deleted": {func(r *rig) { r.deleteTopic(r.topic("people")) }, "was deleted while its state remains"},
		"made again": {func(r *rig) {
			r.deleteTopic(r.topic("people"))
			r.createTopic(r.topic("people"), 1, nil)
		}, "was deleted and made again"},
		"repartitioned": {func(r *rig) { r.addPartitions(r.topic("people"), 3) }, "has 3 partitions and had 1"},
		"given another name": {func(r *rig) {
			r.config.topics = fmt.Sprintf("{name: %q, replication: 1}", r.prefix+".{source}.{collection}.v2")
		}, "its state belongs to topic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t)
			topic := r.topic("people")
			c.do(r)
			if name == "given another name" { // and so is that of accounts
				r.run().says(soon, "collection stopped", "crm.people", topic, c.says)
				return
			}
			r.peopleStop(topic, c.says, "another source name")
		})
	}
}

func TestAnotherPathOfIdOrInstantStopsTheCollection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ collection, says string }{
		"id":        {"{name: people, id: email_address}", "`email_address`"},
		"instant":   {`{name: people, cursor: {field: touched_at}}`, "`touched_at`"},
		"deletions": {"{name: people, deletions: none}", "no field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t)
			before := r.ends(r.topic("people"))
			r.config.sources[0].collections = []string{c.collection, "accounts"}
			r.peopleStop(c.says, "`updated_at`", "put the old paths back")
			equalEnds(t, before, r.ends(r.topic("people")))
		})
	}
}

// A change of the hash publishes nothing again; what changes after it is published.
func TestAnotherHashPublishesNothingTwice(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	before := r.ends(r.topic("people"), r.topic("accounts"))
	r.set("hash", "{exclude: [updated_at, touched_at, ver, score]}")
	p := r.run()
	p.says(soon, `msg="caught up"`)
	eventually(t, soon, "ten pulls", func() bool { return p.metric("tributary_polls_total") >= 20 })
	equalEnds(t, before, r.ends(r.topic("people"), r.topic("accounts")))
	r.api.Write("people", hostile.Update, "3", "4")
	r.converge(r.oracle("people"), soon)
	v := r.right("people", "accounts")
	if v.Records != 42 {
		t.Errorf("%d records, want 42", v.Records)
	}
	p.stop()
}
