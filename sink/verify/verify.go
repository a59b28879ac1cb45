package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// Options say what to verify.
type Options struct {
	// Offsets is the offsets topic, with Lanes partitions by the config.
	Offsets string
	Lanes   int
	// Targets are the collections of the config. Others that the offsets topic holds
	// are verified too, by the topic that their state names.
	Targets []Target
	// Only restricts it to these, each SOURCE, SOURCE.COLLECTION or COLLECTION; empty:
	// all.
	Only []string
	// Limit is how many findings are listed for each check of a collection; 0: none.
	Limit int
	// Stall is after how long without progress a partition is given up; 0: DefaultStall.
	Stall time.Duration
	// Progress, if set, is told what is being read, from the goroutine that reads.
	Progress func(Progress)
	// Source, if set, reads a collection from its source, to be compared with what the
	// ledger holds as published. A nil Shown is a collection that cannot be asked for.
	Source func(context.Context, offsets.Name, connector.State) (*Shown, error)
}

// A Target is a collection of the config and the topic to which it is published.
type Target struct {
	Name  offsets.Name
	Topic string
}

// Progress is how far the reading of one partition has come: Offset of End.
type Progress struct {
	Topic       string
	Partition   int32
	Offset, End int64
}

// DefaultStall is after how long without progress a partition is given up: longer than
// the transaction timeout of a producer that died.
const DefaultStall = 105 * time.Second

// UnknownError is a name in Options.Only that neither the config nor the offsets topic
// has.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("neither the config nor the offsets topic has a source or collection %q", e.Name)
}

type verifier struct {
	cl     *kgo.Client
	o      Options
	report *Report
	known  map[string]bool // those of Only that were met
}

// Run verifies. Its error says why nothing can be said at all; what is wrong with one
// collection alone stands in the report.
func Run(ctx context.Context, cl *kgo.Client, o Options) (*Report, error) {
	o.Stall = cmp.Or(o.Stall, DefaultStall)
	began := time.Now()
	v := &verifier{cl: cl, o: o, known: map[string]bool{}, report: &Report{
		Offsets: o.Offsets, Lanes: []*Lane{}, Collections: []*Collection{}, Findings: []Finding{}, Counts: map[string]int{},
		Proved: Proved, NotProved: NotProved,
	}}
	partitions, err := v.partitions(ctx)
	if err != nil {
		return nil, err
	}
	for _, number := range v.lanes(partitions) {
		if err := v.lane(ctx, number); err != nil {
			return nil, err
		}
	}
	for _, name := range o.Only {
		if !v.known[name] {
			return nil, &UnknownError{name}
		}
	}
	v.end(time.Since(began))
	return v.report, nil
}

func (v *verifier) end(took time.Duration) {
	r := v.report
	r.Took = took.Seconds()
	r.OK = len(r.Counts) == 0
	for _, c := range r.Collections {
		if c.Error != "" {
			r.OK = false
			r.Failed++
		}
	}
	slices.SortStableFunc(r.Collections, func(a, b *Collection) int { return cmp.Compare(a.Name(), b.Name()) })
}

// partitions looks the offsets topic up.
func (v *verifier) partitions(ctx context.Context) (int, error) {
	details, err := kadm.NewClient(v.cl).ListTopics(ctx, v.o.Offsets)
	if err != nil {
		return 0, fmt.Errorf("look up offsets topic %s: %w", v.o.Offsets, err)
	}
	d := details[v.o.Offsets]
	switch n := len(d.Partitions); {
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		return 0, fmt.Errorf("there is no offsets topic %s: nothing was ever committed, or it was deleted, or `group` was changed", v.o.Offsets)
	case d.Err != nil:
		return 0, fmt.Errorf("look up offsets topic %s: %w", v.o.Offsets, d.Err)
	case n != v.o.Lanes:
		v.find(CheckLayout, nowhere, nowhere, "", fmt.Sprintf("the offsets topic has %d partitions and the config says %d lanes", n, v.o.Lanes))
		return n, nil
	default:
		return n, nil
	}
}

// lanes are those to be read: all, unless the config says where what is asked for lies.
func (v *verifier) lanes(partitions int) (lanes []int32) {
	wanted := map[int32]bool{}
	for _, only := range v.o.Only {
		found := false
		for _, t := range v.o.Targets {
			if matches(only, t.Name) {
				found, wanted[offsets.LaneOf(t.Name.Source, v.o.Lanes)] = true, true
			}
		}
		if !found {
			wanted = map[int32]bool{}
			break
		}
	}
	for p := range int32(partitions) {
		if len(wanted) == 0 || wanted[p] {
			lanes = append(lanes, p)
		}
	}
	return lanes
}

func matches(only string, name offsets.Name) bool {
	return only == name.Source || only == name.String() || only == name.Collection
}

// chosen says whether a collection is to be verified.
func (v *verifier) chosen(name offsets.Name) bool {
	yes := len(v.o.Only) == 0
	for _, only := range v.o.Only {
		if matches(only, name) {
			yes, v.known[only] = true, true
		}
	}
	return yes
}

// lane verifies the collections of one lane, one after the other.
func (v *verifier) lane(ctx context.Context, number int32) error {
	l := newLane(v, number)
	if err := l.settle(ctx); err != nil {
		return err
	}
	v.report.Lanes = append(v.report.Lanes, &Lane{Lane: number, Records: l.table.Records, Offset: l.tail.Next})
	l.checkLayout()
	topics := map[offsets.Name]string{}
	for _, t := range v.o.Targets {
		if v.chosen(t.Name) && offsets.LaneOf(t.Name.Source, v.o.Lanes) == number {
			topics[t.Name] = t.Topic
		}
	}
	var names []offsets.Name
	for name := range topics {
		names = append(names, name)
	}
	for name := range l.table.Collections {
		if _, has := topics[name]; !has && v.chosen(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b offsets.Name) int { return cmp.Compare(a.String(), b.String()) })
	for _, name := range names {
		began := time.Now()
		c := v.collection(name, number, topics[name])
		if err := l.verify(ctx, c, topics[name]); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c.Error = err.Error()
		}
		c.Took = time.Since(began).Seconds()
		delete(l.table.Collections, name) // a ledger may be large, and the next one too
	}
	return nil
}

// collection begins the report of one.
func (v *verifier) collection(name offsets.Name, lane int32, topic string) *Collection {
	c := &Collection{
		Source: name.Source, Collection: name.Collection, Topic: topic, Lane: lane,
		Found: map[string]int{}, report: v.report, limit: v.o.Limit,
	}
	v.report.Collections = append(v.report.Collections, c)
	return c
}

// find counts a finding about the offsets topic.
func (v *verifier) find(check string, partition int32, offset int64, key, what string) {
	v.report.Counts[check]++
	if v.report.Counts[check] > v.o.Limit {
		return
	}
	f := Finding{Check: check, Topic: v.o.Offsets, Partition: partition, Offset: offset, Key: key, What: what}
	v.report.Findings = append(v.report.Findings, f)
}

func (v *verifier) progress(topic string, partition int32, offset, end int64) {
	if v.o.Progress != nil {
		v.o.Progress(Progress{Topic: topic, Partition: partition, Offset: offset, End: end})
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
