package sink

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// letterBox is where a collection's records go that cannot be published: a topic that
// collections may share, in the transaction of the batch that they are of.
type letterBox struct {
	topic string
	limit int // bytes of a batch that the topic takes
	fixed []kgo.RecordHeader
	name  offsets.Name
}

// LetterTopicConfig returns the settings with which a dead letter queue is made. It is not
// compacted: a record without an id has no key.
func LetterTopicConfig() map[string]string {
	return map[string]string{"cleanup.policy": "delete", "retention.ms": "2592000000"} // 30 days
}

// letters prepares the dead letter queue of a collection, nil if it has none. Its errors
// are those of Open.
func (l *Lane) letters(ctx context.Context, name offsets.Name, topic string) (*letterBox, error) {
	to := l.cfg.Letters[name]
	if to == "" {
		return nil, nil
	}
	if err := l.notHung(ctx, name, to); err != nil {
		return nil, err
	}
	id, err := l.letterTopic(ctx, name, to)
	if err == nil {
		err = TakesLetters(ctx, l.cl, name, to)
	}
	if err != nil {
		return nil, err
	}
	limit := l.maxMessageBytes(ctx, to)
	l.mu.Lock()
	l.limits[to], l.letterTopics[to] = limit, id
	l.mu.Unlock()
	return &letterBox{topic: to, limit: int(limit), name: name, fixed: []kgo.RecordHeader{
		{Key: "__connect.errors.topic", Value: []byte(topic)},
		{Key: "__connect.errors.connector.name", Value: []byte(name.String())},
		{Key: "__connect.errors.task.id", Value: []byte(strconv.Itoa(int(l.Number)))},
		{Key: "__connect.errors.class.name", Value: []byte("tributary.connector.Reader")},
		{Key: "ce_specversion", Value: specVersion},
		{Key: "ce_type", Value: []byte(name.String() + ".rejected")},
		{Key: "ce_source", Value: newHeaders(name.Source, name.Collection).source},
	}}, nil
}

// letterTopic looks a dead letter queue up, or makes it.
func (l *Lane) letterTopic(ctx context.Context, name offsets.Name, topic string) (offsets.Identity, error) {
	id, err := l.identify(ctx, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return l.makeTopic(ctx, name, "dead letter queue", topic, 1, func() error {
			answers, err := l.createTopics(ctx, 1, LetterTopicConfig(), topic)
			return cmp.Or(err, answerTo(answers, topic))
		})
	}
	return id, err
}

// renew looks for a dead letter queue that Kafka does not know any more: no state belongs to
// it, so that another one of its name is as good. The client would produce to the old
// one for ever.
func (l *Lane) renew(name offsets.Name, topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id, err := l.letterTopic(ctx, name, topic)
	l.mu.Lock()
	was := l.letterTopics[topic]
	l.mu.Unlock()
	if err != nil || id == was {
		return // it is tried again
	}
	limit := l.maxMessageBytes(ctx, topic)
	l.mu.Lock()
	l.limits[topic], l.letterTopics[topic] = limit, id
	l.mu.Unlock()
	l.cl.PurgeTopicsFromProducing(topic)
}

// TakesLetters returns a *connector.StopError when a topic cannot be the dead letter queue of
// a collection: it does not take records without a key.
func TakesLetters(ctx context.Context, cl *kgo.Client, name offsets.Name, topic string) error {
	configs, err := kadm.NewClient(cl).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil // the right to ask may be withheld
	}
	rc, err := configs.On(topic, nil)
	if err != nil || rc.Err != nil {
		return nil
	}
	for _, c := range rc.Configs {
		if c.Key == "cleanup.policy" && strings.Contains(c.MaybeValue(), "compact") {
			return &connector.StopError{
				What:   fmt.Sprintf("topic %s, the dead letter queue of %s, is compacted: it takes no record without a key, and keeps but the last of each", topic, name),
				Remedy: "set its cleanup.policy to delete, or name another topic in `dlq.topic`",
			}
		}
	}
	return nil
}

