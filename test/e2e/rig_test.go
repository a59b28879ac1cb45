//go:build unix

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
	"tributary/test/kafkatest"
	"tributary/test/oracle"
)

// rig is a broker, an API, and the config between them:
//
//	hostile API (in this process) ◄── tributary (a process) ──► Kafka ──► oracle
//
// Its names begin with a prefix of its own, so that tests can share a broker.
type rig struct {
	t      *testing.T
	broker *kafkatest.Broker
	prefix string
	api    *hostile.API
	config config
}

// config is a config file. Values are YAML in flow style, as they stand in the file.
type config struct {
	group, instance        string
	kafka, offsets, topics string
	seal, log              string // empty: no key, the default
	more                   string // further lines of the top level
	sources                []source
}

type source struct {
	name, url, auth string
	preset          string // none: salesloft
	budget          string // none: one that is no limit
	raw             string // all of it, where it is no API
	settings        map[string]string
	collections     []string
}

// newRig serves an API with the collections and writes a config for them on the
// shared broker: polls every 100 ms and a lookback of 5 s.
func newRig(t *testing.T, api hostile.Config) *rig {
	t.Helper()
	return newRigOn(t, kafkatest.Shared(t), api)
}

func newRigOn(t *testing.T, b *kafkatest.Broker, api hostile.Config) *rig {
	t.Helper()
	srv, err := hostile.Start(api)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	r := &rig{t: t, broker: b, prefix: strings.TrimRight(b.Prefix(t), "-._"), api: srv.API}
	r.config = config{
		group: r.prefix, instance: "first",
		kafka:   fmt.Sprintf("{brokers: [%q]}", b.Addr()),
		offsets: "{lanes: 1, replication: 1}",
		topics:  fmt.Sprintf("{name: %q, replication: 1}", r.prefix+".{source}.{collection}"),
		sources: []source{newSource("crm", srv.URL, api.Collections...)},
	}
	return r
}

// newSource is a source in the shape of Salesloft's.
func newSource(name, url string, collections ...string) source {
	return source{
		name: name, url: url, auth: "{bearer: secret-of-the-test}", collections: collections,
		settings: map[string]string{
			"interval": "100ms", "lookback": "5s", "overlap": "1s",
			"hash":      "{exclude: [" + strings.Join(hostile.Excluded(), ", ") + "]}",
			"deletions": "{field: deleted_at}",
		},
	}
}

// set changes a setting of the first source.
func (r *rig) set(key, value string) { r.config.sources[0].settings[key] = value }

func (c config) yaml(listen string) string {
	var b strings.Builder
	if c.seal != "" {
		fmt.Fprintf(&b, "seal: %s\n", c.seal)
	}
	if c.log != "" {
		fmt.Fprintf(&b, "log: %s\n", c.log)
	}
	b.WriteString(c.more)
	fmt.Fprintf(&b, "group: %q\ninstance: %q\nlisten: %q\nkafka: %s\noffsets: %s\ntopics: %s\nsources:\n",
		c.group, c.instance, listen, c.kafka, c.offsets, c.topics)
	for _, s := range c.sources {
		if s.raw != "" {
			b.WriteString(s.raw)
			continue
		}
		fmt.Fprintf(&b, "  - name: %s\n    preset: %s\n    url: %q\n    auth: %s\n    budget: %s\n", s.name, cmp.Or(s.preset, "salesloft"), s.url, s.auth,
			cmp.Or(s.budget, "{per_minute: 100000000, window: none}"))
		for k, v := range s.settings {
			fmt.Fprintf(&b, "    %s: %s\n", k, v)
		}
		fmt.Fprintf(&b, "    collections: [%s]\n", strings.Join(s.collections, ", "))
	}
	return b.String()
}

