//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/test/hostile"
)

// ok runs a command that must succeed, and returns what it printed.
func (r *rig) ok(args ...string) string {
	r.t.Helper()
	code, out, log := r.command(args...)
	if code != 0 {
		r.t.Fatalf("%v ended with code %d\n%s%s", args, code, out, log)
	}
	return out
}

// refuses runs a command that must fail with code 1 and say texts.
func (r *rig) refuses(args []string, texts ...string) {
	r.t.Helper()
	code, out, log := r.command(args...)
	if code != 1 || lineWith(log, texts...) == "" {
		r.t.Fatalf("%v ended with code %d, want 1 and a line with %q\n%s%s", args, code, texts, out, log)
	}
}

// versions counts the records of each key of a topic.
func (r *rig) perKey(topic string) map[string]int {
	n := map[string]int{}
	for _, rec := range r.records(topic) {
		n[string(rec.Key)]++
	}
	return n
}

func (r *rig) cursor(collection string) string {
	for _, c := range r.state().Collections {
		if c.Collection == collection {
			return c.CursorAt
		}
	}
	return "none"
}

func TestACursorIsMovedBackWhileTheConnectorRunsAndNothingComesTwice(t *testing.T) {
	t.Parallel()
	r := small(t)
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle("people"), soon)
	before := r.cursor("people")
	dry := r.ends(r.offsets())
	if out := r.ok("state", "set", "crm.people", "--cursor", "2020-01-01T00:00:00Z", "--dry-run"); !strings.Contains(out, before+" → 2020-01-01T00:00:00.000000Z") {
		t.Errorf("the dry run says %s", out)
	}
	equalEnds(t, dry, r.ends(r.offsets()))
	began := time.Now()
	r.ok("state", "set", "crm.people", "--cursor", "2020-01-01T00:00:00Z")
	line := p.says(soon, "lane is spent, acquiring it again")
	eventually(t, soon, "the connector has read on from there", func() bool { return r.cursor("people") == before })
	t.Logf("it went on %s after the command: %s", time.Since(began).Round(100*time.Millisecond), line)
	r.api.Insert("people", 3)
	r.rest(soon, "people", "accounts")
	p.running()
	p.stop()
}

func TestACursorThatIsMovedForwardsPassesOverWhatLiesBetween(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	before := r.perKey(r.topic("people"))
	passed := r.api.InsertAt("people", 5, hostile.Timing{Backdate: 10 * time.Second})
	r.ok("state", "set", "people", "--cursor", time.Now().Add(-2*time.Second).UTC().Format(time.RFC3339Nano))
	if code, _, log := r.command("state", "set", "nothing", "--cursor", "beginning"); code != 2 || lineWith(log, "no collection", "crm.people") == "" {
		t.Errorf("a collection that is not there: %d %s", code, log)
	}
	later := r.api.Insert("people", 1)
	p := r.run()
	eventually(t, soon, "the later one is there", func() bool { return r.perKey(r.topic("people"))[later[0]] == 1 })
	p.stop()
	after := r.perKey(r.topic("people"))
	for _, id := range passed {
		if after[id] != 0 {
			t.Errorf("record %s, which was passed over, was published", id)
		}
	}
	if len(after) != len(before)+1 {
		t.Errorf("%d keys, want %d", len(after), len(before)+1)
	}
}

func TestAResetPublishesNothingTwiceAndWithRepublishEverythingOnceMore(t *testing.T) {
	t.Parallel()
	r := small(t)
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle("people", "accounts"), soon)
	r.api.Write("people", hostile.Delete, "5")
	r.converge(r.oracle("people"), soon)
	ends := r.ends(r.topic("people"))
	r.ok("state", "reset", "crm.people")
	p.says(soon, "lane is spent")
	eventually(t, soon, "it was read again", func() bool {
		return strings.Count(p.log.String(), `msg="lane acquired"`) == 2 && r.cursor("people") > "2020"
	})
	r.settled(soon)
	equalEnds(t, ends, r.ends(r.topic("people")))

	before := r.perKey(r.topic("people"))
	r.ok("state", "reset", "crm.people", "--republish")
	eventually(t, soon, "every live record is there once more", func() bool {
		after := r.perKey(r.topic("people"))
		for id, n := range before {
			if want := n + 1; id != "5" && after[id] != want {
				return false
			}
		}
		return after["5"] == before["5"]
	})
	r.ok("state", "reset", "crm.people", "--tombstones")
	eventually(t, soon, "every live record was deleted and came again", func() bool {
		after := r.perKey(r.topic("people"))
		for id, n := range before {
			if want := n + 3; id != "5" && after[id] != want {
				return false
			}
		}
		return after["5"] == before["5"]
	})
	if out := r.ok("state", "show"); strings.Contains(out, "PROBLEM") {
		t.Errorf("state show:\n%s", out)
	}
	r.right("accounts")
	p.running()
	p.stop()
}

