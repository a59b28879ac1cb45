package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/offsets"
)

// The operations of Kafka's authorizer that we need, as bits of what a broker says is
// allowed (KIP-430).
const (
	mayRead     = 1 << 3
	mayWrite    = 1 << 4
	mayDescribe = 1 << 8
	// unsaid is what a broker answers that does not tell.
	unsaid = -1 << 31
)

var operations = []struct {
	bit  int32
	name string
}{{mayRead, "Read"}, {mayWrite, "Write"}, {mayDescribe, "Describe"}}

// rights asks the brokers what we may do, without doing it.
func (r *checkReport) rights(ctx context.Context, cl *kgo.Client, cfg *Config, chosen []CollectionConfig) {
	ctx, cancel := limited(ctx)
	defer cancel()
	need := map[string]int32{cfg.Offsets.Topic: mayRead | mayWrite | mayDescribe}
	for _, c := range chosen {
		need[c.Topic] = mayWrite | mayDescribe | mayRead // read: whether it is empty when there is no state
		if c.Letters != "" {
			need[c.Letters] = mayWrite | mayDescribe | mayRead // read: whether a transaction hangs in it
		}
	}
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for topic := range need {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		r.fail("rights", err.Error(), "")
		return
	}
	missing := 0
	for _, t := range resp.Topics {
		if t.Topic == nil || t.ErrorCode != 0 || t.AuthorizedOperations == unsaid {
			continue
		}
		var lack []string
		for _, op := range operations {
			if need[*t.Topic]&op.bit != 0 && t.AuthorizedOperations&op.bit == 0 {
				lack = append(lack, op.name)
			}
		}
		if len(lack) > 0 {
			missing++
			r.fail("rights on topic "+*t.Topic, "we lack "+strings.Join(lack, ", "), "allow them to our principal")
		}
	}
	if r.laneIDs(ctx, cl, cfg) && missing == 0 {
		r.ok("rights", "nothing that Kafka tells us of is missing")
	}
}

// laneIDs asks about the transactional ids of the lanes. To use them would fence a
// connector that runs, so all that shows is whether they may be described.
func (r *checkReport) laneIDs(ctx context.Context, cl *kgo.Client, cfg *Config) bool {
	var ids []string
	for lane := range cfg.Offsets.Lanes {
		ids = append(ids, offsets.TransactionalID(cfg.Offsets.Topic, lane))
	}
	described, err := kadm.NewClient(cl).DescribeTransactions(ctx, ids...)
	for err != nil && sleep(ctx, 200*time.Millisecond) == nil {
		described, err = kadm.NewClient(cl).DescribeTransactions(ctx, ids...) // a coordinator that is being chosen
	}
	if err != nil {
		r.fail("rights on transactional ids", err.Error(), "")
		return false
	}
	for _, d := range described {
		if errors.Is(d.Err, kerr.TransactionalIDAuthorizationFailed) {
			r.fail("rights on transactional id "+d.TxnID, d.Err.Error(),
				fmt.Sprintf("allow Write and Describe on transactional ids with the prefix %s", cfg.Offsets.Topic))
			return false
		}
	}
	return true
}
