package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/test/hostile"
)

// A contractRig is an API with a history of an hour, a Kafka, and a config for both.
type contractRig struct {
	*cli
	api *hostile.Server
}

// newContractRig fills the API with records whose stamps are set by spread.
func newContractRig(t *testing.T, h hostile.Hostility, settings string) *contractRig {
	t.Helper()
	api, err := hostile.Start(hostile.Config{Collections: []string{"people"}, Seed: 7, Token: "canary-token"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	api.API.Set(hostile.Hostility{StampPrecision: h.StampPrecision, ShownPrecision: h.ShownPrecision, MixedOffsets: h.MixedOffsets})
	for i := range 250 {
		api.API.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*7654321*time.Microsecond})
	}
	api.API.Set(h)
	r := &contractRig{&cli{t: t, config: filepath.Join(t.TempDir(), "t.yaml")}, api}
	text := fmt.Sprintf("group: crm\nkafka: {brokers: [%q]}\noffsets: {lanes: 1, replication: 1}\ntopics: {replication: 1}\nsources:\n"+
		"  - name: crm\n    preset: salesloft\n    url: %s\n    auth: {bearer: \"${env:TOKEN}\"}\n    budget: {per_minute: 1000000}\n    deletions: {field: deleted_at}\n    collections: [people]\n%s\n",
		kafka.ListenAddrs()[0], api.URL, settings)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// findings runs check and returns what it says of the collection, by rule; what it says of
// its list of deletions has "feed." before the rule.
func (r *contractRig) findings(wait string) (byRule map[string]check, code int, text string) {
	r.t.Helper()
	code, stdout, stderr := r.run("check", "people", "-o", "json", "--wait", wait)
	if strings.Contains(stdout+stderr, "canary") {
		r.t.Errorf("a credential shows:\n%s%s", stdout, stderr)
	}
	var report struct{ Checks []check }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		r.t.Fatalf("%v in %s%s", err, stdout, stderr)
	}
	byRule = map[string]check{}
	for _, c := range report.Checks {
		if strings.HasPrefix(c.What, "collection") {
			rule := c.Rule
			if strings.HasSuffix(c.What, "deletions.feed") {
				rule = "feed." + rule
			}
			if had, twice := byRule[rule]; !twice || had.Status == "ok" {
				byRule[rule] = c
			}
			text += fmt.Sprintf("%s %s: %s | %s | %s\n", c.Status, rule, c.Found, c.Means, c.Remedy)
		}
	}
	return byRule, code, text
}

func TestCheckFindsNothingOnAFriendlyAPI(t *testing.T) {
	byRule, code, text := newContractRig(t, hostile.Hostility{}, "").findings("100ms")
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, text)
	}
	for _, rule := range []string{"bound", "tick", "upper", "total", "page", "repeat", "ties", "probe", "absent", "late", "stamps", "echo", "budget"} {
		if byRule[rule].Status != "ok" {
			t.Errorf("%s is %+v\n%s", rule, byRule[rule], text)
		}
	}
}

