//go:build unix

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/test/kafkatest"
)

// The broker dies while a transaction is open, and comes back. If that is soon, the
// transaction is ended as if nothing had been; later, the lane is acquired again and
// tells what became of it.
func TestABrokerThatIsKilledInCommitsLosesNothing(t *testing.T) {
	t.Parallel()
	r := changingRig(t, kafkatest.Start(t), 39)
	r.keepOffsets()
	// After twice the delivery timeout a produce is given up.
	r.config.kafka = fmt.Sprintf("{brokers: [%q], transaction_timeout: 15s, delivery_timeout: 5s}", r.broker.Addr())
	deaths := []death{{0, false}, {12 * time.Second, false}, {time.Second, true}}
	if *long {
		for i := range 15 {
			deaths = append(deaths, death{rand.N(20 * time.Second), i%3 == 0})
		}
	}
	p := r.run()
	p.says(soon, `msg="caught up"`)
	stop := r.writing(200, 40)
	for i, d := range deaths {
		log := len(p.log.String())
		r.untilOpen()
		r.broker.Kill()
		killed := time.Now()
		if d.ofBoth {
			p.kill()
			p, log = r.run(), 0
		}
		time.Sleep(d.absence)
		before := p.metric("tributary_records_published_total")
		if err := r.broker.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		up := time.Now()
		eventually(t, soon, "it publishes again", func() bool {
			return p.metric("tributary_records_published_total") > before
		})
		t.Logf("death %d: the broker was away for %s, and records came at most %s after it was back; the operator saw:\n%s", i+1,
			up.Sub(killed).Round(10*time.Millisecond), time.Since(up).Round(10*time.Millisecond), p.log.String()[log:])
		r.operatorSaw(p.log.String()[log:], d)
	}
	stop()
	r.rest(soon, three...)
	p.running()
	h := r.history()
	if len(h.claims) < 2 {
		t.Error("the lane was never acquired again")
	}
	t.Logf("killed %d times in a transaction; the lane was acquired %d times, and %d transactions were aborted", len(deaths), len(h.claims), h.aborts)

	// With nothing to commit there is nothing to wait for, however long Kafka is silent.
	r.settled(soon)
	if err := r.broker.Pause(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(8 * time.Second)
	t.Logf("beside a broker that does not answer it ended with code 0 in %s", p.stop().Round(time.Millisecond))
}

// death is one of the broker, and maybe of the connector as well.
type death struct {
	absence time.Duration
	ofBoth  bool
}

// operatorSaw looks for the lines that tell of a death of the broker.
func (r *rig) operatorSaw(log string, d death) {
	r.t.Helper()
	what := "" // a shorter absence may pass unnoticed
	switch {
	case d.ofBoth:
		what = "lane cannot be acquired yet, trying again"
	case d.absence > 10*time.Second:
		what = "lane is spent, acquiring it again"
	}
	if what != "" && (lineWith(log, "level=WARN", what, r.broker.Addr(), "connection refused") == "" || lineWith(log, `msg="lane acquired"`) == "") {
		r.t.Errorf("no line says %q and names the broker, or that the lane was acquired", what)
	}
	if line := lineWith(log, "level=ERROR"); line != "" {
		r.t.Errorf("what mends itself is no error: %s", line)
	}
}

// endHanging does what the connector's log advises: it aborts transactions of which the
// coordinator knows nothing any more, as open ones that stay as they are tell.
func (r *rig) endHanging() {
	r.t.Helper()
	before := r.open()
	if len(before) == 0 {
		return
	}
	time.Sleep(3 * time.Second) // no live one lasts as long
	now := r.open()
	// The lane's own topic last: as long as something hangs there nothing is written.
	for _, topic := range append(r.topics(), r.offsets()) {
		p, open := now[topic]
		if !open || p.CurrentTxnStartOffset != before[topic].CurrentTxnStartOffset {
			continue
		}
		var partition kadm.TopicsSet
		partition.Add(topic, 0)
		abort := kadm.TxnMarkers{ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, CoordinatorEpoch: p.CoordinatorEpoch, Topics: partition}
		written, err := r.admin().WriteTxnMarkers(r.context(), abort)
		if err == nil {
			written.EachPartition(func(p kadm.TxnMarkersPartitionResponse) { err = errors.Join(err, p.Err) })
		}
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Logf("Kafka had left a transaction hanging in %s at offset %d: ended by hand", topic, p.CurrentTxnStartOffset)
	}
}

// open returns the producers that have a transaction open, by topic.
func (r *rig) open() map[string]kadm.DescribedProducer {
	r.t.Helper()
	var all kadm.TopicsSet
	for _, topic := range append(r.topics(), r.offsets()) {
		all.Add(topic, 0)
	}
	described, err := r.admin().DescribeProducers(r.context(), all)
	if err != nil {
		r.t.Fatal(err)
	}
	open := map[string]kadm.DescribedProducer{}
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 {
			open[p.Topic] = p
		}
	})
	return open
}

