package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/sink"
)

// A running connector has two collections, people and accounts, of an API that answers as a
// test says. It is pulled once an hour.
type running struct {
	*plane
	t        *testing.T
	kafka    *kfake.Cluster
	records  atomic.Int32 // of people
	requests atomic.Int32
	mu       sync.Mutex
	answer   http.HandlerFunc // instead of a page; nil: none
}

func runningPlane(t *testing.T) *running {
	t.Helper()
	return runningOf(t, func(api string) string {
		return "  - name: shop\n    url: " + api + "/v1\n    cursor: {field: updated_at, from: 'updated_at[gte]'}\n    page: {next: metadata.next}\n    records: data\n" +
			"    interval: 1h\n    collections: [people, accounts]\n"
	})
}

// runningOf runs the sources of an API.
func runningOf(t *testing.T, sources func(api string) string) *running {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	r := &running{t: t, kafka: kafka}
	api := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(api.Close)
	cfg := mustParse(t, fmt.Sprintf("group: crm\nkafka: {brokers: [%q]}\noffsets: {lanes: 1, replication: 1}\ntopics: {replication: 1}\nsources:\n%s",
		kafka.ListenAddrs()[0], sources(api.URL)))
	opts, err := cfg.Kafka.Opts()
	if err != nil {
		t.Fatal(err)
	}
	level := new(slog.LevelVar)
	e := newEngine(cfg, opts, newLogger(cfg.Log, level, new(lockedBuffer)), connector.NewMetrics(prometheus.NewRegistry()), "test")
	if r.plane, err = newPlane(&app{}, e, level); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; r.plane.Close() })
	return r
}

