package sink

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"tributary/offsets"
)

// A collection whose topic refuses records must not hold up its lane: its batches are
// kept aside, in their order, and tried alone with backoff until the topic takes them.
// Its reader waits for them meanwhile, as for any commit.

// suspect is a topic that refused records, or hung, why, and when it is tried next.
type suspect struct {
	tries  int
	asked  int // tries for those who asked, beside those
	failed time.Time
	next   time.Time
	hasty  bool // next is for those who asked
	why    error
}

// How long after a refusal the topic is tried again, doubled with each: by itself, and for
// those who ask.
const (
	quarantineMin   = time.Second
	quarantineMax   = time.Minute
	quarantineAsked = 10 * time.Second
)

// again puts the next try off, twice as far each time. Tries for those who ask make no wait
// longer.
func (s *suspect) again(now time.Time) {
	if s.hasty {
		s.asked++
	} else {
		s.tries++
	}
	s.hasty = false
	s.failed = now
	s.next = now.Add(min(quarantineMax, quarantineMin<<min(s.tries-1, 10)))
}

// hasten brings the next try forward because somebody asks, and says whether it did. All who
// ask meanwhile share that try.
func (s *suspect) hasten() bool {
	at := s.failed.Add(min(quarantineAsked, quarantineMin<<min(s.tries-1+s.asked, 10)))
	if !at.Before(s.next) {
		return false
	}
	s.next, s.hasty = at, true
	return true
}

// Hasten has the topic of a collection that is quarantined tried sooner, for somebody asks for
// a pull; another one's, or one that waits for nothing, is not concerned.
func (l *Lane) Hasten(source, collection string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := offsets.Name{Source: source, Collection: collection}
	for _, w := range l.writers {
		if w.name == name && w.suspect != nil && w.suspect.hasten() {
			l.nudge()
		}
	}
}

// suspects are remembered beyond a lane's life: a topic that made one lane spent must
// not make the next one spent with everything else in the same transaction.
type suspects struct {
	mu sync.Mutex
	by map[string]*suspect
}

func (s *suspects) of(topic string) *suspect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[topic]
}

func (s *suspects) add(topic string, why error) *suspect {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]*suspect{}
	}
	if s.by[topic] == nil {
		s.by[topic] = &suspect{}
	}
	s.by[topic].again(time.Now())
	s.by[topic].why = why
	return s.by[topic]
}

// suspicion is why its topics are not trusted, nil if they are.
func (t *strand) suspicion() error {
	if t.suspect == nil {
		return nil
	}
	return t.suspect.why
}

func (s *suspects) clear(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, topic)
}

// due returns a quarantined strand whose time has come, or how long until then.
// The lane's mutex is held.
func (l *Lane) due(now time.Time) (*strand, time.Duration) {
	wait := time.Duration(math.MaxInt64)
	for _, w := range l.writers {
		if w.suspect == nil || len(w.held) == 0 || w.stopped != nil || l.closing {
			continue
		}
		rest := w.suspect.next.Sub(now)
		if rest <= 0 {
			return w.strand, 0
		}
		wait = min(wait, rest)
	}
	return nil, wait
}

// quarantine puts aside what is staged of those strands a topic of which refused records,
// and the rest back to the front of the queue.
func (l *Lane) quarantine(batches []*staged, alone *strand, topics map[string]error) {
	failed := byStrand(batches, topics)
	l.mu.Lock()
	rest := make([]*staged, 0, len(batches)+len(l.queue))
	if alone == nil {
		for _, s := range append(batches, l.queue...) {
			if failed[s.of] != nil {
				s.of.held = append(s.of.held, s)
			} else {
				rest = append(rest, s)
			}
		}
		l.queue = rest
	}
	// In the same breath: what is staged from now on comes behind what is held.
	for t, err := range failed {
		t.suspect = l.suspects.add(t.key, err)
	}
	l.mu.Unlock()
	for t, err := range failed {
		stop := l.gone(t, err)
		l.mu.Lock()
		if stop != nil {
			t.stop(stop)
		}
		wait, level := time.Until(t.suspect.next), slog.LevelError
		if t.suspect.tries == 1 && noAnswer(err) {
			level = slog.LevelWarn
		}
		l.mu.Unlock()
		if stop == nil {
			t.setStuck(err)
			l.log.Log(context.Background(), level, "topic refuses records: its collection is quarantined and tried alone, others go on",
				append(t.which(), "topic", err.Topic, "err", err, "again_in", wait.Round(time.Second))...)
		}
	}
}

// noAnswer says that no broker has refused anything: one was not there, and that it comes
// back mends it.
func noAnswer(err error) bool {
	var refused *kerr.Error
	return !errors.As(err, &refused)
}

// release ends the quarantine of a strand of which n were committed alone. The lane's
// mutex is held.
func (l *Lane) release(t *strand, n int) {
	rest := t.held[n:]
	t.held, t.suspect = nil, nil
	l.queue = append(l.queue, rest...)
	l.suspects.clear(t.key)
	t.setStuck(nil)
	l.log.Info("topic takes records again", append(t.which(), "topic", t.writers[0].topic)...)
}

// blame remembers the strands whose produces failed or hung when the lane was spent, so
// that the next lane tries them alone.
func (l *Lane) blame(batches []*staged, failed map[string]error) {
	hung := errors.Is(failed[l.cfg.Topic], errHung)
	for t, err := range byStrand(batches, failed) {
		if refusal(err) || hung {
			l.mu.Lock() // for somebody may ask for it to be tried
			l.suspects.add(t.key, err)
			l.mu.Unlock()
			l.log.Warn("topic did not take records when the lane was spent: it is tried alone", "topic", err.Topic, "err", err)
		}
	}
}

// gone returns a *connector.StopError when a topic refused records because it is not
// the one any more that the state belongs to.
func (l *Lane) gone(t *strand, refused *TopicError) error {
	if !errors.Is(refused, kerr.UnknownTopicOrPartition) && !errors.Is(refused, kerr.UnknownTopicID) {
		return nil
	}
	for _, w := range t.writers {
		switch {
		case w.topic == refused.Topic:
			return l.another(w)
		case w.box != nil && w.box.topic == refused.Topic:
			l.renew(w.name, refused.Topic)
			return nil
		}
	}
	return nil
}

// another returns a *connector.StopError when the topic of a collection is not the one
// any more that its state belongs to.
func (l *Lane) another(w *Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	now, err := Identify(ctx, l.cl, w.topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return deleted(w.name, w.topic)
	}
	if err != nil {
		return nil // not known: it is tried again
	}
	return sameTopic(w.name, w.identity, now)
}
