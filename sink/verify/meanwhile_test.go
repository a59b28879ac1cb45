package verify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// Whatever is committed between any two readings is no finding.
func TestWhatIsCommittedMeanwhileIsNoFinding(t *testing.T) {
	w := newWorld(t, 3).filled()
	rounds := 0
	last := ""
	r := w.verify(func(o *Options) {
		o.Progress = func(p Progress) {
			// The lane, and each partition, is about to be read on, or was just read.
			if at := fmt.Sprint(p); at != last && rounds < 12 {
				last = at
				rounds++
				w.publish(page{{"k1", fmt.Sprintf(`{"round":%d}`, rounds)}, {fmt.Sprint("r", rounds), `{}`}, {"k2", ""}}, page{{"k2", fmt.Sprint(rounds)}})
			}
		}
	})
	if !r.OK || rounds < 4 {
		t.Errorf("after %d rounds\n%s", rounds, r.text())
	}
}

// Compaction while the topic is read takes what newer records replaced.
func TestCompactionMeanwhileIsNoFinding(t *testing.T) {
	w := newWorld(t, 1)
	adm := kadm.NewClient(w.client())
	for _, topic := range []string{dataTopic, offsetsTopic} {
		if _, err := adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}, topic); err != nil {
			t.Fatal(err)
		}
	}
	w.filled()
	before := len(w.records(dataTopic))
	once := false
	r := w.verify(func(o *Options) {
		o.Progress = func(p Progress) {
			if p.Topic == offsetsTopic && !once {
				once = true
				w.publish(page{{"k1", `{"new":1}`}, {"k2", ""}}, page{{"k19", `{"new":2}`}})
				w.Compact()
			}
		}
	})
	if !r.OK || !once || len(w.records(dataTopic)) >= before {
		t.Fatalf("%d records of %d are left\n%s", len(w.records(dataTopic)), before, r.text())
	}
	c := r.Collections[0]
	if c.Agreed != c.Live || c.Unjudged == 0 {
		t.Errorf("%+v", c)
	}
}

func TestAnEntryWithoutFingerprintIsPending(t *testing.T) {
	w := newWorld(t, 1)
	w.publish(page{{"a", `{"v":1}`}, {"b", `{"v":1}`}})
	for _, id := range []string{"a", "c"} { // c was never published
		w.change(id, connector.Entry{Instant: connector.Beginning})
	}
	r := w.verify()
	if c := r.Collections[0]; !r.OK || c.Pending != 2 || c.Live != 3 || c.Agreed != 1 {
		t.Errorf("%s", r.text())
	}
}

func TestATransactionThatHangsIsNamed(t *testing.T) {
	w := newWorld(t, 1).filled()
	cl := w.client(kgo.TransactionalID("stranger"), kgo.TransactionTimeout(time.Minute))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: dataTopic, Key: []byte("x"), Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := w.verify(func(o *Options) { o.Stall = 300 * time.Millisecond })
	if c := r.Collections[0]; r.OK || r.Failed != 1 || !strings.Contains(c.Error, dataTopic+" partition 0") || !strings.Contains(c.Error, "find-hanging") {
		t.Errorf("%s", r.text())
	}
}

func TestItIsSaidOnceWhatNobodyKnows(t *testing.T) {
	w := newWorld(t, 1).filled()
	_, err := Run(t.Context(), w.client(), Options{Offsets: offsetsTopic, Lanes: 1, Only: []string{"nobody"}})
	var unknown *UnknownError
	if !errors.As(err, &unknown) || unknown.Name != "nobody" {
		t.Errorf("%v", err)
	}
	if _, err := Run(t.Context(), w.client(), Options{Offsets: "no.offsets", Lanes: 1}); err == nil || !strings.Contains(err.Error(), "no offsets topic no.offsets") {
		t.Errorf("%v", err)
	}
	r := w.verify(func(o *Options) { o.Targets = nil })
	if c := r.Collections[0]; !r.OK || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "config does not have it") || c.Agreed != 19 {
		t.Errorf("%s", r.text())
	}
	r = w.verify(func(o *Options) { o.Lanes = 4 })
	if r.Counts[CheckLayout] < 2 {
		t.Errorf("%s", r.text())
	}
	r = w.verify(func(o *Options) { o.Targets[0].Topic = "elsewhere" })
	if r.Counts[CheckTopic] != 1 || r.Collections[0].Agreed != 19 {
		t.Errorf("%s", r.text())
	}
}

func TestNoMoreIsListedThanTheLimitAndAllIsCounted(t *testing.T) {
	w := newWorld(t, 1).filled()
	for i := range 10 {
		w.forge(&kgo.Record{Topic: dataTopic, Key: fmt.Append(nil, "x", i), Value: []byte("{}")})
	}
	r := w.verify(func(o *Options) { o.Limit = 3 })
	if len(r.Findings) != 6 || r.Counts[CheckHeaders] != 10 || r.Counts[CheckExtra] != 10 {
		t.Errorf("%s", r.text())
	}
}
