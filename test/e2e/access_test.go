//go:build unix

package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tributary/test/hostile"
)

// read is one read of the replica: the ids that it shows.
func (p *process) read(query any) []string {
	p.t.Helper()
	code, body := p.post(people+"/list", query)
	if code != http.StatusOK {
		p.t.Errorf("code %d: %s", code, body)
		return nil
	}
	var answer struct {
		Records []struct {
			ID json.Number `json:"id"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		p.t.Error(err)
	}
	var ids []string
	for _, r := range answer.Records {
		ids = append(ids, r.ID.String())
	}
	return ids
}

// accessed is a rig with a replica that is brought up to date before each read.
func accessed(t *testing.T, triggers string) *rig {
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.api.Insert("people", 20)
	r.set("interval", "none")
	r.set("lookback", "1h") // so that nothing but the reading is due
	r.set("triggers", triggers)
	r.set("replica", "{path: "+filepath.Join(t.TempDir(), "replica.db")+"}")
	return r
}

// Whoever reads the replica reads what he has written through the API's own interface
// before, 30 times in a row, although nothing but his reads has it polled.
func TestAReadOfTheReplicaShowsOnesOwnWrites(t *testing.T) {
	t.Parallel()
	r := accessed(t, "{before_access: true}")
	p := r.run()
	p.says(soon, "caught up")
	for i := range 30 {
		id := r.api.Insert("people", 1)[0]
		got := p.read(map[string]any{"filter": map[string]any{"field": "id", "is": "equal", "value": json.Number(id)}})
		if len(got) != 1 || got[0] != id {
			t.Fatalf("write %d: reads %q for %s", i, got, id)
		}
		if r.api.Write("people", hostile.Delete, id) != 1 {
			t.Fatal("nothing was deleted")
		}
		if got := p.read(map[string]any{"filter": map[string]any{"field": "id", "is": "equal", "value": json.Number(id)}}); len(got) != 0 {
			t.Fatalf("write %d: still reads %q", i, got)
		}
	}
}

// Two hundred reads within the delay make one request to the API, and each shows the write
// before them.
func TestTwoHundredReadsMakeOneRequest(t *testing.T) {
	t.Parallel()
	r := accessed(t, "{before_access: true, delay: 8s}") // in which a busy machine takes them all
	p := r.run()
	p.says(soon, "caught up")
	p.read(map[string]any{}) // which also finds the replica ready
	eventually(t, soon, "that pull has ended", func() bool { return p.metric("tributary_polls_total") == 2 })
	id := r.api.Insert("people", 1)[0]
	asked := len(r.api.Responses())
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if got := p.read(map[string]any{"page": map[string]any{"limit": 1000}}); len(got) != 21 || !contains(got, id) {
				t.Errorf("reads %d records, %s among them: %v", len(got), id, contains(got, id))
			}
		})
	}
	wg.Wait()
	eventually(t, soon, "their pull has ended", func() bool { return p.metric("tributary_polls_total") > 2 })
	if n := p.metric("tributary_polls_total") - 2; n != 1 {
		t.Errorf("%v pulls", n)
	}
	if n := len(r.api.Responses()) - asked; n != 1 {
		t.Errorf("%d requests to the API", n)
	}
	if n := p.metric("tributary_pull_reasons_total", "reason", "before-list"); n < 2 {
		t.Errorf("%v reasons were before-list", n)
	}
}

func contains(all []string, one string) bool {
	return strings.Contains(" "+strings.Join(all, " ")+" ", " "+one+" ")
}

// Nobody reads what is old unaware: while the API fails a read fails too, with what the
// API said.
func TestAReadBeforeAnAPIThatFailsIsNoRead(t *testing.T) {
	t.Parallel()
	r := accessed(t, "{before_access: true}")
	p := r.run()
	p.says(soon, "caught up")
	p.read(map[string]any{})
	r.api.Set(hostile.Hostility{ServerError: 1})
	if code, body := p.post(people+"/list", nil); code != http.StatusBadGateway || !strings.Contains(body, "answered 50") {
		t.Errorf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/aggregate", map[string]any{"operation": "count"}); code != http.StatusBadGateway {
		t.Errorf("code %d: %s", code, body)
	}
	r.api.Set(hostile.Hostility{})
	if code, body := p.post(people+"/restart", nil); code != http.StatusAccepted {
		t.Errorf("code %d: %s", code, body)
	}
	if code, body := p.post(people+"/aggregate", map[string]any{"operation": "count"}); code != http.StatusOK || !strings.Contains(body, "20") {
		t.Errorf("code %d: %s", code, body)
	}
}
