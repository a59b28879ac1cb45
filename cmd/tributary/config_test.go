package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/connector/rest"
)

const head = "group: crm\nkafka: {brokers: [kafka-1:9092, 10.0.0.1:9092]}\n"

// mustParse parses a config that is good.
func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := parseTest(text)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// collectionOf returns one collection of a config by SOURCE.COLLECTION.
func collectionOf(t *testing.T, cfg *Config, name string) CollectionConfig {
	t.Helper()
	for _, s := range cfg.Sources {
		for _, c := range s.Collections {
			if c.String() == name {
				return c
			}
		}
	}
	t.Fatalf("there is no collection %s", name)
	return CollectionConfig{}
}

func TestASmallConfigIsFilledWithDefaults(t *testing.T) {
	cfg := mustParse(t, head+"sources:\n  - name: api\n    url: https://api.test/v2\n    cursor: {field: updated_at, from: since}\n    collections: [people]\n")
	host, _ := os.Hostname()
	base, _ := url.Parse("https://api.test/v2")
	want := &Config{
		Group: "crm", Instance: host, Listen: "127.0.0.1:8080",
		Kafka:   KafkaConfig{Brokers: []string{"kafka-1:9092", "10.0.0.1:9092"}},
		Offsets: OffsetsConfig{Topic: "crm.offsets", Lanes: 4, Replication: -1},
		Topics:  TopicsConfig{Name: "{source}.{collection}", Partitions: 1, Replication: -1, Create: true},
		Log:     LogConfig{Format: "text", Level: slog.LevelInfo},
		Sources: []SourceConfig{{Name: "api", URL: "https://api.test/v2", Collections: []CollectionConfig{{
			Topic: "api.people",
			Settings: connector.Settings{
				Source: "api", Collection: "people", Interval: 30 * time.Second, Jitter: 0.1, Triggers: connector.Triggers{OnRestart: true, AfterWrite: true},
				Tick: time.Microsecond, Overlap: 5 * time.Second, Lookback: 5 * time.Minute,
				Start: connector.Start{At: connector.Beginning}, OnBadRecord: connector.StopOnBadRecord,
				Fingerprint: connector.Fingerprint{HashVersion: rest.HashVersion, ID: "id", Instant: "updated_at"},
			},
			Rest: rest.Config{
				Base: base, Path: "people", Timeout: time.Minute, MaxBody: 64 << 20, MaxCompressed: 32 << 20,
				MaxDepth: 64, From: "since", Format: "rfc3339_us", ID: "id", Instant: "updated_at",
			},
		}}}},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
		t.Errorf("got  %#v\nwant %#v", fields(cfg.Sources[0].Collections[0]), fields(want.Sources[0].Collections[0]))
	}
}

// fields shows what CollectionConfig hides.
func fields(c CollectionConfig) any { return []any{c.Settings, c.Rest} }

