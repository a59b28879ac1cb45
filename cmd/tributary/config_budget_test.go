package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/connector/rest"
)

const budgetConfig = `
group: g
kafka: {brokers: ["127.0.0.1:9092"]}
sources:
  - name: s
    url: http://127.0.0.1:1/
    cursor: {field: updated_at, from: since}
    collections: [a]
    budget: `

func TestABudgetSaysWhatRequestsCost(t *testing.T) {
	cfg := mustParse(t, budgetConfig+`
      per_minute: 600
      share: 0.9
      window: minute
      burst: 5s
      cost: {default: 20, probe: 2, get: 1, pages: [{above: 100, points: 30}, {above: 150, points: 80}], header: X-Cost}
      remaining: X-Left
      limit: X-Limit
      reset: {header: X-Reset, as: unix_ms}
`)
	want := rest.Budget{
		PerMinute: 600, Share: 0.9, Window: rest.WindowMinute, Burst: 5 * time.Second,
		Cost: rest.Cost{Default: 20, Probe: 2, Get: 1, Header: "X-Cost",
			Pages: []rest.PageCost{{Above: 100, Points: 30}, {Above: 150, Points: 80}}},
		Remaining: "X-Left", Limit: "X-Limit", Reset: "X-Reset", ResetAs: rest.ResetUnixMS,
	}
	if got := cfg.Sources[0].Budget; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	cfg = mustParse(t, budgetConfig+"{remaining: X-Left}\n")
	if got := cfg.Sources[0].Budget; got.PerMinute != 0 || got.Share != 1 || got.Remaining != "X-Left" {
		t.Errorf("got %+v", got)
	}
}

func TestABudgetThatCannotBeMeantIsRefusedWhereItStands(t *testing.T) {
	for budget, says := range map[string]string{
		"{share: 0.5}":                                                                   `t.yaml:9:13: sources[0].budget needs "per_minute"`,
		"{remaining: X-Left, window: minute}":                                            `t.yaml:9:13: sources[0].budget needs "per_minute"`,
		"{per_minute: 0}":                                                                `t.yaml:9:26: sources[0].budget.per_minute wants at least 1`,
		"{per_minute: 9, share: 0}":                                                      `t.yaml:9:36: sources[0].budget.share must be more than 0`,
		"{per_minute: 9, share: 1.5}":                                                    `t.yaml:9:36: sources[0].budget.share wants a number between 0 and 1, found "1.5"`,
		"{per_minute: 9, window: hour}":                                                  `t.yaml:9:37: sources[0].budget.window wants one of minute, sliding, none`,
		"{per_minute: 9, burst: 40s}":                                                    `t.yaml:9:36: sources[0].budget.burst wants at most 30s`,
		"{per_minute: 9, bursts: 4s}":                                                    `t.yaml:9:29: unknown key "bursts" in sources[0].budget; did you mean "burst"?`,
		"{per_minute: 9, cost: {pages: [{above: 5}]}}":                                   `sources[0].budget.cost.pages[0] needs "points"`,
		"{per_minute: 9, cost: {pages: 5}}":                                              `t.yaml:9:43: sources[0].budget.cost.pages wants a list`,
		"{per_minute: 9, cost: {probe: -1}}":                                             `t.yaml:9:43: sources[0].budget.cost.probe wants at least 1`,
		"{per_minute: 9, cost: {header: a b}}":                                           `t.yaml:9:44: sources[0].budget.cost.header is "a b", which cannot be the name of a header`,
		"{per_minute: 9, limit: X-Limit}":                                                `t.yaml:9:13: sources[0].budget needs "remaining"`,
		"{per_minute: 9, remaining: X-Left, reset: {as: unix}}":                          `sources[0].budget.reset needs "header"`,
		"{per_minute: 9, remaining: X-Left, reset: {header: X, as: ms}}":                 `sources[0].budget.reset.as wants one of seconds, unix, unix_ms`,
		"{per_minute: 9, cost: {pages: [{above: 9, points: 3}, {above: 9, points: 8}]}}": `t.yaml:9:67: sources[0].budget.cost.pages[1] is for pages above 9, which is not beyond`,
	} {
		_, err := parseTest(budgetConfig + budget + "\n")
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(says, "1.5") && strings.Contains(err.Error(), "more than 0") {
			t.Errorf("%s: %v\nwant %s", budget, err, says)
		}
	}
}

func TestTheSalesloftPresetKnowsWhatPagesCost(t *testing.T) {
	cfg, err := parseConfig(newConfigText("t.yaml", []byte(`
group: g
kafka: {brokers: ["127.0.0.1:9092"]}
sources:
  - {name: s, preset: salesloft, auth: {bearer: x}, budget: {share: 0.5}, collections: [people]}
`)), ".", testEnv, presets{lookup: rest.Preset, names: rest.PresetNames})
	if err != nil {
		t.Fatal(err)
	}
	b := cfg.Sources[0].Budget
	if b.PerMinute != 600 || b.Share != 0.5 || b.Window != rest.WindowMinute || len(b.Cost.Pages) != 4 || b.Cost.Pages[3] != (rest.PageCost{Above: 500, Points: 30}) ||
		b.Remaining != "x-ratelimit-remaining-minute" || b.Cost.Header != "x-ratelimit-endpoint-cost" {
		t.Errorf("got %+v", b)
	}
}
