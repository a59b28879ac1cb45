package oracle

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
)

const partitions = 3

// item is a record of a trace before it has headers.
type item struct {
	key   string
	value []byte // nil: a tombstone
	stamp time.Time
	ver   int64
	hash  string
}

// trace is what a connector that makes no mistake publishes, batch by batch.
type trace struct {
	api     *hostile.API
	clock   *time.Time
	batches [][]item
	last    map[string]item
}

func newTrace(collections ...string) *trace {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tr := &trace{clock: &now, last: make(map[string]item)}
	tr.api = hostile.New(hostile.Config{Collections: collections, Seed: 5, Now: func() time.Time { return *tr.clock }})
	return tr
}

// record polls the whole of people and adds what changed as a batch.
func (tr *trace) record(t *testing.T) {
	t.Helper()
	var batch []item
	for page, more := 1, true; more; page++ {
		var answer struct {
			Data     []json.RawMessage `json:"data"`
			Metadata struct {
				Paging struct {
					Next *int `json:"next_page"`
				} `json:"paging"`
			} `json:"metadata"`
		}
		w := httptest.NewRecorder()
		tr.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/v2/people?sort_direction=ASC&per_page=100&page=%d", page), nil))
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, value := range answer.Data {
			if it, changed := tr.diff(t, value); changed {
				batch = append(batch, it)
				tr.last[it.key] = it
			}
		}
		more = answer.Metadata.Paging.Next != nil
	}
	if len(batch) > 0 {
		tr.batches = append(tr.batches, batch)
	}
}

// diff says whether value changes what was published of its record.
func (tr *trace) diff(t *testing.T, value []byte) (item, bool) {
	t.Helper()
	it := itemOf(t, value)
	var deleted struct {
		At *time.Time `json:"deleted_at"`
	}
	if err := json.Unmarshal(value, &deleted); err != nil {
		t.Fatal(err)
	}
	last, known := tr.last[it.key]
	if deleted.At != nil {
		it.value, it.hash = nil, ""
		return it, known && last.value != nil
	}
	return it, !known || last.hash != it.hash
}

func itemOf(t *testing.T, value []byte) item {
	t.Helper()
	var fields map[string]json.RawMessage
	var it item
	if err := json.Unmarshal(value, &fields); err != nil {
		t.Fatal(err)
	}
	it.key, it.value = string(fields["id"]), value
	if err := json.Unmarshal(fields["ver"], &it.ver); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(fields["updated_at"], &it.stamp); err != nil {
		t.Fatal(err)
	}
	for _, name := range hostile.Excluded() {
		delete(fields, name)
	}
	canonical, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	it.hash = fmt.Sprintf("%x", sha256.Sum256(canonical))[:32]
	return it
}

// version returns a version of a record as an item, whether it was served or not.
func (tr *trace) version(t *testing.T, id string, ver int64) item {
	t.Helper()
	v, ok := tr.api.Lookup("people", id, ver)
	if !ok {
		t.Fatalf("no version %d of %s", ver, id)
	}
	return itemOf(t, v.Body)
}

// seal makes the records of the batches, numbered from 1.
func seal(topic string, batches [][]item) [][]*kgo.Record {
	var out [][]*kgo.Record
	for b, items := range batches {
		var records []*kgo.Record
		for i, it := range items {
			h := fnv.New32a()
			h.Write([]byte(it.key))
			r := &kgo.Record{Topic: topic, Key: []byte(it.key), Value: it.value, Partition: int32(h.Sum32() % partitions)}
			set := func(name, value string) {
				r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
			}
			set("ce_id", fmt.Sprintf("%d.%d", b+1, i))
			set("ce_type", "test")
			set("ce_source", "/test/people")
			set("ce_subject", it.key)
			set("ce_specversion", "1.0")
			set("ce_time", it.stamp.Format(time.RFC3339Nano))
			set("tributary_batch", fmt.Sprintf("%d.%d.%d", b+1, i, len(items)))
			if it.value != nil {
				set("content-type", "application/json")
				set("tributary_digest", digest(it.value))
				set("tributary_hash", "1."+it.hash)
			}
			records = append(records, r)
		}
		out = append(out, records)
	}
	return out
}

// kafka is a fake cluster.
type kafka struct {
	brokers []string
}

func startKafka(t *testing.T) *kafka {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &kafka{brokers: c.ListenAddrs()}
}

// publish creates the topic if need be and commits each batch in a transaction; with
// aborts, each is tried in vain first.
func (k *kafka) publish(t *testing.T, topic string, batches [][]*kgo.Record, aborts bool) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.brokers...), kgo.TransactionalID(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(20*time.Millisecond), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, topic); err != nil && ctx.Err() != nil {
		t.Fatal(err)
	}
	for _, batch := range batches {
		for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			if end == kgo.TryAbort && !aborts {
				continue
			}
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			copies := make([]*kgo.Record, len(batch))
			for i, r := range batch {
				c := *r
				copies[i] = &c
			}
			if err := cl.ProduceSync(ctx, copies...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			kafkatest.Known(t, cl, copies...)
			if err := cl.EndTransaction(ctx, end); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// judge judges a topic against the API, from the beginning.
func (k *kafka) judge(t *testing.T, api *hostile.API, topic string) *Verdict {
	t.Helper()
	o, err := New(Config{Brokers: k.brokers, Topics: map[string]string{topic: "people"}, API: api})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	v, err := o.Judge(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
