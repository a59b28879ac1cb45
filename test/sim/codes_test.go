package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// codes are the errors that a broker may answer a request with, by the comments of
// Kafka's protocol definitions (as package kmsg repeats them), KafkaApis and what it
// calls, and KIP-98, KIP-207, KIP-227, KIP-320, KIP-360, KIP-516, KIP-588, KIP-599 and KIP-890.
// Missing is what a broker says only to questions that are not asked here (groups, ACLs,
// unknown acks), and DUPLICATE_SEQUENCE_NUMBER: it says that the records are there, so
// that a broker which only says so lies.
var codes = map[kmsg.Key][]*kerr.Error{
	kmsg.Produce: {
		kerr.UnknownServerError, kerr.CorruptMessage, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable,
		kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.ReplicaNotAvailable, kerr.MessageTooLarge, kerr.NetworkException,
		kerr.InvalidTopicException, kerr.RecordListTooLarge, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.InvalidTimestamp, kerr.UnsupportedForMessageFormat,
		kerr.PolicyViolation, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch, kerr.InvalidTxnState,
		kerr.InvalidProducerIDMapping, kerr.TransactionalIDAuthorizationFailed, kerr.ConcurrentTransactions, kerr.KafkaStorageError,
		kerr.UnknownProducerID, kerr.UnsupportedCompressionType, kerr.InvalidRecord, kerr.ProducerFenced, kerr.UnknownTopicID,
		kerr.TransactionAbortable, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress,
	},
	kmsg.InitProducerID: {
		kerr.UnknownServerError, kerr.RequestTimedOut, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator,
		kerr.ClusterAuthorizationFailed, kerr.InvalidRequest, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.InvalidTransactionTimeout,
		kerr.ConcurrentTransactions, kerr.TransactionalIDAuthorizationFailed, kerr.ProducerFenced, kerr.UnsupportedVersion,
	},
	kmsg.EndTxn: {
		kerr.UnknownServerError, kerr.RequestTimedOut, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator,
		kerr.InvalidRequest, kerr.InvalidProducerEpoch, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.ConcurrentTransactions,
		kerr.TransactionalIDAuthorizationFailed, kerr.UnknownProducerID, kerr.ProducerFenced, kerr.TransactionAbortable,
	},
	kmsg.ListOffsets: {
		kerr.UnknownServerError, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.RequestTimedOut,
		kerr.ReplicaNotAvailable, kerr.TopicAuthorizationFailed, kerr.InvalidRequest, kerr.UnsupportedForMessageFormat, kerr.KafkaStorageError,
		kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.UnsupportedVersion,
	},
	kmsg.Fetch: {
		kerr.UnknownServerError, kerr.OffsetOutOfRange, kerr.CorruptMessage, kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition,
		kerr.ReplicaNotAvailable, kerr.TopicAuthorizationFailed, kerr.UnsupportedVersion, kerr.KafkaStorageError, kerr.FetchSessionIDNotFound,
		kerr.InvalidFetchSessionEpoch, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.UnsupportedCompressionType, kerr.OffsetNotAvailable,
		kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.FetchSessionTopicIDError,
	},
	kmsg.Metadata: {
		kerr.UnknownServerError, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.ReplicaNotAvailable, kerr.InvalidTopicException,
		kerr.TopicAuthorizationFailed, kerr.ListenerNotFound, kerr.UnknownTopicID,
	},
	kmsg.FindCoordinator: {
		kerr.UnknownServerError, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.InvalidRequest, kerr.TransactionalIDAuthorizationFailed,
	},
	kmsg.CreateTopics: {
		kerr.UnknownServerError, kerr.RequestTimedOut, kerr.InvalidTopicException, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.TopicAlreadyExists, kerr.InvalidPartitions, kerr.InvalidReplicationFactor, kerr.InvalidReplicaAssignment, kerr.InvalidConfig,
		kerr.NotController, kerr.InvalidRequest, kerr.PolicyViolation, kerr.ThrottlingQuotaExceeded,
	},
	kmsg.DescribeConfigs: {
		kerr.UnknownServerError, kerr.UnknownTopicOrPartition, kerr.RequestTimedOut, kerr.InvalidTopicException, kerr.TopicAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.InvalidRequest,
	},
	kmsg.ApiVersions:      {kerr.UnsupportedVersion, kerr.InvalidRequest},
	kmsg.SASLHandshake:    {kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState, kerr.UnsupportedVersion},
	kmsg.SASLAuthenticate: {kerr.SaslAuthenticationFailed, kerr.IllegalSaslState, kerr.UnknownServerError},
}

