package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
	"tributary/connector/rest"
	"tributary/test/standin"
)

// A presetCase reads a stand-in by a preset alone, with smaller pages and rarer sweeps.
type presetCase struct {
	preset, collection string
	variant            string // tells cases of one collection apart
	config             string // flow style, after a comma: what a user would add
	source             string // instead of a preset: all that is said of the source
	path               string // after the stand-in's address
	place              string // of the collection, where it is not the preset's
	api                func(*standin.Store) http.Handler
	precision, lag     time.Duration
	key                func(id int) string
	// truth is what the topic must hold at the end: key → version. nil: every record that
	// is not deleted.
	truth   func(*standin.Store) map[string]int
	quiet   time.Duration // how long the end is given; 0: two hours
	step    time.Duration // between two pulls then; 0: a minute
	forever bool          // nothing is ever deleted
}

func (c *presetCase) name() string { return c.preset + "." + c.collection + c.variant }

func number(id int) string { return strconv.Itoa(id) }

// A topic takes batches as a lane does, and notes what must not be.
type topicOfTest struct {
	c      *presetCase
	s      *standin.Store
	fold   *connector.Memory
	live   map[string]int
	last   map[string]int // the newest version published, deleted or not
	faults []string
	counts map[string]int
}

var verOf = regexp.MustCompile(`"ver":"?(\d+)`)

func (t *topicOfTest) Stage(_ context.Context, b *connector.Batch) error {
	for _, c := range b.Changes {
		if c.Value == nil {
			t.counts["tombstones"]++
			if _, ok := t.live[c.ID]; !ok {
				t.faults = append(t.faults, "a tombstone of "+c.ID+", which was not live")
			}
			if truth := t.history()[c.ID]; truth == nil || !slices.Contains(truth, t.last[c.ID]+1) && slices.Max(truth) <= t.last[c.ID] {
				t.faults = append(t.faults, fmt.Sprintf("a tombstone of %s, whose version %d was not deleted: %v", c.ID, t.last[c.ID], truth))
			}
			delete(t.live, c.ID)
			continue
		}
		t.counts["upserts"]++
		m := verOf.FindSubmatch(c.Value)
		if m == nil {
			t.faults = append(t.faults, fmt.Sprintf("%s has no version: %s", c.ID, c.Value))
			continue
		}
		ver, _ := strconv.Atoi(string(m[1]))
		if ver <= t.last[c.ID] {
			t.faults = append(t.faults, fmt.Sprintf("version %d of %s after version %d", ver, c.ID, t.last[c.ID]))
		}
		t.live[c.ID], t.last[c.ID] = ver, ver
	}
	clone := *b
	t.fold.Apply(&clone)
	return nil
}

func (t *topicOfTest) Flush(context.Context) error { return nil }

// history returns the versions in which records are deleted, by key.
func (t *topicOfTest) history() map[string][]int {
	out := map[string][]int{}
	for id, r := range t.s.Truth() {
		if r.Gone {
			out[t.c.key(id)] = []int{r.Ver}
		}
	}
	return out
}

// reader begins a life from what is committed.
func (t *topicOfTest) reader(tt *testing.T, cfg CollectionConfig) *connector.Reader {
	tt.Helper()
	all := connector.NewMetrics(prometheus.NewRegistry())
	m := all.Source("api")
	src, err := rest.New(cfg.Rest, rest.NewClient("test", rest.Budget{}, nil), m)
	if err != nil {
		tt.Fatal(err)
	}
	env := connector.Env{
		Now:    t.s.Now,
		Sleep:  func(_ context.Context, d time.Duration) error { t.s.Advance(d); return nil },
		Random: func() float64 { return 0.5 }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), GiveUp: 2,
	}
	r, err := connector.NewReader(cfg.Settings, src, t, copyOf(t.fold), env, all.Collection("api", cfg.Settings.Collection))
	if err != nil {
		tt.Fatal(err)
	}
	return r
}

