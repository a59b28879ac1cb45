package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
)

func TestTheLastChangesOfAKeyAreThoseThatWerePublished(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg := k.config("a", "1")
	cfg.Data.Partitions = 3
	l, life := k.acquired(cfg)
	w := k.writer(l, "people")
	for n := range 4 {
		w.upserts(t, "17")
		w.upserts(t, fmt.Sprint("other", n))
	}
	m := w.Memory()
	b := &connector.Batch{State: m.State, Changes: []connector.Change{{ID: "17", Instant: 1_500_000}}}
	b.State.Seq++
	m.Apply(b)
	if err := errors.Join(w.Stage(t.Context(), b), w.Flush(t.Context()), life.end()); err != nil {
		t.Fatal(err)
	}
	got, err := LastChanges(t.Context(), cfg.Kafka, "s.people", "17", 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, c := range got.Changes {
		seen = append(seen, fmt.Sprintf("%d %s %v", c.Batch, c.Value, c.Instant))
	}
	want := []string{
		"9  1970-01-01T00:00:01.500000Z", "7 17 1970-01-01T00:00:00.000006Z", "5 17 1970-01-01T00:00:00.000004Z",
		"3 17 1970-01-01T00:00:00.000002Z", "1 17 1970-01-01T00:00:00.000000Z",
	}
	if !slices.Equal(seen, want) || got.Changes[0].Value != nil || !got.Whole {
		t.Errorf("got %q, whole %v, and the first is %q", seen, got.Whole, got.Changes[0].Value)
	}
	if got, err := LastChanges(t.Context(), cfg.Kafka, "s.people", "nobody", 10, 0); err != nil || len(got.Changes) != 0 || !got.Whole {
		t.Errorf("a key that is not there: %+v, %v", got, err)
	}
	if _, err := LastChanges(t.Context(), cfg.Kafka, "s.nothing", "17", 10, 0); !errors.Is(err, kerr.UnknownTopicOrPartition) || !strings.Contains(err.Error(), "s.nothing") {
		t.Errorf("a topic that is not there: %v", err)
	}
}

func TestTheSearchForChangesSaysHowFarItLooked(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.makeTopic("t")
	// Key "k" at every hundredth of 6000 offsets; then what was aborted, which nobody sees.
	cl := k.client(kgo.DefaultProduceTopic("t"))
	var all []*kgo.Record
	for n := range 6000 {
		key := "other"
		if n%100 == 0 {
			key = "k"
		}
		all = append(all, kgo.KeySliceRecord([]byte(key), fmt.Append(nil, n)))
	}
	if err := cl.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	tx := k.client(kgo.DefaultProduceTopic("t"), kgo.TransactionalID("x"))
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tx.ProduceSync(t.Context(), kgo.KeySliceRecord([]byte("k"), []byte("aborted"))).FirstErr(), tx.EndTransaction(t.Context(), kgo.TryAbort)); err != nil {
		t.Fatal(err)
	}
	opts := k.config("a", "1").Kafka
	const until = 6002
	for name, c := range map[string]struct {
		limit int
		look  int64
		n     int
		since int64
		whole bool
	}{
		"one":                        {1, 0, 1, 5900, false},
		"as many as a piece has":     {9, 0, 9, 5002, false},
		"more than a piece has":      {30, 0, 30, 3000, false},
		"all":                        {60, 0, 60, 0, true},
		"more than there are":        {1000, 0, 60, 0, true},
		"no further than it may":     {1000, 500, 4, until - 500, false},
		"what it may, to the record": {1000, 702, 7, 5300, false},
		"none":                       {0, 0, 0, until, false},
	} {
		got, err := LastChanges(t.Context(), opts, "t", "k", c.limit, c.look)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, change := range got.Changes {
			if want := fmt.Sprint(5900 - 100*i); string(change.Value) != want || fmt.Sprint(change.Offset) != want {
				t.Errorf("%s: change %d is %s at %d, want %s", name, i, change.Value, change.Offset, want)
				break
			}
		}
		if len(got.Changes) != c.n || got.Since != c.since || got.Until != until || got.Whole != c.whole {
			t.Errorf("%s: %d changes in [%d, %d), whole %v; want %+v", name, len(got.Changes), got.Since, got.Until, got.Whole, c)
		}
	}
	// The second piece never comes: what the first one held is returned.
	asked := 0
	k.ControlKey(kmsg.Fetch.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		if asked++; asked == 2 {
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
		} else {
			k.KeepControl()
		}
		return nil, nil, false
	})
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err := LastChanges(short, opts, "t", "k", 1000, 0); err != nil || len(got.Changes) != 9 || got.Since != 5002 || got.Whole {
		t.Errorf("out of time: %+v, %v", got, err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := LastChanges(ctx, opts, "t", "k", 1, 0); err == nil {
		t.Error("it found something in no time")
	}
}
