package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/offsets"
)

// A hang is a transaction of the lane's own producer that is open in a partition although
// its coordinator has ended it everywhere. Kafka loses the marker when a coordinator that
// starts again takes a partition without a leader for one that was deleted (KAFKA-20734,
// seen in 4.3.1). To the partition whatever the lane commits next, or aborts, belongs to
// what hangs there: so nothing may be written before it is ended as it was elsewhere.
type hang struct {
	topic     string
	partition int32
	start     int64 // offset of its first record
}

func (h hang) String() string {
	return fmt.Sprintf("%s partition %d at offset %d", h.topic, h.partition, h.start)
}

// lost says what happened.
func (h hang) lost() string {
	return fmt.Sprintf("Kafka has lost the end of a transaction of this lane in %s (KAFKA-20734)", h)
}

// byHand is what is left to a person.
func (h hang) byHand() string {
	return fmt.Sprintf("which loses what was committed of it, so see by `tributary verify` before and after: kafka-transactions.sh abort --topic %s --partition %d --start-offset %d", h.topic, h.partition, h.start)
}

// hangs are remembered beyond a lane's life.
type hangs struct {
	mu    sync.Mutex
	tries map[hang]int            // how often it was ended, as far as Kafka said
	also  map[string]offsets.Name // topics of collections without state
}

// maxTries is how often a hang is ended, and found again, before it is left to a person.
// What fails before Kafka has said that it is ended has the backoff of Own.
const maxTries = 10

func (h *hangs) count(ended []hang) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tries == nil {
		h.tries = map[hang]int{}
	}
	for _, x := range ended {
		h.tries[x]++
	}
}

func (h *hangs) add(topic string, name offsets.Name) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.also == nil {
		h.also = map[string]offsets.Name{}
	}
	h.also[topic] = name
}

// A hangError says that a transaction was ended that Kafka had left hanging. The lane
// believes only what it reads from now on.
type hangError struct {
	hangs     []hang
	commit    bool
	published bool
}

func (e *hangError) Error() string {
	how := "it was aborted elsewhere, and so it is there now"
	switch {
	case e.published:
		how = "it was committed elsewhere, and its records are published there anew"
	case e.commit:
		how = "it was committed elsewhere, its records are there anew, and what hung is aborted"
	}
	var at []string
	for _, h := range e.hangs {
		at = append(at, h.String())
	}
	return fmt.Sprintf("Kafka had lost the end of a transaction of this lane in %s (KAFKA-20734): %s", strings.Join(at, ", "), how)
}

// endHanging ends what hangs in the data topics of the collections that the lane knows,
// all of its table being read. Its error is a *hangError when something was ended. A topic
// in which something hangs on, or of which it cannot be told, is left to Open.
func (l *Lane) endHanging(ctx context.Context) error {
	topics := map[string]int32{}
	for _, c := range l.table.Collections {
		if c.Known {
			topics[c.Topic] = max(topics[c.Topic], c.Partitions)
		}
	}
	l.hung.mu.Lock()
	also := make([]string, 0, len(l.hung.also))
	for topic := range l.hung.also {
		also = append(also, topic)
	}
	l.hung.mu.Unlock()
	for _, topic := range also {
		if id, err := Identify(ctx, l.cl, topic); err == nil {
			topics[topic] = max(topics[topic], id.Partitions)
		}
	}
	for topic, partitions := range l.letterTopicsOf(ctx) {
		topics[topic] = max(topics[topic], partitions)
	}
	found, unknown, err := l.ask(ctx, topics)
	if err != nil {
		return err
	}
	for topic := range topics {
		if unknown[topic] == nil {
			l.whole[topic] = nil
		}
	}
	var anew, copied, aborted []hang
	for _, h := range found {
		f, commit, err := l.examine(ctx, h)
		var doubtful *doubtfulError
		switch {
		case errors.As(err, &doubtful), err != nil && l.hung.spent(h):
			l.whole[h.topic] = fmt.Errorf("%s: %w; nothing is written to it until somebody has ended it: %s", h.lost(), err, h.byHand())
		case err != nil:
			return fmt.Errorf("a transaction of this lane hangs in %s: %w", h, err)
		case commit && f.copies == 0:
			anew = append(anew, h)
		case commit:
			copied = append(copied, h)
		default:
			aborted = append(aborted, h)
		}
	}
	err = l.whereLet(anew, func(h []hang) error { return l.mend(ctx, h) })
	if err == nil {
		err = l.whereLet(copied, func(h []hang) error { return l.end(ctx, h, true) })
	}
	if err == nil {
		err = l.whereLet(aborted, func(h []hang) error { return l.end(ctx, h, false) })
	}
	return err
}

