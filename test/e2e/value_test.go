//go:build unix

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
)

// What a person's record holds that is not to be seen: what is dropped, and what is masked.
// The names are those of every record that package hostile makes.
var personal = []string{"@example.com", "/v2/users/", "Lovelace", "Smith & Sons", "Müller", "D'Angelo", "Núñez", "van der Berg", "🙂", "canary"}

const guardedValue = "{drop: [email_address, owner._href, private], mask: [last_name, also]}"

// seenIn says which of it is in a text.
func seenIn(text []byte) (seen []string) {
	for _, p := range personal {
		if bytes.Contains(text, []byte(p)) {
			seen = append(seen, p)
		}
	}
	return seen
}

func TestPersonalDataIsSeenNowhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}, Seed: 71})
	r.api.InsertAt("people", 150, hostile.Timing{Backdate: time.Minute})
	r.set("value", guardedValue)
	r.set("on_bad_record", "dlq")
	const canary = "canary of a person"
	bad := []*hostile.Plant{
		r.api.Plant("people", `{"updated_at":"AT","email_address":"`+canary+`","last_name":["`+canary+`",null],"n":1}`),
		r.api.Plant("people", `{"id":"odd","private":{"a":["`+canary+`"]},"also":{"b":"`+canary+`"},"n":2}`),
		r.api.Plant("people", `"`+canary+`"`),
		r.api.Plant("people", `{"id":9999,"email_address":"`+canary+`","updated_at":null}`),
	}
	look := func(where, text string) {
		t.Helper()
		if seen := seenIn([]byte(text)); len(seen) > 0 {
			t.Errorf("%s shows %q", where, seen)
		}
	}
	p := r.run()
	p.caughtUp("people")
	r.write(200, 3*time.Second, 72)
	r.api.Quiesce()
	eventually(t, soon, "the bad ones are dead letters", func() bool {
		return p.metric("tributary_dead_letters_total", "collection", "people") == float64(len(bad))
	})
	_, metrics := p.get("/metrics")
	p.stop()
	look("the log", p.log.String()+p.out.String())
	look("metrics", metrics)

	records := 0
	for _, topic := range []string{r.topic("people"), r.letters(), r.offsets()} {
		for _, rec := range r.records(topic) {
			records++
			look("topic "+topic, string(rec.Key)+string(rec.Value)+fmt.Sprintf("%s", rec.Headers))
			if topic == r.topic("people") && rec.Value != nil && (!strings.Contains(string(rec.Value), `"last_name":"***"`) || !strings.Contains(string(rec.Value), `"owner":{"id":`)) {
				t.Fatalf("published %s", rec.Value)
			}
		}
	}
	if n := len(r.records(r.letters())); n != len(bad) || records < 300 {
		t.Errorf("%d dead letters, %d records in all", n, records)
	}
	for _, args := range [][]string{{"preview", "people", "-n", "100"}, {"preview", "people", "-n", "100", "-o", "json"}, {"preview", "people", "--request"},
		{"preview", "people", "--request", "-o", "json"}, {"check"}, {"state", "show"}, {"state", "export"}, {"verify"}, {"publish", "people", "17", "--dry-run"}} {
		_, out, log := r.command(args...)
		look(strings.Join(args, " "), out+log)
		if args[0] == "preview" && !strings.Contains(out, "***") {
			t.Errorf("%v shows no mask, and so nothing:\n%.300s", args, out)
		}
	}
	// The API does show it.
	api, err := http.Get(r.config.sources[0].url + "/people?per_page=100")
	if err != nil {
		t.Fatal(err)
	}
	defer api.Body.Close()
	if body, _ := io.ReadAll(api.Body); len(seenIn(body)) < 3 {
		t.Errorf("the API shows %q only", seenIn(body))
	}
}

// The hashes of the ledger, of a rebuilt one, and of what the source shows are those of what
// is published.
func TestARebuiltStateAndVerifyKnowWhatIsPublishedOfARecord(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.api.InsertAt("people", 150, hostile.Timing{Backdate: time.Minute})
	r.set("value", guardedValue)
	r.seed()
	r.api.Write("people", hostile.Update, "5", "6")
	r.seed()
	clean := func() {
		t.Helper()
		v := r.verifiesClean("--against-source")
		if a := v.Collections[0].Against; a == nil || a.Shown != 150 || a.Equal != 150 || a.NotCompared != 0 {
			t.Errorf("%+v", v.Collections[0].Against)
		}
	}
	clean()
	before := r.ends(r.topic("people"))
	if out := r.ok("state", "rebuild", "crm.people", "--replace", "--from", "beginning"); strings.Contains(out, "does not give the hashes") {
		t.Errorf("rebuild finds other hashes in the topic: %s", out)
	}
	r.seed()
	equalEnds(t, before, r.ends(r.topic("people")))
	clean()
	// What is dropped from now on is not republished: only what changes.
	r.set("value", "{drop: [email_address, owner, city], mask: [last_name]}")
	r.ok("state", "set", "crm.people", "--cursor", "beginning")
	r.seed()
	equalEnds(t, before, r.ends(r.topic("people")))
	clean()
	r.api.Write("people", hostile.Update, "7")
	r.seed()
	all := r.records(r.topic("people"))
	if last := string(all[len(all)-1].Value); len(all) != 153 || strings.Contains(last, `"city"`) || strings.Contains(last, `"owner"`) {
		t.Errorf("%d records, the last %s", len(all), last)
	}
}
