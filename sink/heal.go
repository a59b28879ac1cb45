package sink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/offsets"
)

// A doubtfulError says why it cannot be told what became of a transaction elsewhere.
type doubtfulError struct{ why string }

func (e *doubtfulError) Error() string { return e.why }

// A published batch is one of which records lie in a data topic.
type published struct {
	source string // what ce_source says
	seq    uint64
}

// judge says how a transaction ended of which a data partition holds those batches:
// committed up to are the batch numbers of the states, by ce_source. The state of a batch
// is committed in its transaction, so that its number tells. In a hang lie records of one
// transaction; of more, if the end of several was lost in a row.
func judge(batches map[published]bool, committed map[string]uint64) (commit bool, err error) {
	if len(batches) == 0 {
		return false, &doubtfulError{"no record of it was found"}
	}
	yes, no := published{}, published{}
	for b := range batches {
		upTo, known := committed[b.source]
		switch {
		case b.seq == 0 || !known:
			return false, &doubtfulError{fmt.Sprintf("it holds a record without the headers of this topic's collection (ce_source %.80q)", b.source)}
		case b.seq <= upTo:
			yes = b
		default:
			no = b
		}
	}
	if yes.seq > 0 && no.seq > 0 {
		return false, &doubtfulError{fmt.Sprintf("it holds batch %d of %s, which was committed, and batch %d of %s, which was not", yes.seq, yes.source, no.seq, no.source)}
	}
	return yes.seq > 0, nil
}

// A found hang is one with what was read of it.
type found struct {
	hang
	records []*kgo.Record // what hangs
	copies  int           // how many of them another producer has committed above it
}

// read reads what hangs in a partition, and what of it was copied: see mend.
func (l *Lane) read(ctx context.Context, h hang) (*found, error) {
	f := &found{hang: h}
	hangs, open := map[[32]byte]bool{}, map[int64][][32]byte{}
	copied := map[[32]byte]bool{}
	err := l.uncommitted(ctx, h, func(r *kgo.Record) error {
		own := r.ProducerID == l.producer
		switch {
		case own && r.Attrs.IsControl():
			return errors.New("it has been ended meanwhile")
		case own:
			f.records = append(f.records, r)
			hangs[contents(r)] = true
		case !r.Attrs.IsControl():
			open[r.ProducerID] = append(open[r.ProducerID], contents(r))
		default:
			for _, x := range open[r.ProducerID] {
				copied[x] = copied[x] || isCommit(r)
			}
			delete(open, r.ProducerID)
		}
		return nil
	})
	for _, r := range f.records {
		if copied[contents(r)] {
			f.copies++
		}
	}
	if err == nil && len(f.records) == 0 {
		err = &doubtfulError{"no record of it was found"}
	}
	if errors.Is(err, offsets.ErrTruncated) {
		err = &doubtfulError{"retention has cut into it"}
	}
	if err == nil && h.topic != l.cfg.Topic && twice(f.records) {
		err = &doubtfulError{"a record of a batch is in it twice: two transactions of ours hang here"}
	}
	if err == nil && f.copies > 0 && f.copies < len(f.records) {
		err = &doubtfulError{fmt.Sprintf("%d of its %d records were published again", f.copies, len(f.records))}
	}
	return f, err
}

// twice says whether data records hold one place of a batch twice: a number is used again
// after an abort.
func twice(records []*kgo.Record) bool {
	seen := map[[32]byte]bool{}
	for _, r := range records {
		h := sha256.New()
		for _, x := range r.Headers {
			if x.Key == "tributary_batch" || x.Key == "ce_source" {
				fmt.Fprintf(h, " %s %d %s", x.Key, len(x.Value), x.Value)
			}
		}
		place := [32]byte(h.Sum(nil))
		if seen[place] {
			return true
		}
		seen[place] = true
	}
	return false
}

