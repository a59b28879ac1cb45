//go:build unix

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/test/chronicle"
	"tributary/test/datasette"
	"tributary/test/kafkatest"
	"tributary/test/oracle"
	"tributary/test/pocketbase"
)

// realServer is a server that is not ours, and how it is read by a preset alone.
type realServer struct {
	t       *testing.T
	store   chronicle.Store
	history *chronicle.Chronicle
	witness *chronicle.Witness
	rig     *rig
}

// newRealServer puts a witness before the server at url.
func newRealServer(t *testing.T, store chronicle.Store, url, path string, rows func([]byte) ([][]byte, error), s source) *realServer {
	t.Helper()
	r := &realServer{t: t, store: store, history: chronicle.New("people")}
	var err error
	if r.witness, err = r.history.Witness(url, rows); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.witness.Close)
	s.name, s.url, s.collections = "crm", r.witness.URL+path, []string{"people"}
	s.settings["interval"], s.settings["lookback"], s.settings["overlap"] = "200ms", "5s", "2s"
	s.settings["page"], s.settings["probe"] = "{size: 7}", "{max: 7}" // of a bulk, three pages
	b := kafkatest.Shared(t)
	r.rig = &rig{t: t, broker: b, prefix: strings.TrimRight(b.Prefix(t), "-._")}
	r.rig.config = config{
		group: r.rig.prefix, instance: "first", kafka: fmt.Sprintf("{brokers: [%q]}", b.Addr()),
		offsets: "{lanes: 1, replication: 1}", sources: []source{s},
		topics: fmt.Sprintf("{name: %q, replication: 1}", r.rig.prefix+".{source}.{collection}"),
	}
	return r
}

// live writes to the server for a while, the answers being spoiled now and then, and kills
// the connector in between.
func (r *realServer) live(seed uint64) (kills int) {
	w := r.history.Writer(r.store, seed)
	if err := w.Fill(r.t.Context(), 200); err != nil {
		r.t.Fatal(err)
	}
	written := make(chan error, 1)
	ctx, cancel := context.WithTimeout(r.t.Context(), phase()+soon)
	defer cancel()
	go func() { written <- w.RunAll(ctx, 50, phase()) }()
	r.witness.Faulty(true)
	for p := r.rig.run(); ; p = r.rig.run() {
		select {
		case err := <-written:
			if err != nil {
				r.t.Fatal(err)
			}
			eventually(r.t, soon, "answers were spoiled in each way", func() bool {
				fired := r.history.Fired()
				return fired["503"] > 0 && fired["cut"] > 0
			})
			r.witness.Faulty(false)
			return kills
		case <-time.After(2500 * time.Millisecond):
			p.running()
			p.kill()
			kills++
		}
	}
}

// rest judges, once the server rests, until everything is there and every deletion found.
func (r *realServer) rest() {
	r.t.Helper()
	judge := func() *oracle.Oracle {
		o, err := oracle.New(oracle.Config{
			Brokers: []string{r.rig.broker.InternalAddr()}, API: r.history, Topics: map[string]string{r.rig.topic("people"): "people"},
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(o.Close)
		return o
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*soon)
	defer cancel()
	took, v, err := judge().WaitCaughtUp(ctx, 200*time.Millisecond)
	if err != nil {
		r.t.Fatalf("%v\n%v", err, v)
	}
	// Two more sweeps and lookbacks, in which nothing may change.
	before := r.rig.ends(r.rig.topic("people"))
	time.Sleep(12 * time.Second)
	equalEnds(r.t, before, r.rig.ends(r.rig.topic("people")))
	if v, err = judge().Judge(ctx); err != nil || !v.OK() {
		r.t.Fatalf("%v\n%v", err, v)
	}
	fired := r.history.Fired()
	for _, what := range slices.Concat(chronicle.Writes, []string{"503", "cut"}) {
		if fired[what] == 0 {
			r.t.Errorf("no %q: %v", what, fired)
		}
	}
	for _, problem := range r.history.Problems() {
		r.t.Error(problem)
	}
	if v.Tombstones == 0 {
		r.t.Error("no deletion was found")
	}
	r.t.Logf("caught up %s after the last write; %d answers; %v\n%v", took.Round(100*time.Millisecond), r.witness.Answers(), fired, v)
}

func (r *realServer) judge(seed uint64) {
	r.t.Helper()
	kills := r.live(seed)
	if kills < 5 {
		r.t.Errorf("killed %d times only", kills)
	}
	r.rest()
	r.t.Logf("killed %d times", kills)
}

const sweepOften = "{sweep: {every: 4s, confirm: ids, max_ratio: 0.9}}"

func TestPocketBaseIsReadByItsPresetAlone(t *testing.T) {
	t.Parallel()
	s := pocketbase.Start(t, "people")
	newRealServer(t, s, s.URL, "", pocketbase.Rows, source{
		preset: "pocketbase", auth: fmt.Sprintf("{header: {name: Authorization, value: %q}}", s.Token),
		settings: map[string]string{"deletions": sweepOften, "hash": "{exclude: [updated, ver, touched]}"},
	}).judge(1)
}

// PocketBase answers a token that has ended with 200 and nothing.
func TestAServerThatShowsNothingToAWrongTokenHasNothingDeleted(t *testing.T) {
	t.Parallel()
	s := pocketbase.Start(t, "people")
	auth := func(token string) string { return fmt.Sprintf("{header: {name: Authorization, value: %q}}", token) }
	r := newRealServer(t, s, s.URL, "", pocketbase.Rows, source{
		preset: "pocketbase", auth: auth(s.Token),
		settings: map[string]string{"deletions": "{sweep: {every: 1s, confirm: ids, max_ratio: 0.9}}"},
	})
	r.rig.set("lookback", "2s")
	w := r.history.Writer(s, 3)
	if err := w.Fill(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	if code := r.rig.run("--until-caught-up").wait(soon); code != 0 {
		t.Fatalf("ended with code %d", code)
	}
	before := r.rig.ends(r.rig.topic("people"))
	r.rig.config.sources[0].auth = auth("a-token-that-has-ended")
	p := r.rig.run()
	answers := r.witness.Answers()
	time.Sleep(12 * time.Second) // some sweeps and lookbacks
	eventually(t, soon, "it has asked twenty times", func() bool { return r.witness.Answers()-answers >= 20 })
	p.running()
	p.kill()
	equalEnds(t, before, r.rig.ends(r.rig.topic("people")))
}

// Ids are text and in no order, which is where Datasette's first page and its tokens
// disagree.
func TestDatasetteIsReadByItsPresetAlone(t *testing.T) {
	t.Parallel()
	s := datasette.Start(t, true)
	newRealServer(t, s, s.URL, "", datasette.Rows, source{
		preset: "datasette", auth: "{bearer: none}",
		settings: map[string]string{"deletions": sweepOften, "hash": "{exclude: [updated_at, ver, touched]}"},
	}).judge(2)
}
