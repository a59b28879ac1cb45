package sink

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
)

// TopicSettings say how data topics are made.
type TopicSettings struct {
	// Partitions and Replication are for the creation; -1 is the broker's default
	// replication.
	Partitions  int32
	Replication int16
	// Create says whether topics that are missing are made.
	Create bool
	// Config is set on creation, over cleanup.policy=compact and a
	// delete.retention.ms of 7 days.
	Config map[string]string
}

// defaultMessageBytes is Kafka's default of max.message.bytes.
const defaultMessageBytes = 1048588

// DataTopicConfig returns the settings with which a data topic is made: compacted, and
// tombstones stay for a week, so that a consumer that is down over a long weekend does
// not miss a deletion.
func (t TopicSettings) DataTopicConfig() map[string]string {
	c := map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "604800000"}
	for k, v := range t.Config {
		c[k] = v
	}
	return c
}

// create makes a data topic, unless it is not to.
func (l *Lane) create(ctx context.Context, name offsets.Name, topic string) (id offsets.Identity, err error) {
	return l.makeTopic(ctx, name, "data topic", topic, l.cfg.Data.Partitions, func() error {
		made, err := l.making.of(ctx, topic)
		return cmp.Or(err, made)
	})
}

// createAll makes data topics by one request. Each answer is nil, or why it was not made.
func (l *Lane) createAll(ctx context.Context, topics []string) (map[string]error, error) {
	answers, err := l.createTopics(ctx, l.cfg.Data.Partitions, l.cfg.Data.DataTopicConfig(), topics...)
	if err != nil {
		return nil, err
	}
	made := map[string]error{}
	for _, topic := range topics {
		made[topic] = answerTo(answers, topic)
	}
	return made, nil
}

func (l *Lane) createTopics(ctx context.Context, partitions int32, settings map[string]string, topics ...string) (kadm.CreateTopicResponses, error) {
	configs := map[string]*string{}
	for k, v := range settings {
		configs[k] = kadm.StringPtr(v)
	}
	return kadm.NewClient(l.cl).CreateTopics(ctx, partitions, l.cfg.Data.Replication, configs, topics...)
}

func answerTo(answers kadm.CreateTopicResponses, topic string) error {
	if answer, ok := answers[topic]; ok {
		return answer.Err
	}
	return errNoAnswer
}

// errNoAnswer is a topic that was asked about and of which the answer says nothing.
var errNoAnswer = errors.New("the answer of Kafka does not say")

func (l *Lane) makeTopic(ctx context.Context, name offsets.Name, what, topic string, partitions int32, create func() error) (id offsets.Identity, err error) {
	t := l.cfg.Data
	if !t.Create {
		return id, &connector.StopError{
			What:   fmt.Sprintf("%s %s of %s does not exist", what, topic, name),
			Remedy: "create it, or set `topics.create: true`",
		}
	}
	err = create()
	var refused *kerr.Error
	switch {
	case err == nil:
		l.log.Info(what+" created", "topic", topic, "partitions", partitions)
		fallthrough
	case errors.Is(err, kerr.TopicAlreadyExists):
		if err := offsets.Appear(ctx, topic, l.details.of); ctx.Err() != nil {
			return id, err
		} else if err != nil {
			return id, &TopicError{Topic: topic, Err: err}
		}
		return l.identify(ctx, topic)
	case !errors.As(err, &refused) || refused.Retriable:
		return id, fmt.Errorf("create topic %s: %w", topic, err)
	default:
		return id, &connector.StopError{
			What:   fmt.Sprintf("create topic %s with %d partitions and replication %d: %v", topic, partitions, t.Replication, err),
			Remedy: "allow Create on it, mend `topics`, or create it by hand",
		}
	}
}

// Identify looks up which topic stands under a name. Its error is
// kerr.UnknownTopicOrPartition where none does.
func Identify(ctx context.Context, cl *kgo.Client, topic string) (offsets.Identity, error) {
	details, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	return IdentityOf(details[topic], topic, err)
}

// identify is Identify, in one request with all who want to know at the same time.
func (l *Lane) identify(ctx context.Context, topic string) (offsets.Identity, error) {
	d, err := l.details.of(ctx, topic)
	return IdentityOf(d, topic, err)
}

