package sink

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
)

// A record that is produced again long after its first try is not too old for it.
func TestATopicThatRefusesForLongDoesNotSpendItsLane(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	good, bad := newFeed("good"), newFeed("bad")
	good.next.Store(3)
	bad.next.Store(3)
	cfg := k.config("a", "1") // DeliveryTimeout 2 s
	l := k.live(cfg, both(good, bad))
	await(t, "both run", func() bool { return k.holds(good.topic(), 3)() && k.holds(bad.topic(), 3)() })
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: bad.topic(), Err: kerr.TopicAuthorizationFailed, Count: -1})
	bad.next.Store(6)
	before := good.opened.Load()
	time.Sleep(6 * time.Second) // three delivery timeouts
	if good.opened.Load() != before {
		t.Errorf("the lane was spent %d times though the refusal is clean", good.opened.Load()-before)
	}
	h.Remove()
	await(t, "the bad one recovers", k.holds(bad.topic(), 6))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(bad.topic(), 6)
}

func TestManyTopicsThatTimeOutDoNotStarveTheOthers(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	good := newFeed("good")
	feeds := []*feed{good}
	good.next.Store(3)
	const n = 6
	for i := range n {
		f := newFeed(fmt.Sprint("bad", i))
		f.next.Store(3)
		feeds = append(feeds, f)
	}
	cfg := k.config("a", "1")
	cfg.TransactionTimeout = 20 * time.Second
	l := k.live(cfg, both(feeds...))
	await(t, "all run", func() bool {
		for _, f := range feeds {
			if f.opened.Load() == 0 || !k.holds(f.topic(), 3)() {
				return false
			}
		}
		return true
	})
	for _, f := range feeds[1:] {
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: f.topic(), Err: kerr.NotEnoughReplicas, Count: -1})
		f.next.Store(4)
	}
	time.Sleep(6 * time.Second) // until each is quarantined
	began := time.Now()
	good.next.Store(4)
	await(t, "the good one goes on", k.holds(good.topic(), 4))
	took := time.Since(began)
	t.Logf("the good one waited %s beside %d that time out after 2 s", took.Round(time.Millisecond), n)
	if took > 10*time.Second {
		t.Errorf("it waited %s: for more than one try of the others", took)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsStagedDuringAQuarantineComesBehindWhatIsHeld(t *testing.T) {
	m := connector.NewMetrics(prometheus.NewRegistry())
	hits := 0
	const n = 20000
	for range n {
		l := newLane(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: m}, 0, &suspects{})
		s := l.strand("t")
		s.staged = 1
		w := &Writer{strand: s, topic: "t", m: m.Collection("s", "c")}
		s.writers, l.writers["t"] = []*Writer{w}, w
		first, second := &staged{of: s, parts: []part{{w: w}}}, &staged{of: s, parts: []part{{w: w}}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := w.enqueue(context.Background(), second); err != nil {
				t.Error(err)
			}
		}()
		l.quarantine([]*staged{first}, nil, map[string]error{"t": kerr.TopicAuthorizationFailed})
		<-done
		if len(l.queue) == 1 && len(w.held) == 1 {
			hits++ // second will be committed before first
		}
	}
	if hits > 0 {
		t.Errorf("a later batch overtook %d times in %d", hits, n)
	}
}

// A broker that dies and comes back within a minute needs nobody, also where it had taken
// all of a transaction but the records of one topic.
func TestATopicWhoseBrokerIsAwayIsNoErrorAtFirst(t *testing.T) {
	gone := fmt.Errorf("%w, last err: %w", kgo.ErrRecordTimeout, io.ErrUnexpectedEOF)
	for name, c := range map[string]struct {
		err    error
		errors []int64 // that were logged after each try
	}{
		"no broker answers":               {gone, []int64{0, 1, 2}},
		"a broker refuses":                {kerr.TopicAuthorizationFailed, []int64{1, 2}},
		"a broker refuses until too late": {fmt.Errorf("%w, last err: %w", kgo.ErrRecordTimeout, kerr.NotEnoughReplicas), []int64{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			said := &sayings{testWriter: testWriter{t}, text: "level=ERROR"}
			m := connector.NewMetrics(prometheus.NewRegistry())
			l := newLane(Config{Log: slog.New(slog.NewTextHandler(said, nil)), Metrics: m}, 0, &suspects{})
			s := l.strand("t")
			w := &Writer{strand: s, topic: "t", m: m.Collection("s", "c")}
			s.writers, l.writers["t"] = []*Writer{w}, w
			batch := &staged{of: s, parts: []part{{w: w}}}
			var alone *strand
			for try, want := range c.errors {
				l.quarantine([]*staged{batch}, alone, map[string]error{"t": c.err})
				if n := said.n.Load(); n != want {
					t.Errorf("after try %d: %d errors, want %d", try+1, n, want)
				}
				alone = s
			}
		})
	}
}

