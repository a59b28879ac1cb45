package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

const controlToken = "correct-horse-battery"

// operated is a connector as commands see it, and a config that says where it is.
type operated struct {
	plane  *controltest.Plane
	server *httptest.Server
	api    *control.Handler
	config string
}

// operate serves a plane as `run` does, with a token.
func operateAPlane(t *testing.T, plane *controltest.Plane) *operated {
	t.Helper()
	o := &operated{plane: plane, api: control.NewHandler(plane, control.Config{Token: controlToken})}
	o.server = httptest.NewServer(o.api)
	t.Cleanup(func() {
		o.api.Close()
		o.server.Close()
	})
	o.config = filepath.Join(t.TempDir(), "c.yaml")
	text := "listen: " + strings.TrimPrefix(o.server.URL, "http://") + "\ncontrol: {token: " + controlToken + "}\n" +
		"sources: [{auth: {bearer: \"${env:NOT_SET}\"}}]\n" // not looked at
	if err := os.WriteFile(o.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *operated) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return tributary(t, append(args, "-c", o.config)...)
}

func smallPlane() *controltest.Plane {
	all := []control.Collection{controltest.Collection("eu", "people"), controltest.Collection("eu", "accounts"), controltest.Collection("us", "people"), controltest.Collection("us", "big.deals")}
	controltest.Fail(&all[2], connector.StateStopped, "its topic is gone", "reset it")
	return controltest.New(all...)
}

func TestStatusShowsFirstWhatIsWrong(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	code, out, errs := o.run(t, "status")
	lines := strings.Split(out, "\n")
	if code != 0 || errs != "" || len(lines) < 8 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	for i, want := range map[int]string{0: "crm on here", 1: "4 collections: 1 stopped, 3 running", 3: "COLLECTION", 4: "us.people", 5: "its topic is gone", 6: "do: reset it", 7: "eu.people"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d has no %q:\n%s", i+1, want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("colours where there is no terminal: %q", out)
	}
}

