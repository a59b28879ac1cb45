package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/offsets"
)

// A lane is one partition of the offsets topic: the table of the consistent point, which
// then stays as it is, and what was committed since.
type lane struct {
	v      *verifier
	number int32
	tail   *offsets.Tail
	table  *offsets.Table
	// pinned: the consistent point is found; what is read now goes to later.
	pinned bool
	later  map[offsets.Name]*delta
	bad    []badRecord
}

// A delta is what was committed of a collection after the consistent point.
type delta struct {
	// seq is the number of the last batch, 0 if there was none, and cursor the one after
	// it; gone says that the state was forgotten, or a command is in the middle of
	// changing it.
	seq    uint64
	cursor connector.Instant
	gone   bool
	// entries are those written, one that was dropped as a mark; doubts the ids about
	// which there was a doubt.
	entries connector.Ledger
	doubts  map[string]bool
}

// badRecord is a record that cannot be decoded.
type badRecord struct {
	offset    int64
	key, what string
}

func newLane(v *verifier, number int32) *lane {
	return &lane{v: v, number: number, tail: offsets.NewTail(v.cl, v.o.Offsets, number),
		table: offsets.NewTable(), later: map[offsets.Name]*delta{}}
}

// How often a ledger that does not add up is looked at again, further on.
const settleTries = 5

// settle reads to the consistent point. Where a ledger does not add up there, compaction
// may have removed a record that a newer one replaced, which lies beyond: then it is read
// to the present end and looked at again. So it is while a command changes a state.
func (l *lane) settle(ctx context.Context) error {
	for try := 0; ; try++ {
		at := l.tail.Next
		if err := l.read(ctx); err != nil {
			return err
		}
		if l.addsUp() || try > 0 && l.tail.Next == at || try == settleTries {
			break
		}
		if err := sleep(ctx, 100*time.Millisecond<<try); err != nil {
			return err
		}
	}
	l.pinned = true
	for _, b := range l.bad {
		l.v.find(CheckDecode, l.number, b.offset, b.key, b.what)
	}
	l.bad = nil
	return nil
}

func (l *lane) addsUp() bool {
	for name, c := range l.table.Collections {
		if !l.v.chosen(name) {
			continue
		}
		if !c.Known && c.Left() > 0 || c.Partial != "" || c.Known && c.Verify() != nil {
			return false
		}
	}
	return true
}

// read reads to a boundary between two transactions: until the position has reached what
// was the end when it began, and the last stable offset of the latest answer, which is
// the end or the beginning of the one transaction that the lane's producer has open.
func (l *lane) read(ctx context.Context) error {
	end, err := offsets.HighWatermark(ctx, l.v.cl, l.v.o.Offsets, l.number)
	if err != nil || end == 0 {
		return err
	}
	w := watch{v: l.v, topic: l.v.o.Offsets, partition: l.number, tail: l.tail}
	for l.tail.Next < 0 || l.tail.Next < end || l.tail.Next < l.tail.Stable {
		err := l.tail.Fetch(ctx, l.record)
		if errors.Is(err, offsets.ErrTruncated) && !l.pinned {
			*l = *newLane(l.v, l.number)
			w.tail = l.tail
			continue
		}
		if err == nil {
			err = w.moved(end)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// record folds one record of the lane in.
func (l *lane) record(r *kgo.Record) error {
	var err error
	if l.pinned {
		err = l.newer(r)
	} else {
		err = l.table.Apply(r.Key, r.Value)
	}
	var format *offsets.FormatError
	if !errors.As(err, &format) {
		return err
	}
	if l.pinned {
		l.v.find(CheckDecode, l.number, r.Offset, string(r.Key), err.Error())
	} else {
		l.bad = append(l.bad, badRecord{r.Offset, string(r.Key), err.Error()})
	}
	return nil
}

// newer notes a record that was committed after the consistent point.
func (l *lane) newer(r *kgo.Record) error {
	said, err := offsets.Decode(r.Key, r.Value)
	if err != nil || said.Name == (offsets.Name{}) {
		return err
	}
	d := l.delta(said.Name)
	switch {
	case said.IsState:
		if d.gone = said.Forgotten || said.State.Partial != ""; !d.gone {
			d.seq, d.cursor = said.State.Seq, said.State.State.Cursor.Instant
		}
	case said.IsEntry && said.Forgotten:
		d.entries.Put(said.ID, connector.Entry{Mark: true})
	case said.IsEntry:
		d.entries.Put(said.ID, said.Entry)
	case said.IsDoubt:
		d.doubts[said.ID] = true
	}
	return nil
}

func (l *lane) delta(name offsets.Name) *delta {
	d := l.later[name]
	if d == nil {
		d = &delta{doubts: map[string]bool{}}
		l.later[name] = d
	}
	return d
}

// checkLayout compares the lane's layout with the config.
func (l *lane) checkLayout() {
	var wrong *offsets.LayoutError
	if errors.As(offsets.CheckLayout(l.v.o.Offsets, l.table.Layout, l.v.o.Lanes), &wrong) {
		l.v.find(CheckLayout, l.number, nowhere, "", wrong.What)
	}
	if l.table.Layout == nil && len(l.table.Collections) > 0 {
		l.v.find(CheckLayout, l.number, nowhere, "", "the lane holds collections and does not say how sources map to lanes")
	}
}

// A watch gives up a partition that is read without progress.
type watch struct {
	v         *verifier
	topic     string
	partition int32
	tail      *offsets.Tail
	at        int64
	since     time.Time
}

// moved is to be called after each fetch; end is what is read to.
func (w *watch) moved(end int64) error {
	if w.since.IsZero() || w.tail.Next != w.at {
		w.at, w.since = w.tail.Next, time.Now()
		w.v.progress(w.topic, w.partition, w.at, max(end, w.at))
		return nil
	}
	if idle := time.Since(w.since); idle > w.v.o.Stall {
		return fmt.Errorf("reading %s partition %d makes no progress at offset %d (last stable %d, end %d): a transaction of another producer hangs there; "+
			"find it with kafka-transactions.sh find-hanging and end it with its abort", w.topic, w.partition, w.tail.Next, w.tail.Stable, w.tail.High)
	}
	return nil
}