func TestEverySettingArrives(t *testing.T) {
	cfg := mustParse(t, `
group: crm
instance: one
kafka: {brokers: [k:9092], tls: true}
offsets: {topic: o, lanes: 2, replication: 3}
topics: {name: "x.{source}.{collection}", partitions: 6, replication: 3, create: false, config: {retention.ms: -1, compression.type: zstd}}
log: {format: json, level: debug}
listen: ":9000"
sources:
  - name: api
    url: http://127.0.0.1:9901/v2
    auth: {header: {name: X-Api-Key, value: "${env:TOKEN}"}}
    interval: 1m30s
    jitter: 0.5
    start: 2026-01-31T00:00:00+01:00
    overlap: 1s
    lookback: 1h
    settle: 2s
    on_bad_record: skip
    hash: {include: [name, email, name]}
    value: {drop: [phones.number, address, address], mask: [email]}
    deletions: {field: deleted_at}
    request: {params: {limit_paging_counts: true, view: [a, b]}, headers: {Accept: text/json}, timeout: 10s, max_body: 512MiB, max_compressed: 5MB, max_depth: 9}
    cursor: {field: meta.updated, from: from, to: until, format: "2006-01-02T15:04Z", tick: 1m}
    order: {sort: updated}
    page: {size_param: n, size: 50, param: p, next: links.next, total: total, count_params: {count: 1}}
    records: ""
    id: key
    probe: {param: "ids[]", max: 20}
    echo: {from: q.from, order: {q.sort: updated}}
    collections:
      - name: people
        path: crm/people
`)
	c := collectionOf(t, cfg, "api.people")
	wantRest := rest.Config{
		Base: c.Rest.Base, Path: "crm/people", Auth: &rest.Auth{HeaderName: "X-Api-Key", Header: canary + "token"}, Secrets: []string{canary + "token"},
		Params:  url.Values{"limit_paging_counts": {"true"}, "view": {"a", "b"}},
		Headers: http.Header{"Accept": {"text/json"}}, Timeout: 10 * time.Second, MaxBody: 512 << 20, MaxCompressed: 5e6, MaxDepth: 9,
		From: "from", To: "until", Format: "2006-01-02T15:04Z", Order: url.Values{"sort": {"updated"}},
		SizeParam: "n", Size: 50, PageParam: "p", Next: "links.next", Total: "total", CountParams: url.Values{"count": {"1"}},
		ID: "key", Instant: "meta.updated", Deleted: "deleted_at", ProbeParam: "ids[]", ProbeMax: 20,
		EchoFrom: "q.from", EchoOrder: map[string]string{"q.sort": "updated"}, Include: []string{"email", "name"},
		Drop: []string{"address", "phones.number"}, Mask: []string{"email"},
	}
	if !reflect.DeepEqual(c.Rest, wantRest) {
		t.Errorf("rest: got\n%#v\nwant\n%#v", c.Rest, wantRest)
	}
	at, _ := time.Parse(time.RFC3339, "2026-01-30T23:00:00Z")
	wantSettings := connector.Settings{
		Source: "api", Collection: "people", Interval: 90 * time.Second, Jitter: 0.5, Triggers: connector.Triggers{OnRestart: true, AfterWrite: true}, Tick: time.Minute, Paged: true, Probe: 20,
		Overlap: time.Second, Lookback: time.Hour, Settle: 2 * time.Second, Start: connector.Start{At: connector.InstantOf(at)},
		OnBadRecord: connector.SkipBadRecord, Fingerprint: wantRest.Fingerprint(),
	}
	if !reflect.DeepEqual(c.Settings, wantSettings) {
		t.Errorf("settings: got\n%#v\nwant\n%#v", c.Settings, wantSettings)
	}
	if c.Topic != "x.api.people" || cfg.Topics.Config["retention.ms"] != "-1" || cfg.Topics.Create || cfg.Log.Level != slog.LevelDebug || cfg.Listen != ":9000" {
		t.Errorf("got %+v", cfg)
	}
}

func TestTheUserGoesBeforeThePresetAndTheCollectionBeforeTheSource(t *testing.T) {
	cfg := mustParse(t, head+`sources:
  - {name: all, preset: shop}
  - name: own
    preset: shop
    page: {size: 100}
    hash: {include: [name]}
    collections:
      - people
      - orders
      - {name: parts, path: shop/parts, interval: 5s, page: {size: 70}, probe: {max: 5}, hash: {exclude: []}, order: {sort_direction: DESC, sort_by: null}}
  - {name: third, preset: shop, interval: 2s, url: "http://localhost:1", collections: [orders]}
`)
	for _, want := range []struct {
		name     string
		interval time.Duration
		size     int
		path     string
		probe    int
		include  int
		order    string
	}{
		{"all.people", 10 * time.Second, 100, "people", 100, 0, "sort_by=updated_at&sort_direction=ASC"},
		{"all.orders", 20 * time.Second, 50, "shop/orders", 0, 0, "sort_by=updated_at&sort_direction=ASC"},
		{"own.people", 10 * time.Second, 100, "people", 100, 1, "sort_by=updated_at&sort_direction=ASC"},
		{"own.orders", 20 * time.Second, 100, "shop/orders", 0, 1, "sort_by=updated_at&sort_direction=ASC"},
		{"own.parts", 5 * time.Second, 70, "shop/parts", 5, 0, "sort_direction=DESC"},
		{"third.orders", 2 * time.Second, 50, "shop/orders", 0, 0, "sort_by=updated_at&sort_direction=ASC"},
	} {
		c := collectionOf(t, cfg, want.name)
		if c.Settings.Interval != want.interval || c.Rest.Size != want.size || c.Rest.Path != want.path ||
			c.Settings.Probe != want.probe || len(c.Rest.Include) != want.include || c.Rest.Order.Encode() != want.order {
			t.Errorf("%s: got %v, size %d, path %s, probe %d, include %v, order %s", want.name, c.Settings.Interval,
				c.Rest.Size, c.Rest.Path, c.Settings.Probe, c.Rest.Include, c.Rest.Order.Encode())
		}
		if c.Settings.Lookback != 10*time.Minute || c.Rest.Params.Encode() != "" || c.Rest.CountParams.Encode() != "include_paging_counts=true" {
			t.Errorf("%s does not have what only the preset says", want.name)
		}
	}
	if got := collectionOf(t, cfg, "third.orders").Rest.Base.String(); got != "http://localhost:1" {
		t.Errorf("the url is %s", got)
	}
}

