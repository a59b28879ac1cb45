//go:build unix

package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"tributary/test/standin"
)

// standIn is a stand-in of a vendor's API, as one source of a config.
type standIn struct {
	preset, collection, path string
	settings                 map[string]string
	api                      func(*standin.Store) http.Handler
	precision, lag           time.Duration
	store                    *standin.Store
}

// Three vendors' APIs at once, each in its own way of asking, by one process that is killed
// now and then.
func TestPresetsReadTheirStandInsAtOnceOnARealKafka(t *testing.T) {
	t.Parallel()
	all := []*standIn{
		{preset: "hubspot", collection: "contacts", api: standin.HubSpot, precision: time.Millisecond, lag: 2 * time.Second,
			settings: map[string]string{"probe": "{max: 7}"}},
		{preset: "pipedrive", collection: "persons", path: "/api/v2", api: standin.Pipedrive, precision: time.Second,
			settings: map[string]string{"probe": "{max: 7}"}},
		{preset: "notion", collection: "{name: tasks, path: data_sources/tasks/query}", path: "/v1", api: standin.Notion, precision: time.Second,
			settings: map[string]string{"cursor": "{tick: 1s, precision: 1s}", "settle": "1s"}},
	}
	r := small(t)
	r.config.sources = nil
	for _, s := range all {
		r.config.sources = append(r.config.sources, s.serve(t))
	}
	ctx, cancel := context.WithTimeout(t.Context(), phase())
	defer cancel()
	for kills := 0; ctx.Err() == nil; kills++ {
		p := r.run()
		for next := time.Now().Add(3 * time.Second); time.Now().Before(next) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			for i, s := range all {
				s.write(kills + i)
			}
		}
		p.running()
		p.kill()
	}
	p := r.run()
	for _, s := range all {
		eventually(t, soon, s.preset+" is read to its end, deletions included", func() bool {
			return len(s.differs(r.fold(t, s))) == 0
		})
	}
	p.stop()
	for _, s := range all {
		if complaints := s.store.Complaints(); len(complaints) > 0 {
			t.Errorf("%s was asked wrongly: %s", s.preset, complaints[0])
		}
		t.Logf("%s: %d requests, %d records", s.preset, s.store.Requests(), len(s.store.Truth()))
	}
}

// serve starts the stand-in and returns the source that reads it.
func (s *standIn) serve(t *testing.T) source {
	t.Helper()
	s.store = standin.New(s.precision, s.lag, 1)
	s.store.Live()
	srv := httptest.NewServer(s.api(s.store))
	t.Cleanup(srv.Close)
	s.store.Insert(60)
	settings := map[string]string{
		"interval": "200ms", "overlap": "3s", "lookback": "6s", "page": "{size: 7}",
		"deletions": "{sweep: {every: 5s, max_ratio: 0.9}}",
	}
	for k, v := range s.settings {
		settings[k] = v
	}
	auth := "{bearer: secret}"
	if s.preset == "pipedrive" {
		auth = "{header: {name: x-api-token, value: secret}}"
	}
	return source{name: s.preset, preset: s.preset, url: srv.URL + s.path, auth: auth, collections: []string{s.collection}, settings: settings}
}

func (s *standIn) write(turn int) {
	switch turn % 5 {
	case 0:
		s.store.Insert(1)
	case 1:
		s.store.Delete(1)
	case 2:
		s.store.Update(20)
	default:
		s.store.Update(1)
	}
}

var standInVersion = regexp.MustCompile(`"ver":"?(\d+)`)

// fold reads what a consumer sees of a stand-in's topic: the live records with their
// versions, which must rise key by key.
func (r *rig) fold(t *testing.T, s *standIn) map[string]int {
	t.Helper()
	live, last := map[string]int{}, map[string]int{}
	collection := map[string]string{"hubspot": "contacts", "pipedrive": "persons", "notion": "tasks"}[s.preset]
	for _, rec := range r.records(r.prefix + "." + s.preset + "." + collection) {
		id := string(rec.Key)
		if rec.Value == nil {
			if _, ok := live[id]; !ok {
				t.Errorf("%s: a tombstone of %s, which was not live", s.preset, id)
			}
			delete(live, id)
			continue
		}
		m := standInVersion.FindSubmatch(rec.Value)
		if m == nil {
			t.Fatalf("%s: %s", s.preset, rec.Value)
		}
		ver, _ := strconv.Atoi(string(m[1]))
		if ver <= last[id] {
			t.Errorf("%s: version %d of %s after version %d", s.preset, ver, id, last[id])
		}
		live[id], last[id] = ver, ver
	}
	return live
}

// differs returns the ids in which a fold and the stand-in differ.
func (s *standIn) differs(live map[string]int) (ids []string) {
	there := 0
	for id, row := range s.store.Truth() {
		key := strconv.Itoa(id)
		if s.preset == "notion" {
			key = "59833787-2cf9-4fdf-8782-" + "000000000000"[len(key):] + key
		}
		if !row.Gone {
			there++
			if live[key] != row.Ver {
				ids = append(ids, key)
			}
		}
	}
	if len(live) != there {
		ids = append(ids, "others")
	}
	return ids
}