func TestATopicThatWasMadeAgainIsFilledByAReset(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	r.deleteTopic(r.topic("people"))
	r.refuses([]string{"state", "reset", "people"}, "reset with --republish")
	r.ok("state", "reset", "people", "--republish")
	r.seed()
	r.right("people", "accounts")
	r.addPartitions(r.topic("accounts"), 3)
	r.refuses([]string{"state", "reset", "accounts", "--republish"}, "has 3 partitions and had 1")
}

func TestALedgerThatDoesNotAddUpGoesOnAfterAReset(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	before := r.perKey(r.topic("people"))
	r.produce(`["v1","entry","crm","people","7"]`, nil)
	r.refuses([]string{"state", "export"}, "adds up to", "state rebuild crm.people --replace")
	r.ok("state", "reset", "people")
	r.seed()
	after := r.perKey(r.topic("people"))
	for id, n := range before {
		want := n
		if id == "7" {
			want++
		}
		if after[id] != want {
			t.Errorf("record %s is there %d times, want %d", id, after[id], want)
		}
	}
}

func TestAnotherIdTakesEffectByAResetWithTombstones(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	r.config.sources[0].collections = []string{"{name: people, id: email_address}", "accounts"}
	r.refuses([]string{"state", "reset", "people", "--republish"}, "reset with --tombstones")
	r.ok("state", "reset", "people", "--tombstones")
	r.seed()
	live := map[string]bool{}
	for _, rec := range r.records(r.topic("people")) {
		live[string(rec.Key)] = rec.Value != nil
	}
	for id, is := range live {
		if want := strings.Contains(id, "@"); is != want {
			t.Errorf("key %q is live: %v", id, is)
		}
	}
}

// An exported state is imported under another group, number of lanes and source name,
// and nothing is published again.
func TestAStateMovesToAnotherGroupLanesAndSourceName(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.config.topics = fmt.Sprintf("{name: %q, replication: 1}", r.prefix+".crm.{collection}")
	r.seed()
	r.api.Write("people", hostile.Delete, "5")
	r.seed()
	before := r.ends(r.topic("people"), r.topic("accounts"))
	file := filepath.Join(t.TempDir(), "state.json")
	r.ok("state", "export", "--file", file)
	r.refuses([]string{"state", "export", "--file", file}, "exists")
	r.refuses([]string{"state", "import", file}, "has a state already", "--replace")
	r.config.group += "-b"
	r.config.offsets = "{lanes: 3, replication: 1}"
	r.config.sources[0].name = "sales"
	r.refuses([]string{"state", "import", file}, `no collection "crm.`)
	r.ok("state", "import", file, "--rename", "crm=sales", "--dry-run")
	out := r.ok("state", "import", file, "--rename", "crm=sales")
	r.config.sources[0].name = "crm" // whose topics they are
	for _, c := range []string{"sales.people", "sales.accounts"} {
		if !strings.Contains(out, c+": cursor ") {
			t.Errorf("import says nothing of %s:\n%s", c, out)
		}
	}
	people, accounts := r.topic("people"), r.topic("accounts")
	r.config.sources[0].name = "sales"
	r.seed()
	equalEnds(t, before, r.ends(people, accounts))
	r.api.Write("people", hostile.Update, "3")
	r.seed()
	if n := r.perKey(people)["3"]; n != 2 {
		t.Errorf("record 3 is there %d times after an update, want 2", n)
	}
	// What bears the old name is known as its own.
	before = r.ends(people)
	if out := r.ok("state", "rebuild", "people", "--replace"); !strings.Contains(out, "19 live records") || !strings.Contains(out, "21 records were published under another name") {
		t.Errorf("rebuild says:\n%s", out)
	}
	r.seed()
	equalEnds(t, before, r.ends(people))
	t.Log(r.ok("verify", "people"))
}

