package replica

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

func TestAReplicaHasWhatWasCommittedAndNothingElse(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 1)
	k.commit(put("1", `{"id":1,"name":"Ann"}`), put("2", `{"id":2}`))
	k.abort(put("1", `{"id":1,"name":"never"}`), put("3", `{"id":3}`))
	r := start(t, k.config(pathOf(t)))
	r.await(k.commit(put("2", ""), put("4", `{ "id" : 12345678901234567890 }`)))
	r.lists("", `{"id":1,"name":"Ann"}`, `{ "id" : 12345678901234567890 }`)
	k.abort(put("1", ""))
	if err := r.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	r.lists("", `{"id":1,"name":"Ann"}`, `{ "id" : 12345678901234567890 }`)
	st := r.Status()
	if len(st.Collections) != 1 || st.Collections[0].Records != 2 || st.Collections[0].Restoring != "" || st.Collections[0].Behind != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAReplicaGoesOnWhereItsRowsAre(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	k.topic("s.people", 1)
	r := start(t, k.config(path))
	r.await(k.commit(put("1", `{"a":1}`), put("2", `{"a":2}`)))
	r.stop()
	at := k.commit(put("1", ""), put("3", `{"a":3}`))
	r = start(t, k.config(path))
	r.await(at)
	r.lists("", `{"a":2}`, `{"a":3}`)
	if n := r.Status().Collections[0].Records; n != 2 {
		t.Errorf("%d records are counted", n)
	}
	if strings.Contains(r.logs.String(), "again") {
		t.Errorf("it was read again:\n%s", r.logs)
	}
}

// TestNobodyReadsAHalfBuiltReplica reads beside a replica that begins: either all of it is
// there, or it says that it is not.
func TestNobodyReadsAHalfBuiltReplica(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 3)
	for range 30 {
		k.commit(on("s.people", 0, "a", `{"p":0}`), on("s.people", 1, "b", `{"p":1}`), on("s.people", 2, "c", `{"p":2}`))
	}
	for range 5 {
		r := start(t, k.config(pathOf(t)))
		if got := r.list(`{"count":true}`); len(got.Records) != 3 || *got.Count != 3 {
			t.Fatalf("%d records", len(got.Records))
		}
		r.stop()
	}
	cfg := k.config(pathOf(t))
	k.Close()
	r := start(t, cfg)
	_, err := r.List(within(t), "people", nil)
	if restoring := (*RestoringError)(nil); !errors.As(err, &restoring) {
		t.Errorf("without Kafka: %v", err)
	}
}

func TestAwaitWaitsForEveryPartitionAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 2)
	r := start(t, k.config(pathOf(t)))
	k.commit(on("s.people", 0, "a", `1`), on("s.people", 1, "b", `2`))
	if err := r.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := r.Await(ctx, []connector.Position{{Topic: "s.people", Partition: 0, Offset: 1}, {Topic: "s.people", Partition: 1, Offset: 1000}})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "partition 1 of topic s.people is applied up to offset 2 of 1000") {
		t.Errorf("%v", err)
	}
	if err := r.Await(within(t), []connector.Position{{Topic: "s.others"}}); err == nil || !strings.Contains(err.Error(), "s.others") {
		t.Errorf("another's topic: %v", err)
	}
}

func TestATopicThatComesLater(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	r := start(t, k.config(pathOf(t)))
	if _, err := r.List(within(t), "people", nil); err == nil || !strings.Contains(err.Error(), "s.people does not exist") {
		t.Errorf("without a topic: %v", err)
	}
	k.topic("s.people", 1)
	r.await(k.commit(put("1", `{"a":1}`)))
	r.lists("", `{"a":1}`)
}

func TestATopicThatIsMadeAgainIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		k, path := newKafka(t), pathOf(t)
		k.topic("s.people", 1)
		r := start(t, k.config(path))
		r.await(k.commit(put("1", `{"old":1}`), put("2", `{"old":2}`)))
		if !running {
			r.stop()
		}
		k.delete("s.people")
		k.topic("s.people", 1)
		k.commit(put("2", `{"new":2}`), put("3", `{"new":3}`), put("4", `{"new":4}`))
		if !running {
			r = start(t, k.config(path))
		}
		r.eventually("it has the records of the new topic", func() bool {
			st := r.Status().Collections[0]
			return st.Restoring == "" && st.Records == 3 && strings.Contains(r.logs.String(), "deleted and made again")
		})
		r.lists("", `{"new":2}`, `{"new":3}`, `{"new":4}`)
	}
}

func TestNewPartitionsAreFollowed(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 1)
	r := start(t, k.config(pathOf(t)))
	r.await(k.commit(put("1", `{"a":1}`)))
	cl := k.client()
	if _, err := admin(cl).UpdatePartitions(context.Background(), 2, "s.people"); err != nil {
		t.Fatal(err)
	}
	// Of a client that has not heard of them before.
	k.cl = k.client(kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	r.await(k.commit(on("s.people", 1, "2", `{"a":2}`)))
	r.lists("", `{"a":1}`, `{"a":2}`)
}

func TestALogThatWasCutIsReadAgain(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	k.topic("s.people", 1)
	r := start(t, k.config(path))
	r.await(k.commit(put("1", `{"a":1}`)))
	r.stop()
	at := k.commit(put("2", `{"a":2}`))
	k.commit(put("3", `{"a":3}`))
	var offsets admOffsets
	offsets.add("s.people", 0, at[0].Offset+1)
	if _, err := admin(k.cl).DeleteRecords(context.Background(), offsets.o); err != nil {
		t.Fatal(err)
	}
	r = start(t, k.config(path))
	if err := r.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	r.lists("", `{"a":3}`)
	if !strings.Contains(r.logs.String(), "begins at offset") {
		t.Errorf("no word of it:\n%s", r.logs)
	}
}

func TestAValueThatIsNoRecordIsPassedOver(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	k.topic("s.people", 1)
	r := start(t, k.config(pathOf(t)))
	bad := put("2", "not json")
	noKey := put("", `{"a":0}`)
	noKey.Key = nil
	r.await(k.commit(put("1", `{"a":1}`), put("2", `{"a":2}`), bad, noKey))
	r.lists("", `{"a":1}`)
	if strings.Count(r.logs.String(), "no record") != 1 || strings.Contains(r.logs.String(), "not json") {
		t.Errorf("logged:\n%s", r.logs)
	}
}

func TestAFileThatIsDeletedUnderWayIsMadeAgain(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	k.topic("s.people", 1)
	r := start(t, k.config(path))
	r.await(k.commit(put("1", `{"a":1}`), put("2", `{"a":2}`)))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.eventually("there is a file again", func() bool {
		_, err := os.Stat(path)
		return err == nil && r.Status().Collections[0].Restoring == ""
	})
	r.await(k.commit(put("1", "")))
	r.lists("", `{"a":2}`)
}