// stageLetters adds the letters of a batch to its records.
func (w *Writer) stageLetters(s *staged, b *connector.Batch) error {
	if len(b.Letters) == 0 {
		return nil
	}
	if w.box == nil {
		return fmt.Errorf("%s has records for a dead letter queue and none was named for it", w.name)
	}
	from := len(s.records)
	s.records = w.box.appendRecords(s.records, b)
	for _, r := range s.records[from:] {
		s.bytes += len(r.Key) + len(r.Value) + letterOverhead
	}
	return nil
}

// What Kafka Connect would say of it: its class names are texts that tools show.
const (
	badRecord      = "tributary.BadRecord"
	recordTooLarge = "tributary.RecordTooLarge"
	stagePoll      = "TASK_POLL"
	stageProduce   = "KAFKA_PRODUCE"
)

// letterOverhead bounds what headers and framing add to key and value of a letter, beside
// the names of source and collection: overhead, and Connect's headers with a topic's name.
const letterOverhead = overhead + 1200

// appendRecords appends the letters of a batch to dst. tributary_batch counts them apart
// from the changes.
func (x *letterBox) appendRecords(dst []*kgo.Record, b *connector.Batch) []*kgo.Record {
	for i := range b.Letters {
		dst = append(dst, x.record(&b.Letters[i], fmt.Sprintf("%d.%d.%d", b.State.Seq, i, len(b.Letters))))
	}
	return dst
}

func (x *letterBox) record(l *connector.Letter, batch string) *kgo.Record {
	r := &kgo.Record{Topic: x.topic, Headers: append(make([]kgo.RecordHeader, 0, len(x.fixed)+9), x.fixed...)}
	add := func(key, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	stage, class := stagePoll, badRecord
	if l.TooLarge {
		stage, class = stageProduce, recordTooLarge
	}
	add("__connect.errors.stage", stage)
	add("__connect.errors.exception.class.name", class)
	add("__connect.errors.exception.message", l.Why)
	seq, place, _ := strings.Cut(batch, ".")
	i, _, _ := strings.Cut(place, ".")
	add("ce_id", seq+".letter."+i)
	if l.Instant != connector.Beginning {
		add("ce_time", l.Instant.Time().Format("2006-01-02T15:04:05.000000Z"))
	}
	add("tributary_batch", batch)
	room := x.limit - letterOverhead - 4*(len(x.name.Source)+len(x.name.Collection))
	if l.ID != "" && len(l.ID) < room {
		r.Key = []byte(l.ID)
		room -= len(l.ID)
	}
	digest := sha256.Sum256(l.Value)
	add("tributary_digest", hex.EncodeToString(digest[:16]))
	if r.Value = l.Value; len(l.Value) <= room {
		add("content-type", "application/json")
		return r
	}
	r.Value = cutText(l.Value, max(room, 0))
	add("tributary_cut", strconv.Itoa(len(l.Value)))
	return r
}

// cutText returns the beginning of a text in UTF-8, at most n bytes of it, without half a
// character at its end.
func cutText(text []byte, n int) []byte {
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// letterTopics are the dead letter queues of the lane's collections, with their partitions.
func (l *Lane) letterTopicsOf(ctx context.Context) map[string]int32 {
	topics := map[string]int32{}
	for _, topic := range l.cfg.Letters {
		if _, asked := topics[topic]; asked {
			continue
		}
		if id, err := Identify(ctx, l.cl, topic); err == nil {
			topics[topic] = id.Partitions
		}
	}
	return topics
}

// byStrand returns which strands a refusal of topics concerns: those one of whose own
// topics it was, and those that have a letter for it in one of the batches.
func byStrand(batches []*staged, failed map[string]error) map[*strand]*TopicError {
	out := map[*strand]*TopicError{}
	for _, s := range batches {
		for _, p := range s.parts {
			if p.letters > 0 && failed[p.w.box.topic] != nil {
				out[s.of] = &TopicError{Topic: p.w.box.topic, Err: failed[p.w.box.topic]}
			}
			if err := failed[p.w.topic]; err != nil {
				out[s.of] = &TopicError{Topic: p.w.topic, Err: err}
			}
		}
	}
	return out
}