// file writes the config as it is now, with a port of its own.
func (r *rig) file() (path, listen string) {
	r.t.Helper()
	listen = freeAddress(r.t)
	path = filepath.Join(r.t.TempDir(), "tributary.yaml")
	if err := os.WriteFile(path, []byte(r.config.yaml(listen)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path, listen
}

// run starts the connector.
func (r *rig) run(flags ...string) *process {
	r.t.Helper()
	path, listen := r.file()
	p := launch(r.t, append([]string{"run", "-c", path}, flags...)...)
	p.listen = listen
	return p
}

// command runs another command with the config.
func (r *rig) command(args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	path, _ := r.file()
	return command(r.t, append(args, "-c", path)...)
}

// topic names the data topic of a collection of the first source.
func (r *rig) topic(collection string) string {
	return r.prefix + "." + r.config.sources[0].name + "." + collection
}

func (r *rig) offsets() string { return r.config.group + ".offsets" }

// oracle judges collections of the API by the topics of the first source.
func (r *rig) oracle(collections ...string) *oracle.Oracle {
	r.t.Helper()
	topics := map[string]string{}
	for _, c := range collections {
		topics[r.topic(c)] = c
	}
	o, err := oracle.New(oracle.Config{Brokers: []string{r.broker.InternalAddr()}, API: r.api, Topics: topics})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(o.Close)
	return o
}

// converge waits until the topics equal the API, and says how long that took.
func (r *rig) converge(o *oracle.Oracle, within time.Duration) time.Duration {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), within)
	defer cancel()
	took, v, err := o.WaitCaughtUp(ctx, 50*time.Millisecond)
	if err != nil {
		r.t.Fatalf("after %s: %v\n%v%s", took.Round(time.Millisecond), err, v, r.fate(o, v))
	}
	return took
}

// fate tells of what was not there in time how it was written, and whether it comes
// later or never.
func (r *rig) fate(o *oracle.Oracle, v *oracle.Verdict) string {
	var b strings.Builder
	if v != nil {
		for _, x := range v.Examples {
			collection := x.Topic[strings.LastIndexByte(x.Topic, '.')+1:]
			fmt.Fprintf(&b, "\n%s %q:", collection, x.Key)
			for _, w := range r.api.Versions(collection, x.Key) {
				fmt.Fprintf(&b, "\n  %d %s stamp %s visible %s served %d", w.Ver, w.Op, w.Stamp.Format("04:05.000000"), w.VisibleFrom.Format("04:05.000000"), w.Served)
			}
		}
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	if took, _, err := o.WaitCaughtUp(ctx, 100*time.Millisecond); err == nil {
		fmt.Fprintf(&b, "\nit came %s later", took.Round(100*time.Millisecond))
	} else {
		b.WriteString("\nit did not come within 30 s more")
	}
	return b.String()
}

// right judges with the eyes of a new reader, and fails the test if anything is wrong.
func (r *rig) right(collections ...string) *oracle.Verdict {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	defer cancel()
	v, err := r.oracle(collections...).Judge(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if !v.OK() {
		r.t.Fatalf("%v", v)
	}
	return v
}

// records returns what a read_committed consumer sees of a topic.
func (r *rig) records(topic string) []*kgo.Record {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), soon)
	defer cancel()
	return r.broker.ReadCommitted(ctx, r.t, topic)
}

// write writes to the API for a while.
func (r *rig) write(rate float64, d time.Duration, seed uint64) {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	hostile.NewWriter(r.api, seed, rate).Run(ctx)
}

// provoke has the API do what happens to single requests and has not happened yet, which
// a short run or a busy machine may not meet. The connector must be running.
func (r *rig) provoke() {
	r.t.Helper()
	h := r.api.Hostility()
	defer r.api.Set(h)
	for name, p := range map[string]func(*hostile.Hostility) *float64{
		"throttled":       func(h *hostile.Hostility) *float64 { return &h.Throttle },
		"server_error":    func(h *hostile.Hostility) *float64 { return &h.ServerError },
		"html":            func(h *hostile.Hostility) *float64 { return &h.HTML },
		"hang":            func(h *hostile.Hostility) *float64 { return &h.Hang },
		"reset":           func(h *hostile.Hostility) *float64 { return &h.Reset },
		"cut_body":        func(h *hostile.Hostility) *float64 { return &h.CutBody },
		"second_document": func(h *hostile.Hostility) *float64 { return &h.SecondDocument },
	} {
		if *p(&h) == 0 || r.api.Fired()[name] > 0 {
			continue
		}
		only := h.Calm()
		only.HangFor, only.RetryAfter = h.HangFor, h.RetryAfter
		*p(&only) = 1
		r.api.Set(only)
		eventually(r.t, soon, "the API does "+name, func() bool { return r.api.Fired()[name] > 0 })
	}
}

// fired fails the test unless each of the hostilities has happened.
func (r *rig) fired(names ...string) {
	r.t.Helper()
	fired := r.api.Fired()
	for _, n := range names {
		if fired[n] == 0 {
			r.t.Errorf("the API never did %q: %v", n, fired)
		}
	}
}