func TestAnchorsAndMergeKeysMeanWhatTheyMeanInYAML(t *testing.T) {
	cfg := mustParse(t, head+`sources:
  - name: one
    preset: shop
    collections:
      - &people {name: people, interval: 3s, settle: 1s}
      - {<<: *people, name: parts, path: parts, interval: 4s}
  - {name: two, preset: shop, collections: [*people]}
`)
	if c := collectionOf(t, cfg, "one.parts"); c.Settings.Interval != 4*time.Second || c.Settings.Settle != time.Second {
		t.Errorf("got %+v", c.Settings)
	}
	if c := collectionOf(t, cfg, "two.people"); c.Settings.Interval != 3*time.Second {
		t.Errorf("got %+v", c.Settings)
	}
}

func TestALineMayBeLong(t *testing.T) {
	cfg := mustParse(t, head+"sources: [{name: shop, preset: shop, collections: [people, {name: x, path: y}"+
		", {name: "+strings.Repeat("long", 30)+", path: "+strings.Repeat("p/", 1000)+", interval: 1s}]}]\n")
	if len(cfg.Sources[0].Collections) != 3 {
		t.Errorf("got %v", cfg.Sources)
	}
}

func TestAByteOrderMarkIsNoPartOfTheFile(t *testing.T) {
	mustParse(t, "\ufeff"+head+"sources: [{name: shop, preset: shop}]\n")
}

func TestFilesAreTakenRelativeToTheConfigAndLoseTheirLastNewline(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"token": canary + "file\r\n", "c.yaml": head + "sources: [{name: shop, preset: shop, auth: {bearer: \"${file:token}\"}}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := loadConfig(filepath.Join(dir, "c.yaml"), testEnv, testPresets())
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Sources[0].Collections[0].Rest.Auth.Bearer; got != canary+"file" {
		t.Errorf("got %q", got)
	}
}

func TestNoWayOfFormattingShowsASecret(t *testing.T) {
	cfg := mustParse(t, `
group: crm
kafka: {brokers: [k:9092], sasl: {mechanism: PLAIN, username: u, password: "${env:TOKEN}"}}
sources: [{name: shop, preset: shop, auth: {bearer: "${env:TOKEN}"}, request: {headers: {X-Key: "${env:TOKEN}"}}}]
`)
	if cfg.Kafka.SASL.Password.Reveal() != canary+"token" {
		t.Fatal("the password did not arrive")
	}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("config", "cfg", cfg, "sasl", cfg.Kafka.SASL, "password", cfg.Kafka.SASL.Password, "collection", cfg.Sources[0].Collections[0])
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "cfg", *cfg)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{*cfg, cfg.Kafka, *cfg.Kafka.SASL, cfg.Kafka.SASL.Password, cfg.Sources, cfg.Sources[0].Collections[0]} {
			fmt.Fprintf(&log, verb, v)
		}
	}
	for _, v := range []any{cfg, cfg.Kafka.SASL.Password} {
		if text, err := json.Marshal(v); err == nil {
			log.Write(text)
		}
	}
	for _, shown := range []string{canary, fmt.Sprintf("%x", canary)} {
		if strings.Contains(log.String(), shown) {
			t.Errorf("a secret is shown: %s", log.String())
		}
	}
}

func TestABudgetBelongsToTheSource(t *testing.T) {
	cfg := mustParse(t, `
group: g
kafka: {brokers: ["127.0.0.1:9092"], delivery_timeout: 2s, transaction_timeout: 5s}
sources:
  - name: s
    url: http://127.0.0.1:1/
    budget: {per_minute: 600, share: 0.5}
    cursor: {field: updated_at, from: since}
    collections: [a]
`)
	if got := cfg.Sources[0].Budget; got.PerMinute != 600 || got.Share != 0.5 {
		t.Errorf("budget %+v", got)
	}
	if cfg.Kafka.DeliveryTimeout != 2*time.Second || cfg.Kafka.TransactionTimeout != 5*time.Second {
		t.Errorf("timeouts %s and %s", cfg.Kafka.DeliveryTimeout, cfg.Kafka.TransactionTimeout)
	}
}
