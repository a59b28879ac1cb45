//go:build unix

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
)

// A process that is stopped for longer than its open transaction lives finds itself
// refused when it goes on. Nobody else took its lane, so it takes it again itself.
func TestAProcessThatSleptThroughItsTransactionGoesOnByItself(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
	}))
	r := newRigOn(t, b, hostile.Config{Collections: three})
	timeout := 4 * time.Second
	r.config.kafka = fmt.Sprintf("{brokers: [%q], transaction_timeout: %s, delivery_timeout: 2s}", b.Addr(), timeout)
	if *long {
		timeout = 45 * time.Second // the default
		r.config.kafka = fmt.Sprintf("{brokers: [%q]}", b.Addr())
	}
	r.set("interval", "20ms")
	r.api.Set(hostile.Hostility{Writes: hostile.Mix{Insert: 1, Update: 6, Delete: 1, Undelete: 1}})
	p := r.run()
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.write(300, timeout+12*time.Second, 21)
	}()
	p.says(soon, `msg="caught up"`)
	tries, acquired := r.stopInTransaction(p), p.acquisitions()
	eventually(t, timeout+soon, "Kafka has aborted the open transaction", func() bool { return !r.ongoing() })
	time.Sleep(500 * time.Millisecond)
	p.signal(syscall.SIGCONT)
	line := p.says(soon, "lane is spent, acquiring it again")
	eventually(t, soon, "it has acquired its lane again", func() bool {
		return p.acquisitions() > acquired
	})
	<-written
	p.running()
	r.finish(three...)
	t.Logf("stopped with a transaction open at try %d; %s", tries, line)
	p.stop()
}

// stopInTransaction stops the process while a transaction of its is open. It freezes
// the broker for a moment, in which the process waits for an answer, and the process
// before the broker goes on; some answers are those of a commit.
func (r *rig) stopInTransaction(p *process) (tries int) {
	r.t.Helper()
	for tries = 1; tries <= 40; tries++ {
		time.Sleep(time.Duration(17*tries) * time.Millisecond)
		if err := r.broker.Pause(); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		p.signal(syscall.SIGSTOP)
		if err := r.broker.Resume(); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if r.ongoing("Ongoing") {
			// What the process had sent before may still end it, where the broker is slow.
			time.Sleep(500 * time.Millisecond)
			if r.ongoing("Ongoing") {
				return tries
			}
		}
		p.signal(syscall.SIGCONT)
	}
	r.t.Fatal("never met an open transaction")
	return tries
}

// ongoing says whether a transaction is open that has partitions in it: in one of the
// states, or in any.
func (r *rig) ongoing(states ...string) bool {
	r.t.Helper()
	if len(states) == 0 {
		states = []string{"Ongoing", "PrepareAbort", "PrepareCommit"}
	}
	listed, err := r.admin().ListTransactions(r.context(), nil, states)
	if err != nil {
		r.t.Fatal(err)
	}
	open := false
	listed.Each(func(tx kadm.ListedTransaction) { open = open || tx.TxnID == r.offsets()+"-0" })
	return open
}