// copyOf returns what another process would read from the offsets topic.
func copyOf(m *connector.Memory) *connector.Memory {
	out := connector.NewMemory()
	for id, e := range m.Ledger.All() {
		out.Ledger.Put(id, e)
	}
	maps.Copy(out.Doubts, m.Doubts)
	out.State = m.State
	return out
}

var standInSeeds = flag.Uint64("standin.seeds", 2, "how often each preset reads its stand-in")

// realPresets are those that the program has.
var realPresets = presets{lookup: rest.Preset, names: rest.PresetNames}

func TestEveryPresetIsAConfig(t *testing.T) {
	for _, name := range rest.PresetNames() {
		data, _ := rest.Preset(name)
		source, asked := presetExample(data)
		if !strings.Contains(source, "preset: "+name) || asked == "" {
			t.Errorf("%s shows no example at its head:\n%s\n%s", name, source, asked)
			continue
		}
		for _, collections := range []string{asked, "    collections: [" + strings.Join(collectionNames(name, data), ", ") + "]"} {
			text := head + "sources:\n" + source + "\n" + collections + "\n"
			if strings.HasSuffix(collections, "[]") {
				continue
			}
			if _, err := parseConfig(newConfigText(name+".yaml", []byte(text)), "", testEnv, realPresets); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestThePathOfAPresetNamesItsCollection(t *testing.T) {
	text := head + "sources: [{name: shop, preset: pocketbase, url: \"https://shop.test\", auth: {bearer: t}, collections: [orders, {name: old, path: v1/old.json}]}]\n"
	cfg, err := parseConfig(newConfigText("t.yaml", []byte(text)), "", testEnv, realPresets)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"orders": "api/collections/orders/records", "old": "v1/old.json"} {
		if got := collectionOf(t, cfg, "shop."+name).Rest.Path; got != want {
			t.Errorf("%s is at %q, want %q", name, got, want)
		}
	}
}

func TestTheTableOfPresetsHasEachOfThem(t *testing.T) {
	text, err := os.ReadFile("../../docs/presets.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(text), "## Where")
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z]+) \| .* \|$`).FindAllStringSubmatch(table, -1) {
		if m[1] != "preset" {
			rows = append(rows, m[1])
		}
	}
	slices.Sort(rows)
	if !slices.Equal(rows, rest.PresetNames()) {
		t.Errorf("docs/presets.md has %v, there are %v", rows, rest.PresetNames())
	}
}

func TestEveryPresetReadsItsStandIn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range presetCases {
		seen[c.preset] = true
		if _, there := rest.Preset(c.preset); !there && c.source == "" {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			for seed := range *standInSeeds {
				c.run(t, seed)
			}
		})
	}
	for _, name := range rest.PresetNames() {
		if !seen[name] && !slices.Contains([]string{"salesloft", "pocketbase", "datasette"}, name) {
			t.Errorf("preset %s was tried on nothing", name)
		}
	}
}

func (c *presetCase) run(t *testing.T, seed uint64) {
	s := standin.New(c.precision, c.lag, seed)
	srv := httptest.NewServer(c.api(s))
	defer srv.Close()
	cfg := c.parse(t, srv.URL)
	topic := &topicOfTest{c: c, s: s, fold: connector.NewMemory(), live: map[string]int{}, last: map[string]int{}, counts: map[string]int{}}
	rng := rand.New(rand.NewPCG(seed, 1))
	s.Insert(40)
	s.Advance(2 * time.Minute)
	s.Insert(25)
	r := topic.reader(t, cfg)
	pull := func() {
		t.Helper()
		if rng.IntN(10) == 0 {
			r = topic.reader(t, cfg)
		}
		if err := r.Pull(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(s.Complaints(), "\n"))
		}
	}
	write := func() {
		switch k := rng.IntN(10); {
		case k < 3:
			s.Insert(1)
		case k < 7:
			s.Update(1)
		case k < 8:
			s.Update(20)
		case k < 9 && !c.forever:
			s.Delete(1)
		}
	}
	s.Before(func() {
		if s.Advance(time.Duration(rng.IntN(300)) * time.Millisecond); rng.IntN(8) == 0 {
			write()
		}
	})
	for range 100 {
		write()
		s.Advance(time.Duration(rng.IntN(20_000)) * time.Millisecond)
		pull()
	}
	s.Before(nil)
	quiet := c.quiet
	if quiet == 0 {
		quiet = 2 * time.Hour
	}
	for end := s.Now().Add(quiet); s.Now().Before(end); s.Advance(cmp.Or(c.step, time.Minute)) {
		pull()
	}
	c.judge(t, topic)
}

// parse returns the collection's config, as a user would write it.
func (c *presetCase) parse(t *testing.T, url string) CollectionConfig {
	t.Helper()
	collection := c.collection
	if c.place != "" {
		collection = fmt.Sprintf("{name: %s, path: %s}", c.collection, c.place)
	}
	how := cmp.Or(c.source, "preset: "+c.preset)
	text := fmt.Sprintf("%ssources:\n  - {name: api, %s, url: %q, collections: [%s]%s}\n", head, how, url+c.path, collection, c.config)
	whole, err := parseConfig(newConfigText("t.yaml", []byte(text)), "", testEnv, realPresets)
	if err != nil {
		t.Fatal(err)
	}
	return collectionOf(t, whole, "api."+c.collection)
}

// Of one stamp HubSpot and Notion show 10,000 records and no more, Notion as if that were all.
func TestATieThatAnAPIDoesNotShowWholeStopsItsCollection(t *testing.T) {
	for _, c := range presetCases {
		if c.preset != "hubspot" && c.preset != "notion" {
			continue
		}
		t.Run(c.preset, func(t *testing.T) {
			c.config = sweepHourly // with pages as large as they are
			s := standin.New(c.precision, 0, 1)
			srv := httptest.NewServer(c.api(s))
			defer srv.Close()
			s.Insert(10_150)
			s.Advance(5 * time.Minute)
			topic := &topicOfTest{c: &c, s: s, fold: connector.NewMemory(), live: map[string]int{}, last: map[string]int{}, counts: map[string]int{}}
			err := topic.reader(t, c.parse(t, srv.URL)).Pull(t.Context())
			if stop := (*connector.StopError)(nil); !errors.As(err, &stop) || !strings.Contains(err.Error(), "more than 10000 records") {
				t.Errorf("got %v after %d requests", err, s.Requests())
			}
		})
	}
}

func (c *presetCase) judge(t *testing.T, topic *topicOfTest) {
	t.Helper()
	if complaints := topic.s.Complaints(); len(complaints) > 0 {
		t.Errorf("the stand-in was asked wrongly %d times: %s", len(complaints), complaints[0])
	}
	for i, fault := range topic.faults {
		if i < 5 {
			t.Error(fault)
		}
	}
	truth := map[string]int{}
	if c.truth != nil {
		truth = c.truth(topic.s)
	} else {
		for id, r := range topic.s.Truth() {
			if !r.Gone {
				truth[c.key(id)] = r.Ver
			}
		}
	}
	lost, kept := 0, 0
	for id, ver := range truth {
		if topic.live[id] != ver {
			lost++
			if lost < 5 {
				t.Errorf("%s: version %d is there, %d is the truth", id, topic.live[id], ver)
			}
		}
	}
	for id := range topic.live {
		if _, there := truth[id]; !there {
			kept++
			if kept < 5 {
				t.Errorf("%s is live there, and gone at the source", id)
			}
		}
	}
	if topic.counts["upserts"] < 100 || len(truth) < 50 || !c.forever && topic.counts["tombstones"] == 0 {
		t.Errorf("%v of %d records prove nothing", topic.counts, len(truth))
	}
	t.Logf("%d requests, %v, %d records", topic.s.Requests(), topic.counts, len(truth))
}