// topLevel are the codes that stand for a whole answer and not for a partition of it.
var topLevel = []*kerr.Error{kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch, kerr.FetchSessionTopicIDError}

// fatalAtStart says whether a process may end by an answer at its start: what a person has
// to mend, and is better shown than tried again.
func fatalAtStart(key kmsg.Key, e *kerr.Error) bool {
	switch e {
	case kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
		kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState, kerr.InvalidTransactionTimeout:
		return true
	}
	return key == kmsg.CreateTopics && e == kerr.InvalidReplicationFactor
}

// A codeCase answers some requests of a key with an error, from an act of the scenario on.
type codeCase struct {
	key   kmsg.Key
	err   *kerr.Error
	act   string
	times int
}

func (c codeCase) String() string {
	return fmt.Sprintf("%s answers %s %d times from the %s on", kmsg.NameForKey(int16(c.key)), c.err.Message, c.times, c.act)
}

func TestAfterEveryErrorCode(t *testing.T) {
	var cases []codeCase
	for key, errs := range codes {
		for _, e := range errs {
			for _, act := range []string{"start", "middle", "restart"} {
				if key == kmsg.CreateTopics && act != "start" {
					continue // no topic is made any more
				}
				cases = append(cases, codeCase{key, e, act, 1}, codeCase{key, e, act, 3})
			}
		}
	}
	slices.SortFunc(cases, func(a, b codeCase) int { return strings.Compare(a.String(), b.String()) })
	tried := sample(cases)
	var mu sync.Mutex
	hit, ended, missed := map[int16]int{}, map[int16]int{}, 0
	sideBySide(t, tried, func(t *testing.T, c codeCase) error {
		hits, mended, err := c.try(t)
		mu.Lock()
		defer mu.Unlock()
		if mended {
			ended[int16(c.key)]++
		}
		if hits == 0 {
			missed++
			t.Logf("%s: no request was answered", c)
		} else {
			hit[int16(c.key)]++
		}
		return err
	})
	t.Logf("codes answered, %s", byKey(hit))
	t.Logf("of these a person had to start it again, %s", byKey(ended))
	if missed > len(tried)/50 {
		t.Errorf("%d of %d cases answered no request", missed, len(tried))
	}
}

// try lives through the scenario with the case in it. mended says that it took a new start.
func (c codeCase) try(t *testing.T) (hits int, mended bool, err error) {
	w := crashWorld()
	w.about = c.String()
	w.login = c.key == kmsg.SASLHandshake || c.key == kmsg.SASLAuthenticate
	err = live(t, w, func(w *world) error {
		var fault *kfake.FaultHandle
		s := &scenario{world: w}
		s.at = func(act string) {
			switch act {
			case c.act:
				fault = w.kafka.Fault(kfake.Fault{
					Keys: []kmsg.Key{c.key}, Err: c.err, Count: c.times, TopLevel: slices.Contains(topLevel, c.err),
				})
				if c.act == "middle" && c.key != kmsg.Produce && c.key != kmsg.EndTxn {
					// The lane is spent, and acquired again.
					w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ProducerFenced})
				}
			case "end":
				hits = fault.Hits()
				fault.Remove()
			}
		}
		s.mend = func(why error) error {
			named := errors.Is(why, c.err) || strings.Contains(why.Error(), c.err.Message)
			if mended || c.act == "middle" || !named || !fatalAtStart(c.key, c.err) {
				return why
			}
			mended = true
			hits = fault.Hits()
			fault.Remove()
			return nil
		}
		return s.run()
	})
	return hits, mended, err
}
