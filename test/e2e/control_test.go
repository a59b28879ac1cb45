//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/test/hostile"
)

// post sends a body to the control API and decodes its answer.
func (p *process) post(path string, body any) (code int, answer string) {
	p.t.Helper()
	if body == nil {
		body = struct{}{}
	}
	b, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Post("http://"+p.listen+path, "application/json", bytes.NewReader(b))
	if err != nil {
		p.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// collection is how people stands.
func (p *process) collection() control.Collection {
	p.t.Helper()
	code, body := p.get("/v1/sources/crm/collections/people")
	if code != http.StatusOK {
		return control.Collection{State: fmt.Sprintf("code %d: %s", code, body)}
	}
	return decode[control.Collection](p.t, body)
}

const people = "/v1/sources/crm/collections/people"

// askedOnly is a rig whose connector pulls at its start and then when it is asked.
func askedOnly(t *testing.T) *rig {
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.api.Insert("people", 20)
	r.set("interval", "none")
	r.set("triggers", "{delay: 50ms}")
	return r
}

// Whoever has written through the API's own interface and asks for a pull reads it in the
// topic when the call returns: up to the positions that it names, at once, 50 times in a row.
func TestAWriteIsReadableWhenThePullAfterItReturns(t *testing.T) {
	t.Parallel()
	r := askedOnly(t)
	p := r.run()
	p.says(soon, "caught up")
	for i := range 50 {
		id := r.api.Insert("people", 1)[0]
		code, body := p.post(people+"/pull", map[string]any{"reason": "after-create"})
		if code != http.StatusOK {
			t.Fatalf("write %d: code %d: %s", i, code, body)
		}
		pulled := decode[control.Pulled](t, body)
		if len(pulled.Positions) != 1 || len(pulled.Reasons) != 1 || pulled.Reasons[0] != connector.ReasonAfterCreate {
			t.Fatalf("pulled %s", body)
		}
		if !r.shows(pulled.Positions[0], id) {
			t.Fatalf("write %d: record %s is not readable before offset %d", i, id, pulled.Positions[0].Offset)
		}
	}
	if c := p.collection(); c.State != connector.StateRunning || c.NextRun != nil || c.Upserts != 70 || c.Records != 70 {
		t.Errorf("it stands at %+v", c)
	}
}

// shows says whether a new read_committed consumer that reads up to a position sees a
// record, without waiting for anything to come.
func (r *rig) shows(at connector.Position, id string) bool {
	r.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.broker.InternalAddr()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{at.Topic: {at.Partition: kgo.NewOffset().At(max(0, at.Offset-1))}}),
		kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		r.t.Fatal(err)
	}
	defer cl.Close()
	for _, rec := range cl.PollFetches(r.t.Context()).Records() {
		if string(rec.Key) == id && rec.Offset < at.Offset {
			return true
		}
	}
	return false
}

// Two hundred who ask within the delay cost the API what one does.
func TestThoseWhoAskTogetherShareOnePull(t *testing.T) {
	t.Parallel()
	r := askedOnly(t)
	r.set("triggers", "{delay: 1s}")
	p := r.run()
	p.says(soon, "caught up")
	r.api.Insert("people", 1)
	pulls := p.metric("tributary_polls_total")
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if code, body := p.post(people+"/pull", map[string]any{"reason": "after-update", "timeout": "30s"}); code != http.StatusOK {
				t.Errorf("code %d: %s", code, body)
			}
		})
	}
	wg.Wait()
	// On a busy machine some come later than the delay: then they share the next one.
	if n := p.metric("tributary_polls_total") - pulls; n < 1 || n > 3 {
		t.Errorf("%v pulls for 200 who asked", n)
	}
}

