package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/test/kafkatest"
)

// TestAnEndThatNoConsumerIsToldOf: below another's open transaction lies nothing but what
// was aborted, and the marker that says so lies above. A consumer gets nothing at all.
func TestAnEndThatNoConsumerIsToldOf(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 1)
	ctx := within(t)
	must(t, k.cl.BeginTransaction())
	must(t, k.cl.ProduceSync(ctx, put("1", `{"aborted":1}`)).FirstErr())
	other := k.client(kgo.TransactionalID("other"))
	must(t, other.BeginTransaction())
	committed := put("2", `{"a":2}`)
	must(t, other.ProduceSync(ctx, committed).FirstErr())
	kafkatest.Known(t, other, committed)
	must(t, k.cl.EndTransaction(ctx, kgo.TryAbort))
	r := start(t, k.config(pathOf(t)))
	r.eventually("it may be read", func() bool { return r.Status().Collections[0].Restoring == "" })
	r.lists("")
	must(t, other.EndTransaction(ctx, kgo.TryCommit))
	must(t, r.CatchUp(ctx))
	r.lists("", `{"a":2}`)
}

func TestADiskThatIsFullIsWaitedFor(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 1)
	r := start(t, k.config(pathOf(t)))
	r.await(k.commit(put("1", `{"a":1}`)))
	limit := func(pages int) {
		_, err := r.file.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		must(t, err)
	}
	limit(1)
	at := k.commit(put("1", ""), put("2", fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 100_000))))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := r.Await(ctx, at); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v", err)
	}
	r.lists("", `{"a":1}`) // nothing of it is there, nor is the deletion before it
	if st := r.Status(); !strings.Contains(st.Trouble, "full") || st.Collections[0].Behind == 0 {
		t.Errorf("%+v", st)
	}
	limit(1 << 20)
	r.await(at)
	if n := len(r.list("").Records); n != 1 || r.Status().Trouble != "" {
		t.Errorf("%d records, %+v", n, r.Status())
	}
}

// TestWhoWritesTheSameFileIsNoticed: a lock that was deleted lets another in.
func TestWhoWritesTheSameFileIsNoticed(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	k.topic("s.people", 1)
	r := start(t, k.config(path))
	r.await(k.commit(put("1", `{"a":1}`)))
	execute("UPDATE positions SET next = 0; UPDATE c1 SET record = '{\"others\":1}'")(t, path)
	r.await(k.commit(put("2", `{"a":2}`)))
	r.lists("", `{"a":1}`, `{"a":2}`)
	if !strings.Contains(r.logs.String(), "not where it was left") {
		t.Errorf("no word of it:\n%s", r.logs)
	}
}

// TestWhatTheBrokersLostIsReadAgain: other records stand at their offsets by then.
func TestWhatTheBrokersLostIsReadAgain(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	k.topic("s.people", 1)
	r := start(t, k.config(path))
	r.await(k.commit(put("1", `{"a":1}`)))
	r.stop()
	r = start(t, k.config(path))
	if err := r.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	r.stop()

	cfg := k.config(path)
	l := &logs{}
	cfg.Log, cfg.Metrics = slog.New(slog.NewTextHandler(l, nil)), connector.NewMetrics(prometheus.NewRegistry())
	again, err := Open(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	s := &session{r: again, file: again.file, cl: k.client(), reads: map[*collection]int{}}
	if err := s.look(within(t), again.order); err != nil {
		t.Fatal(err)
	}
	lost := &kgo.ErrDataLoss{Topic: "s.people", ConsumedTo: 2, ResetTo: 1}
	s.refused(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "s.people", Partitions: []kgo.FetchPartition{{Err: lost}}}}}})
	before := strings.Count(l.String(), "read again from the beginning")
	if err := s.look(within(t), again.order); err != nil {
		t.Fatal(err)
	}
	if c := again.order[0]; before != 0 || !strings.Contains(l.String(), "the brokers lost records") || c.partitions[0].next != 0 || c.lost {
		t.Errorf("it goes on at %d (lost %t):\n%s", c.partitions[0].next, c.lost, l)
	}
}
