//go:build unix

package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	_ "modernc.org/sqlite"

	"tributary/test/hostile"
)

// withReplica gives the source a replica, and returns its path.
func (r *rig) withReplica() string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "crm.db")
	r.set("replica", fmt.Sprintf("{path: %q}", path))
	return path
}

// A sight is what a replica had at one moment, of one collection: values by key, and up to
// where each partition was applied.
type sight struct {
	rows map[string]string
	next map[int32]int64
}

// look reads the file as another program may. There may be nothing to see at the moment.
func look(path, collection string) (s sight, err error) {
	if _, err := os.Stat(path); err != nil {
		return s, err
	}
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(2000)&_pragma=query_only(1)")
	if err != nil {
		return s, err
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		return s, err
	}
	defer tx.Rollback()
	s = sight{rows: map[string]string{}, next: map[int32]int64{}}
	var number int
	if err := tx.QueryRow("SELECT number FROM collections WHERE name = ?", collection).Scan(&number); err != nil {
		return s, err
	}
	positions, err := tx.Query("SELECT partition, next FROM positions WHERE collection = ?", number)
	if err != nil {
		return s, err
	}
	defer positions.Close()
	for positions.Next() {
		var p int32
		var next int64
		if err := positions.Scan(&p, &next); err != nil {
			return s, err
		}
		s.next[p] = next
	}
	rows, err := tx.Query(fmt.Sprintf("SELECT id, record FROM c%d", number))
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, record string
		if err := rows.Scan(&id, &record); err != nil {
			return s, err
		}
		s.rows[id] = record
	}
	return s, rows.Err()
}

// fold is what a consumer has that has read records up to there.
func fold(records []*kgo.Record, next map[int32]int64) map[string]string {
	rows := map[string]string{}
	for _, rec := range records {
		switch {
		case rec.Offset >= next[rec.Partition]:
		case rec.Value == nil:
			delete(rows, string(rec.Key))
		default:
			rows[string(rec.Key)] = string(rec.Value)
		}
	}
	return rows
}

// aborting writes to a topic what it then gives up, until it is told to stop.
func (r *rig) aborting(topic string) (stop func() int) {
	cl := r.broker.Client(r.t, kgo.TransactionalID(r.prefix+"-aborting"), kgo.TransactionTimeout(10*time.Second))
	ctx, cancel := context.WithCancel(r.t.Context())
	var done sync.WaitGroup
	aborted := 0
	done.Go(func() {
		for ctx.Err() == nil {
			if cl.BeginTransaction() != nil {
				return
			}
			for range 3 {
				cl.Produce(ctx, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "aborted-%d", aborted), Value: []byte(`{"aborted":true}`)}, nil)
			}
			cl.Flush(ctx)
			time.Sleep(20 * time.Millisecond)
			if cl.EndTransaction(context.WithoutCancel(ctx), kgo.TryAbort) == nil {
				aborted++
			}
		}
	})
	return func() int {
		cancel()
		done.Wait()
		return aborted
	}
}

// TestAReplicaIsWhatAConsumerHasAtEveryMoment kills the connector again and again while its
// API is hostile, another aborts transactions in the same topic, and the file is deleted
// now and then. Whenever one looks into the file, it is exactly the fold of the topic up to
// the positions beside it; and at the end it is the whole of it.
func TestAReplicaIsWhatAConsumerHasAtEveryMoment(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 61, withoutStale(everything()))
	r.config.topics = fmt.Sprintf("{name: %q, replication: 1, partitions: 2}", r.prefix+".{source}.{collection}")
	r.set("interval", "20ms")
	path := r.withReplica()
	rng := rand.New(rand.NewPCG(61, 1))
	stop := r.writing(100, 62)
	p := r.run()
	p.says(soon, "caught up")
	abort := r.aborting(r.topic("people"))
	var sights []sight
	deleted, kills := 0, 0
	// A busy machine does less in a phase.
	little := func() bool { return deleted == 0 || kills < 5 || len(sights) < 10 }
	for end := time.Now().Add(phase()); time.Now().Before(end) || little() && time.Since(end) < soon; {
		time.Sleep(time.Duration(100+rng.IntN(400)) * time.Millisecond)
		if s, err := look(path, "people"); err == nil && len(s.rows) > 0 {
			sights = append(sights, s)
		}
		switch rng.IntN(4) {
		case 0:
			p.running()
			p.kill()
			kills++
			p = r.run()
		case 1:
			if rng.IntN(4) == 0 && os.Remove(path) == nil {
				deleted++
			}
		}
	}
	stop()
	aborted := abort()
	r.finish(three...)
	p.running()
	records := r.records(r.topic("people"))
	for i, s := range sights {
		if want := fold(records, s.next); !maps.Equal(s.rows, want) {
			t.Fatalf("sight %d of %d, at %v: %d rows, and a consumer has %d", i, len(sights), s.next, len(s.rows), len(want))
		}
	}
	for _, c := range three {
		records := r.records(r.topic(c))
		want := fold(records, map[int32]int64{0: 1 << 62, 1: 1 << 62})
		eventually(t, soon, c+" is whole", func() bool {
			s, err := look(path, c)
			return err == nil && maps.Equal(s.rows, want)
		})
		if got := r.listed(p, c); !maps.Equal(got, values(want)) {
			t.Errorf("%s: %d records are listed, and a consumer has %d", c, len(got), len(want))
		}
	}
	if little() || aborted < 10 {
		t.Errorf("%d deletions of the file, %d kills, %d aborted transactions, %d sights", deleted, kills, aborted, len(sights))
	}
	t.Logf("%d sights, %d kills, %d deletions of the file, %d aborted transactions", len(sights), kills, deleted, aborted)
}

// listed reads all pages of a collection over the control API, and counts equal records.
func (r *rig) listed(p *process, collection string) map[string]int {
	r.t.Helper()
	all := map[string]int{}
	after := ""
	for range 1000 {
		page := map[string]any{"limit": 500}
		if after != "" {
			page["after"] = after
		}
		code, body := p.post("/v1/sources/crm/collections/"+collection+"/list", map[string]any{"page": page})
		if code != http.StatusOK {
			r.t.Fatalf("code %d: %s", code, body)
		}
		a := decode[struct {
			Records []json.RawMessage
			Next    *string
		}](r.t, body)
		for _, record := range a.Records {
			all[string(record)]++
		}
		if a.Next == nil {
			return all
		}
		after = *a.Next
	}
	r.t.Fatal("there is no last page")
	return nil
}

func values(rows map[string]string) map[string]int {
	all := map[string]int{}
	for _, v := range rows {
		all[v]++
	}
	return all
}

// A handler that reads its own source while it is called would wait for the pull behind the
// one that waits for it. It asks for what is there: nothing is pulled, even where the API fails.
func TestWhoAsksForWhatIsThereWaitsForNoPull(t *testing.T) {
	t.Parallel()
	r := accessed(t, "{before_access: true}")
	p := r.run()
	p.says(soon, "caught up")
	p.read(map[string]any{})
	r.api.Set(hostile.Hostility{ServerError: 1})
	if got := p.read(map[string]any{"pull": false}); len(got) != 20 {
		t.Errorf("reads %d records", len(got))
	}
	if code, body := p.post(people+"/aggregate", map[string]any{"operation": "count", "pull": false}); code != http.StatusOK || !strings.Contains(body, `"value":20,`) {
		t.Errorf("code %d: %s", code, body)
	}
}