func TestCheckFindsEachHostility(t *testing.T) {
	const noEcho = "    echo: null"
	for _, c := range []struct {
		name      string
		hostility hostile.Hostility
		settings  string
		rule      string
		status    string
		says      string
	}{
		{"a filter that is ignored", hostile.Hostility{IgnoreFilter: 1}, "", "bound", "fail", "ignored the filter"},
		{"a filter that is ignored, and an echo that lies", hostile.Hostility{IgnoreFilter: 1, LyingEcho: true}, "", "bound", "fail", "ignores the filter"},
		{"a filter that is ignored without an echo", hostile.Hostility{IgnoreFilter: 1}, noEcho, "bound", "fail", "check `cursor.from`"},
		{"an order that is ignored", hostile.Hostility{IgnoreOrder: 1}, "", "order", "fail", "ignored the order"},
		{"an order that is ignored, and an echo that lies", hostile.Hostility{IgnoreOrder: 1, LyingEcho: true}, "", "order", "fail", "`order`"},
		{"bounds of milliseconds", hostile.Hostility{BoundTick: time.Millisecond}, "", "tick", "fail", "`cursor.tick: 1ms`"},
		{"bounds of seconds", hostile.Hostility{BoundTick: time.Second}, "", "tick", "fail", "`cursor.tick: 1s`"},
		{"bounds of minutes", hostile.Hostility{BoundTick: time.Minute}, "", "tick", "fail", "`cursor.tick: 1m`"},
		{"bounds of seconds that are configured", hostile.Hostility{BoundTick: time.Second}, "    cursor: {tick: 1s}", "tick", "ok", ""},
		{"bounds of minutes where seconds are configured", hostile.Hostility{BoundTick: time.Minute}, "    cursor: {tick: 1s}", "tick", "fail", "`cursor.tick: 1m`"},
		{"stamps of seconds, shown", hostile.Hostility{ShownPrecision: time.Second}, "", "stamps", "warn", "`cursor.tick: 1s`"},
		{"stamps of seconds, written", hostile.Hostility{StampPrecision: time.Second}, "", "stamps", "warn", "whole 1s"},
		{"stamps of seconds that are configured", hostile.Hostility{ShownPrecision: time.Second}, "    cursor: {tick: 1s}", "stamps", "ok", ""},
		{"pages that are cut", hostile.Hostility{MaxPerPage: 40}, "", "size", "warn", "`page.size: 40` and `probe.max: 40`"},
		{"offsets that change", hostile.Hostility{MixedOffsets: true}, "", "offsets", "note", "compared as instants"},
		{"an order that cannot be asked for", hostile.Hostility{}, "    order: none\n    echo: null", "bound", "ok", "nothing older"},
		{"an order that cannot be asked for, and bounds of hours", hostile.Hostility{BoundTick: time.Hour}, "    order: none\n    echo: null", "tick", "fail", "`cursor.tick: 1h`"},
		{"errors now and then", hostile.Hostility{ServerError: 0.2, CutBody: 0.1, HTML: 0.1}, "", "bound", "ok", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newContractRig(t, c.hostility, c.settings)
			byRule, code, text := r.findings("0")
			got := byRule[c.rule]
			if got.Status != c.status || !strings.Contains(got.Found+got.Means+got.Remedy, c.says) {
				t.Errorf("want %s %s with %q\n%s", c.status, c.rule, c.says, text)
			}
			if bad := c.status == "warn" || c.status == "fail"; bad != (code == exitCheck) {
				t.Errorf("exit code %d\n%s", code, text)
			}
		})
	}
}

func TestCheckSeesTiesAndWhetherTheyCanBePaged(t *testing.T) {
	for settings, want := range map[string]string{"": "note", "    page: {param: null}": "fail"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := newContractRig(t, hostile.Hostility{UnstableTies: true}, settings)
			r.api.API.InsertAt("people", 180, hostile.Timing{Backdate: 2 * time.Hour})
			byRule, _, text := r.findings("0")
			if got := byRule["ties"]; got.Status != want || !strings.Contains(got.Found, "a page or more") {
				t.Errorf("want %s\n%s", want, text)
			}
			if byRule["repeat"].Status != "note" {
				t.Errorf("the order of a tie changed and it does not say so\n%s", text)
			}
		})
	}
}

func TestCheckSeesRecordsThatAreListedLate(t *testing.T) {
	for _, c := range []struct{ settings, status, says string }{
		{"", "note", "do not set `lookback` lower"},
		{"    overlap: 1s\n    lookback: 2500ms", "warn", "set `lookback` to the longest"},
	} {
		t.Run(c.status, func(t *testing.T) {
			t.Parallel()
			r := newContractRig(t, hostile.Hostility{}, c.settings)
			// All the time there are records that turn visible long after their stamps: whenever
			// the two looks are, some come between them.
			ctx, stop := context.WithCancel(t.Context())
			var writing sync.WaitGroup
			writing.Go(func() {
				for sleep(ctx, 50*time.Millisecond) == nil {
					r.api.API.InsertAt("people", 1, hostile.Timing{Backdate: 2500 * time.Millisecond})
				}
			})
			byRule, code, text := r.findings("2s")
			stop()
			writing.Wait()
			if got := byRule["late"]; got.Status != c.status || !strings.Contains(got.Remedy, c.says) || (code == 0) != (c.status == "note") {
				t.Errorf("exit code %d, want %s\n%s", code, c.status, text)
			}
		})
	}
}

func TestCheckSeesWhatIsStampedInTheFuture(t *testing.T) {
	r := newContractRig(t, hostile.Hostility{}, "")
	r.api.API.InsertAt("people", 1, hostile.Timing{Backdate: -time.Hour})
	if byRule, _, text := r.findings("0"); byRule["future"].Status != "warn" {
		t.Error(text)
	}
}
