package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
	"tributary/sink"
)

// kafka asks the cluster: is it there, are the topics right, do transactions work.
func (r *checkReport) kafka(ctx context.Context, cfg *Config, chosen []CollectionConfig) {
	opts, err := cfg.Kafka.Opts()
	if err != nil {
		r.fail("kafka", err.Error(), "")
		return
	}
	if !r.brokers(ctx, cfg, opts) {
		return
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		r.fail("kafka", err.Error(), "")
		return
	}
	defer cl.Close()
	states := r.offsets(ctx, cl, cfg)
	existing := r.topics(ctx, cl, cfg, chosen, states)
	r.letters(ctx, cl, cfg, chosen)
	r.transaction(ctx, cfg, opts, existing)
	r.rights(ctx, cl, cfg, chosen) // after the first transaction: until then there is no coordinator
}

// brokers tries each seed by itself, so that the one that fails is named.
func (r *checkReport) brokers(ctx context.Context, cfg *Config, opts []kgo.Opt) bool {
	reached := 0
	for _, seed := range cfg.Kafka.Brokers {
		ctx, cancel := limited(ctx)
		cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.SeedBrokers(seed), kgo.RequestRetries(0))...)
		if err == nil {
			err = cl.Ping(ctx)
			cl.Close()
		}
		cancel()
		switch {
		case err == nil:
			reached++
			r.ok("broker "+seed, "answers")
		case errors.Is(err, kerr.SaslAuthenticationFailed):
			r.fail("broker "+seed, err.Error(), "check `kafka.sasl`: mechanism, username and password")
		default:
			r.fail("broker "+seed, err.Error(), "check `kafka.brokers`, `kafka.tls` and the network")
		}
	}
	return reached > 0
}

// offsets looks at the offsets topic and returns the states that it holds, nil if they
// could not be read.
func (r *checkReport) offsets(ctx context.Context, cl *kgo.Client, cfg *Config) map[offsets.Name]*offsets.Collection {
	ctx, cancel := limited(ctx)
	defer cancel()
	what := "offsets topic " + cfg.Offsets.Topic
	details, err := kadm.NewClient(cl).ListTopics(ctx, cfg.Offsets.Topic)
	if err != nil {
		r.fail(what, err.Error(), "")
		return nil
	}
	if errors.Is(details[cfg.Offsets.Topic].Err, kerr.UnknownTopicOrPartition) {
		r.ok(what, "is not there; run makes it with %d partitions, compacted", cfg.Offsets.Lanes)
		return map[offsets.Name]*offsets.Collection{}
	}
	var layout *offsets.LayoutError
	err = offsets.Ensure(ctx, cl, cfg.Offsets.Topic, int(cfg.Offsets.Lanes), cfg.Offsets.Replication)
	if errors.As(err, &layout) {
		r.fail(what, layout.What, layout.Remedy)
		return nil
	}
	states := map[offsets.Name]*offsets.Collection{}
	for lane := int32(0); err == nil && lane < cfg.Offsets.Lanes; lane++ {
		var table *offsets.Table
		if table, err = readLane(ctx, cl, cfg.Offsets.Topic, lane); err == nil {
			maps.Copy(states, table.Collections)
			err = offsets.CheckLayout(cfg.Offsets.Topic, table.Layout, int(cfg.Offsets.Lanes))
		}
	}
	switch {
	case errors.As(err, &layout):
		r.fail(what, layout.What, layout.Remedy)
	case err != nil:
		r.fail(what, err.Error(), "allow Read, Write and Describe on it")
	default:
		r.ok(what, "%d lanes, compacted, readable", cfg.Offsets.Lanes)
		r.replication(what, details[cfg.Offsets.Topic])
		return states
	}
	return nil
}

// replication says what a topic of one copy means.
func (r *checkReport) replication(what string, d kadm.TopicDetail) {
	if d.Partitions.NumReplicas() < 2 {
		r.note(what, "has one replica", "a broker's disk that is lost takes the state along: 3 replicas with min.insync.replicas=2 survive it")
	}
}