func TestStatusIsOfAllOrASourceOrOneCollection(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	for _, c := range []struct {
		args    string
		has     string
		without string
	}{
		{"status eu", "eu.accounts", "us.people"},
		{"status eu.accounts", "eu.accounts  running", "people"},
		{"status us.big.deals", "us.big.deals  running", "eu."},
		{"status accounts", "published", "us."},
		{"status us.people", "do            reset it", "eu."},
	} {
		code, out, errs := o.run(t, strings.Fields(c.args)...)
		if code != 0 || !strings.Contains(out, c.has) || strings.Contains(out, c.without) {
			t.Errorf("%s: exit code %d, want %q and no %q in\n%s%s", c.args, code, c.has, c.without, out, errs)
		}
	}
	var s status
	_, out, _ := o.run(t, "status", "us", "-o", "json")
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.Info.Group != "crm" || len(s.Collections) != 2 || s.States["stopped"] != 1 {
		t.Errorf("%v: %s", err, out)
	}
	var col control.Collection
	_, out, _ = o.run(t, "status", "eu.people", "-o", "json")
	if err := json.Unmarshal([]byte(out), &col); err != nil || col.Topic != "eu.people" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestStatusOfTenThousandShowsTheFirstUnlessAskedForAll(t *testing.T) {
	o := operateAPlane(t, controltest.New(controltest.Many(10_000)...))
	_, out, _ := o.run(t, "status")
	if rows := strings.Count(out, "\nsource-"); rows != mostShown || !strings.Contains(out, "… and 9,900 more") {
		t.Errorf("%d rows:\n%.300s", rows, out)
	}
	_, out, _ = o.run(t, "status", "--all")
	if rows := strings.Count(out, "\nsource-"); rows != 10_000 {
		t.Errorf("%d rows with --all", rows)
	}
}

func TestPullSaysUpToWhereToRead(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	code, out, errs := o.run(t, "pull", "eu", "us.big.deals", "--reason", "after-update")
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{"eu.people     250ms  after-update  eu.people/0@42", "eu.accounts", "us.big.deals/0@42"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := len(o.plane.Calls()); n != 3 {
		t.Errorf("%d pulls: %q", n, o.plane.Calls())
	}
}

func TestAPullThatFailsEndsWithOneAndSaysWhy(t *testing.T) {
	plane := smallPlane()
	plane.OnPull = func(_ context.Context, n control.Name, _ connector.Reason) (control.Pulled, error) {
		if n.Collection == "people" {
			return control.Pulled{}, &control.Error{Kind: control.Failed, Detail: "the API answered 503", Remedy: "ask it"}
		}
		return control.Pulled{Name: n}, nil
	}
	o := operateAPlane(t, plane)
	for _, args := range []string{"pull eu.people eu.accounts", "pull eu"} {
		code, out, errs := o.run(t, strings.Fields(args)...)
		if code != 1 || errs != "tributary: eu.people: the API answered 503; ask it\n" || !strings.Contains(out, "eu.accounts") || !strings.Contains(out, "eu.people    -     -        NOT PULLED\n") {
			t.Errorf("%s: exit code %d: %s%s", args, code, out, errs)
		}
	}
	code, out, errs := o.run(t, "pull", "eu.people", "-o", "json")
	var views []pullView
	if err := json.Unmarshal([]byte(out), &views); code != 1 || errs != "" || err != nil || views[0].Problem == nil {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	for args, says := range map[string]string{
		"pull eu.people --reason because":  "is no reason",
		"pull eu.people --timeout 1h":      "the timeout is",
		"pull eu.accounts --reason manual": "",
	} {
		if _, _, errs := o.run(t, strings.Fields(args)...); !strings.Contains(errs, says) || says == "" && errs != "" {
			t.Errorf("%s: %s", args, errs)
		}
	}
}

func TestCollectionsArePausedAndResumed(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	for _, c := range []struct{ args, says string }{
		{"pause eu", "eu.people: paused\neu.accounts: paused\n"},
		{"resume eu.people", "eu.people: running\n"},
		{"pause --stop eu.people", "eu.people: stopped\n"},
		{"resume eu.people eu.accounts", "eu.people: running\neu.accounts: running\n"},
	} {
		if code, out, errs := o.run(t, strings.Fields(c.args)...); code != 0 || out != c.says {
			t.Errorf("%s: exit code %d: %s%s", c.args, code, out, errs)
		}
	}
	// What an error has stopped is opened again.
	o.plane.OnOperate = func(op string, n control.Name) error {
		if op == "hold " {
			o.plane.Set(n, func(c *control.Collection) { c.State = connector.StateStopped })
			return &control.Error{Kind: control.Conflict, Detail: "not now"}
		}
		return nil
	}
	if code, _, errs := o.run(t, "resume", "us.people"); code != 1 || !strings.Contains(errs, "us.people: not now") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestWhoIsNotThereOrDoesNotKnowUsIsNamed(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := other.Addr().String()
	other.Close()
	stranger := httptest.NewServer(nil) // answers everything with 404, as text
	defer stranger.Close()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"status --url http://" + closed, 1, "no connector runs at http://" + closed + " (--url): start it with `tributary run`"},
		{"status --url " + stranger.URL, 1, "is no connector that can be operated: 404"},
		{"status --url " + o.server.URL, 1, "the request has no token, or another one; send the token of the config"},
		{"status --url ftp://here", 2, "--url wants an address"},
		{"status --url http://me:secret@here", 2, "--url wants an address"},
		{"status -c none.yaml", 3, "none.yaml: no such file"},
		{"status -c " + o.config + " nobody", 2, `neither a source nor a collection "nobody"`},
		{"status -c " + o.config + " people", 2, `2 sources have a collection "people"`},
		{"pause -c " + o.config, 2, "requires at least 1 arg"},
		{"pull -c " + o.config + " eu.people nobody", 2, `"nobody"`},
	} {
		code, out, errs := tributary(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(errs, c.says) || out != "" {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s%s", c.args, code, c.code, c.says, out, errs)
		}
		if strings.Contains(errs, "secret") || strings.Contains(errs, controlToken) {
			t.Errorf("%s shows a secret: %s", c.args, errs)
		}
	}
	if calls := o.plane.Calls(); len(calls) > 0 {
		t.Errorf("done was %q", calls)
	}
}

func TestTheTokenIsInTheEnvironmentWhereThereIsNoConfig(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	var out, errs strings.Builder
	env := func(name string) (string, bool) { return controlToken, name == controlTokenEnv }
	if code := run(t.Context(), []string{"status", "--url", o.server.URL + "/"}, env, strings.NewReader(""), &out, &errs); code != 0 {
		t.Errorf("exit code %d: %s", code, &errs)
	}
}

func TestAWildcardAddressIsAskedOnTheLoopback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	for listen, want := range map[string]string{"0.0.0.0:1": "127.0.0.1:1", ":1": "127.0.0.1:1", "'[::]:1'": "[::1]:1", "127.0.0.1:1": "127.0.0.1:1"} {
		if err := os.WriteFile(path, []byte("listen: "+listen), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := tributary(t, "status", "-c", path)
		if code != 1 || !strings.Contains(errs, "http://"+want+" (`listen` in "+path) {
			t.Errorf("%s: exit code %d: %s", listen, code, errs)
		}
	}
}

// TestAWatchPrintsALineForEachChange, also over a restart of the connector.
func TestAWatchPrintsALineForEachChange(t *testing.T) {
	o := operateAPlane(t, smallPlane())
	r, w := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"status", "-w", "-c", o.config}, testEnv, strings.NewReader(""), w, io.Discard)
		w.Close()
	}()
	lines := lines{bufio.NewScanner(r)}
	lines.until(t, "eu.people")
	lines.until(t, "us.big.deals")
	o.plane.Set(control.Name{Source: "eu", Collection: "people"}, func(c *control.Collection) {
		controltest.Fail(c, connector.StateBackoff, "the API answered 503", "")
	})
	lines.until(t, "eu.people: backoff, was running: the API answered 503")
	tell := func(typ control.EventType, data any) {
		o.plane.Events().Tell(control.Event{Type: typ, Source: "eu", Collection: "people", Data: data})
	}
	tell(control.EventPull, control.PullEnded{Seconds: 1.5, Error: "503"})
	tell(control.EventCommit, control.Committed{Upserts: 1}) // no change of how things stand
	tell(control.EventPull, control.PullEnded{Seconds: 1.5}) // nor this
	tell(control.EventLane, control.Lane{Number: 3})
	lines.until(t, "eu.people: pull failed after 1.5s: 503")
	if line := lines.next(t); !strings.Contains(line, "lane 3: lost") {
		t.Errorf("the next line is %q", line)
	}
	o.server.CloseClientConnections()
	lines.until(t, "the connector has gone")
	lines.until(t, "the connector is there again")
	cancel()
	go io.Copy(io.Discard, r)
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// lines are what a command prints while it runs.
type lines struct{ *bufio.Scanner }

func (l lines) next(t *testing.T) string {
	t.Helper()
	if !l.Scan() {
		t.Fatal("the command has ended")
	}
	return l.Text()
}

func (l lines) until(t *testing.T, part string) {
	t.Helper()
	for !strings.Contains(l.next(t), part) {
	}
}
