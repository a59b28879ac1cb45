package oracle

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// step does one write, a given time after the last, and lets the record be read.
type step struct {
	op       hostile.Op
	after    time.Duration
	backdate time.Duration
}

// story makes one record with the given versions, each of them served.
func story(steps ...step) (*trace, string) {
	tr := newTrace("people")
	id := tr.api.Insert("people", 1)[0]
	tr.read()
	for _, s := range steps {
		*tr.clock = tr.clock.Add(s.after)
		tr.api.WriteAt("people", s.op, hostile.Timing{Backdate: s.backdate}, id)
		tr.read()
	}
	return tr, id
}

func (tr *trace) read() {
	tr.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/people", nil))
}

// lag makes the API answer from a stale replica.
func (tr *trace) lag() {
	tr.api.Set(hostile.Hostility{Stale: 1, ReplicaLag: time.Hour})
	for tr.api.Fired()["stale"] == 0 {
		tr.api.Insert("other", 1)
		*tr.clock = tr.clock.Add(time.Minute)
		tr.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/other", nil))
	}
}

// The stories' publications are versions, negative for the tombstone of one.
func TestLimits(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	const second = time.Second
	for _, tc := range []struct {
		name      string
		steps     []step
		published []int64
		stale     bool
		allowed   map[Limit]int
		wrong     Kind
	}{
		{name: "in order", steps: []step{{hostile.Update, second, 0}, {hostile.Delete, second, 0}, {hostile.Undelete, 0, 0}}, published: []int64{1, 2, -3, 4}},
		{name: "passed over", steps: []step{{hostile.Update, second, 0}, {hostile.Update, second, 0}}, published: []int64{1, 3}},
		{name: "same tick", steps: []step{{hostile.Update, 0, 0}}, published: []int64{1, 2, 1, 2}, stale: true, allowed: map[Limit]int{SameTick: 2}},
		{name: "same tick without stale answers", steps: []step{{hostile.Update, 0, 0}}, published: []int64{1, 2, 1, 2}, wrong: Twice},
		{name: "same tick never seen", steps: []step{{hostile.Update, 0, 0}}, published: []int64{2, 1, 2}, stale: true, allowed: map[Limit]int{SameTick: 2}},
		{name: "same tick, and one more in it", steps: []step{{hostile.Update, 0, 0}, {hostile.Update, 0, 0}}, published: []int64{1, 3, 1, 2, 3}, stale: true, allowed: map[Limit]int{SameTick: 3}},
		{name: "another tick", steps: []step{{hostile.Update, second, 0}}, published: []int64{1, 2, 1, 2}, stale: true, wrong: Twice},
		{name: "another tick, never seen", steps: []step{{hostile.Update, second, 0}, {hostile.Update, second, 0}}, published: []int64{1, 3, 2, 3}, stale: true, wrong: Reordered},
		{name: "newer stamp", steps: []step{{hostile.Update, second, 0}, {hostile.Update, second, 2 * second}}, published: []int64{1, 2, 3, 2, 3}, stale: true, allowed: map[Limit]int{NewerStamp: 2}},
		{name: "newer stamp without stale answers", steps: []step{{hostile.Update, second, 0}, {hostile.Update, second, 2 * second}}, published: []int64{1, 3, 2, 3}, wrong: Reordered},
		{name: "twice in a row", steps: []step{{hostile.Update, 0, 0}}, published: []int64{1, 2, 2}, stale: true, wrong: Twice},
		{name: "recreated in a tick", steps: []step{{hostile.Delete, second, 0}, {hostile.Undelete, 0, 0}}, published: []int64{1, -2, 3, -2, 3}, stale: true, allowed: map[Limit]int{SameTick: 2}},
		{name: "recreated in a tick without stale answers", steps: []step{{hostile.Delete, second, 0}, {hostile.Undelete, 0, 0}}, published: []int64{1, -2, 3, -2, 3}, wrong: Reordered},
		{name: "recreated, and deleted once more", steps: []step{{hostile.Delete, second, 0}, {hostile.Undelete, 0, 0}, {hostile.Delete, second, 0}}, published: []int64{1, -2, 3, -2, 3, -4}, stale: true, allowed: map[Limit]int{SameTick: 2}},
		{name: "deleted in a tick", steps: []step{{hostile.Delete, 0, 0}}, published: []int64{1, -2, 1, -2}, stale: true, allowed: map[Limit]int{SameTick: 2}},
		{name: "resurrected", steps: []step{{hostile.Delete, second, 0}}, published: []int64{1, -2, 1, -2}, stale: true, wrong: Resurrected},
		{name: "resurrected after a removal", steps: []step{{hostile.Remove, 0, 0}}, published: []int64{1, -2, 1, -2}, stale: true, wrong: Resurrected},
		{name: "a touch moved the stamp on", steps: []step{{hostile.Update, 0, 0}, {hostile.Touch, second, 0}}, published: []int64{1, 2, 1, 2}, stale: true, allowed: map[Limit]int{SameTick: 2}},
		{name: "a touch with an older stamp", steps: []step{{hostile.Update, second, 0}, {hostile.Touch, second, 3 * second}}, published: []int64{1, 2, 1, 3}, stale: true, allowed: map[Limit]int{NewerStamp: 1}},
		{name: "lost", steps: []step{{hostile.Update, 0, 0}}, published: []int64{1, 2, 1}, stale: true, allowed: map[Limit]int{SameTick: 1}, wrong: Lost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr, id := story(tc.steps...)
			if tc.stale {
				tr.lag()
			}
			for _, n := range tc.published {
				ver := max(n, -n)
				v, _ := tr.api.Lookup("people", id, ver)
				it := item{key: id, stamp: v.Stamp}
				if n > 0 {
					it = tr.version(t, id, ver)
				}
				tr.then(it)
			}
			topic := strings.NewReplacer(" ", "-", ",", "").Replace(tc.name)
			k.publish(t, topic, seal(topic, tr.batches), false)
			v := k.judge(t, tr.api, topic)
			if tc.wrong == "" && !v.OK() || tc.wrong != "" && v.Counts[tc.wrong] == 0 {
				t.Errorf("want %q:\n%s", tc.wrong, v)
			}
			for _, l := range []Limit{SameTick, NewerStamp} {
				if v.Allowed[l] != tc.allowed[l] {
					t.Errorf("allowed %q %d times, want %d:\n%s", l, v.Allowed[l], tc.allowed[l], v)
				}
			}
		})
	}
}