// TestWhatIsStagedForASuspectIsSaidToWaitAtOnce: the suspicion is older than the lane, and it is
// not tried before its time.
func TestWhatIsStagedForASuspectIsSaidToWaitAtOnce(t *testing.T) {
	refused := &TopicError{Topic: "t", Err: kerr.TopicAuthorizationFailed}
	for _, c := range []struct {
		when string
		wait time.Duration
		want error
	}{{"before its time", time.Minute, refused}, {"when it is due", -time.Minute, nil}} {
		l := newLane(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: connector.NewMetrics(prometheus.NewRegistry())}, 0, &suspects{})
		l.suspects.add("t", refused).next = time.Now().Add(c.wait)
		s := l.strand("t")
		m := l.cfg.Metrics.Collection("s", "c")
		var told error
		m.Watch.Stuck = func(why error) { told = why }
		w := &Writer{strand: s, topic: "t", m: m}
		s.writers = []*Writer{w}
		m.SetQuarantined(s.suspicion())
		if m.State() != connector.StateQuarantined || told != nil {
			t.Errorf("%s: %s, and told %v before anything waits", c.when, m.State(), told)
		}
		if err := w.enqueue(t.Context(), &staged{of: s, parts: []part{{w: w}}}); err != nil || told != c.want {
			t.Errorf("%s: told %v, want %v (%v)", c.when, told, c.want, err)
		}
	}
}

// TestATopicIsTriedSoonerForWhoAsks: at most every 10 s however many ask, and what nobody asks
// for waits no longer because of it.
func TestATopicIsTriedSoonerForWhoAsks(t *testing.T) {
	refused := &TopicError{Topic: "t", Err: kerr.TopicAuthorizationFailed}
	l := newLane(Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: connector.NewMetrics(prometheus.NewRegistry())}, 0, &suspects{})
	s := l.strand("t")
	w := &Writer{strand: s, topic: "t", name: offsets.Name{Source: "s", Collection: "c"}, m: l.cfg.Metrics.Collection("s", "c")}
	s.writers, l.writers["t"] = []*Writer{w}, w
	l.Hasten("s", "c") // of one that is well
	s.held = []*staged{{of: s}}
	waits := func(ask bool) time.Duration {
		l.suspects.add("t", refused)
		s.suspect = l.suspects.of("t")
		if ask {
			for range 1000 {
				l.Hasten("s", "c")
			}
			l.Hasten("s", "another")
			l.Hasten("another", "c")
		}
		if got, _ := l.due(s.suspect.next.Add(-time.Millisecond)); got != nil {
			t.Error("it is tried before its time")
		}
		if got, _ := l.due(s.suspect.next); got != s {
			t.Error("it is not tried in its time")
		}
		return s.suspect.next.Sub(s.suspect.failed)
	}
	for i, c := range []struct {
		ask  bool
		want time.Duration
	}{
		{false, time.Second}, {false, 2 * time.Second}, {false, 4 * time.Second}, {false, 8 * time.Second}, {true, 10 * time.Second},
		{true, 10 * time.Second}, {true, 10 * time.Second}, {false, 16 * time.Second}, {false, 32 * time.Second}, {false, time.Minute}, {true, 10 * time.Second},
	} {
		select {
		case <-l.wake:
		default:
		}
		if got := waits(c.ask); got != c.want {
			t.Errorf("refusal %d: it waits %s, want %s", i+1, got, c.want)
		}
		if c.ask != (len(l.wake) == 1) {
			t.Errorf("refusal %d: asked %t, and %d wake the lane", i+1, c.ask, len(l.wake))
		}
	}
}