func (r *running) serve(w http.ResponseWriter, req *http.Request) {
	r.requests.Add(1)
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(w, req)
		return
	}
	var rows []string
	for i := range r.records.Load() {
		if at := fmt.Sprintf("2026-01-02T03:04:%02d.000000Z", i); at >= req.URL.Query().Get("updated_at[gte]") && strings.HasSuffix(req.URL.Path, "/people") {
			rows = append(rows, fmt.Sprintf(`{"id":%d,"updated_at":%q}`, i+1, at))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"data":[%s],"metadata":{"next":null}}`, strings.Join(rows, ","))
}

func (r *running) answers(f http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// pull pulls one collection within so long.
func (r *running) pull(collection string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), within)
	defer cancel()
	_, err := r.Pull(ctx, control.Name{Source: "shop", Collection: collection}, connector.Reason{Name: connector.ReasonManual})
	return err
}

// told pulls a collection for a minute and a half, and returns what who waits is told. Once
// there is something to tell he must be told of it, and not when his time is over.
func (r *running) told(collection string, known func() bool) error {
	r.t.Helper()
	const inTime, atOnce = 90 * time.Second, 10 * time.Second // on a busy machine too
	done := make(chan error, 1)
	go func() { done <- r.pull(collection, inTime) }()
	var since time.Time
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Millisecond):
		}
		switch {
		case since.IsZero() && known():
			since = time.Now()
		case !since.IsZero() && time.Since(since) > atOnce:
			r.t.Fatalf("who waits for %s is not told within %s what is known", collection, atOnce)
		}
	}
}

func TestAPullOfAQuarantinedTopicIsToldWhatStatusSays(t *testing.T) {
	r := runningPlane(t)
	r.records.Store(3)
	if err := r.pull("people", time.Minute); err != nil {
		t.Fatal(err)
	}
	fault := r.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "shop.people", Err: kerr.TopicAuthorizationFailed, Count: -1})
	r.records.Store(4)
	quarantined := func() bool {
		c, err := r.Collection(control.Name{Source: "shop", Collection: "people"})
		return err == nil && c.State == connector.StateQuarantined
	}
	for _, when := range []string{"when it becomes so", "while it is"} {
		err := r.told("people", quarantined)
		var e *control.Error
		if !errors.As(err, &e) || e.Kind != control.Failed || !strings.Contains(e.Detail, "TOPIC_AUTHORIZATION_FAILED") || e.Remedy == "" {
			t.Fatalf("%s: told %v", when, err)
		}
		c, _ := r.Collection(control.Name{Source: "shop", Collection: "people"})
		if c.State != connector.StateQuarantined || !strings.HasSuffix(e.Detail, c.Why) || c.Why == "" || c.Remedy != e.Remedy {
			t.Errorf("%s: told %q, and status says %s: %q", when, e.Detail, c.State, c.Why)
		}
	}
	if err := r.pull("accounts", time.Minute); err != nil {
		t.Errorf("the other one: %v", err)
	}
	fault.Remove()
	for end := time.Now().Add(time.Minute); ; {
		err := r.pull("people", time.Minute)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("once the topic takes records: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestWhoWaitsForATopicThatCannotBeOpenedIsToldAtOnce(t *testing.T) {
	p := planeOf(t, with("interval: 1m"))
	c := p.by[apiPeople]
	refused := &sink.TopicError{Topic: "api.people", Err: kerr.TopicAuthorizationFailed}
	var well atomic.Bool
	done := make(chan error, 1)
	go func() {
		_, err := openWhenLet(t.Context(), make(chan struct{}, 1), slog.New(slog.NewTextHandler(new(bytes.Buffer), nil)), []*collection{c}, func() (bool, error) {
			if !well.Load() {
				return false, refused
			}
			return true, nil
		})
		done <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := p.Pull(ctx, apiPeople, connector.Reason{Name: connector.ReasonManual}); err == nil || !strings.Contains(err.Error(), refused.Error()) {
		t.Errorf("told %v", err)
	}
	well.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := c.pulls.Ask(connector.Reason{Name: connector.ReasonManual}); err != nil {
		t.Errorf("once it is open: told %v", err)
	}
}

func TestAPullIsNotWaitedForThatIsHeldBackBeyondItsTime(t *testing.T) {
	r := runningPlane(t)
	if err := r.pull("people", time.Minute); err != nil {
		t.Fatal(err)
	}
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	before := r.requests.Load()
	tooLate := func(collection string) {
		t.Helper()
		err := r.told(collection, func() bool { return r.requests.Load() > before })
		var e *control.Error
		if !errors.As(err, &e) || e.Kind != control.TooLate || !strings.Contains(e.Detail, "too many requests") {
			t.Fatalf("told %v", err)
		}
	}
	tooLate("people") // whose request it was
	n := r.requests.Load()
	tooLate("people")
	tooLate("accounts") // which must wait with it
	if r.requests.Load() != n {
		t.Errorf("%d requests beside the hold", r.requests.Load()-n)
	}
}

func TestThePullOfASourcePullsWhatDoesNotRest(t *testing.T) {
	r := runningPlane(t)
	api := control.NewHandler(r.plane, control.Config{Loopback: true})
	defer api.Close()
	pull := func() (int, control.Problem) {
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), "POST", "http://localhost/v1/sources/shop/pull", strings.NewReader(`{"timeout": "2m"}`))
		req.Header.Set("Content-Type", "application/json")
		api.ServeHTTP(w, req)
		var p control.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		return w.Code, p
	}
	if code, p := pull(); code != http.StatusOK {
		t.Fatalf("%d: %+v", code, p)
	}
	people := control.Name{Source: "shop", Collection: "people"}
	for hold, says := range map[control.Hold]string{control.HoldPaused: "paused by an operator", control.HoldStopped: "stopped by an operator"} {
		if err := r.Hold(t.Context(), people, hold); err != nil {
			t.Fatal(err)
		}
		code, p := pull()
		if code != http.StatusConflict || !strings.HasSuffix(p.Type, ":incomplete") || len(p.Pulls) != 2 {
			t.Fatalf("%s: %d: %+v", hold, code, p)
		}
		for _, c := range p.Pulls {
			if rests := c.Collection == "people"; rests != (c.Pulled == nil) || rests != (c.Problem != nil) || rests && !strings.Contains(c.Problem.Detail, says) {
				t.Errorf("%s: %s came to %+v, %+v", hold, c.Collection, c.Pulled, c.Problem)
			}
		}
	}
}
