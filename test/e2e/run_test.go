//go:build unix

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
)

func TestRunUntilCaughtUpEndsWith0WhenAllIsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people", "accounts"}})
	r.api.Insert("people", 400)
	r.api.Insert("accounts", 50)
	began := time.Now()
	if code := r.run("--until-caught-up").wait(soon); code != 0 {
		t.Fatalf("ended with code %d", code)
	}
	v := r.right("people", "accounts")
	t.Logf("%d records in %s", v.Records, time.Since(began).Round(time.Millisecond))
}

// All at once: forty collections of two sources make their topics and begin.
func TestManyCollectionsBeginTogether(t *testing.T) {
	t.Parallel()
	var names, listed []string
	for i := range 20 {
		name := fmt.Sprintf("people%d", i)
		names, listed = append(names, name), append(listed, fmt.Sprintf("{name: %s, path: %s}", name, name))
	}
	r := newRig(t, hostile.Config{Collections: names})
	r.config.sources[0].collections = listed // the preset does not have them
	r.set("deletions", "{field: deleted_at, sweep: {confirm: none}}")
	r.config.offsets = "{lanes: 4, replication: 1}"
	second := r.config.sources[0]
	second.name = "other"
	r.config.sources = append(r.config.sources, second)
	for _, name := range names {
		r.api.Insert(name, 10)
	}
	began := time.Now()
	r.seed()
	if v := r.right(names...); v.Live != 200 {
		t.Errorf("%v", v)
	}
	before := r.ends(r.topic(names[0]), r.prefix+".other.people19")
	took := time.Since(began)
	for range 5 {
		r.seed()
	}
	equalEnds(t, before, r.ends(r.topic(names[0]), r.prefix+".other.people19"))
	t.Logf("40 collections in %s", took.Round(time.Millisecond))
}

func TestRunUntilCaughtUpEndsWith1AndNamesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.config.sources[0].collections = []string{"people", "accounts"} // 404
	r.api.Insert("people", 40)
	p := r.run("--until-caught-up")
	// Refused three times, ten seconds and twenty apart.
	if code := p.wait(soon); code != 1 {
		t.Fatalf("ended with code %d, want 1", code)
	}
	log := p.log.String()
	i := strings.LastIndex(log, "tributary: not caught up:")
	if i < 0 || !strings.Contains(log[i:], "crm.accounts") || !strings.Contains(log[i:], "404") || strings.Contains(log[i:], "crm.people") {
		t.Errorf("does not name accounts alone, and why:\n%s", tail(log, 1000))
	}
	r.right("people")
}

func TestARunningConnectorShowsItselfAndEndsWhenAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	ids := r.api.InsertAt("people", 40, hostile.Timing{Backdate: time.Minute})
	p := r.run()
	p.says(soon, `msg="caught up"`)
	for path, want := range map[string]string{"/livez": "ok", "/readyz": "ready"} {
		if code, body := p.get(path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _, log := command(t, "healthcheck", "--url", "http://"+p.listen+"/readyz"); code != 0 {
		t.Errorf("healthcheck: %d %s", code, log)
	}
	r.api.Write("people", hostile.Delete, ids[:3]...)
	r.converge(r.oracle("people"), soon)
	// The cursor follows when the API's Date, in whole seconds, has come to it.
	eventually(t, soon, "the metrics tell of it", func() bool {
		return p.metric("tributary_records_published_total", "op", "upsert") == 40 &&
			p.metric("tributary_records_published_total", "op", "delete") == 3 &&
			p.metric("tributary_collection_state", "state", "running") == 1 &&
			p.metric("tributary_caught_up_timestamp_seconds", "collection", "people") > 1e9 &&
			p.metric("tributary_cursor_timestamp_seconds") >= float64(r.newest("people").UnixMicro())/1e6
	})
	took := p.stop()
	if took > 10*time.Second {
		t.Errorf("took %s to end", took)
	}
	t.Logf("ended %s after SIGTERM", took.Round(time.Millisecond))
	r.stateTells()
}

// stateTells compares `state show` with what was published.
func (r *rig) stateTells() {
	r.t.Helper()
	s := r.state()
	if s.Topic != r.offsets() || len(s.Lanes) != 1 || s.Lanes[0].Instance != "first" || len(s.Collections) != 1 {
		r.t.Fatalf("state show: %+v", s)
	}
	c := s.Collections[0]
	at, err := time.Parse(time.RFC3339Nano, c.CursorAt)
	if err != nil || c.Live != 37 || c.Problem != "" || c.Topic != r.topic("people") || c.Seq == 0 || at.Before(r.newest("people")) {
		r.t.Errorf("state show: %+v; the newest record is of %s", c, r.newest("people"))
	}
}

func TestRunDevNeedsNoKafka(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.api.Insert("people", 12)
	r.config.kafka = `{brokers: ["127.0.0.1:1"]}`
	p := r.run("--dev")
	eventually(t, soon, "twelve changes are printed", func() bool {
		return strings.Count(p.out.String(), " upsert ") == 12
	})
	p.stop()
	if !strings.Contains(p.log.String(), "NOTHING IS KEPT") {
		t.Error("no warning")
	}
}
