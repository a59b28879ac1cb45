package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/offsets"
)

const dlq = "crm.dlq"

// withLetters gives two collections one dead letter queue, and returns the metrics of one.
func (k *kafka) withLetters(cfg Config) (Config, *connector.CollectionMetrics) {
	cfg.Letters = map[offsets.Name]string{{Source: "s", Collection: "people"}: dlq, {Source: "s", Collection: "good"}: dlq}
	return cfg, cfg.Metrics.Collection("s", "people")
}

// letterFeed stages one batch of letters and what is remembered of them.
func letterFeed(m *connector.CollectionMetrics, letters ...connector.Letter) (func(context.Context, *Lane) error, chan error) {
	done := make(chan error, 100)
	const collection = "people"
	return func(ctx context.Context, l *Lane) error {
		w, err := l.Open(ctx, "s", collection, "s."+collection, m)
		if err == nil && len(w.Memory().Receipts) == 0 {
			b := &connector.Batch{Letters: letters, State: w.Memory().State}
			b.State.Seq++
			b.State.Trailing = 1
			for i, x := range letters {
				b.Receipts = append(b.Receipts, connector.ReceiptChange{Key: fmt.Sprint("id:", x.ID, i), New: connector.Receipt{Instant: x.Instant}})
			}
			if err = w.Stage(ctx, b); err == nil {
				err = w.Flush(ctx)
			}
		}
		done <- err
		if err != nil {
			return err
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}, done
}

func headersOf(r *kgo.Record) string {
	var all []string
	for _, h := range r.Headers {
		all = append(all, h.Key+"="+string(h.Value))
	}
	return strings.Join(all, "\n")
}

func TestADeadLetterHasTheHeadersOfKafkaConnect(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg, m := k.withLetters(k.config("a", "1"))
	at, _ := connector.ParseInstant("2026-01-31T12:00:00Z")
	use, done := letterFeed(m,
		connector.Letter{Instant: connector.Beginning, Value: []byte(`{"name":"x"}`), Why: "it has no id, and it has no instant"},
		connector.Letter{ID: "17", Instant: at, Stamp: "2026-01-31T12:00:00Z", Value: []byte(`{"id":17}`), Why: "it is 9 bytes long", TooLarge: true},
	)
	l := k.live(cfg, use)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	records := k.records(dlq)
	if len(records) != 2 {
		t.Fatalf("%d records", len(records))
	}
	if r := records[0]; r.Key != nil || string(r.Value) != `{"name":"x"}` || string(records[1].Key) != "17" || string(records[1].Value) != `{"id":17}` {
		t.Errorf("got %q=%s and %q=%s", r.Key, r.Value, records[1].Key, records[1].Value)
	}
	const common = `__connect.errors.topic=s.people
__connect.errors.connector.name=s.people
__connect.errors.task.id=0
__connect.errors.class.name=tributary.connector.Reader
ce_specversion=1.0
ce_type=s.people.rejected
ce_source=/s/people
`
	for i, want := range []string{`__connect.errors.stage=TASK_POLL
__connect.errors.exception.class.name=tributary.BadRecord
__connect.errors.exception.message=it has no id, and it has no instant
ce_id=1.letter.0
tributary_batch=1.0.2
tributary_digest=0229d37e33daae149bf40543a5ce1db4
content-type=application/json`, `__connect.errors.stage=KAFKA_PRODUCE
__connect.errors.exception.class.name=tributary.RecordTooLarge
__connect.errors.exception.message=it is 9 bytes long
ce_id=1.letter.1
ce_time=2026-01-31T12:00:00.000000Z
tributary_batch=1.1.2
tributary_digest=ba5952a08cb1775799511a8cf1acb9e6
content-type=application/json`} {
		if got := headersOf(records[i]); got != common+want {
			t.Errorf("record %d has\n%s\nwant\n%s", i, got, common+want)
		}
	}
	configs, err := kadm.NewClient(k.client()).DescribeTopicConfigs(context.Background(), dlq)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "delete" {
			t.Errorf("the topic was made with cleanup.policy=%s", c.MaybeValue())
		}
	}
}

func TestADeadLetterThatIsLargerThanItsTopicTakesIsCut(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg, m := k.withLetters(k.config("a", "1"))
	_, err := kadm.NewClient(k.client()).CreateTopic(context.Background(), 1, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("4000")}, dlq)
	if err != nil {
		t.Fatal(err)
	}
	large := []byte(`{"text":"` + strings.Repeat("é", 9000) + `"}`)
	use, done := letterFeed(m,
		connector.Letter{ID: "17", Instant: connector.Beginning, Value: large, Why: "it is too large", TooLarge: true},
		connector.Letter{ID: strings.Repeat("k", 5000), Instant: connector.Beginning, Value: large, Why: strings.Repeat("its id is longer than ids are; ", 5)})
	l := k.live(cfg, use)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	records := k.records(dlq)
	if len(records) != 2 || string(records[0].Key) != "17" || records[1].Key != nil {
		t.Fatalf("%d records, keys %q and %d bytes", len(records), records[0].Key, len(records[1].Key))
	}
	for _, r := range records {
		if n := len(r.Value); n < 1000 || !strings.HasPrefix(string(large), string(r.Value)) || !utf8.Valid(r.Value) {
			t.Errorf("%d bytes of it are kept", n)
		}
		if h := headersOf(r); !strings.Contains(h, fmt.Sprintf("tributary_cut=%d", len(large))) || strings.Contains(h, "content-type") {
			t.Errorf("it does not say that it is cut: %s", h)
		}
	}
}

