package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
	"tributary/test/oracle"
)

// judge says what is wrong with the topics. The source rests, and so do the processes.
func (w *world) judge() error {
	ctx, cancel := bounded()
	defer cancel()
	var wrong []error
	if err := w.judgeData(ctx); err != nil {
		wrong = append(wrong, err)
	}
	cl, err := w.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	table, err := readTable(ctx, cl)
	if err != nil {
		return errors.Join(append(wrong, err)...)
	}
	for _, c := range collections {
		records, err := readAll(ctx, cl, topicOf(c), w.partitions)
		if err != nil {
			return errors.Join(append(wrong, err)...)
		}
		wrong = append(wrong, judgeState(table.Collections[offsets.Name{Source: sourceName, Collection: c}], c, records)...)
		wrong = append(wrong, w.judgeClaims(topicOf(c), records)...)
	}
	wrong = append(wrong, w.judgeLetters(ctx, cl, table)...)
	return errors.Join(wrong...)
}

// judgeData asks the oracle, who reads what any consumer would.
func (w *world) judgeData(ctx context.Context) error {
	topics := map[string]string{}
	for _, c := range collections {
		topics[topicOf(c)] = c
	}
	o, err := oracle.New(oracle.Config{
		Brokers: w.seeds, Opts: w.reach(w.net.DialContext), Topics: topics, API: w.api, Compacted: w.compacted,
	})
	if err != nil {
		return err
	}
	defer o.Close()
	v, err := o.Judge(ctx)
	if err != nil {
		return err
	}
	if !v.OK() {
		return errors.New(v.String())
	}
	w.log.notef("%s", v)
	return nil
}

// judgeState compares the fold of the data topic with what the offsets topic says of it.
func judgeState(c *offsets.Collection, collection string, records []*kgo.Record) (wrong []error) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(collection+": "+format, args...)) }
	if c == nil || !c.Known {
		complain("no state in the offsets topic")
		return wrong
	}
	if err := c.Verify(); err != nil {
		complain("%v", err)
	}
	live, seq := map[string]string{}, uint64(0)
	for _, r := range records {
		n, _, _ := batchOf(r)
		seq = max(seq, n)
		if r.Value == nil {
			delete(live, string(r.Key))
		} else {
			live[string(r.Key)] = header(r, "tributary_hash")
		}
	}
	if seq > c.Memory.State.Seq {
		complain("batch %d is in the topic and the state says %d", seq, c.Memory.State.Seq)
	}
	if len(c.Memory.Doubts) > 0 {
		complain("%d doubts are left", len(c.Memory.Doubts))
	}
	entries := 0
	for id, e := range c.Memory.Ledger.All() {
		if e.Mark {
			if _, ok := live[id]; ok {
				complain("record %s is live in the topic and the ledger holds the mark of its deletion", id)
			}
			continue
		}
		entries++
		if got, want := live[id], fmt.Sprintf("%d.%s", e.Print, e.Hash); got != want {
			complain("record %s is %q in the topic and %q in the ledger", id, got, want)
		}
	}
	if entries != len(live) {
		complain("the fold of the topic has %d live records and the ledger %d", len(live), entries)
	}
	return wrong
}

// judgeClaims looks for each batch of which it was said that it is committed. What was
// published again later, because it was not, is younger than that.
func (w *world) judgeClaims(topic string, records []*kgo.Record) (wrong []error) {
	have := map[uint64][]*kgo.Record{}
	for _, r := range records {
		seq, _, _ := batchOf(r)
		have[seq] = append(have[seq], r)
	}
	for _, c := range w.claims {
		if c.topic != topic {
			continue
		}
		if n := len(have[c.seq]); n != c.n && !(w.compacted && n < c.n) {
			wrong = append(wrong, fmt.Errorf("%s: batch %d of %d records was said to be committed, and %d are there", topic, c.seq, c.n, n))
		}
		for _, r := range have[c.seq] {
			if r.Timestamp.After(c.at) {
				wrong = append(wrong, fmt.Errorf("%s: batch %d was said to be committed at %s and was produced at %s", topic, c.seq, c.at, r.Timestamp))
				break
			}
		}
	}
	return wrong
}

// batchOf returns the numbers of tributary_batch, 0 where there is none.
func batchOf(r *kgo.Record) (seq, i, n uint64) {
	part := strings.Split(header(r, "tributary_batch"), ".")
	if len(part) != 3 {
		return 0, 0, 0
	}
	for k, to := range []*uint64{&seq, &i, &n} {
		*to, _ = strconv.ParseUint(part[k], 10, 64) // the oracle has judged the form
	}
	return seq, i, n
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// readTable folds the offsets topic, read to its end.
func readTable(ctx context.Context, cl *kgo.Client) (*offsets.Table, error) {
	table := offsets.NewTable()
	records, err := readAll(ctx, cl, offsetsTopic, 1)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := table.Apply(r.Key, r.Value); err != nil {
			return nil, err
		}
	}
	if table.Claim == nil || table.Layout == nil {
		return nil, errors.New("the offsets topic holds no claim or no layout")
	}
	return table, nil
}

// readAll reads a topic read_committed to its high watermarks, partition by partition.
func readAll(ctx context.Context, cl *kgo.Client, topic string, partitions int32) (all []*kgo.Record, err error) {
	for p := range partitions {
		end, err := offsets.HighWatermark(ctx, cl, topic, p)
		if err != nil {
			return nil, err
		}
		if end == 0 {
			continue
		}
		for tail := offsets.NewTail(cl, topic, p); tail.Next < end; {
			if err := tail.Fetch(ctx, func(r *kgo.Record) error { all = append(all, r); return nil }); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

var _ connector.Committer = (*witness)(nil)