func TestRehashed(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	tr, id := story(step{hostile.Touch, time.Second, 0})
	tr.then(tr.version(t, id, 1))
	tr.then(tr.version(t, id, 2))
	batches := seal("rehashed", tr.batches)
	for i, h := range batches[1][0].Headers {
		if h.Key == "tributary_hash" {
			batches[1][0].Headers[i].Value = []byte("2." + strings.Repeat("ab", 16))
		}
	}
	k.publish(t, "rehashed", batches, false)
	if v := k.judge(t, tr.api, "rehashed"); !v.OK() || v.Allowed[Rehashed] != 1 {
		t.Error(v)
	}
}

func TestAbortedTransactionsAreNotSeen(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	tr := busy(t)
	batches := seal("aborted", tr.batches)
	k.publish(t, "aborted", batches, true)
	if v := k.judge(t, tr.api, "aborted"); !v.OK() || v.Batches != len(batches) {
		t.Error(v)
	}
}

func TestHolesAreNotJudged(t *testing.T) {
	t.Parallel()
	o := &Oracle{cfg: Config{API: hostile.New(hostile.Config{}), Examples: 5}, found: newTally(5)}
	for name, offsets := range map[string][]int64{"torn": {0, 1, 2}, "hole before": {1, 2, 3}, "hole within": {0, 2, 3}, "hole behind": {0, 1, 3}} {
		tp := &topic{name: "t", partitions: map[int32]*partition{0: {}}, keys: make(map[string]*key), open: make(map[int64]*batch), done: make(map[int64]bool)}
		o.topics = map[string]*topic{"t": tp}
		o.unjudged, o.found = 0, newTally(5)
		for i, offset := range offsets {
			batch := []string{"1.0.3", "1.1.3", "2.0.1"}[i]
			o.see(&kgo.Record{Topic: "t", Offset: offset, Headers: []kgo.RecordHeader{{Key: "tributary_batch", Value: []byte(batch)}}})
		}
		o.judgeBatches(o.openBatches())
		want := 1
		if name == "torn" {
			want = 0
		}
		if o.unjudged != want || o.found.counts[Torn] != 1-want {
			t.Errorf("%s: %d not judged, %d torn", name, o.unjudged, o.found.counts[Torn])
		}
	}
}

func TestWaitCaughtUp(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	tr := busy(t)
	batches := seal("slow", tr.batches)
	o, err := New(Config{Brokers: k.brokers, Topics: map[string]string{"slow": "people"}, API: tr.api})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	// Before there is a topic, everything is still to come and nothing is wrong.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, v, err := o.WaitCaughtUp(ctx, 20*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || v == nil || !v.Safe() || v.Behind() == 0 {
		t.Fatalf("%v\n%v", err, v)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for _, b := range [][][]*kgo.Record{batches[:5], batches[5:]} {
			time.Sleep(100 * time.Millisecond)
			k.publish(t, "slow", b, false)
		}
	})
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	took, v, err := o.WaitCaughtUp(ctx, 20*time.Millisecond)
	if err != nil || !v.OK() || took < 200*time.Millisecond || v.Batches != len(batches) {
		t.Errorf("after %s: %v\n%v", took, err, v)
	}
}

func TestOpenTransactionIsNamed(t *testing.T) {
	t.Parallel()
	k := startKafka(t)
	tr, id := story()
	tr.then(tr.version(t, id, 1))
	batches := seal("open", tr.batches)
	k.publish(t, "open", batches, false)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.brokers...), kgo.TransactionalID("other"), kgo.DefaultProduceTopic("open"), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	o, err := New(Config{Brokers: k.brokers, Topics: map[string]string{"open": "people"}, API: tr.api})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := o.Judge(ctx); err == nil || !strings.Contains(err.Error(), "partition open/") {
		t.Errorf("%v", err)
	}
}
