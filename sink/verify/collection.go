package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/offsets"
)

// verify looks at one collection. topic is what the config publishes it to, "" if the
// config does not know it. Its error says why it could not.
func (l *lane) verify(ctx context.Context, c *Collection, topic string) error {
	name := offsets.Name{Source: c.Source, Collection: c.Collection}
	state := l.table.Collections[name]
	if state == nil || !state.Known {
		return l.stateless(ctx, c, state)
	}
	m := state.Memory
	c.Topic, c.Seq = state.Topic, m.State.Seq
	c.Live, c.Marks, c.Doubts = m.Ledger.Len(), len(m.Ledger.Marks()), len(m.Doubts)
	if err := state.Verify(); err != nil {
		c.find(CheckSum, l.number, nowhere, "", err.Error())
	}
	if at := offsets.LaneOf(name.Source, l.v.o.Lanes); at != l.number {
		c.find(CheckLayout, l.number, nowhere, "", fmt.Sprintf("its state lies on lane %d and is looked for on lane %d", l.number, at))
	}
	if state.Partial != "" {
		c.find(CheckState, l.number, nowhere, "", fmt.Sprintf("`tributary %s` was interrupted: half of it is committed, and nothing more until it is run again; the topic was not read", state.Partial))
		return nil
	}
	switch topic {
	case state.Topic:
	case "":
		c.note("the config does not have it: it is verified by the topic that its state names")
	default:
		c.find(CheckTopic, nowhere, nowhere, "", fmt.Sprintf("the config publishes it to topic %s while its state belongs to topic %s", topic, state.Topic))
	}
	partitions, err := l.v.identify(ctx, c, state)
	if err != nil {
		return err
	}
	if partitions > 0 {
		if err := newScan(l, c, state, partitions).run(ctx); err != nil {
			return err
		}
	}
	if l.v.o.Source != nil {
		return l.against(ctx, c, state)
	}
	return nil
}

// identify compares the data topic with the one that the state belongs to, and returns
// how many partitions there are to read.
func (v *verifier) identify(ctx context.Context, c *Collection, state *offsets.Collection) (int32, error) {
	details, err := kadm.NewClient(v.cl).ListTopics(ctx, state.Topic)
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", state.Topic, err)
	}
	d := details[state.Topic]
	n := int32(len(d.Partitions))
	switch {
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		c.find(CheckTopic, nowhere, nowhere, "", "the topic was deleted while its state remains")
		return 0, nil
	case d.Err != nil:
		return 0, fmt.Errorf("look up topic %s: %w", state.Topic, d.Err)
	case d.ID != state.ID:
		c.find(CheckTopic, nowhere, nowhere, "", "the topic was deleted and made again: its id is not the one in the state")
	}
	if n != state.Partitions {
		c.find(CheckTopic, nowhere, nowhere, "", fmt.Sprintf("the topic has %d partitions and had %d: keys would change their partition", n, state.Partitions))
	}
	return n, nil
}

// stateless looks at a collection without a state: then there must be no ledger and no
// record of it either.
func (l *lane) stateless(ctx context.Context, c *Collection, state *offsets.Collection) error {
	if state != nil && state.Left() > 0 {
		c.find(CheckState, l.number, nowhere, "", fmt.Sprintf("its state record is missing, while %d entries and doubts of it are there", state.Left()))
		return nil
	}
	if c.Topic == "" {
		c.note("its state was forgotten, and nothing of it is left")
		return nil
	}
	partition, offset, found, err := l.v.firstRecord(ctx, c.Topic)
	if err != nil {
		return err
	}
	if !found {
		c.note("nothing of it was ever committed")
		return nil
	}
	if err := l.read(ctx); err != nil {
		return err
	}
	if d := l.later[offsets.Name{Source: c.Source, Collection: c.Collection}]; d != nil && d.seq > 0 {
		c.note("its first batches were committed while it was verified: it was not judged")
		return nil
	}
	c.find(CheckState, partition, offset, "", "it has no state, while its topic holds records")
	return nil
}

// errFound ends a reading early.
var errFound = errors.New("found")

// firstRecord returns where the first committed record of a topic lies, if there is one.
func (v *verifier) firstRecord(ctx context.Context, topic string) (partition int32, offset int64, found bool, err error) {
	details, err := kadm.NewClient(v.cl).ListTopics(ctx, topic)
	if err != nil {
		return 0, 0, false, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	d := details[topic]
	if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		return 0, 0, false, nil
	}
	if d.Err != nil {
		return 0, 0, false, fmt.Errorf("look up topic %s: %w", topic, d.Err)
	}
	for p := range int32(len(d.Partitions)) {
		t := newPart(v, topic, p)
		err := t.read(ctx, func(r *kgo.Record) error { offset = r.Offset; return errFound })
		if errors.Is(err, errFound) {
			return p, offset, true, nil
		}
		if err != nil {
			return 0, 0, false, err
		}
	}
	return 0, 0, false, nil
}