// contents tells a record of a batch, or of the offsets topic, from any other one.
func contents(r *kgo.Record) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %v ", len(r.Key), len(r.Value), r.Value == nil)
	h.Write(r.Key)
	h.Write(r.Value)
	for _, x := range r.Headers {
		if x.Key == "tributary_batch" || x.Key == "ce_source" {
			fmt.Fprintf(h, " %s %d %s", x.Key, len(x.Value), x.Value)
		}
	}
	return [32]byte(h.Sum(nil))
}

// verdict says how a transaction ended elsewhere that hangs in a data partition.
func (l *Lane) verdict(f *found) (commit bool, err error) {
	committed := map[string]uint64{}
	for name, c := range l.table.Collections {
		if c.Known && (c.Topic == f.topic || l.cfg.Letters[name] == f.topic) {
			committed[sourceHeader(name)] = c.Memory.State.Seq
		}
	}
	for name, topic := range l.cfg.Letters {
		if topic == f.topic && !l.table.Collection(name).Known {
			committed[sourceHeader(name)] = 0
		}
	}
	l.hung.mu.Lock()
	if name, ok := l.hung.also[f.topic]; ok && !l.table.Collection(name).Known {
		committed[sourceHeader(name)] = 0
	}
	l.hung.mu.Unlock()
	batches := map[published]bool{}
	for _, r := range f.records {
		batches[batchOf(r)] = true
	}
	return judge(batches, committed)
}

func sourceHeader(n offsets.Name) string { return string(newHeaders(n.Source, n.Collection).source) }

func batchOf(r *kgo.Record) (b published) {
	b.seq = batchNumber(r)
	for _, h := range r.Headers {
		if h.Key == "ce_source" {
			b.source = string(h.Value)
		}
	}
	return b
}

// endOwn ends what hangs in the lane's own partition, in which every transaction of the
// lane writes the states that it leads to. Its error is a *hangError when it did.
//
// Those states say which batches the transaction published. If one of them was committed in
// a data partition, so was the transaction; if it was aborted in one, or nobody has seen
// anything of it because nothing of it is in any or it hangs in all of them, it is aborted:
// what hangs of it in data partitions is then above the states, and is aborted by the next
// turn as well. So every partition tells the same in the end, and what was not committed is
// read from the source again.
func (l *Lane) endOwn(ctx context.Context, tail *offsets.Tail) error {
	own := kmsg.NewDescribeProducersRequestTopic()
	own.Topic, own.Partitions = l.cfg.Topic, []int32{l.Number}
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = append(req.Topics, own)
	found, unknown, err := l.describe(ctx, req, l.epoch, l.producer)
	if err := errors.Join(err, unknown[l.cfg.Topic]); err != nil {
		return err
	}
	if len(found) == 0 {
		return nil
	}
	h := found[0]
	if err := l.readTo(ctx, tail, func() int64 { return h.start }); err != nil {
		return err
	}
	f, err := l.read(ctx, h)
	commit := false
	if err == nil {
		commit, err = l.verdictOfOwn(ctx, f)
	}
	if err == nil && l.hung.spent(h) {
		err = fmt.Errorf("it was ended %d times and hangs on", maxTries)
	}
	if err != nil {
		return fmt.Errorf("%s, and it could not be ended: %w; if that stays so, end it by hand, %s", h.lost(), err, h.byHand())
	}
	if commit && f.copies == 0 {
		return l.mend(ctx, []hang{h})
	}
	return l.end(ctx, []hang{h}, commit)
}