// What an operator pauses stays so over a kill, and whoever asks meanwhile is told.
func TestAPausedCollectionRestsBeyondARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people", "accounts"}})
	r.api.Insert("people", 10)
	r.api.Insert("accounts", 10)
	p := r.run()
	p.caughtUp("people", "accounts")
	if code, body := p.post(people+"/pause", nil); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	p.signal(syscall.SIGKILL)
	p.wait(soon)
	r.api.Insert("people", 5)
	r.api.Insert("accounts", 5)
	p = r.run()
	eventually(t, soon, "the other collection goes on", func() bool { return len(r.records(r.topic("accounts"))) == 15 })
	if c := p.collection(); c.State != connector.StatePaused || c.Hold != control.HoldPaused {
		t.Fatalf("it stands at %+v", c)
	}
	if code, body := p.post(people+"/pull", nil); code != http.StatusConflict {
		t.Errorf("a pull is answered with %d: %s", code, body)
	}
	if n := len(r.records(r.topic("people"))); n != 10 {
		t.Errorf("%d records were published while it was paused", n)
	}
	if code, body := p.post(people+"/resume", nil); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/pull", nil); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	if n := len(r.records(r.topic("people"))); n != 15 {
		t.Errorf("%d records are there after it goes on", n)
	}
	r.right("people", "accounts")
}

// An API that fails makes whoever waits for a pull fail too, with what it said.
func TestWhoWaitsForAFailingAPIIsTold(t *testing.T) {
	t.Parallel()
	r := askedOnly(t)
	p := r.run()
	p.says(soon, "caught up")
	r.api.Set(hostile.Hostility{ServerError: 1})
	code, body := p.post(people+"/pull", map[string]any{"reason": "before-list", "timeout": "40s"})
	if code != http.StatusBadGateway {
		t.Fatalf("code %d: %s", code, body)
	}
	if c := p.collection(); c.State != connector.StateBackoff || c.LastError == nil || c.Why == "" {
		t.Errorf("it stands at %+v", c)
	}
	r.api.Set(hostile.Hostility{})
	if code, body := p.post(people+"/restart", nil); code != http.StatusAccepted {
		t.Fatalf("code %d: %s", code, body)
	}
	eventually(t, soon, "it runs again", func() bool { return p.collection().State == connector.StateRunning })
}

// A collection that an operator has stopped can be reset while the connector runs: with
// republish everything comes again, and the judge would say so.
func TestAStoppedCollectionIsResetWhileItRuns(t *testing.T) {
	t.Parallel()
	r := askedOnly(t)
	p := r.run()
	p.says(soon, "caught up")
	reset := map[string]any{"republish": true, "confirm": "crm.people"}
	if code, body := p.post(people+"/reset", reset); code != http.StatusConflict {
		t.Fatalf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/stop", nil); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/reset", reset); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/resume", nil); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/pull", nil); code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	if n := len(r.records(r.topic("people"))); n != 40 {
		t.Errorf("%d records for 20 that were published twice", n)
	}
}

// A record's last changes are read from its topic, the newest first, a deletion as null.
func TestARecordsChangesAreShown(t *testing.T) {
	t.Parallel()
	r := askedOnly(t)
	p := r.run()
	p.says(soon, "caught up")
	id := r.api.Insert("people", 1)[0]
	for _, op := range []hostile.Op{hostile.Update, hostile.Delete} {
		p.post(people+"/pull", nil)
		if r.api.Write("people", op, id) != 1 {
			t.Fatalf("nothing was written by %v", op)
		}
	}
	p.post(people+"/pull", nil)
	code, body := p.get(people + "/changes?key=" + id)
	if code != http.StatusOK {
		t.Fatalf("code %d: %s", code, body)
	}
	c := decode[control.Changes](t, body)
	if len(c.Changes) != 3 || !c.Whole || string(c.Changes[0].Value) != "null" || c.Changes[0].Offset <= c.Changes[1].Offset || c.Changes[1].Batch <= c.Changes[2].Batch {
		t.Fatalf("changes %s", body)
	}
	if !bytes.Contains(c.Changes[1].Value, []byte(id)) || c.Changes[1].Instant == "" {
		t.Errorf("the change before is %s", c.Changes[1].Value)
	}
}
