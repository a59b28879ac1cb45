//go:build unix

package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tributary/test/hostile"
)

// Fifty-two collections and 600 points a minute, ten collections with more to read than
// there is time for, another user of the account, and a kill in between: three minutes of
// the real clock, with the preset's own budget.
func TestABudgetIsKeptToByTheRealClock(t *testing.T) {
	if !*long {
		t.Skip("three minutes of waiting: with -long")
	}
	t.Parallel()
	const perMinute, share, stranger, backlogs = 600, 0.9, 150, 10
	var names, listed []string
	for i := range 52 {
		name := fmt.Sprintf("c%02d", i)
		names, listed = append(names, name), append(listed, fmt.Sprintf("{name: %s, path: %s}", name, name))
	}
	r := newRig(t, hostile.Config{Collections: names, Seed: 5, Budget: hostile.Budget{PerMinute: perMinute}})
	r.config.sources[0].collections = listed
	r.config.sources[0].budget = fmt.Sprintf("{share: %v}", share)
	r.set("interval", "30s")
	r.set("lookback", "1m")
	r.set("page", "{size: 20}")
	r.set("deletions", "{field: deleted_at, sweep: {confirm: none}}") // such collections have no probes
	for i, name := range names {
		pages := 2
		if i < backlogs {
			pages = 4 * perMinute / backlogs
		}
		for k := range pages * 4 {
			r.api.InsertAt(name, 5, hostile.Timing{Backdate: time.Hour - time.Duration(k)*time.Millisecond})
		}
	}
	next := time.Now().Add(10 * time.Second).Truncate(time.Minute).Add(time.Minute)
	time.Sleep(time.Until(next.Add(-10 * time.Second))) // it starts late in a minute
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		// It ends an interval before the rest, for what is written to be read.
		for i := 0; ctx.Err() == nil && time.Now().Before(next.Add(2*time.Minute+15*time.Second)); i++ {
			r.api.Insert(names[i%len(names)], 1)
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	p := r.run()
	time.Sleep(time.Until(next.Add(time.Minute)))
	used := p.metric("tributary_source_budget_spent_points_total", "priority", "dumping")
	p.kill()
	p = r.run()
	wg.Go(func() { (&hostile.Stranger{API: r.api, PerMinute: stranger}).Run(ctx) })
	time.Sleep(time.Until(next.Add(3*time.Minute + time.Second)))
	foreign := p.metric("tributary_source_budget_foreign_points_total")
	waits := p.metric("tributary_source_budget_wait_seconds_count", "priority", "live")
	soon := p.metric("tributary_source_budget_wait_seconds_bucket", "priority", "live", "le", "1")
	cancel()
	wg.Wait()
	p.stop()

	minutes := r.api.Minutes()
	refused := 0
	for _, m := range minutes {
		refused += m.Refused
		t.Logf("%s: %d points in %d requests, %d answered 429; others %d, refused %d",
			m.Began.Format("15:04"), m.Points, m.Requests, m.Refused, m.Foreign, m.ForeignRefused)
	}
	t.Logf("%.0f points of the first life by backfills; of the second life's %.0f live requests %.0f waited less than a second; %.0f points of others noticed", used, waits, soon, foreign)
	if first := minutes[1]; float64(first.Points) < 0.9*share*perMinute || float64(first.Points) > share*perMinute {
		t.Errorf("the minute of the backfill alone has %d points", first.Points)
	}
	for _, m := range minutes[2:4] {
		if all := m.Points + m.Foreign; float64(all) < 0.85*perMinute || m.Foreign < stranger*9/10 {
			t.Errorf("the minute beside the stranger has %d points of ours and %d of its", m.Points, m.Foreign)
		}
	}
	if refused > 0 {
		t.Errorf("%d requests were answered 429", refused)
	}
	if foreign < stranger/2 {
		t.Errorf("%.0f points of others were noticed", foreign)
	}
	v := r.right(names[backlogs:]...)
	t.Logf("%d records of the collections without a backlog, all right", v.Records)
}
