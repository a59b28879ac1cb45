//go:build unix

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
)

// changing is a friendly API's mix of writes; bulks and recreations need a hostile one.
var changing = hostile.Mix{Insert: 1, Update: 6, Delete: 1, Undelete: 1}

// changingRig has three collections of 50 records, to which anything may be done.
func changingRig(t *testing.T, b *kafkatest.Broker, seed uint64) *rig {
	t.Helper()
	r := newRigOn(t, b, hostile.Config{Collections: three, Seed: seed})
	r.api.Set(hostile.Hostility{Writes: changing})
	for _, c := range three {
		r.api.InsertAt(c, 50, hostile.Timing{Backdate: time.Minute})
	}
	r.set("interval", "20ms")
	return r
}

// writing writes to collections of the API, or all, until it is told to stop.
func (r *rig) writing(rate float64, seed uint64, collections ...string) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var done sync.WaitGroup
	done.Go(func() { hostile.NewWriter(r.api, seed, rate, collections...).Run(ctx) })
	r.t.Cleanup(done.Wait) // the context of the test has ended by then
	return func() {
		cancel()
		done.Wait()
	}
}

// killedEvery starts the connector and kills it again and again while the API is written
// to, and says how often.
func (r *rig) killedEvery(d time.Duration, rate float64, seed uint64, collections ...string) (kills int) {
	r.t.Helper()
	stop := r.writing(rate, seed, collections...)
	p := r.run()
	for end := time.Now().Add(phase()); time.Now().Before(end); kills++ {
		time.Sleep(d)
		p.running()
		p.kill()
		p = r.run()
	}
	stop()
	return kills
}

// rest waits until the topics equal an API that is written to no more, and judges.
func (r *rig) rest(within time.Duration, collections ...string) {
	r.t.Helper()
	took := r.converge(r.oracle(collections...), within)
	v := r.right(collections...)
	r.t.Logf("equal %s after the last write; %d records, %d tombstones, %d batches of %d versions",
		took.Round(10*time.Millisecond), v.Records, v.Tombstones, v.Batches, r.versions(collections))
}

// fileFor writes the config of an instance. It listens on any port, for between two
// lives of a process its port may become somebody else's.
func (r *rig) fileFor(instance string) string {
	r.t.Helper()
	c := r.config
	c.instance = instance
	path := filepath.Join(r.t.TempDir(), instance+".yaml")
	if err := os.WriteFile(path, []byte(c.yaml("127.0.0.1:0")), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// keepOffsets makes the offsets topic so that nothing in it is compacted.
func (r *rig) keepOffsets() {
	r.t.Helper()
	r.createTopic(r.offsets(), 1, map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"})
}

// history is what the offsets topic's only lane tells of its owners.
type history struct {
	claims []claim
	aborts int // transactions that were left open, or given up
}

// claim is one by which a process took the lane, and what it committed under it.
type claim struct {
	instance, run string
	at            time.Time // of its record
	batches       int
}

// history reads the lane from its beginning to its end of now. One transaction at a
// time is written to it, so that a marker speaks of all the records since the last.
func (r *rig) history() (h history) {
	r.t.Helper()
	end := r.ends(r.offsets())[r.offsets()]
	cl := r.broker.Client(r.t, kgo.KeepControlRecords(), kgo.FetchMaxWait(250*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.offsets(): {0: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	var open []*kgo.Record
	for next := int64(0); next < end; {
		fetches := cl.PollFetches(r.context())
		if err := fetches.Err0(); err != nil {
			r.t.Fatalf("%s at offset %d of %d: %v", r.offsets(), next, end, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			next = rec.Offset + 1
			switch {
			case !rec.Attrs.IsControl():
				open = append(open, rec)
			case isCommit(rec):
				h.add(r.t, open)
				open = nil
			default:
				open = nil
				h.aborts++
			}
		})
	}
	return h
}

// untilOpen returns when a transaction of the lane is open.
func (r *rig) untilOpen() {
	r.t.Helper()
	adm, ctx := kadm.NewClient(r.broker.Client(r.t)), r.context()
	for looks := 1; ; looks++ {
		listed, err := adm.ListTransactions(ctx, nil, []string{"Ongoing", "PrepareCommit"})
		if err != nil {
			r.t.Fatalf("no transaction was open in %d looks: %v", looks, err)
		}
		if _, open := listed[r.offsets()+"-0"]; open {
			return
		}
	}
}

// isCommit reads the key of a marker: two bytes of version and two of kind, 0 for an
// abort and 1 for a commit.
func isCommit(r *kgo.Record) bool {
	return len(r.Key) >= 4 && r.Key[2] == 0 && r.Key[3] == 1
}

// add takes the records of one committed transaction.
func (h *history) add(t *testing.T, records []*kgo.Record) {
	t.Helper()
	for _, r := range records {
		switch {
		case bytes.HasPrefix(r.Key, []byte(`["v1","claim"]`)):
			var c struct{ Instance, Run string }
			if err := json.Unmarshal(r.Value, &c); err != nil || c.Run == "" {
				t.Fatalf("claim %s: %v", r.Value, err)
			}
			h.claims = append(h.claims, claim{instance: c.Instance, run: c.Run, at: r.Timestamp})
		case bytes.HasPrefix(r.Key, []byte(`["v1","state",`)):
			if len(h.claims) == 0 {
				t.Fatalf("offset %d: a batch before any claim", r.Offset)
			}
			h.claims[len(h.claims)-1].batches++
		}
	}
}

// lives counts the processes that took the lane, and those of them that committed.
func (h *history) lives() (claimed, committed int) {
	batches := map[string]int{}
	for _, c := range h.claims {
		batches[c.run] += c.batches
	}
	for _, n := range batches {
		if n > 0 {
			committed++
		}
	}
	return len(batches), committed
}

// stints are the claims by which the lane went over to another name, with what that name
// committed until the next: one that takes its own lane back claims again.
func (h *history) stints() (stints []claim) {
	for _, c := range h.claims {
		if n := len(stints); n > 0 && c.instance == stints[n-1].instance {
			stints[n-1].batches += c.batches
			continue
		}
		stints = append(stints, c)
	}
	return stints
}

// acquisitions counts how often the process has said that it acquired its lane.
func (p *process) acquisitions() int {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return bytes.Count(p.log.buf.Bytes(), []byte(`msg="lane acquired"`))
}

// over says whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
