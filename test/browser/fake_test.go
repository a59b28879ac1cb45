//go:build unix

package browser

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
	"tributary/connector/control/page"
)

// serve serves the control API and the page over a plane that runs nothing.
func serve(t *testing.T, plane *controltest.Plane, wrap ...func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	h := control.NewHandler(plane, control.Config{Loopback: true, Page: page.Handler()})
	var handler http.Handler = h
	for _, w := range wrap {
		handler = w(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		h.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// today moves what a collection of controltest shows to about now.
func today(c control.Collection) control.Collection {
	by := time.Since(controltest.Began)
	for _, at := range []**time.Time{&c.Cursor, &c.CaughtUp, &c.LastAttempt, &c.LastSuccess, &c.LastChange, &c.NextRun} {
		if *at != nil {
			moved := (*at).Add(by)
			*at = &moved
		}
	}
	if c.LastError != nil {
		c.LastError = &control.Failure{At: c.LastError.At.Add(by), Text: c.LastError.Text}
	}
	return c
}

// fresh is a collection that runs well now.
func fresh(source, collection string) control.Collection {
	return today(controltest.Collection(source, collection))
}

// many is a plane of n collections.
func many(n int) *controltest.Plane {
	all := controltest.Many(n)
	for i := range all {
		all[i] = today(all[i])
	}
	p := controltest.New(all...)
	p.SetInfo(begun)
	return p
}

func begun(i *control.Info) { i.Started = time.Now().Add(-26 * time.Hour) }

// few is a plane of a small deployment that runs well.
func few() *controltest.Plane {
	p := controltest.New(
		fresh("salesloft-eu", "people"), fresh("salesloft-eu", "accounts"), fresh("salesloft-eu", "cadences"),
		fresh("hubspot", "contacts"), fresh("hubspot", "deals"), fresh("billing", "invoices"))
	p.SetInfo(begun)
	remaining := 412.0
	p.SetSource("salesloft-eu", func(s *control.Source) {
		s.Preset, s.Budget = "salesloft", &control.Budget{PerMinute: 600, Remaining: &remaining}
	})
	p.SetSource("hubspot", func(s *control.Source) { s.Preset, s.Budget = "hubspot", &control.Budget{PerMinute: 190} })
	p.SetSource("billing", func(s *control.Source) { s.Type, s.URL, s.Push = "handler", "http://127.0.0.1:9000/changes", true })
	p.OnChanges = history
	return p
}

// history is a record that was made, changed, deleted and made again.
func history(_ context.Context, n control.Name, key string, limit int) (control.Changes, error) {
	now := time.Now()
	change := func(before time.Duration, offset int64, batch uint64, value string) control.Change {
		at := now.Add(-before)
		return control.Change{Offset: offset, Timestamp: at, Instant: at.UTC().Format(time.RFC3339), Batch: batch, Value: json.RawMessage(value)}
	}
	const rest = `"account":{"id":88,"name":"Example & Daughters"},"country":"DE","created_at":"2024-02-11T09:30:00Z","do_not_contact":false,"locale":"de_DE","owner":{"id":4,"name":"B. Example"},"score":12345678901234567890,"source":"import","timezone":"Europe/Berlin"`
	changes := []control.Change{
		change(40*time.Second, 99120, 871, `{"id":7,"name":"Ada Example-Lovelace","email":"ada@example.com","stage":"customer",`+rest+`,"tags":["vip","newsletter","emea"],"phone":"+49 30 555 01"}`),
		change(3*time.Hour, 98411, 760, `{"id":7,"name":"Ada Example","email":"ada@example.com","stage":"lead",`+rest+`,"tags":["newsletter","emea","trial"]}`),
		change(26*time.Hour, 90207, 512, `null`),
		change(400*time.Hour, 41, 9, `{"id":7,"name":"A. Example","email":"ada@example.com"}`),
	}
	return control.Changes{Key: key, Changes: changes[:min(limit, len(changes))], Partition: 3, Until: 99121, Whole: true}, nil
}

// allWrong is everything wrong at once, told in what an API, or somebody who writes to it,
// may have put there.
func allWrong() *controltest.Plane {
	const evil = `<img src=x onerror="window.owned=1">`
	long := `GET /v2/people?per_page=100&updated_at[gt]=2026-03-01T11%3A59%3A59.000001Z: 500 Internal Server Error: <!doctype html><script>window.owned=1</script>` + evil
	wrong := func(c control.Collection, state, why, remedy string) control.Collection {
		controltest.Fail(&c, state, why, remedy)
		c.LastError.At = time.Now().Add(-90 * time.Second)
		old := time.Now().Add(-13 * time.Minute)
		c.CaughtUp = &old
		return c
	}
	guarded := fresh("eu", "cadences")
	guarded.Guarded, guarded.Absent, guarded.Unpublished, guarded.Doubts = true, 911, 3, 40
	restoring := fresh("eu", "calls")
	restoring.State, restoring.Lag, restoring.CaughtUp, restoring.NextRun = connector.StateRestoring, nil, nil, nil
	restoring.Backfill = &control.Backfill{Records: 48211, PerSecond: 912.4, At: "2024-05-01T00:00:00Z", Behind: 5e7}
	paused := fresh("eu", "notes")
	paused.State, paused.Hold, paused.NextRun = connector.StatePaused, control.HoldPaused, nil
	stamp := time.Now().Add(-3 * time.Hour)
	guarded.Sweep = &control.Span{Started: &stamp, Ended: &stamp}
	p := controltest.New(
		fresh("eu", "people"),
		wrong(fresh("eu", evil), connector.StateStopped, "its topic was deleted while the connector was not running: "+evil, "tributary state reset eu."+evil+" --republish"),
		wrong(fresh("eu", "accounts"), connector.StateBackoff, long, ""),
		wrong(fresh("us", "people"), connector.StateReauthRequired, "the credential is refused: 401", "renew its credential; `tributary auth login us` does where it is OAuth2"),
		wrong(fresh(evil, "people"), connector.StateQuarantined, "topic "+evil+".people does not take records", "the log says why: it is tried again by itself"),
		wrong(fresh("us", "averyveryveryverylongnameofacollectionwithoutanyplacetobreakitanywhere_at_all_v2"), connector.StateBackoff, "429", ""),
		guarded, restoring, paused)
	p.SetInfo(func(i *control.Info) {
		begun(i)
		i.Version, i.Instance, i.Group = "0.9.1", "worker-3"+evil, "crm"
		i.Lanes = []control.Lane{{Number: 0, Acquired: true}, {Number: 1}}
	})
	nothing := 0.0
	p.SetSource("us", func(s *control.Source) { s.Reauth, s.Preset = true, "salesloft" })
	p.SetSource("eu", func(s *control.Source) {
		s.Preset, s.Budget = "salesloft", &control.Budget{PerMinute: 300, Remaining: &nothing, Waiting: 12}
	})
	p.OnChanges = func(_ context.Context, _ control.Name, key string, _ int) (control.Changes, error) {
		value, _ := json.Marshal(map[string]any{evil: evil, "__proto__": map[string]int{"owned": 1}, "id": key})
		before, _ := json.Marshal(map[string]any{evil: "before " + evil, "id": key})
		return control.Changes{Key: key, Changes: []control.Change{
			{Offset: 2, Timestamp: time.Now(), Instant: evil, Batch: 2, Value: value}, {Offset: 1, Timestamp: time.Now(), Instant: evil, Batch: 1, Value: before},
		}, Until: 3, Whole: true}, nil
	}
	return p
}