func TestADeadLetterQueueThatRefusesLettersQuarantinesOnlyWhoHasThem(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	good := newFeed("good")
	good.next.Store(3)
	cfg, m := k.withLetters(k.config("a", "1"))
	use, done := letterFeed(m, connector.Letter{ID: "17", Instant: 5, Value: []byte(`{}`), Why: "x"})
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dlq, Err: kerr.TopicAuthorizationFailed, Count: -1})
	l := k.live(cfg, func(ctx context.Context, l *Lane) error {
		ended := make(chan error, 2)
		go func() { ended <- use(ctx, l) }()
		go func() { ended <- good.run(ctx, l) }()
		err := errors.Join(<-ended, <-ended)
		return err
	})
	await(t, "it is quarantined", func() bool { return m.State() == connector.StateQuarantined })
	good.next.Store(6)
	await(t, "the other goes on, though its dead letter queue is the same", k.holds(good.topic(), 6))
	if n := len(k.records(dlq)); n != 0 {
		t.Errorf("%d letters", n)
	}
	h.Remove()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("it does not come back")
	}
	if err := l.end(); err != nil {
		t.Error(err)
	}
	if got := k.values(dlq); len(got) != 1 || got[0] != "17={}" {
		t.Errorf("letters %v", got)
	}
	if m.State() == connector.StateQuarantined {
		t.Error("it is quarantined still")
	}
}

func TestACompactedTopicIsNoDeadLetterQueue(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg, m := k.withLetters(k.config("a", "1"))
	k.makeTopic(dlq)
	use, done := letterFeed(m)
	l := k.live(cfg, use)
	err := <-done
	var stop *connector.StopError
	if !errors.As(err, &stop) || !strings.Contains(stop.What, "is compacted") {
		t.Errorf("got %v", err)
	}
	l.stop()
}

// What is remembered of a letter is a part of what is committed with it.
func TestReceiptsAreLoadedAndAddUp(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg, m := k.withLetters(k.config("a", "1"))
	use, done := letterFeed(m, connector.Letter{ID: "17", Instant: 5, Value: []byte(`{}`), Why: "x"}, connector.Letter{Instant: connector.Beginning, Value: []byte(`[]`), Why: "y"})
	for range 2 { // the second finds the receipts, and has no letter
		l := k.live(cfg, use)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(k.records(dlq)); n != 2 {
		t.Errorf("%d letters", n)
	}
	table := offsets.NewTable()
	for _, r := range k.records("crm.offsets") {
		if err := table.Apply(r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
	c := table.Collection(offsets.Name{Source: "s", Collection: "people"})
	if err := c.Verify(); err != nil || len(c.Memory.Receipts) != 2 || c.Memory.Receipts["id:170"].Instant != 5 {
		t.Errorf("receipts %v (%v)", c.Memory.Receipts, err)
	}
}

func TestADeadLetterQueueThatWasDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	cfg, m := k.withLetters(k.config("a", "1"))
	opened, goOn, done := make(chan bool), make(chan bool), make(chan error, 1)
	l := k.live(cfg, func(ctx context.Context, l *Lane) error {
		w, err := l.Open(ctx, "s", "people", "s.people", m)
		if err != nil {
			return err
		}
		b := &connector.Batch{State: w.Memory().State}
		b.State.Trailing = 1
		stage := func(id string) error {
			b.Letters = []connector.Letter{{ID: id, Instant: 4, Value: []byte(`{}`), Why: "x"}}
			b.State.Seq++
			return errors.Join(w.Stage(ctx, b), w.Flush(ctx))
		}
		if err := stage("1"); err != nil { // now the client knows the topic
			return err
		}
		opened <- true
		<-goOn
		err = stage("17")
		done <- err
		return err
	})
	<-opened
	if _, err := kadm.NewClient(k.client()).DeleteTopic(context.Background(), dlq); err != nil {
		t.Fatal(err)
	}
	goOn <- true
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
	}
	if err := l.end(); err != nil {
		t.Error(err)
	}
	if got := k.values(dlq); len(got) != 1 || got[0] != "17={}" {
		t.Errorf("letters %v", got)
	}
}
