//go:build unix

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/test/kafkatest"
)

// A topic that somebody deletes while its collection is written to takes that collection
// with it, for what its state says was published is gone. The others do not notice.
func TestATopicThatIsDeletedUnderARunningCollectionStopsItAlone(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"deleted": false, "deleted and made again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := changingRig(t, kafkatest.Shared(t), 43)
			p := r.run()
			stop := r.writing(200, 44)
			r.livesFor(p, 2*time.Second)
			r.untilOpen()
			r.deleteTopic(r.topic("people"))
			if again {
				r.createTopic(r.topic("people"), 1, map[string]string{"cleanup.policy": "compact"})
			}
			line := p.says(soon, "collection stopped", "collection=people", r.topic("people"), "was deleted", "another source name")
			r.livesFor(p, 3*time.Second)
			stop()
			r.rest(soon, "accounts", "notes")
			if got := p.metric("tributary_collection_state", "collection", "people", "state", "stopped"); got != 1 {
				t.Errorf("people is stopped: %v", got)
			}
			if again {
				if n := len(r.records(r.topic("people"))); n != 0 {
					t.Errorf("%d records in a topic that its state does not belong to", n)
				}
			} else if topics, err := r.admin().ListTopics(r.context()); err != nil || topics.Has(r.topic("people")) {
				t.Errorf("the topic is there again (%v), although nobody made it", err)
			}
			t.Logf("the lane was acquired %d times; %s", p.acquisitions(), strings.TrimSpace(line))
			p.stop()
			// A restart knows it as well.
			r.api.Insert("people", 5)
			r.peopleStop(r.topic("people"), "was deleted").stop()
			r.right("accounts", "notes")
		})
	}
}

// livesFor lets the connector run for d, in which each collection but people must publish.
func (r *rig) livesFor(p *process, d time.Duration) {
	r.t.Helper()
	published := func(c string) float64 { return p.metric("tributary_records_published_total", "collection", c) }
	for _, c := range three {
		if c == "people" && p.metric("tributary_collection_state", "collection", c, "state", "stopped") == 1 {
			continue
		}
		before := published(c)
		eventually(r.t, soon, fmt.Sprintf("%s publishes", c), func() bool { return published(c) >= before+10 })
	}
	time.Sleep(d)
	p.running()
}

// Without its state no collection knows what it has published.
func TestAnOffsetsTopicThatIsDeletedUnderARunningLaneStopsEveryCollection(t *testing.T) {
	t.Parallel()
	r := changingRig(t, kafkatest.Shared(t), 51)
	p := r.run()
	stop := r.writing(100, 52)
	r.livesFor(p, 2*time.Second)
	r.untilOpen()
	r.deleteTopic(r.offsets())
	for _, c := range three {
		p.says(soon, "collection stopped", "collection="+c, "crm."+c+" has no state", r.topic(c)+" holds records", "restore the offsets topic", "--bootstrap")
	}
	stop()
	p.running()
	before := r.ends(r.topics()...)
	time.Sleep(2 * time.Second)
	equalEnds(t, before, r.ends(r.topics()...))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if v, err := r.oracle(three...).Judge(ctx); err != nil || !v.Safe() {
		t.Errorf("%v %v", v, err)
	}
	t.Logf("the operator saw:\n%s", p.log.String())
	p.stop()
}
