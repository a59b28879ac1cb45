//go:build unix

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"tributary/test/kafkatest"
)

// A process that is stopped for longer than its transaction lives is a zombie when it
// goes on, for another one has its lane by then. It must end, and say who has it.

func TestAZombieThatSleptInATransactionEndsForItsSuccessor(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
	}))
	r := changingRig(t, b, 33)
	r.shortTransactions()
	zombie := r.run()
	stop := r.writing(200, 34)
	zombie.says(soon, `msg="caught up"`)
	tries := r.stopInTransaction(zombie)
	r.config.instance = "successor"
	r.config.kafka = fmt.Sprintf("{brokers: [%q]}", b.Addr()) // whose transactions need not end soon
	successor := r.run()
	eventually(t, soon, "Kafka has aborted the open transaction", func() bool { return !r.ongoing() })
	successor.says(soon, `msg="lane acquired"`)
	successor.says(soon, `msg="caught up"`)
	zombie.signal(syscall.SIGCONT)
	line := r.endsFor(zombie, "successor")
	stop()
	successor.running()
	if n := successor.acquisitions(); n != 1 {
		t.Errorf("the successor acquired its lane %d times: the zombie disturbed it", n)
	}
	r.rest(soon, three...)
	t.Logf("stopped with a transaction open at try %d; it ended with code 5: %s", tries, line)
}

// With nothing to commit a zombie reads on, and does no harm by it.
func TestAnIdleZombieHarmsNothingAndEndsForItsSuccessor(t *testing.T) {
	t.Parallel()
	r := changingRig(t, kafkatest.Shared(t), 35)
	r.shortTransactions()
	zombie := r.run()
	zombie.says(soon, `msg="caught up"`)
	r.settled(soon)
	zombie.signal(syscall.SIGSTOP)
	r.config.instance = "successor"
	successor := r.run()
	successor.says(soon, `msg="lane acquired"`)
	successor.says(soon, `msg="caught up"`)
	before := r.ends(r.topic("people"), r.topic("accounts"), r.topic("notes"), r.offsets())
	zombie.signal(syscall.SIGCONT)
	// Both poll now, side by side.
	time.Sleep(3 * time.Second)
	equalEnds(t, before, r.ends(r.topic("people"), r.topic("accounts"), r.topic("notes"), r.offsets()))
	ended := zombie.over()
	stop := r.writing(100, 36)
	line := r.endsFor(zombie, "successor")
	time.Sleep(time.Second)
	stop()
	successor.running()
	if n := successor.acquisitions(); n != 1 {
		t.Errorf("the successor acquired its lane %d times: the zombie disturbed it", n)
	}
	r.rest(soon, three...)
	t.Logf("it had ended before there was anything to commit: %v; with code 5: %s", ended, line)
}

// shortTransactions has Kafka end a transaction that was left open after 4 s.
func (r *rig) shortTransactions() {
	r.config.kafka = fmt.Sprintf("{brokers: [%q], transaction_timeout: 4s, delivery_timeout: 2s}", r.broker.Addr())
}

// endsFor waits until a process has ended because another instance has its lane, and
// returns its last words.
func (r *rig) endsFor(p *process, other string) string {
	r.t.Helper()
	if code := p.wait(soon); code != 5 {
		r.t.Fatalf("ended with code %d, want 5", code)
	}
	line := lineWith(p.log.String(), "tributary: ", fmt.Sprintf("taken by instance %q", other), "run only one")
	if line == "" {
		r.t.Errorf("does not say that %s has its lane:\n%s", other, tail(p.log.String(), 1000))
	}
	return line
}
