package sink

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A collection whose topic refuses records must not hold up its lane: its batches are
// kept aside, in their order, and tried alone with backoff until the topic takes them.
// Its reader waits for them meanwhile, as for any commit.

// suspect is a topic that refused records, or hung, and when it is tried next.
type suspect struct {
	tries int
	next  time.Time
}

const (
	quarantineMin = time.Second
	quarantineMax = time.Minute
)

// again puts the next try off, twice as far each time.
func (s *suspect) again(now time.Time) {
	s.next = now.Add(min(quarantineMax, quarantineMin<<min(s.tries, 10)))
	s.tries++
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

func (s *suspects) add(topic string) *suspect {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]*suspect{}
	}
	if s.by[topic] == nil {
		s.by[topic] = &suspect{}
	}
	s.by[topic].again(time.Now())
	return s.by[topic]
}

func (s *suspects) clear(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, topic)
}

// due returns a quarantined collection whose time has come, or how long until then.
// The lane's mutex is held.
func (l *Lane) due(now time.Time) (*Writer, time.Duration) {
	wait := time.Duration(math.MaxInt64)
	for _, w := range l.writers {
		if w.suspect == nil || len(w.held) == 0 || w.stopped != nil || l.closing {
			continue
		}
		rest := w.suspect.next.Sub(now)
		if rest <= 0 {
			return w, 0
		}
		wait = min(wait, rest)
	}
	return nil, wait
}

// quarantine puts the batches of those topics aside that refused records, and the rest
// back to the front of the queue.
func (l *Lane) quarantine(batches []*staged, alone *Writer, failed map[string]error) {
	l.mu.Lock()
	rest := make([]*staged, 0, len(batches)+len(l.queue))
	if alone == nil {
		for _, s := range append(batches, l.queue...) {
			if failed[s.w.topic] != nil {
				s.w.held = append(s.w.held, s)
			} else {
				rest = append(rest, s)
			}
		}
		l.queue = rest
	}
	// In the same breath: what is staged from now on comes behind what is held.
	for topic := range failed {
		l.writers[topic].suspect = l.suspects.add(topic)
	}
	l.mu.Unlock()
	for topic, err := range failed {
		l.mu.Lock()
		w := l.writers[topic]
		l.mu.Unlock()
		stop := l.gone(w, err)
		l.mu.Lock()
		if stop != nil {
			w.stopped = stop
			w.held, w.staged, w.bytes = nil, 0, 0
			w.broadcast()
		}
		wait := time.Until(w.suspect.next)
		l.mu.Unlock()
		if stop == nil {
			w.m.SetQuarantined(true)
			l.log.Error("topic refuses records: its collection is quarantined and tried alone, others go on",
				"source", w.name.Source, "collection", w.name.Collection, "topic", topic, "err", err, "again_in", wait.Round(time.Second))
		}
	}
}

// release ends the quarantine of a collection whose n batches were committed alone.
// The lane's mutex is held.
func (l *Lane) release(w *Writer, n int) {
	rest := w.held[n:]
	w.held, w.suspect = nil, nil
	l.queue = append(l.queue, rest...)
	l.suspects.clear(w.topic)
	w.m.SetQuarantined(false)
	l.log.Info("topic takes records again", "source", w.name.Source, "collection", w.name.Collection, "topic", w.topic)
}

// blame remembers the data topics whose produces failed or hung when the lane was
// spent, so that the next lane tries them alone.
func (l *Lane) blame(failed map[string]error) {
	for topic, err := range failed {
		if topic != l.cfg.Topic && (refusal(err) || errors.Is(failed[l.cfg.Topic], errHung)) {
			l.suspects.add(topic)
			l.log.Warn("topic did not take records when the lane was spent: it is tried alone", "topic", topic, "err", err)
		}
	}
}

// gone returns a *connector.StopError when a topic refused records because it is not
// the one any more that the state belongs to.
func (l *Lane) gone(w *Writer, err error) error {
	if other := (*TopicError)(nil); errors.As(err, &other) && other.Topic != w.topic {
		l.renew(w.name, other.Topic, err)
		return nil
	}
	if !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.UnknownTopicID) {
		return nil
	}
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
