//go:build unix

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
)

func (r *rig) letters() string { return r.config.group + ".dlq" }

// What Java's own consumer shows of a dead letter, and what becomes of one that is mended.
func TestADeadLetterIsWhatToolsOfKafkaConnectExpect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, key, stage, class, says string }{
		"no id":          {`{"name":"x","updated_at":"AT"}`, "null", "TASK_POLL", "tributary.BadRecord", "it has no id"},
		"no updated_at":  {`{"id":3,"name":"x"}`, "3", "TASK_POLL", "tributary.BadRecord", "it has no instant"},
		"much too large": {`{"id":3,"updated_at":"AT","text":"` + strings.Repeat("x", 9000) + `"}`, "3", "KAFKA_PRODUCE", "tributary.RecordTooLarge", "it is 90"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, api := badRigWithAPI(t, c.body)
			sent := api["people"][2].body
			r.set("on_bad_record", "dlq")
			p := r.run()
			p.says(soon, "record goes to the dead letter queue", "collection=people", c.says)
			eventually(t, soon, "all others are there, and it is counted", func() bool {
				return p.metric("tributary_records_published_total", "collection", "people") == 3 &&
					p.metric("tributary_dead_letters_total", "collection", "people") == 1 &&
					p.metric("tributary_unpublished_records", "collection", "people") == 1 &&
					p.metric("tributary_records_skipped_total", "collection", "people", "reason", "bad_record") >= 1
			})
			p.stop()
			if out := r.ok("state", "show"); lineWith(out, "crm.people: 1 records could not be published") == "" {
				t.Errorf("state show says %s", out)
			}
			for _, cursor := range []string{"beginning", "2020-01-01T00:00:00Z"} { // it is read again, and again
				r.ok("state", "set", "crm.people", "--cursor", cursor)
				r.seed()
			}
			if n := len(r.records(r.letters())); n != 1 {
				t.Fatalf("%d dead letters", n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			line := r.broker.ConsoleConsumer(ctx, t, r.letters(), 1)[0]
			part := strings.Split(line, "\t")
			if len(part) != 3 || part[1] != c.key || part[2] != sent {
				t.Errorf("Kafka's console consumer shows %s", line)
			}
			for _, want := range []string{"__connect.errors.topic:" + r.topic("people"), "__connect.errors.connector.name:crm.people", "__connect.errors.task.id:0",
				"__connect.errors.stage:" + c.stage, "__connect.errors.class.name:tributary.connector.Reader",
				"__connect.errors.exception.class.name:" + c.class, "__connect.errors.exception.message:" + c.says,
				"ce_type:crm.people.rejected", "content-type:application/json", "tributary_batch:"} {
				if !strings.Contains(part[0], want) {
					t.Errorf("no %s in %s", want, part[0])
				}
			}
			r.verifiesClean()
			api["people"] = append(slices.Delete(api["people"], 2, 3), plain(3, 0, ""))
			r.seed()
			if keys := r.keys(r.topic("people")); !slices.Equal(keys, []string{"1", "2", "3", "4"}) {
				t.Errorf("after it was mended the topic has %v", keys)
			}
			r.verifiesClean("--against-source")
		})
	}
}

// A planted row and every body that it had.
type planted struct {
	*hostile.Plant
	bodies []string
}

func TestKilledEveryTwoSecondsDeadLettersAreThereOnce(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 61, everything())
	r.set("on_bad_record", "dlq")
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.write(100, phase(), 62)
	}()
	var rows []*planted
	p, kills := r.run(), 0
	killed := time.Now()
	for i, over := 0, false; !over; i++ {
		row := &planted{Plant: r.api.Plant(three[i%3], fmt.Sprintf(`{"updated_at":"AT","nobody":%d}`, i))}
		row.bodies = []string{row.Body()}
		rows = append(rows, row)
		old := rows[i/2]
		old.bodies = append(old.bodies, old.Change(fmt.Sprintf(`{"id":"","updated_at":"AT","nobody":%d,"again":%d}`, i/2, i)))
		select {
		case <-written:
			over = true
		case <-time.After(150 * time.Millisecond):
		}
		if time.Since(killed) > 2*time.Second {
			p.running()
			p.kill()
			kills++
			p, killed = r.run(), time.Now()
		}
	}
	r.finish(three...)
	r.fired("planted")
	times := map[string]int{}
	for _, rec := range r.records(r.letters()) {
		times[string(rec.Value)]++
	}
	total := len(times)
	for _, row := range rows {
		for i, body := range row.bodies {
			if n := times[body]; n > 1 || n == 0 && i == len(row.bodies)-1 {
				t.Errorf("%s is there %d times", body, n)
			}
			delete(times, body)
		}
	}
	if len(times) > 0 || kills < 5 {
		t.Errorf("%d letters are of nobody; killed %d times", len(times), kills)
	}
	t.Logf("%d rows that cannot be published, %d dead letters, killed %d times", len(rows), total, kills)
}

// mayNotWriteLetters is a part of TestLoginAndRights, which has the broker for it.
func mayNotWriteLetters(t *testing.T, b *kafkatest.Broker) {
	t.Parallel()
	r := guarded(t, b)
	r.set("on_bad_record", "dlq")
	r.allow(r.topic("people"), kadm.OpAll)
	r.createTopic(r.letters(), 1, nil)
	r.allow(r.letters(), kadm.OpRead)
	r.api.Plant("people", `{"updated_at":"AT"}`)
	if code, out, _ := r.command("check"); code != 4 || lineWith(out, "fail", r.letters(), "we lack Write") == "" {
		t.Errorf("check: %d\n%s", code, out)
	}
	p := r.run()
	p.says(soon, "quarantined", "collection=people", r.letters(), "TOPIC_AUTHORIZATION_FAILED")
	r.othersGoOn(p)
	r.allow(r.letters(), kadm.OpAll)
	r.comesBack(p)
	if n := len(r.records(r.letters())); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

func TestADeadLetterQueueThatWasDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.set("on_bad_record", "dlq")
	p := r.run()
	r.api.Plant("people", `{"updated_at":"AT","n":1}`)
	eventually(t, soon, "it is a dead letter", func() bool { return p.metric("tributary_dead_letters_total", "collection", "people") == 1 })
	if _, err := r.admin().DeleteTopic(r.context(), r.letters()); err != nil {
		t.Fatal(err)
	}
	r.api.Plant("people", `{"updated_at":"AT","n":2}`)
	p.says(soon, "quarantined", "collection=people", r.letters(), "UNKNOWN_TOPIC")
	r.othersGoOn(p)
	r.api.Insert("people", 3)
	r.converge(r.oracle("people", "accounts"), soon)
	p.says(soon, "topic takes records again", "collection=people")
	if got := r.records(r.letters()); len(got) != 1 || !strings.Contains(string(got[0].Value), `"n":2`) {
		t.Errorf("dead letters %v", got)
	}
	p.stop()
}
