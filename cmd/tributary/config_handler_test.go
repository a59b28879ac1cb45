package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/connector"
)

const handlerHead = head + "sources:\n  - name: blog\n    type: handler\n"

func TestASourceOfAHandlerIsDecoded(t *testing.T) {
	cfg := mustParse(t, handlerHead+`    handler: {url: "http://127.0.0.1:9000/hooks", timeout: 5s, max_body: 1MiB}
    auth: {bearer: "${env:TOKEN}"}
    interval: 7s
    triggers: {before_access: true, delay: 50ms}
    dump: {on_restart: true, schedule: "@daily", max_count: 7}
    on_bad_record: skip
    hash: {exclude: [seen_at]}
    collections:
      - posts
      - {name: comments, id: [post, number], hash: {include: [text]}, value: {mask: [author]}, on_bad_record: dlq}
`)
	s := cfg.Sources[0]
	h := s.Handler
	if h == nil || s.URL != "http://127.0.0.1:9000/hooks" || h.Timeout != 5*time.Second || h.Rest.MaxBody != 1<<20 || h.Rest.MaxCompressed != 1<<20 || h.Rest.Auth.Bearer == "" {
		t.Fatalf("handler %+v", h)
	}
	if h.Pulls.Interval != 7*time.Second || !h.Pulls.Triggers.BeforeAccess || h.Pulls.Triggers.Delay != 50*time.Millisecond {
		t.Errorf("pulls %+v", h.Pulls)
	}
	if d := h.Dump; d == nil || !d.OnRestart || len(d.Cron) != 1 || d.MaxCount != 7 || d.MaxRatio != connector.DefaultMaxRatio {
		t.Errorf("dump %+v", d)
	}
	posts, comments := collectionOf(t, cfg, "blog.posts"), collectionOf(t, cfg, "blog.comments")
	if posts.Handler != h || posts.Topic != "blog.posts" || posts.Settings.OnBadRecord != connector.SkipBadRecord || posts.Settings.Sweeps.MaxCount != 7 || posts.Settings.Sweeps.Every != 0 {
		t.Errorf("posts %+v", posts.Settings)
	}
	if got := posts.Settings.Fingerprint; got.ID != "id" || !reflect.DeepEqual(got.Exclude, []string{"seen_at"}) || got.Instant != "" {
		t.Errorf("posts are hashed as %+v", got)
	}
	if got := comments.Settings.Fingerprint; got.ID != `["post","number"]` || got.Exclude != nil || got.Include[0] != "text" || got.Mask[0] != "author" {
		t.Errorf("comments are hashed as %+v", got)
	}
	if comments.Letters != "crm.dlq" || posts.Letters != "" {
		t.Errorf("dead letters go to %q and %q", comments.Letters, posts.Letters)
	}
}

func TestAScheduleTakesThePlaceOfTheIntervalOfAHandler(t *testing.T) {
	cfg := mustParse(t, handlerHead+"    handler: {url: 'http://h'}\n    triggers: {schedule: '@hourly'}\n    collections: [posts]\n")
	if got := cfg.Sources[0].Handler.Pulls.Interval; got != 0 {
		t.Errorf("the interval is %v", got)
	}
}

func TestWhatIsWrongWithASourceOfAHandlerIsNamed(t *testing.T) {
	const good = "    handler: {url: 'http://h'}\n    collections: [posts]\n"
	for lines, says := range map[string]string{
		"    collections: [posts]\n":                                                                                         `needs "handler"`,
		"    handler: {url: 'http://h'}\n":                                                                                   `needs "collections"`,
		"    handler: {}\n    collections: [posts]\n":                                                                        `sources[0].handler needs "url"`,
		"    handler: {url: 'ftp://h'}\n    collections: [posts]\n":                                                          "sources[0].handler.url",
		"    handler: {url: 'http://h', timeouts: 1s}\n    collections: [posts]\n":                                           `did you mean "timeout"`,
		"    handler: {url: 'http://h'}\n    collections: [posts, posts]\n":                                                  `is "posts", and so is`,
		"    handler: {url: 'http://h'}\n    collections: []\n":                                                              "needs at least one collection",
		"    handler: {url: 'http://h'}\n    collections: [{name: posts, interval: 1s}]\n":                                   "collections[0].interval belongs to the source",
		"    handler: {url: 'http://h'}\n    collections: [{name: posts, cursor: {}}]\n":                                     "collections[0].cursor has no meaning for a source of type handler",
		"    handler: {url: 'http://h'}\n    collections: [{name: posts, dump: {}}]\n":                                       "collections[0].dump belongs to the source",
		"    handler: {url: 'http://h'}\n    collections: [{name: posts, id: a..b}]\n":                                       "has an empty name",
		good + "    cursor: {field: updated_at, from: since}\n":                                                              "sources[0].cursor has no meaning for a source of type handler: a handler says by itself what changed",
		good + "    lookback: 5m\n":                                                                                          "sources[0].lookback has no meaning",
		good + "    url: http://h\n":                                                                                         "sources[0].url has no meaning for a source of type handler",
		good + "    preset: salesloft\n":                                                                                     "sources[0].preset has no meaning",
		good + "    budget: {per_minute: 1}\n":                                                                               "sources[0].budget has no meaning",
		good + "    dump: {schedule: 'x'}\n":                                                                                 "wants a cron expression",
		good + "    dump: {time_zone: Europe/Paris}\n":                                                                       "no meaning without a schedule",
		good + "    dump: {max_ratio: 2}\n":                                                                                  "wants a number between 0 and 1",
		good + "    intervall: 1s\n":                                                                                         `did you mean "interval"`,
		good + "  - {name: x, url: 'http://h', type: handlr, collections: [a]}\n":                                            `did you mean "handler"`,
		good + "  - {name: x, url: 'http://h', cursor: {field: u, from: s}, handler: {url: 'http://h'}, collections: [a]}\n": "sources[1].handler is of a source of type handler",
		good + "  - {name: x, url: 'http://h', cursor: {field: u, from: s}, dump: {}, collections: [a]}\n":                   "sources[1].dump is of a source of type handler",
		good + "  - {name: blog, url: 'http://h', cursor: {field: u, from: s}, collections: [a]}\n":                          "and so is that of the source in line 4, column 11",
	} {
		_, err := parseTest(handlerHead + lines)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s%v\nwant %q in it", lines, err, says)
		}
	}
}