// IdentityOf returns which topic stands under a name, as Kafka has told it. Its errors are
// those of Identify.
func IdentityOf(d kadm.TopicDetail, topic string, err error) (offsets.Identity, error) {
	if err = cmp.Or(err, d.Err); err == nil && d.Topic != topic {
		err = errNoAnswer
	}
	if err != nil {
		return offsets.Identity{}, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	return offsets.Identity{Topic: topic, ID: d.ID, Partitions: int32(len(d.Partitions))}, nil
}

// An Identifier says which topic stands under a name: see Identify.
type Identifier func(ctx context.Context, topic string) (offsets.Identity, error)

// deleted is a data topic that is gone although its collection has a state.
func deleted(name offsets.Name, topic string) *connector.StopError {
	return &connector.StopError{
		What:   fmt.Sprintf("topic %s of %s was deleted while its state remains", topic, name),
		Remedy: remedyIdentity(name),
	}
}

// sameTopic compares the topic that a state belongs to with the one there is.
func sameTopic(name offsets.Name, state, now offsets.Identity) error {
	stop := func(format string, args ...any) error {
		return &connector.StopError{What: fmt.Sprintf(format, args...), Remedy: remedyIdentity(name)}
	}
	switch {
	case state.Topic != now.Topic:
		return stop("the config publishes %s to topic %s while its state belongs to topic %s", name, now.Topic, state.Topic)
	case state.ID != now.ID:
		return stop("topic %s of %s was deleted and made again: what its state says was published is not in it", now.Topic, name)
	case state.Partitions != now.Partitions:
		return stop("topic %s of %s has %d partitions and had %d: keys would change their partition and lose their order", now.Topic, name, now.Partitions, state.Partitions)
	}
	return nil
}

func remedyIdentity(name offsets.Name) string {
	return fmt.Sprintf("put the topic back as it was, or publish everything again by `tributary state reset %s --republish`, or read %s under another source name (which has a topic and a state of its own)", name, name.Collection)
}

// messageBytes asks for the largest batches that topics take.
func messageBytes(ctx context.Context, cl *kgo.Client, topics []string) (map[string]int32, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{"max.message.bytes"}
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int32{}
	for _, r := range resp.Resources {
		for _, c := range r.Configs {
			if c.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*c.Value, 10, 32); err == nil && n > 0 {
				sizes[r.ResourceName] = int32(n)
			}
		}
	}
	return sizes, nil
}

// Limits returns how many bytes the state of a source's handler may have, as Group.MaxState,
// and a record of each of its collections, as Writer.MaxRecord, without a lane. What it cannot
// ask for is taken to be as made for topics that are not there yet, else as Kafka's default.
func Limits(ctx context.Context, cl *kgo.Client, offsetsTopic, source string, topics map[string]string, made TopicSettings) (state int, records map[string]int) {
	sizes, _ := messageBytes(ctx, cl, append(slices.Collect(maps.Values(topics)), offsetsTopic)) // the right to ask may be withheld
	fresh, _ := strconv.Atoi(made.Config["max.message.bytes"])
	records = map[string]int{}
	for collection, topic := range topics {
		limit := cmp.Or(int(sizes[topic]), fresh, defaultMessageBytes)
		records[collection] = maxRecord(limit, offsets.Name{Source: source, Collection: collection})
	}
	return maxState(cmp.Or(int(sizes[offsetsTopic]), defaultMessageBytes), source), records
}

// maxMessageBytes asks for the largest batch that a topic takes. The right to ask may be
// withheld.
func (l *Lane) maxMessageBytes(ctx context.Context, topic string) int32 {
	size, _ := l.sizes.of(ctx, topic)
	return cmp.Or(size, defaultMessageBytes)
}

// scan reads a data topic read_committed up to its high watermark: whether it holds a
// record, and the largest batch number in it. With first it ends at the first record.
func scan(ctx context.Context, cl *kgo.Client, id offsets.Identity, first bool) (found bool, seq uint64, err error) {
	err = readTopic(ctx, cl, id, func(r *kgo.Record) (more bool, err error) {
		found = true
		seq = max(seq, batchNumber(r))
		return !first, nil
	})
	return found, seq, err
}

func batchNumber(r *kgo.Record) uint64 {
	for _, h := range r.Headers {
		if h.Key == "tributary_batch" {
			text, _, _ := bytes.Cut(h.Value, []byte("."))
			n, err := strconv.ParseUint(string(text), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
