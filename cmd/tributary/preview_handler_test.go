package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/connector"
	"tributary/sink"
)

// A toldCLI runs commands about source shop, which a handler tells of.
type toldCLI struct {
	*cli

	mu       sync.Mutex
	answers  map[string]string // by path
	requests []string          // what the handler was sent, path and document
}

// answer has a path be answered so from now on.
func (c *toldCLI) answer(path, document string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[path] = document
}

// called returns what the handler was sent since it was asked last.
func (c *toldCLI) called() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests := c.requests
	c.requests = nil
	return requests
}

// newToldCLI serves a handler that answers by path. kafka is the address of one, "" for one of its own.
func newToldCLI(t *testing.T, answers map[string]string, settings, kafka string) *toldCLI {
	t.Helper()
	c := &toldCLI{cli: &cli{t: t, config: filepath.Join(t.TempDir(), "t.yaml")}, answers: answers}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, r.URL.Path+" "+string(body))
		if r.Header.Get("Authorization") != "Bearer canary-token" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, c.answers[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	if kafka == "" {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		kafka = cluster.ListenAddrs()[0]
	}
	text := fmt.Sprintf("group: crm\nkafka: {brokers: [%q]}\noffsets: {lanes: 2, replication: 1}\ntopics: {replication: 1}\nsources:\n"+
		"  - name: shop\n    type: handler\n    handler: {url: %q, timeout: 60s}\n    auth: {bearer: \"${env:TOKEN}\"}\n%s    collections: [people, pets]\n"+
		"  - {name: api, url: \"http://127.0.0.1:1\", cursor: {field: u, from: s}, collections: [notes]}\n",
		kafka, server.URL, settings)
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

const twoTold = `{"more":true,"next_state":{"at":8},"new_or_updated":[{"collection":"people","record":{"id":1}},{"collection":"pets","record":{"id":"é","phone":"known-to-nobody"}}],"deleted":[{"collection":"people","id":9}]}`

func TestPreviewOfAHandlerShowsOneAnswerFromTheCommittedState(t *testing.T) {
	c := newToldCLI(t, map[string]string{"/delta": twoTold}, "    value: {mask: [phone]}\n", "")
	c.handled() // person 1 and pet 1, with other hashes, and the state {"at":"<7>"}
	before := c.ok("state", "show", "-o", "json")
	code, out, errs := c.run("preview", "shop")
	want := "people  9 (deleted, and was not there)  \npeople  1  {\"id\":1}\npets  é  {\"id\":\"é\",\"phone\":\"***\"}\n"
	if code != 0 || out != want {
		t.Errorf("exit code %d: %s\n%s", code, out, errs)
	}
	for _, says := range []string{`called with the state {"at":"<7>"}, as it is committed, of sequence 4`, fmt.Sprintf("2 records and 1 deletion, 1 of them no news; more: true; %d bytes in ", len(twoTold)),
		`the next state would be {"at":8}`, "nothing was published, and nothing is committed"} {
		if !strings.Contains(errs, says) {
			t.Errorf("it does not say %q:\n%s", says, errs)
		}
	}
	if calls := c.called(); len(calls) != 1 || !strings.HasPrefix(calls[0], `/delta {"previous_state":{"at":"<7>"},`) || !strings.Contains(calls[0], `"sequence":4`) || !strings.Contains(calls[0], `"reasons":[{"name":"manual"`) {
		t.Errorf("it was called with %q", calls)
	}
	if after := c.ok("state", "show", "-o", "json"); after != before {
		t.Errorf("the state was\n%s\nand is\n%s", before, after)
	}

	code, out, errs = c.run("preview", "shop.pets", "-o", "json", "-n", "5")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 2 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	var row previewRecord
	var end struct{ Answer previewAnswer }
	if err := json.Unmarshal([]byte(lines[0]), &row); err != nil || row.Collection != "pets" || row.ID != "é" || string(row.Value) != `{"id":"é","phone":"***"}` || row.Known || row.Hash == "" {
		t.Errorf("%v: %s", err, lines[0])
	}
	if err := json.Unmarshal([]byte(lines[1]), &end); err != nil || !end.Answer.More || string(end.Answer.NextState) != `{"at":8}` || end.Answer.Bytes != len(twoTold) || end.Answer.TookMS <= 0 {
		t.Errorf("%v: %s", err, lines[1])
	}
	if calls := c.called(); !strings.Contains(errs, "and 2 of other collections") || len(calls) != 1 || !strings.Contains(calls[0], `"affected_collections":["pets"]`) {
		t.Errorf("%s%s", errs, calls)
	}
}

// TestPreviewKnowsWhatIsNoNews compares with the ledger that is committed.
func TestPreviewKnowsWhatIsNoNews(t *testing.T) {
	answers := map[string]string{"/delta": `{"more":false,"new_or_updated":[{"collection":"people","record":{"id":1}},{"collection":"people","record":{"id":1,"v":2}}]}`}
	c := newToldCLI(t, answers, "", "")
	_, out, _ := c.run("preview", "shop", "-o", "json")
	var row previewRecord
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &row); err != nil {
		t.Fatal(err, out)
	}
	c.commitPerson(row.Hash)
	code, out, errs := c.run("preview", "people")
	if want := "people  1 (no news)  {\"id\":1}\npeople  1  {\"id\":1,\"v\":2}\n"; code != 0 || out != want || !strings.Contains(errs, "the state would stay as it is") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// commitPerson has the ledger know person 1 by that hash.
func (c *toldCLI) commitPerson(hash string) {
	c.t.Helper()
	var h connector.Hash
	if n, err := hex.Decode(h[:], []byte(hash)); n != len(h) || err != nil {
		c.t.Fatal(n, err)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, env: func(string) (string, bool) { return "canary-token", true }}
	e, err := newEditor(a, c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	defer e.Close()
	people := e.cfg.Sources[0].Collections[0]
	err = e.visit(c.t.Context(), "shop", func(ctx context.Context, l *sink.Lane) error {
		g, err := l.OpenGroup(ctx, "shop", []sink.GroupCollection{{Name: "people", Topic: people.Topic, M: discarded(people)}})
		if err != nil {
			return err
		}
		b := &connector.Batch{Changes: []connector.Change{{ID: "1", Value: []byte(`{"id":1}`)}}, State: connector.NewState()}
		b.Entries = []connector.EntryChange{{ID: "1", New: connector.Entry{Print: 1, Hash: h}}}
		b.State.Seq, b.State.Prints = 1, []connector.Numbered{{Number: 1, Fingerprint: people.Settings.Fingerprint}}
		if err := g.Stage(ctx, &connector.Group{Batches: map[string]*connector.Batch{"people": b}, Handler: connector.HandlerState{Seq: 1}}); err != nil {
			return err
		}
		return g.Flush(ctx)
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestPreviewOfAHandlerNeedsNoKafkaAndTakesAState(t *testing.T) {
	answers := map[string]string{"/delta": `{"more":false}`, "/dump": `{"more":false,"new_or_updated":[{"collection":"pets","record":{"id":1}}],"next_delta_state":7}`}
	c := newToldCLI(t, answers, "    dump: {}\n", "127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(file, []byte("{ \"after\": 3 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct{ args, request, says string }{
		{"preview shop", `/delta {"previous_state":null,`, "called with the state null, since Kafka cannot be asked what is committed: "},
		{"preview shop --state [1,2]", `/delta {"previous_state":[1,2],`, "called with the state [1,2], as given by --state"},
		{"preview shop --state @" + file, `/delta {"previous_state":{"after":3},`, `called with the state {"after":3},`},
		{"preview pets --dump", `/dump {"previous_state":null,`, "the next delta would get the state 7"},
		{"preview pets --dump --state 4", `/dump {"previous_state":4,`, "called with the state 4, as given by --state"},
	} {
		code, _, errs := c.run(strings.Fields(p.args)...)
		if calls := c.called(); code != 0 || !strings.Contains(errs, p.says) || len(calls) != 1 || !strings.HasPrefix(calls[0], p.request) {
			t.Errorf("%s: exit code %d, called with %q, says\n%s", p.args, code, calls, errs)
		}
	}
}

func TestPreviewRefusesAnAnswerAsRunDoes(t *testing.T) {
	c := newToldCLI(t, map[string]string{}, "", "127.0.0.1:1")
	for answer, says := range map[string]string{
		`{"more":false,"state":1}`:        `a member that the contract does not know, at "/state"`,
		`{}`:                              `it has no "more"`,
		`{"more":true}`:                   `it says "more" without a "next_state"`,
		`{"more":true,"next_state":null}`: `it says "more", tells nothing new, and leaves the state as it is`,
		`{"more":false,"new_or_updated":[{"collection":"cats","record":{"id":1}}]}`: "new_or_updated[0] is of a collection \"cats\", which the config does not have; there are people, pets",
		`{"more":false,"new_or_updated":[{"collection":"pets","record":{}}]}`:       "a record of pets, cannot be published",
		`{"more":false,"deleted":[{"collection":"pets","id":""}]}`:                  "deleted[0]: its id is empty",
		`<html>`: "a web page",
	} {
		c.answer("/delta", answer)
		code, out, errs := c.run("preview", "shop")
		if code != exitFailed || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d, want %q:\n%s%s", answer, code, says, out, errs)
		}
	}
}

func TestPreviewShowsTheCallOfAHandlerAndHidesWhatIsSecret(t *testing.T) {
	c := newToldCLI(t, map[string]string{"/delta": twoTold}, "    value: {mask: [phone]}\n", "127.0.0.1:1")
	code, out, errs := c.run("preview", "shop", "--request")
	for _, says := range []string{"> POST http://127.0.0.1", "> Authorization: [hidden]", `{"previous_state":null,`, "< HTTP/1.1 200 OK", `"phone":"***"`, "first byte"} {
		if !strings.Contains(out, says) {
			t.Errorf("it does not say %q", says)
		}
	}
	if code != 0 || strings.Contains(out+errs, "canary") || strings.Contains(out+errs, "known-to-nobody") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	for _, answer := range []string{twoTold[1:], strings.Replace(twoTold, `"pets"`, `"cats"`, 1), strings.Replace(twoTold, `"more"`, `"mor"`, 1), twoTold + "x"} {
		c.answer("/delta", answer)
		if code, out, errs := c.run("preview", "shop", "--request", "-o", "json"); code != exitFailed || strings.Contains(out+errs, "known-to-nobody") || !strings.Contains(out, "cannot be told apart") {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
	}
}

func TestWhatDoesNotFitAHandlerIsRefused(t *testing.T) {
	c := newToldCLI(t, map[string]string{}, "", "127.0.0.1:1")
	for args, says := range map[string]string{
		"preview shop --from 2026-01-01T00:00:00Z": "a handler is called with a state (--state)",
		"preview shop --dump":                      "shop has no dumps: say so in its config first (`dump: {}`)",
		"preview shop --state {":                   "--state wants JSON, or @FILE with it: it ends in the middle",
		"preview notes --dump":                     "--state and --dump are for sources of type handler, and api is none",
		"preview api":                              `the config has no collection "api"`,
		"publish pets 1":                           "what has changed is pushed (POST /v1/sources/shop/push of the control API)",
	} {
		code, _, errs := c.run(strings.Fields(args)...)
		if calls := c.called(); code == 0 || !strings.Contains(errs, says) || len(calls) > 0 {
			t.Errorf("%s: exit code %d, %d calls, want %q:\n%s", args, code, len(calls), says, errs)
		}
	}
}
