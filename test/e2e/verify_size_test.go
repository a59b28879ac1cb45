//go:build unix

package e2e

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/sink"
	"tributary/test/hostile"
)

var size = flag.Int("verify.records", 200_000, "how many records TestVerifyOfALargeTopic has")

// fill publishes n records of people, and every tenth once more, as the connector does,
// without an API.
func (r *rig) fill(n int) {
	r.t.Helper()
	cfg := sink.Config{
		Kafka: []kgo.Opt{kgo.SeedBrokers(r.broker.InternalAddr())}, Topic: r.offsets(), Lanes: 1, Replication: 1,
		Instance: "first", Run: "1", Data: sink.TopicSettings{Partitions: 1, Replication: 1, Create: true},
		Log: slog.New(slog.DiscardHandler), Metrics: connector.NewMetrics(prometheus.NewRegistry()),
	}
	err := sink.Own(r.t.Context(), cfg, 0, func(ctx context.Context, l *sink.Lane) error {
		w, err := l.Open(ctx, "crm", "people", r.topic("people"), cfg.Metrics.Collection("crm", "people"))
		if err != nil {
			return err
		}
		for from := 0; from < n+n/10; from += 1000 {
			if err := w.Stage(ctx, pageOf(w.Memory(), from, n)); err != nil {
				return err
			}
		}
		return w.Flush(ctx)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// pageOf is a batch of a thousand records from a number on; beyond n they are updates.
func pageOf(m *connector.Memory, from, n int) *connector.Batch {
	b := &connector.Batch{State: m.State}
	b.State.Seq++
	b.State.Trailing, b.State.Prints = 0, []connector.Numbered{{Number: 1}}
	for k := from; k < from+1000; k++ {
		i := k
		if k >= n {
			i = (k - n) * 10
		}
		at := connector.Instant(1_700_000_000_000_000 + 1000*k)
		c := connector.Change{ID: fmt.Sprint(i), Instant: at, Value: fmt.Appendf(nil,
			`{"id":%d,"updated_at":%q,"first_name":"Person","last_name":"Number %d","email_address":"person.%d@example.com","phone":"+1 555 %07d","title":"Chief of %d","tags":["a","b","c"],"owner":{"id":%d},"score":%d}`,
			i, at, i, i, i, k%977, k%31, k)}
		sum := sha256.Sum256(c.Value)
		copy(c.Hash[:], sum[:])
		old, had := m.Ledger.Get(c.ID)
		e := connector.Entry{Instant: at, Hash: c.Hash, Print: 1}
		b.Changes = append(b.Changes, c)
		b.Entries = append(b.Entries, connector.EntryChange{ID: c.ID, Old: old, Had: had, New: e})
		m.Ledger.Put(c.ID, e)
	}
	m.State = b.State
	return b
}

func TestVerifyOfALargeTopic(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	began := time.Now()
	r.fill(*size)
	filled := time.Since(began)
	path, _ := r.file()
	began = time.Now()
	p := launch(t, "verify", "-o", "json", "-c", path)
	if code := p.wait(30 * time.Minute); code != 0 {
		t.Fatalf("ended with %d\n%s", code, tail(p.out.String(), 2000))
	}
	took := time.Since(began)
	c := decode[verified](t, p.out.String()).Collections[0]
	if c.Live != *size || c.Agreed != *size || c.Records != *size+*size/10 || c.Unjudged != 0 || c.Whole != c.Records/1000 {
		t.Errorf("%+v", c)
	}
	usage := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	t.Logf("%d records of %d keys, published in %s: verified in %s, %s of processor time, %d MiB at most", c.Records, c.Live,
		filled.Round(time.Millisecond), took.Round(time.Millisecond), (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Round(time.Millisecond), usage.Maxrss>>10)
}
