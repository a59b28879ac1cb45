package offsets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// LaneHash names the function that maps sources to lanes; the layout record keeps it.
const LaneHash = "fnv1a-64"

// LaneOf returns the lane on which a source lies.
func LaneOf(source string, lanes int) int32 {
	h := fnv.New64a()
	h.Write([]byte(source))
	return int32(h.Sum64() % uint64(lanes))
}

// TransactionalID returns the one id under which a lane is written.
func TransactionalID(topic string, lane int32) string {
	return topic + "-" + strconv.Itoa(int(lane))
}

// LayoutError is an offsets topic that cannot be used as it is.
type LayoutError struct{ What, Remedy string }

func (e *LayoutError) Error() string { return e.What + "; " + e.Remedy }

// Settings of the topic at its creation.
var topicConfig = map[string]string{
	"cleanup.policy":            "compact",
	"delete.retention.ms":       "86400000",  // a reader that takes longer than a day is lost
	"segment.bytes":             "67108864",  // the active segment is never compacted
	"segment.ms":                "86400000",  // so that a quiet lane is compacted too
	"max.compaction.lag.ms":     "604800000", // old values leave the disk within days
	"min.cleanable.dirty.ratio": "0.1",
}

// Ensure creates the offsets topic, or checks that it is one: compacted, with a
// partition for each lane. A replication of -1 is the broker's default.
func Ensure(ctx context.Context, cl *kgo.Client, topic string, lanes int, replication int16) error {
	adm := kadm.NewClient(cl)
	details, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return fmt.Errorf("look up offsets topic %s: %w", topic, err)
	}
	d := details[topic]
	if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		return create(ctx, cl, topic, lanes, replication)
	}
	if d.Err != nil {
		return fmt.Errorf("look up offsets topic %s: %w", topic, d.Err)
	}
	if n := len(d.Partitions); n != lanes {
		return &LayoutError{
			What:   fmt.Sprintf("offsets topic %s has %d partitions and the config says %d lanes", topic, n, lanes),
			Remedy: fmt.Sprintf("set `offsets.lanes: %d`; the number of lanes is fixed when the topic is made", n),
		}
	}
	return checkPolicy(ctx, adm, topic)
}

func create(ctx context.Context, cl *kgo.Client, topic string, lanes int, replication int16) error {
	configs := map[string]*string{}
	for k, v := range topicConfig {
		configs[k] = kadm.StringPtr(v)
	}
	if replication >= 3 {
		configs["min.insync.replicas"] = kadm.StringPtr("2")
	}
	_, err := kadm.NewClient(cl).CreateTopic(ctx, int32(lanes), replication, configs, topic)
	switch {
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		return Appear(ctx, topic, func(ctx context.Context, topic string) (kadm.TopicDetail, error) {
			details, err := kadm.NewClient(cl).ListTopics(ctx, topic)
			return details[topic], err
		})
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return &LayoutError{
			What:   fmt.Sprintf("create offsets topic %s with replication %d: %v", topic, replication, err),
			Remedy: "set `offsets.replication` to at most the number of brokers",
		}
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return &LayoutError{
			What:   fmt.Sprintf("create offsets topic %s: %v", topic, err),
			Remedy: fmt.Sprintf("allow Create on topic %s, or create it: %d partitions, cleanup.policy=compact", topic, lanes),
		}
	default:
		return fmt.Errorf("create offsets topic %s: %w", topic, err)
	}
}

// Appear waits until the brokers tell of a topic that was just made, with leaders. look
// asks them.
func Appear(ctx context.Context, topic string, look func(ctx context.Context, topic string) (kadm.TopicDetail, error)) error {
	for began := time.Now(); ; {
		d, err := look(ctx, topic)
		led := 0
		for _, p := range d.Partitions {
			if p.Leader >= 0 {
				led++
			}
		}
		err = cmp.Or(err, d.Err)
		switch late := time.Since(began) > appearsWithin; {
		case err == nil && led > 0 && led == len(d.Partitions):
			return nil
		case late && err != nil:
			return fmt.Errorf("topic %s was made and cannot be seen after %v: %w", topic, appearsWithin, err)
		case late:
			return fmt.Errorf("topic %s was made but has no leaders after %v", topic, appearsWithin)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// appearsWithin is how long a topic may take, of hundreds that are made at the same time.
const appearsWithin = 30 * time.Second

// checkPolicy refuses a topic that would delete state by age or size.
func checkPolicy(ctx context.Context, adm *kadm.Client, topic string) error {
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	var rc kadm.ResourceConfig
	if err == nil {
		rc, err = configs.On(topic, nil)
	}
	if err == nil {
		err = rc.Err
	}
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil // DescribeConfigs is a right that a careful operator may keep back
	}
	if err != nil {
		return fmt.Errorf("describe offsets topic %s: %w", topic, err)
	}
	for _, c := range rc.Configs {
		if c.Key != "cleanup.policy" {
			continue
		}
		if p := strings.ReplaceAll(c.MaybeValue(), " ", ""); p != "compact" {
			return &LayoutError{
				What: fmt.Sprintf("offsets topic %s has cleanup.policy=%s: Kafka would delete state by age", topic, p),
				Remedy: fmt.Sprintf("alter it to cleanup.policy=compact (kafka-configs.sh --alter --topic %s --add-config cleanup.policy=compact), "+
					"and look with `tributary state show` whether state is missing already", topic),
			}
		}
	}
	return nil
}

// CheckLayout compares the lane's layout record with the config.
func CheckLayout(topic string, have *Layout, lanes int) error {
	if have == nil || (have.Lanes == lanes && have.Hash == LaneHash) {
		return nil
	}
	return &LayoutError{
		What:   fmt.Sprintf("offsets topic %s was laid out with %d lanes by %s, this program would use %d by %s", topic, have.Lanes, have.Hash, lanes, LaneHash),
		Remedy: fmt.Sprintf("set `offsets.lanes: %d`, or use another `offsets.topic`", have.Lanes),
	}
}
