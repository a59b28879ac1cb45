//go:build unix

package e2e

import (
	"flag"
	"testing"
	"time"

	"tributary/test/hostile"
	"tributary/test/tokenserver"
)

var wholeFor = flag.Duration("whole", 0, "for how long the trial of everything together is written to and killed; 0 for 30 s, or 5 minutes with -long")

// Everything that an API does to a poller, in one trial: it is hostile, grants 600 points
// a minute to all who use the account, gives tokens of ten seconds whose refresh tokens
// rotate, and deletes without a word. Its connector is killed every two seconds. After
// three lookbacks and two sweeps of quiet the topics are the API, with every deletion
// found and none made up, and the account is still ours.
func TestTheWholeOfAHostileAPIUnderABudgetWithRotatingTokensAndHardDeletions(t *testing.T) {
	t.Parallel()
	phase, sweeps := *wholeFor, "20s"
	switch {
	case phase > 0:
	case *long:
		phase = 5 * time.Minute
	default:
		phase, sweeps = 30*time.Second, "6s"
	}
	const every = 2 * time.Second
	h := removing()
	h.Writes.Bulk, h.Writes.BulkSize = 1, 60
	h.Throttle = 0.03 // of some hundred requests, for it to happen at all
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 10 * time.Second, Grace: time.Minute, Revoke: true, Seed: 91},
		hostile.Config{Collections: three, Seed: 91, Budget: hostile.Budget{PerMinute: 600}})
	tokens.Server.Set(tokenserver.Hostility{Lost: 0.2, Dropped: 0.1, ServerError: 0.2, Slow: 0.3, Delay: 300 * time.Millisecond})
	for _, c := range three {
		for i := range 100 {
			r.api.InsertAt(c, 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*time.Second})
		}
	}
	r.api.Set(h)
	r.config.sources[0].budget = "{per_minute: 600, share: 0.95}"
	r.set("interval", "1s")
	r.set("deletions", "{field: deleted_at, sweep: {every: "+sweeps+", confirm: ids, max_ratio: 0.5, max_count: 2000}}")

	stop := r.writing(10, 92)
	file := r.fileFor("first")
	p, kills := launch(t, "run", "-c", file), 0
	for end := time.Now().Add(phase); time.Now().Before(end); kills++ {
		time.Sleep(every)
		p.running()
		p.kill()
		if log := p.log.String(); lineWith(log, "level=ERROR") != "" {
			t.Errorf("a restart is no error: %s", lineWith(log, "level=ERROR"))
		}
		p.forget()
		p = launch(t, "run", "-c", file)
	}
	stop()
	p.kill()
	p = r.run()
	r.provoke()
	r.api.Set(h.Calm())
	tokens.Server.Set(tokenserver.Hostility{})
	began := time.Now()
	for _, c := range three {
		p.sweepsPassed(c, 2, soon)
	}
	time.Sleep(3*lookback - time.Since(began))
	v := r.right(three...)

	fired := r.api.Fired()
	r.fired("hard_delete", "restore", "late", "backdated", "per_page_cut", "throttled", "server_error", "cut_body", "hang")
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
	if got := tokens.Server.Fired(); got["refreshed"] < 2 || got["lost"]+got["dropped"]+got["server_error"]+got["slow"] == 0 {
		t.Errorf("the token server saw %v", got)
	}
	requests, refused := 0, 0
	for _, m := range r.api.Minutes() {
		requests, refused = requests+m.Requests, refused+m.Refused
	}
	if requests == 0 || refused*20 > requests {
		t.Errorf("%d of %d requests were over the budget", refused, requests+refused)
	}
	t.Logf("%d kills in %s; %d versions, %d of them hard deletions; %d records, %d tombstones; %d requests, %d refused for the budget; tokens %v; allowed: %v",
		kills, phase, r.versions(three), fired["hard_delete"], v.Records, v.Tombstones, requests, refused, tokens.Server.Fired(), v.Allowed)
}