// topics are the data topics of the three collections.
func (r *rig) topics() (topics []string) {
	for _, c := range three {
		topics = append(topics, r.topic(c))
	}
	return topics
}

// Kafka forgets a transactional id that nobody has used for a week, and what its
// partitions know of a producer after a day. A collection may be quiet for longer.
func TestAnIdThatKafkaHasForgotten(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{
		"transactional.id.expiration.ms":                             "4000",
		"transaction.remove.expired.transaction.cleanup.interval.ms": "200",
		"producer.id.expiration.ms":                                  "3000",
		"producer.id.expiration.check.interval.ms":                   "200",
	}))
	t.Run("is asked for anew", func(t *testing.T) {
		t.Parallel()
		r := changingRig(t, b, 41)
		p := r.run()
		for i := range 2 {
			r.forgotten(p)
			acquired, log := p.acquisitions(), len(p.log.String())
			for _, c := range three {
				r.api.Insert(c, 3)
			}
			took := r.converge(r.oracle(three...), soon)
			eventually(t, soon, "the lane is acquired again", func() bool { return p.acquisitions() > acquired })
			t.Logf("quiet for longer than ids live, time %d: it came after %s; the operator saw:\n%s", i+1, took.Round(10*time.Millisecond), p.log.String()[log:])
			if lineWith(p.log.String()[log:], "level=WARN", "lane is spent, acquiring it again") == "" {
				t.Error("it is not said why")
			}
			r.right(three...)
		}
		p.running()
		p.stop()
	})
	// The successor gets a producer id that has nothing to do with the zombie's, so that
	// no epoch tells the two apart.
	t.Run("fences a zombie all the same", func(t *testing.T) {
		t.Parallel()
		r := changingRig(t, b, 42)
		zombie := r.run()
		r.forgotten(zombie)
		zombie.signal(syscall.SIGSTOP)
		r.config.instance = "successor"
		successor := r.run()
		successor.says(soon, `msg="caught up"`)
		stop := r.writing(100, 50)
		zombie.signal(syscall.SIGCONT)
		line := r.endsFor(zombie, "successor")
		stop()
		successor.running()
		r.rest(soon, three...)
		t.Logf("the zombie ended with code 5: %s", line)
	})
}

// forgotten waits until there is nothing to commit and Kafka has forgotten the lane's id.
func (r *rig) forgotten(p *process) {
	r.t.Helper()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle(three...), soon)
	r.settled(soon)
	eventually(r.t, soon, "Kafka has forgotten the id", func() bool { return !r.knows(r.offsets() + "-0") })
	time.Sleep(time.Second) // and the partitions the producer
}

// knows says whether Kafka knows a transactional id.
func (r *rig) knows(id string) bool {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	defer cancel()
	listed, err := r.admin().ListTransactions(ctx, nil, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	known := false
	listed.Each(func(tx kadm.ListedTransaction) { known = known || tx.TxnID == id })
	return known
}