func TestAFileThatWasCutIsNotImported(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	text := r.ok("state", "export", "crm.people")
	var doc struct {
		Collections []struct {
			Entries []json.RawMessage `json:"entries"`
		} `json:"collections"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || len(doc.Collections) != 1 || len(doc.Collections[0].Entries) != 20 {
		t.Fatalf("exported: %v, %d collections", err, len(doc.Collections))
	}
	file := filepath.Join(t.TempDir(), "state.json")
	cut := strings.Replace(text, string(doc.Collections[0].Entries[3])+",", "", 1)
	if err := os.WriteFile(file, []byte(cut), 0o600); err != nil {
		t.Fatal(err)
	}
	before := r.ends(r.offsets())
	r.refuses([]string{"state", "import", file, "--replace"}, file, "the file was cut or changed")
	equalEnds(t, before, r.ends(r.offsets()))
}

// The offsets topic is gone, and with it every state. What the data topics tell is
// enough that nothing is published twice and nothing is lost.
func TestALostOffsetsTopicIsRebuiltFromTheDataTopics(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	r.api.Write("people", hostile.Update, "1", "2")
	r.api.Write("people", hostile.Delete, "5")
	r.seed()
	r.deleteTopic(r.offsets())
	r.api.Write("people", hostile.Update, "2", "3") // while it is gone
	r.refuses([]string{"state", "set", "people", "--cursor", "beginning"}, "crm.people has no state", "state rebuild")
	r.run().says(soon, "collection stopped", "crm.people has no state", "state rebuild crm.people")
	for _, c := range []string{"people", "accounts"} {
		before := r.ends(r.topic(c))
		r.ok("state", "rebuild", c, "--dry-run")
		out := r.ok("state", "rebuild", c)
		t.Log(strings.TrimSpace(out))
		equalEnds(t, before, r.ends(r.topic(c)))
	}
	r.refuses([]string{"state", "rebuild", "people"}, "has a state", "--replace")
	r.seed()
	v := r.right("people", "accounts")
	if v.Records != 20+20+2+1+2 {
		t.Errorf("%d records", v.Records)
	}
	// From the very beginning, it is the same.
	ends := r.ends(r.topic("people"))
	r.ok("state", "rebuild", "people", "--replace", "--from", "beginning")
	r.seed()
	equalEnds(t, ends, r.ends(r.topic("people")))
	r.right("people", "accounts")
}

func TestGivenRecordsArePublishedAgain(t *testing.T) {
	t.Parallel()
	r := small(t)
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle("people", "accounts"), soon)
	before := r.perKey(r.topic("people"))
	if out := r.ok("publish", "crm.people", "3", "4", "4", "--dry-run"); !strings.Contains(out, "2 records published again") {
		t.Errorf("the dry run says %s", out)
	}
	if out := r.ok("publish", "crm.people", "3", "4", "4"); !strings.Contains(out, "2 records published again") {
		t.Errorf("publish says %s", out)
	}
	r.refuses([]string{"publish", "people", "3", "99"}, "1 of 2 records were not published")
	after := r.perKey(r.topic("people"))
	for id, n := range before {
		want := n
		switch id {
		case "3":
			want += 2
		case "4":
			want++
		}
		if after[id] != want {
			t.Errorf("record %s is there %d times, want %d", id, after[id], want)
		}
	}
	// The running connector goes on, and what was published by hand is known to it.
	r.api.Write("people", hostile.Update, "3")
	eventually(t, soon, "the update is there", func() bool { return r.perKey(r.topic("people"))["3"] == 4 })
	p.running()
	p.stop()
	if out := r.ok("state", "show"); strings.Contains(out, "PROBLEM") {
		t.Errorf("state show:\n%s", out)
	}
	if _, err := connector.ParseInstant(r.cursor("people")); err != nil {
		t.Error(err)
	}
}

// A collection that was told to start now has its past behind it. Emptied, it is filled
// again with what it had published since then, and with nothing older.
func TestAResetOfACollectionThatStartedNowBringsBackWhatItHad(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.api.InsertAt("people", 5, hostile.Timing{Backdate: time.Hour})
	r.set("start", "now")
	r.seed()
	time.Sleep(2 * time.Second) // Date is in whole seconds
	later := r.api.Insert("people", 3)
	r.seed()
	time.Sleep(3 * time.Second) // so that a start of now would be another
	r.ok("state", "reset", "people", "--tombstones")
	r.seed()
	got := r.perKey(r.topic("people"))
	for _, id := range later {
		if got[id] != 3 { // published, deleted, published
			t.Errorf("record %s is there %d times, want 3", id, got[id])
		}
	}
	if len(got) != len(later) {
		t.Errorf("keys %v, want those of %v alone", got, later)
	}
}

// A rebuild of a topic that a connector goes on writing to would make a ledger that is
// behind it.
func TestARebuildBesideAConnectorThatCommitsIsRefused(t *testing.T) {
	t.Parallel()
	r := small(t)
	r.set("interval", "10ms")
	p := r.run()
	p.says(soon, `msg="caught up"`)
	stop := r.writing(200, 31, "people")
	eventually(t, soon, "a rebuild meets a commit between its reading and its writing", func() bool {
		// One that is not refused takes the lane, and for a second nobody commits.
		before := p.metric("tributary_records_published_total")
		eventually(t, soon, "the connector commits", func() bool { return p.metric("tributary_records_published_total") > before })
		code, _, log := r.command("state", "rebuild", "people", "--replace")
		return code == 1 && lineWith(log, "was changed meanwhile", "nothing was done") != ""
	})
	stop()
	r.converge(r.oracle("people"), soon)
	p.running()
	p.stop()
	r.right("people")
}
