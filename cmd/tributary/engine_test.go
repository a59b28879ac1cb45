package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// An apiStub is a small API: three records of people, and accounts that nobody may read.
func apiStub(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer canary-token":
			w.WriteHeader(http.StatusUnauthorized)
			return
		case strings.HasSuffix(r.URL.Path, "/accounts"):
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var rows []string
		for i := range 3 {
			at := fmt.Sprintf("2026-01-02T03:04:0%d.000000Z", i)
			if from := r.URL.Query().Get("updated_at[gte]"); at >= from {
				rows = append(rows, fmt.Sprintf(`{"id":%d,"updated_at":%q,"name":"p%d"}`, i+1, at, i))
			}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"data":[%s],"metadata":{"next":null}}`, strings.Join(rows, ","))
	}))
	t.Cleanup(srv.Close)
	return srv
}

// A cli runs commands against one config.
type cli struct {
	t      *testing.T
	kafka  *kfake.Cluster
	config string
}

func newCLI(t *testing.T, collections string) *cli {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	path := filepath.Join(t.TempDir(), "t.yaml")
	text := fmt.Sprintf(`
group: crm
kafka: {brokers: [%q]}
offsets: {lanes: 2, replication: 1}
topics: {replication: 1}
listen: 127.0.0.1:0
sources:
  - name: shop
    url: %s/v1
    auth: {bearer: "${env:TOKEN}"}
    cursor: {field: updated_at, from: "updated_at[gte]"}
    page: {next: metadata.next}
    records: data
    interval: 50ms
    collections: %s
`, kafka.ListenAddrs()[0], apiStub(t).URL, collections)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &cli{t: t, kafka: kafka, config: path}
}

// run runs a command to its end.
func (c *cli) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	return c.runIn(ctx, args...)
}

// runIn runs a command until ctx ends.
func (c *cli) runIn(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	var out, errs lockedBuffer
	env := func(name string) (string, bool) { return "canary-token", name == "TOKEN" }
	code = run(ctx, append(args, "-c", c.config), env, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestRunUntilCaughtUpThenStateShow(t *testing.T) {
	c := newCLI(t, "[people]")
	for range 2 {
		if code, _, stderr := c.run("run", "--until-caught-up"); code != 0 {
			t.Fatalf("run ended with %d:\n%s", code, stderr)
		}
	}
	code, stdout, stderr := c.run("state", "show", "-o", "json")
	if code != 0 {
		t.Fatalf("state show ended with %d:\n%s", code, stderr)
	}
	var v stateView
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Collections) != 1 || v.Collections[0].Live != 3 || v.Collections[0].CursorAt != "2026-01-02T03:04:02.000000Z" || v.Collections[0].Problem != "" {
		t.Errorf("state %+v", v.Collections)
	}
	if code, stdout, _ := c.run("state", "show"); code != 0 || !strings.Contains(stdout, "shop.people") {
		t.Errorf("table: %d\n%s", code, stdout)
	}
	if code, _, stderr := c.run("state", "show", "shop.nobody"); code != exitFailed || !strings.Contains(stderr, "holds no state") {
		t.Errorf("another name: %d %s", code, stderr)
	}
}

func TestRunUntilCaughtUpNamesACollectionThatCannotBeRead(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for three refusals")
	}
	c := newCLI(t, "[people, accounts]")
	code, _, stderr := c.run("run", "--until-caught-up")
	if code != exitFailed || !strings.Contains(stderr, "shop.accounts: ") || !strings.Contains(stderr, "403") {
		t.Errorf("run ended with %d:\n%s", code, stderr)
	}
	if strings.Contains(stderr, "canary") {
		t.Errorf("a secret is shown:\n%s", stderr)
	}
}

func TestCheckSaysWhatIsWrongWithoutWritingAnything(t *testing.T) {
	c := newCLI(t, "[people, accounts]")
	code, stdout, stderr := c.run("check", "-o", "json", "--wait", "0")
	if code != exitCheck {
		t.Fatalf("check ended with %d:\n%s%s", code, stdout, stderr)
	}
	var report struct{ Checks []check }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	failed := map[string]string{}
	for _, c := range report.Checks {
		if c.Status == "fail" {
			failed[c.What] = c.Found
		}
	}
	if len(failed) != 1 || !strings.Contains(failed["collection shop.accounts"], "403") {
		t.Errorf("failed: %v", failed)
	}
	if code, _, stderr := c.run("state", "show"); code == 0 || !strings.Contains(stderr, "crm.offsets") {
		t.Errorf("check made an offsets topic: %d %s", code, stderr)
	}
}

func TestPreviewPrintsRecordsAndNeedsNoKafka(t *testing.T) {
	c := newCLI(t, "[people]")
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	offline := strings.Replace(string(text), "brokers: [\"127", "brokers: [\"127.0.0.1:1\", \"127", 1)
	if err := os.WriteFile(c.config, []byte(offline), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := c.run("preview", "people", "-n", "1", "--from", "2026-01-02T03:04:01Z", "-o", "json")
	if code != 0 || !strings.Contains(stdout, `"id":"2"`) || strings.Count(stdout, "\n") != 1 {
		t.Errorf("preview ended with %d:\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := c.run("preview", "nobody"); code != exitUsage || !strings.Contains(stderr, "it has shop.people") {
		t.Errorf("another name: %d %s", code, stderr)
	}
	if code, _, stderr := c.run("preview", "people", "--from", "yesterday"); code != exitUsage || !strings.Contains(stderr, "RFC 3339") {
		t.Errorf("a bad instant: %d %s", code, stderr)
	}
}

func TestRunDevPrintsWhatItPublishesAndSaysThatItKeepsNothing(t *testing.T) {
	c := newCLI(t, "[people]")
	code, stdout, stderr := c.run("run", "--dev", "--until-caught-up")
	if code != 0 || strings.Count(stdout, " upsert ") != 3 || !strings.Contains(stderr, "NOTHING IS KEPT") {
		t.Errorf("ended with %d:\n%s\n%s", code, stdout, stderr)
	}
}

func TestAProcessThatIsToldToStopEndsWell(t *testing.T) {
	c := newCLI(t, "[people]")
	ctx, cancel := context.WithCancelCause(context.Background())
	var out, errs lockedBuffer
	done := make(chan int)
	go func() {
		env := func(name string) (string, bool) { return "canary-token", name == "TOKEN" }
		done <- run(ctx, []string{"run", "-c", c.config}, env, strings.NewReader(""), &out, &errs)
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(errs.String(), "caught up"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never caught up:\n%s", errs.String())
		}
	}
	cancel(errors.New("SIGTERM"))
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("ended with %d:\n%s", code, errs.String())
		}
	case <-time.After(time.Minute):
		t.Fatal("it did not end")
	}
}

func TestTheDemoEndsWellByItsOwnJudge(t *testing.T) {
	var out, errs lockedBuffer
	noEnv := func(string) (string, bool) { return "", false }
	code := run(context.Background(), []string{"demo", "--for", "4s", "--restart-every", "1500ms"}, noEnv, strings.NewReader(""), &out, &errs)
	if code != 0 || !strings.Contains(out.String(), "lives of the connector") {
		t.Errorf("ended with %d:\n%s\n%s", code, out.String(), errs.String())
	}
}

// Else a run of a cron job would wait for its own schedule.
func TestARunUntilCaughtUpDoesNotWaitForASchedule(t *testing.T) {
	for _, when := range []string{"interval: none", "triggers: {on_restart: false, schedule: '0 0 1 1 *'}"} {
		c := newCLI(t, "[people]")
		text, err := os.ReadFile(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if when == "interval: none" {
			when += "\n    triggers: {on_restart: false}"
		}
		if err := os.WriteFile(c.config, bytes.Replace(text, []byte("interval: 50ms"), []byte(when), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := c.run("run", "--until-caught-up"); code != 0 {
			t.Errorf("%s: ended with %d:\n%s", when, code, stderr)
		}
	}
}
