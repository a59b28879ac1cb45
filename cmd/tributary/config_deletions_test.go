package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/connector"
)

// with is a config of one collection, with lines of its own.
func with(lines ...string) string {
	return head + "sources:\n  - name: api\n    url: https://api.test/v2\n    cursor: {field: updated_at, from: since, format: rfc3339}\n    page: {param: p, size_param: n, size: 50}\n    records: data\n    " +
		strings.Join(lines, "\n    ") + "\n    collections: [people]\n"
}

func TestHowDeletionsAreFoundStandsTogether(t *testing.T) {
	cfg := mustParse(t, with("probe: {param: ids, max: 40}",
		"deletions:", "  field: deleted_at", "  sweep: {every: 6h, max_ratio: 0.1, max_count: 7, pages: 3}",
		"  feed: {path: people/deleted, every: 1m, cursor: {field: at, from: since, format: unix}}"))
	c := collectionOf(t, cfg, "api.people")
	want := connector.Sweeps{Every: 6 * time.Hour, Confirm: connector.ConfirmIDs, MaxRatio: 0.1, MaxCount: 7, Pages: 3, Listing: c.Rest.Listing()}
	if c.Settings.Sweeps != want || c.Rest.Deleted != "deleted_at" {
		t.Errorf("got %+v, want %+v", c.Settings.Sweeps, want)
	}
	if f := c.Settings.Feed; f.Interval != time.Minute || f.Tick != time.Second || !f.Paged {
		t.Errorf("feed %+v", f)
	}
	if f := c.Feed; f == nil || f.Path != "people/deleted" || !f.AlwaysDeleted || f.Records != "data" || f.Size != 50 || f.Instant != "at" || f.ID != "id" || f.Deleted != "" {
		t.Errorf("feed %+v", f)
	}
}

// An event that cannot be used goes to the dead letter queue, and what is an error is one
// there too.
func TestAFeedKeepsWhatTheCollectionSaysOfAllAnswers(t *testing.T) {
	c := collectionOf(t, mustParse(t, with("deletions: {feed: {path: gone, cursor: {field: at, from: since, format: unix}}}",
		"value: {drop: [email], mask: [owner.name]}", "errors: [{when: {path: ok, equals: false}, as: retry}]")), "api.people")
	if f := c.Feed; !slices.Equal(f.Drop, []string{"email"}) || !slices.Equal(f.Mask, []string{"owner.name"}) || len(f.Errors) != 1 {
		t.Errorf("got drop %q, mask %q, errors %v", f.Drop, f.Mask, f.Errors)
	}
}

func TestASweepHasDefaults(t *testing.T) {
	c := collectionOf(t, mustParse(t, with("deletions: {sweep: {every: 24h, confirm: none}}")), "api.people")
	want := connector.Sweeps{Every: 24 * time.Hour, Confirm: connector.ConfirmNone, MaxRatio: 0.2, MaxCount: 1000, Pages: 5, Listing: c.Rest.Listing()}
	if c.Settings.Sweeps != want || c.Feed != nil {
		t.Errorf("got %+v, want %+v", c.Settings.Sweeps, want)
	}
	for _, off := range []string{"deletions: {sweep: none}", "deletions: none"} {
		if c := collectionOf(t, mustParse(t, with(off)), "api.people"); c.Settings.Sweeps != (connector.Sweeps{}) {
			t.Errorf("%s: %+v", off, c.Settings.Sweeps)
		}
	}
}

func TestASweepThatCannotBeIsRefused(t *testing.T) {
	for lines, want := range map[string]string{
		"deletions: {sweep: {every: 24h}}":                                          `needs "confirm"`,
		"deletions: {sweep: {every: 24h, confirm: ids}}":                            `no "probe"`,
		"deletions: {sweep: {every: 24h, confirm: ask}}":                            "ids, get, none",
		"deletions: {sweep: {confirm: none}}":                                       `needs "every"`,
		"deletions: {sweep: {every: 1ms, confirm: none}}":                           "at least 1s",
		"deletions: {sweep: often}":                                                 "wants none",
		"deletions: {}":                                                             "says nothing",
		"deletions: {sweeps: {every: 24h}}":                                         `did you mean "sweep"`,
		"deletions: {feed: {path: x}}":                                              `needs "cursor"`,
		"deletions: {feed: {path: x, cursor: {from: at}}}":                          `needs "field"`,
		"deletions: {feed: {path: x, lookback: 5m, cursor: {field: at, from: at}}}": "lookback",
	} {
		if _, err := parseTest(with(lines)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want something about %q", lines, err, want)
		}
	}
}

// What is listed is told by what is asked for, and not by a credential.
func TestAListingIsAnotherWhenWhatIsAskedForIs(t *testing.T) {
	listing := func(lines ...string) string {
		return collectionOf(t, mustParse(t, with(append(lines, "deletions: {sweep: {every: 24h, confirm: none}}")...)), "api.people").Settings.Sweeps.Listing
	}
	same := listing()
	for lines, other := range map[string]bool{
		"request: {params: {team: 5}}":             true,
		"request: {headers: {X-Workspace: seven}}": true,
		"path: persons":                            true,
		"request: {headers: {X-Api-Key: geheim}}":  false,
		"auth: {bearer: geheim}":                   false,
		"request: {timeout: 5s}":                   false,
		"hash: {exclude: [x]}":                     false,
	} {
		if got := listing(lines); (got != same) != other {
			t.Errorf("%s: another listing: %v, want %v", lines, got != same, other)
		}
	}
}
