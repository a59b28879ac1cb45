package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"tributary/connector"
	"tributary/sink/verify"
)

func sampleReport() *verify.Report {
	return &verify.Report{
		Offsets: "crm.offsets", Counts: map[string]int{verify.CheckMissing: 3},
		Collections: []*verify.Collection{
			{Source: "crm", Collection: "accounts", Topic: "crm.accounts", Live: 3, Agreed: 3, Records: 4, Tombstones: 1, Seq: 2, Whole: 2, Took: 0.5},
			{
				Source: "crm", Collection: "people", Topic: "crm.people", Live: 9, Agreed: 5, NotCompared: 2, Pending: 1, Changed: 1, ChangedKeys: []string{"8"},
				Records: 20, Seq: 7, Unjudged: 4, Notes: []string{"a note"}, Found: map[string]int{verify.CheckMissing: 3},
				Against: &verify.Against{Shown: 9, Equal: 8, Changed: 1, Began: "then"},
			},
		},
		Findings: []verify.Finding{{Check: verify.CheckMissing, Source: "crm", Collection: "people", Topic: "crm.people", Partition: 2, Offset: 17, Key: "4\n2", What: "it is not there"}},
		Proved:   verify.Proved, NotProved: verify.NotProved,
	}
}

func TestVerifyPrintsWhatItFoundAndWhatThatIsWorth(t *testing.T) {
	var out strings.Builder
	err := printVerified(&app{stdout: &out}, sampleReport(), false)
	var coded *exitError
	if !errors.As(err, &coded) || coded.code != exitCheck || coded.Error() != "3 findings" {
		t.Errorf("%v", err)
	}
	for _, want := range []string{
		"ok   crm.accounts: 3 live keys, 3 of them agree; topic crm.accounts: 4 records, 1 of them deletions, up to batch 2; 2 batches whole, 0 not judged; 500ms\n",
		"3 findings in crm.people: 9 live keys, 5 of them agree, 2 by presence alone, for they were hashed otherwise, 1 wait to be published again, 1 changed while verifying and were not judged;",
		"against the source of then: 9 live records shown, 8 published just so (0 by their stamp alone), 1 changed meanwhile; it did not come to its end",
		"note: a note\n", "not judged, for it goes on changing: 8\n",
		`missing: crm.people partition 2 offset 17 key "4\n2": it is not there` + "\n",
		"missing: 3 in all, 1 listed (--limit)\n",
		"Not proved:\n  - that the source was read rightly or completely",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := printVerified(&app{stdout: &out}, sampleReport(), true); !errors.As(err, &coded) {
		t.Errorf("%v", err)
	}
	var got struct {
		Collections []map[string]any `json:"collections"`
		Findings    []map[string]any `json:"findings"`
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"check", "source", "collection", "topic", "partition", "offset", "key", "what"} {
		if _, ok := got.Findings[0][field]; !ok {
			t.Errorf("a finding has no %q: %v", field, got.Findings[0])
		}
	}
	for _, field := range []string{"records", "live", "tombstones", "agreed", "pending", "changed_while_verifying", "changed_keys", "batches_whole", "batches_unjudged", "seq", "took_seconds", "found", "against_source"} {
		if _, ok := got.Collections[1][field]; !ok {
			t.Errorf("a collection has no %q: %v", field, got.Collections[1])
		}
	}
}

func TestACollectionThatCannotBeVerifiedIsAFailureAndNoFinding(t *testing.T) {
	r := &verify.Report{Failed: 1, Collections: []*verify.Collection{{Source: "crm", Collection: "people", Error: "it hangs"}}}
	var out strings.Builder
	err := printVerified(&app{stdout: &out}, r, false)
	var coded *exitError
	if err == nil || errors.As(err, &coded) || !strings.Contains(out.String(), "could not be verified: it hangs") {
		t.Errorf("%v in\n%s", err, out.String())
	}
	r = &verify.Report{OK: true}
	if err := printVerified(&app{stdout: &out}, r, false); err != nil {
		t.Error(err)
	}
}

func TestVerifySaysInItsHelpWhatItProves(t *testing.T) {
	_, help, _ := tributary(t, "verify", "--help")
	for _, want := range []string{"It ends with 0", "with 4", "It does not prove:", "versions that were overwritten", "--against-source"} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q in\n%s", want, help)
		}
	}
	for line := range strings.Lines(help) {
		if len([]rune(line)) > 100 {
			t.Errorf("a long line: %s", line)
		}
	}
	if code, _, log := tributary(t, "verify", "--limit", "-1"); code != exitUsage || !strings.Contains(log, "--limit") {
		t.Errorf("%d %s", code, log)
	}
}

// A witness believes the newest of what it is shown.
func TestAWitnessNotesWhatIsDeletedAtLast(t *testing.T) {
	w := &witness{deleted: &connector.Ledger{}}
	for _, r := range []connector.Record{
		{ID: "a", Instant: 1, Deleted: true},
		{ID: "b", Instant: 1, Deleted: true}, {ID: "b", Instant: 2},
		{ID: "c", Instant: 1}, {ID: "c", Instant: 2, Deleted: true}, {ID: "c", Instant: 1},
		{ID: "d", Instant: 1, Deleted: true, Bad: "no instant"}, {ID: "", Instant: 1, Deleted: true},
	} {
		w.note(&r)
	}
	got := map[string]bool{}
	for id := range w.deleted.All() {
		got[id] = true
	}
	if len(got) != 2 || !got["a"] || !got["c"] {
		t.Errorf("%v", got)
	}
}
