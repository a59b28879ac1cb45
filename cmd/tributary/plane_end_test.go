package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAResetThatHasBegunIsDoneBeforeTheProcessEnds: the process is told to stop as the reset
// takes the lane, and Kafka makes the reset wait for longer than a server waits for its answers.
func TestAResetThatHasBegunIsDoneBeforeTheProcessEnds(t *testing.T) {
	c := newCLI(t, "[people]")
	listen := freeAddress(t)
	config, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.config, bytes.Replace(config, []byte("127.0.0.1:0"), []byte(listen), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var out, errs lockedBuffer
	done := make(chan int, 1)
	go func() {
		env := func(name string) (string, bool) { return "canary-token", name == "TOKEN" }
		done <- run(ctx, []string{"run", "-c", c.config}, env, strings.NewReader(""), &out, &errs)
	}()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(errs.String(), "caught up"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never caught up:\n%s", errs.String())
		}
	}
	post := func(what, body string) (int, string) {
		t.Helper()
		resp, err := http.Post("http://"+listen+"/v1/sources/shop/collections/people/"+what, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatalf("%v\n%s", err, errs.String())
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer)
	}
	if code, answer := post("stop", "{}"); code != http.StatusOK {
		t.Fatalf("stop: %d %s", code, answer)
	}
	var since time.Time
	c.kafka.ControlKey(kmsg.InitProducerID.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if since.IsZero() {
			since = time.Now()
			stop()
		}
		if time.Since(since) > 3*time.Second {
			return nil, nil, false
		}
		c.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode = kerr.ConcurrentTransactions.Code
		return resp, nil, true
	})
	if code, answer := post("reset", `{"confirm": "shop.people"}`); code != http.StatusGatewayTimeout || !strings.Contains(answer, "done and committed") {
		t.Errorf("reset: %d %s", code, answer)
	}
	if code := <-done; code != 0 || !strings.Contains(errs.String(), "it is finished first") {
		t.Errorf("ended with %d:\n%s", code, errs.String())
	}
	code, shown, stderr := c.run("state", "show", "shop.people", "-o", "json")
	if code != 0 || !strings.Contains(shown, `"cursor_at": "beginning"`) {
		t.Errorf("%d: %s\n%s", code, shown, stderr)
	}
}