// verdictOfOwn says how a transaction ended that hangs in the lane's own partition.
func (l *Lane) verdictOfOwn(ctx context.Context, f *found) (commit bool, err error) {
	held := offsets.NewTable()
	for _, r := range f.records {
		if err := held.Apply(r.Key, r.Value); err != nil {
			return false, err
		}
	}
	epochs := map[int16]bool{}
	for _, r := range f.records {
		epochs[r.ProducerEpoch] = true
	}
	var seen, same fate
	letters := l.letterTopicsOf(ctx)
	for name, c := range held.Collections {
		if !c.Known {
			continue
		}
		before := l.table.Collection(name).Memory.State.Seq
		if c.Memory.State.Seq <= before {
			return false, &doubtfulError{fmt.Sprintf("it holds batch %d of %s, whose state is at batch %d already", c.Memory.State.Seq, name, before)}
		}
		topics := map[string]int32{c.Topic: c.Partitions}
		if to := l.cfg.Letters[name]; to != "" && letters[to] > 0 {
			topics[to] = letters[to]
		}
		for topic, partitions := range topics {
			if err := l.lookInto(ctx, c, topic, partitions, before, f.records[0].Timestamp, held.Records, epochs, &seen, &same); err != nil {
				return false, err
			}
		}
	}
	// A token and a hold stand alone in their transactions, and so may the state of a handler
	// that found nothing, so that nothing tells elsewhere. To have it again does no harm,
	// whatever became of it: it was received.
	if len(held.Collections) == 0 && held.Claim == nil {
		return true, nil
	}
	// A batch number is used again after an abort. Where something of the epochs of what
	// hangs was seen, it is of this try (KIP-890: each transaction has an epoch).
	if same != (fate{}) {
		return same.judge()
	}
	return seen.judge()
}

// fate is what data partitions tell of a transaction: how often it ended how there.
type fate struct{ committed, aborted int }

func (f *fate) add(o fate) {
	f.committed += o.committed
	f.aborted += o.aborted
}

func (f fate) judge() (commit bool, err error) {
	if f.committed > 0 && f.aborted > 0 {
		return false, &doubtfulError{fmt.Sprintf("it was committed in %d data partitions and aborted in %d", f.committed, f.aborted)}
	}
	return f.committed > 0, nil
}

// lookInto looks for what became of the batches above a number, up to a state's, in the data
// topic of a collection, or in its dead letter queue. Nothing was written there after them by this lane, so that they
// are at the end: at most a minute older than the states, or as many records from it.
func (l *Lane) lookInto(ctx context.Context, c *offsets.Collection, topic string, partitions int32, above uint64, at time.Time, records int, epochs map[int16]bool, seen, same *fate) error {
	adm := kadm.NewClient(l.cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if gone := starts.Error(); err != nil || errors.Is(gone, kerr.UnknownTopicOrPartition) {
		return err // of a topic that was deleted nothing can be told
	}
	ends, err2 := adm.ListEndOffsets(ctx, topic)
	since, err3 := adm.ListOffsetsAfterMilli(ctx, at.Add(-time.Minute).UnixMilli(), topic)
	if err := errors.Join(starts.Error(), err2, ends.Error(), err3, since.Error()); err != nil {
		return fmt.Errorf("offsets of %s: %w", topic, err)
	}
	source := sourceHeader(c.Name)
	for p := range partitions {
		start, ok := starts.Lookup(topic, p)
		if !ok {
			return &doubtfulError{fmt.Sprintf("topic %s has no partition %d any more", topic, p)}
		}
		end, _ := ends.Lookup(topic, p)
		from, _ := since.Lookup(topic, p)
		offset := max(start.Offset, min(from.Offset, end.Offset-int64(2*records)-1000))
		open, of, last, lastSame := false, int16(0), fate{}, fate{}
		err := l.uncommitted(ctx, hang{topic, p, offset}, func(r *kgo.Record) error {
			b := batchOf(r)
			switch {
			case r.ProducerID != l.producer:
			case !r.Attrs.IsControl():
				if b.source == source && b.seq > above && b.seq <= c.Memory.State.Seq {
					open, of, last = true, r.ProducerEpoch, fate{} // of an earlier try nothing follows
				}
			case open:
				open, last = false, fate{aborted: 1}
				if isCommit(r) {
					last = fate{committed: 1}
				}
				if epochs[of] {
					lastSame = last
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		seen.add(last)
		same.add(lastSame)
	}
	return nil
}

// isCommit reads the key of a marker: a version and a kind of two bytes each, 0 for an
// abort and 1 for a commit.
func isCommit(r *kgo.Record) bool { return len(r.Key) >= 4 && r.Key[2] == 0 && r.Key[3] == 1 }
