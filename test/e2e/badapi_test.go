//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
)

// plainAPI answers like Salesloft with records that package hostile would never make.
type plainAPI map[string][]plainRecord

type plainRecord struct {
	at   time.Time // where the API sorts it
	body string
}

func (a plainAPI) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	var rows []string
	from, to := q.Get("updated_at[gte]"), q.Get("updated_at[lt]")
	for _, rec := range a[strings.TrimPrefix(req.URL.Path, "/v2/")] {
		if at := stamp(rec.at); at >= from && (to == "" || at < to) {
			rows = append(rows, rec.body)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"metadata":{"filtering":{"updated_at":{"gte":%q}},"sorting":{"sort_by":"updated_at","sort_direction":"ASC"},"paging":{"next_page":null}},"data":[%s]}`,
		from, strings.Join(rows, ","))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func plain(id int, age time.Duration, more string) plainRecord {
	at := time.Now().Add(-age)
	return plainRecord{at, fmt.Sprintf(`{"id":%d,"updated_at":%q%s}`, id, stamp(at), more)}
}

// badRig serves three good people around a bad one, and good accounts. AT in the bad
// one's body is its place among them.
func badRig(t *testing.T, bad string) *rig {
	t.Helper()
	r, _ := badRigWithAPI(t, bad)
	return r
}

func badRigWithAPI(t *testing.T, bad string) (*rig, plainAPI) {
	t.Helper()
	r := newRig(t, hostile.Config{Collections: []string{"people", "accounts"}})
	at := time.Now().Add(-2 * time.Minute)
	api := plainAPI{
		"people": {
			plain(1, 4*time.Minute, ""), plain(2, 3*time.Minute, ""),
			{at, strings.ReplaceAll(bad, "AT", stamp(at))}, plain(4, time.Minute, ""),
		},
		"accounts": {plain(1, 4*time.Minute, ""), plain(2, 3*time.Minute, "")},
	}
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	r.config.sources[0].url = srv.URL + "/v2"
	r.createTopic(r.topic("people"), 1, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "8000"})
	return r, api
}

func (r *rig) keys(topic string) (keys []string) {
	r.t.Helper()
	for _, rec := range r.records(topic) {
		keys = append(keys, string(rec.Key))
	}
	slices.Sort(keys)
	return keys
}

func TestARecordThatCannotBePublishedStopsItsCollectionOrIsSkipped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, says string }{
		"no id":          {`{"name":"x","updated_at":"AT"}`, "it has no id"},
		"an id of null":  {`{"id":null,"updated_at":"AT"}`, "its id is null"},
		"no updated_at":  {`{"id":3,"name":"x"}`, "it has no instant"},
		"no such day":    {`{"id":3,"updated_at":"2026-02-31T00:00:00Z"}`, "cannot be read"},
		"much too large": {`{"id":3,"updated_at":"AT","text":"` + strings.Repeat("x", 9000) + `"}`, "max.message.bytes"},
	} {
		t.Run(name+", by default", func(t *testing.T) {
			t.Parallel()
			r := badRig(t, c.body)
			p := r.run()
			p.says(soon, "collection stopped", "collection=people", "cannot be published", c.says, "on_bad_record: skip")
			eventually(t, soon, "accounts go on", func() bool {
				return p.metric("tributary_records_published_total", "collection", "accounts") == 2
			})
			p.stop()
		})
		t.Run(name+", skipped", func(t *testing.T) {
			t.Parallel()
			r := badRig(t, c.body)
			r.set("on_bad_record", "skip")
			p := r.run()
			p.says(soon, "record passed over", "collection=people", c.says)
			eventually(t, soon, "all others are there, and it is counted", func() bool {
				return p.metric("tributary_records_published_total", "collection", "people") == 3 &&
					p.metric("tributary_records_skipped_total", "collection", "people", "reason", "bad_record") >= 1
			})
			if keys := r.keys(r.topic("people")); !slices.Equal(keys, []string{"1", "2", "4"}) {
				t.Errorf("published %v", keys)
			}
			p.stop()
		})
	}
}

func TestIdsBeyond2To53AreExact(t *testing.T) {
	t.Parallel()
	const first = 1<<53 + 1
	r := newRig(t, hostile.Config{Collections: []string{"people"}, FirstID: first})
	r.api.InsertAt("people", 300, hostile.Timing{Backdate: time.Minute})
	r.seed()
	if keys := r.keys(r.topic("people")); len(keys) != 300 || keys[0] != fmt.Sprint(first) || keys[299] != fmt.Sprint(first+299) {
		t.Errorf("%d keys, the first %v", len(keys), keys[:1])
	}
	r.right("people")
	r.seed()
	if n := len(r.records(r.topic("people"))); n != 300 {
		t.Errorf("%d records after a restart, want 300", n)
	}
}

// withCalm adds a source of another API, with which nothing is wrong.
func (r *rig) withCalm() {
	r.t.Helper()
	calm := newRig(r.t, hostile.Config{Collections: []string{"people"}})
	calm.api.Insert("people", 30)
	s := calm.config.sources[0]
	s.name = "calm"
	r.config.sources = append(r.config.sources, s)
}

func (r *rig) calmGoesOn(p *process) {
	r.t.Helper()
	eventually(r.t, soon, "the other source goes on", func() bool {
		return p.metric("tributary_records_published_total", "source", "calm") == 30 &&
			p.metric("tributary_collection_state", "source", "calm", "state", "running") == 1
	})
	p.running()
}

func TestAnAPIThatIgnoresWhatItIsAskedStopsItsCollection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h    hostile.Hostility
		says []string
	}{
		"the filter, and says so": {hostile.Hostility{IgnoreFilter: 1}, []string{"ignored the filter", "correct cursor.from"}},
		"the filter, and lies":    {hostile.Hostility{IgnoreFilter: 1, LyingEcho: true}, []string{"ignores the filter", "check `cursor.from`"}},
		"the order, and says so":  {hostile.Hostility{IgnoreOrder: 1}, []string{"ignored the order", "correct the parameters under order"}},
		"the order, and lies":     {hostile.Hostility{IgnoreOrder: 1, LyingEcho: true}, []string{"ignores the order", "check `order`"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hostile.Config{Collections: []string{"people"}})
			for i := range 250 {
				r.api.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*10*time.Second})
			}
			r.api.Set(c.h)
			r.withCalm()
			p := r.run()
			p.says(soon, append([]string{"collection stopped", "source=crm"}, c.says...)...)
			r.calmGoesOn(p)
			if code, out, _ := r.command("check"); code != 4 || lineWith(out, "fail", "crm.people", c.says[0]) == "" {
				t.Errorf("check: %d\n%s", code, out)
			}
		})
	}
}

func TestACredentialThatIsRefusedIsNamedAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}, Token: "another"})
	r.withCalm()
	p := r.run()
	line := p.says(soon, "request failed", "source=crm", "401", "renew auth")
	if strings.Contains(line, "secret-of-the-test") {
		t.Errorf("shows the credential: %s", line)
	}
	r.calmGoesOn(p)
	if p.metric("tributary_collection_state", "source", "crm", "state", "reauth_required") != 1 {
		t.Error("its state is not reauth_required")
	}
	p.stop()
	p = r.run("--until-caught-up")
	if code := p.wait(soon); code != 1 {
		t.Errorf("ended with code %d, want 1", code)
	}
	if log := p.log.String(); !strings.Contains(log, "not caught up:\n  crm.people") {
		t.Errorf("does not name crm.people:\n%s", tail(log, 1000))
	}
}

func TestAClockThatIsAnHourWrongChangesNothing(t *testing.T) {
	t.Parallel()
	for _, shift := range []time.Duration{time.Hour, -time.Hour} {
		t.Run("the API's by "+shift.String(), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hostile.Config{Collections: []string{"people"}, Now: func() time.Time { return time.Now().Add(shift) }})
			r.api.InsertAt("people", 300, hostile.Timing{Backdate: time.Minute})
			r.api.Set(hostile.Hostility{
				Late: 0.3, Lateness: time.Second, Backdate: 0.2, MaxBackdate: time.Second,
				Writes: hostile.Mix{Insert: 1, Update: 4, Touch: 1, Delete: 1, Undelete: 1},
			})
			p := r.run()
			p.says(soon, `msg="caught up"`)
			r.write(100, 4*time.Second, 19)
			took := r.converge(r.oracle("people"), 3*lookback+busy)
			r.right("people")
			p.stop()
			if code, out, _ := r.command("check"); code != 0 || lineWith(out, "note", "our clock and the API's differ by about", "1h0m") == "" {
				t.Errorf("check: %d\n%s", code, out)
			}
			t.Logf("equal %s after the last write", took.Round(10*time.Millisecond))
		})
	}
}