// topics looks at the data topics and returns one that is there, or "".
func (r *checkReport) topics(ctx context.Context, cl *kgo.Client, cfg *Config, chosen []CollectionConfig, states map[offsets.Name]*offsets.Collection) (existing string) {
	// What belongs to no state is looked into, one after the other.
	ctx, cancel := context.WithTimeout(ctx, checkTime+time.Duration(len(chosen))*50*time.Millisecond)
	defer cancel()
	var names []string
	for _, c := range chosen {
		names = append(names, c.Topic)
	}
	adm := kadm.NewClient(cl)
	details, err := adm.ListTopics(ctx, names...)
	if err != nil {
		r.fail("data topics", err.Error(), "")
		return ""
	}
	var missing, there []string
	for i, name := range names {
		if r.belongs(ctx, cl, cfg, chosen[i], details[name], states) {
			continue
		}
		switch d := details[name]; {
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			missing = append(missing, name)
		case d.Err != nil:
			r.fail("data topic "+name, d.Err.Error(), "allow Describe and Write on it")
		default:
			there = append(there, name)
		}
	}
	switch {
	case len(missing) > 0 && !cfg.Topics.Create:
		r.fail("data topics", "not there: "+strings.Join(missing, ", "), "create them, or set `topics.create: true`")
	case len(missing) > 0:
		r.ok("data topics", "%d are not there; run makes them, compacted", len(missing))
	}
	if len(there) == 0 {
		return ""
	}
	r.policies(ctx, adm, there)
	return there[0]
}

// belongs compares a data topic with the state of its collection, as run does, and says
// whether it found something.
func (r *checkReport) belongs(ctx context.Context, cl *kgo.Client, cfg *Config, c CollectionConfig, d kadm.TopicDetail, states map[offsets.Name]*offsets.Collection) bool {
	if states == nil {
		return false // said already
	}
	name := offsets.Name{Source: c.Settings.Source, Collection: c.Settings.Collection}
	state := states[name]
	if state == nil {
		state = offsets.NewTable().Collection(name)
	}
	told := func(_ context.Context, topic string) (offsets.Identity, error) { return sink.IdentityOf(d, topic, nil) }
	_, _, err := sink.Belongs(ctx, cl, told, state, cfg.Offsets.Topic, c.Topic)
	var stop *connector.StopError
	switch {
	case errors.As(err, &stop):
		r.fail("data topic "+c.Topic, stop.What, stop.Remedy)
	case err != nil && ctx.Err() != nil:
		r.fail("data topic "+c.Topic, "there was no time left to compare it with the state of its collection: "+err.Error(), "check its collection alone: tributary check "+name.String())
	default:
		return false
	}
	return true
}

// policies says of topics that delete by age what that means for their readers.
func (r *checkReport) policies(ctx context.Context, adm *kadm.Client, topics []string) {
	configs, err := adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		r.note("data topics", "their settings cannot be read: "+err.Error(), "allow DescribeConfigs to have them checked")
		return
	}
	for _, rc := range configs {
		compacted := true
		for _, c := range rc.Configs {
			if c.Key == "cleanup.policy" && strings.Contains(c.MaybeValue(), "delete") {
				compacted = false
			}
		}
		switch {
		case rc.Err != nil:
			r.note("data topic "+rc.Name, "its settings cannot be read: "+rc.Err.Error(), "allow DescribeConfigs to have them checked")
		case !compacted:
			r.note("data topic "+rc.Name, "has cleanup.policy=delete", "records that do not change are gone after retention.ms: a new consumer does not get them all")
		default:
			r.ok("data topic "+rc.Name, "is there, compacted")
		}
	}
}

// transaction tries one under an id that no lane has, and aborts it. With a data topic
// it produces a record, which no read_committed reader sees.
func (r *checkReport) transaction(ctx context.Context, cfg *Config, opts []kgo.Opt, topic string) {
	ctx, cancel := limited(ctx)
	defer cancel()
	id := cfg.Offsets.Topic + "-check"
	what := "transactions as " + id
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.TransactionalID(id), kgo.RecordDeliveryTimeout(checkTime/2))...)
	if err != nil {
		r.fail(what, err.Error(), "")
		return
	}
	defer cl.Close()
	if _, _, err := cl.ProducerID(ctx); err != nil {
		r.fail(what, err.Error(), fmt.Sprintf("allow Write and Describe on transactional ids with the prefix %s", cfg.Offsets.Topic))
		return
	}
	if topic == "" {
		r.ok(what, "work; no data topic is there yet to produce to")
		return
	}
	if err := tryProduce(ctx, cl, topic); err != nil {
		r.fail(what, fmt.Sprintf("produce to %s: %v", topic, err), "allow Write on the data topics")
		return
	}
	r.ok(what, "work (a record produced to %s, and aborted)", topic)
}

func tryProduce(ctx context.Context, cl *kgo.Client, topic string) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("tributary-check")}).FirstErr()
	return errors.Join(err, cl.EndTransaction(ctx, kgo.TryAbort))
}