// examine reads what hangs in a data partition, and says how it ended elsewhere.
func (l *Lane) examine(ctx context.Context, h hang) (f *found, commit bool, err error) {
	if l.hung.spent(h) {
		return nil, false, fmt.Errorf("it was ended %d times and hangs on", maxTries)
	}
	if f, err = l.read(ctx, h); err == nil {
		commit, err = l.verdict(f)
	}
	return f, commit, err
}

// whereLet ends what hangs, without the topics for which a right is missing.
func (l *Lane) whereLet(hangs []hang, end func([]hang) error) error {
	for len(hangs) > 0 {
		err := end(hangs)
		var denied *deniedError
		if !errors.As(err, &denied) {
			return err
		}
		hangs = slices.DeleteFunc(hangs, func(h hang) bool {
			if denied.topics[h.topic] {
				l.whole[h.topic] = fmt.Errorf("%s, and it cannot be ended: %w", h.lost(), denied)
			}
			return denied.topics[h.topic]
		})
	}
	return nil
}

func (h *hangs) spent(x hang) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tries[x] >= maxTries
}

// notHung returns nil when nothing of the lane's hangs in a data topic that is about to be
// written. Of the topics of collections with state acquire has asked already. Otherwise it
// is a *TopicError, or an error that spends the lane: the next one ends what hangs there.
func (l *Lane) notHung(ctx context.Context, name offsets.Name, topic string) error {
	l.mu.Lock()
	why, asked := l.whole[topic]
	l.mu.Unlock()
	if asked && why == nil {
		return nil
	}
	id, err := l.identify(ctx, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil
	}
	if err != nil {
		return err
	}
	found, unknown, err := l.ask(ctx, map[string]int32{topic: id.Partitions})
	switch {
	case err != nil:
		return err
	case len(found) > 0 && why != nil && !(errors.Is(why, kerr.TopicAuthorizationFailed) && l.mayWrite(ctx, topic)):
		return &TopicError{Topic: topic, Err: why}
	case len(found) > 0:
		l.hung.add(topic, name)
		return fmt.Errorf("a transaction of this lane hangs in %s: the lane is acquired anew, to end it", found[0])
	case errors.Is(unknown[topic], kerr.TopicAuthorizationFailed):
		if err := l.settledIn(ctx, id); err != nil {
			return err
		}
	case unknown[topic] != nil:
		return unknown[topic]
	}
	l.mu.Lock()
	l.whole[topic] = nil
	l.mu.Unlock()
	return nil
}

// mayWrite asks whether the right to write a topic is there now (KIP-430).
func (l *Lane) mayWrite(ctx context.Context, topic string) bool {
	const write = 1 << 4
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, l.cl)
	return err == nil && len(resp.Topics) == 1 && resp.Topics[0].ErrorCode == 0 && resp.Topics[0].AuthorizedOperations&write != 0
}

// settledIn returns a *TopicError when a transaction stays open in a topic of which we may
// not ask whose it is. If it is ours, what is written next would change what became of it;
// so the collection waits, as one that may not write.
func (l *Lane) settledIn(ctx context.Context, id offsets.Identity) error {
	adm := kadm.NewClient(l.cl)
	for began := time.Now(); ; {
		stable, err := adm.ListCommittedOffsets(ctx, id.Topic)
		if err := errors.Join(err, stable.Error()); err != nil {
			return fmt.Errorf("last stable offsets of %s: %w", id.Topic, err)
		}
		high, err := adm.ListEndOffsets(ctx, id.Topic)
		if err := errors.Join(err, high.Error()); err != nil {
			return fmt.Errorf("end offsets of %s: %w", id.Topic, err)
		}
		open := int32(-1)
		high.Each(func(o kadm.ListedOffset) {
			if s, _ := stable.Lookup(o.Topic, o.Partition); s.Offset < o.Offset {
				open = o.Partition
			}
		})
		if open < 0 {
			return nil
		}
		if time.Since(began) > 2*time.Second {
			return &TopicError{Topic: id.Topic, Err: fmt.Errorf("a transaction is open in partition %d, and whose it is cannot be told: allow Read on the topic", open)}
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
