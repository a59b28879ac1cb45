//go:build unix

package e2e

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tributary/test/kafkatest"
)

// More kills take longer than a test may by default: with 1,000, add -timeout 40m.
var (
	kills     = flag.Int("kills", 0, "how often a process is killed at a random moment; 0 for 100, or 1000 with -long")
	killsSeed = flag.Uint64("kills-seed", 0, "draws the moments of the kills as another run did; 0 for new ones")
)

// A process dies at a random moment, a hundred times over, in whatever it does then:
// starting, looking, fencing, reading, committing. Each is started again at once.
func TestKilledAtRandomMomentsNothingIsLostTwiceReorderedOrTorn(t *testing.T) {
	t.Parallel()
	total := 100
	if *long {
		total = 1000
	}
	if *kills > 0 {
		total = *kills
	}
	r := hostileRig(t, 31, withoutStale(everything()))
	r.keepOffsets()
	last, took := r.mortal(mortality{}, total)
	r.finish(three...)
	last.running()
	r.fired(nasty...)

	h := r.history()
	claimed, committed := h.lives()
	// The last one was not killed.
	claimed, committed = claimed-1, committed-1
	t.Logf("%d kills in %s: %d before the lane was claimed, %d before anything was committed, %d after; %d transactions were left open; %s",
		total, took.Round(100*time.Millisecond), total-claimed, claimed-committed, committed, h.aborts, lineWith(last.log.String(), `msg="lane acquired"`))
	switch {
	case committed < total/3:
		t.Errorf("only %d of %d lives committed anything", committed, total)
	case total-claimed < total/50 || claimed-committed < total/50 || h.aborts < total/50:
		t.Errorf("the kills did not fall into every phase")
	}
}

// From the state with which each life begins the cleaner removes whatever it may, while
// it is written and while it is read. And what the life before sent last, a commit maybe,
// reaches Kafka only while the next one starts.
func TestKilledWhileItsStateIsCompactedNothingIsLostAndNothingComesTwice(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Properties(map[string]string{"log.cleaner.backoff.ms": "100"}))
	r := changingRig(t, b, 49)
	r.createTopic(r.offsets(), 1, map[string]string{
		"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "300", "delete.retention.ms": "5000",
	})
	last, took := r.mortal(mortality{freezes: true}, 30)
	r.rest(soon, three...)
	r.settled(soon)
	last.stop()
	before := r.ends(r.topic("people"), r.topic("accounts"), r.topic("notes"))
	end, left := r.ends(r.offsets())[r.offsets()], len(r.records(r.offsets()))
	if int64(left) > end/2 {
		t.Errorf("%d of %d offsets still hold a record: nothing was compacted", left, end)
	}
	r.seed()
	equalEnds(t, before, r.ends(r.topic("people"), r.topic("accounts"), r.topic("notes")))
	for _, c := range r.state().Collections {
		if c.Problem != "" {
			t.Errorf("%s: %s", c.Collection, c.Problem)
		}
	}
	t.Logf("30 kills in %s; of %d offsets %d hold a record", took.Round(100*time.Millisecond), end, left)
}

// mortal writes to the API while the connector is killed and started again, and returns
// the process that may live, when it has caught up.
func (r *rig) mortal(m mortality, total int) (last *process, took time.Duration) {
	r.t.Helper()
	seed := *killsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	r.t.Logf("the moments are those of -kills-seed %d", seed)
	r.set("interval", "20ms")
	m.r, m.file, m.rng = r, r.fileFor("first"), rand.New(rand.NewPCG(seed, 0x6b696c6c))
	stop := r.writing(100, 32)
	began := time.Now()
	for range total {
		m.live()
	}
	took = time.Since(began)
	last = m.start()
	stop()
	last.says(soon, `msg="caught up"`)
	return last, took
}

// mortality is a process that is started again and again.
type mortality struct {
	r    *rig
	file string
	rng  *rand.Rand
	// takes is how long the process took, when last asked, to acquire its lane.
	takes time.Duration
	// freezes says that the broker is frozen over a death: what the process sent last is
	// done only when the next one is there already.
	freezes, frozen bool
}

// start starts the process, and then lets the broker go on.
func (m *mortality) start() *process {
	m.r.t.Helper()
	p := launch(m.r.t, "run", "-c", m.file)
	if m.frozen {
		time.Sleep(50 * time.Millisecond)
		if err := m.r.broker.Resume(); err != nil {
			m.r.t.Fatal(err)
		}
	}
	return p
}

// kill kills the process, and forgets what it said.
func (m *mortality) kill(p *process) {
	m.r.t.Helper()
	if m.freezes {
		if err := m.r.broker.Pause(); err != nil {
			m.r.t.Fatal(err)
		}
		m.frozen = true
		time.Sleep(30 * time.Millisecond)
	}
	p.kill()
	if log := p.log.String(); strings.Contains(log, "level=ERROR") {
		m.r.t.Errorf("a restart is no error: %s", lineWith(log, "level=ERROR"))
	}
	p.forget()
}

// live starts the process and kills it at a moment drawn: within 0.7 s after its start or
// after it has acquired its lane, and every other time early in that. On a machine that
// is slow these are longer.
func (m *mortality) live() {
	m.r.t.Helper()
	began := time.Now()
	p := m.start()
	early := m.takes * 3 / 2
	if m.takes == 0 || m.rng.IntN(2) == 0 {
		eventually(m.r.t, soon, "the lane is acquired", func() bool { return p.acquisitions() > 0 })
		m.takes = time.Since(began)
		early = m.takes / 2 // in which it commits what was written meanwhile
	}
	within := max(700*time.Millisecond, 4*m.takes)
	if m.rng.IntN(2) == 0 {
		within = early
	}
	time.Sleep(time.Duration(m.rng.Int64N(int64(within))))
	p.running()
	m.kill(p)
}

// forget drops what a process has logged, unless it is worth keeping: a thousand of them
// would fill the report of a test that fails.
func (p *process) forget() {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	for _, sign := range []string{"panic: ", "fatal error: ", "DATA RACE"} {
		if strings.Contains(p.log.buf.String(), sign) {
			return
		}
	}
	p.log.buf.Reset()
}
