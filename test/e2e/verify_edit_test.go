//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tributary/test/hostile"
)

// What commands and starts write must add up as what readings write does.
func TestVerifyFindsNothingAfterTheStateWasEdited(t *testing.T) {
	t.Parallel()
	command := func(args ...string) func(*rig) {
		return func(r *rig) {
			if code, out, log := r.command(args...); code != 0 {
				r.t.Fatalf("%v ended with %d\n%s%s", args, code, out, log)
			}
		}
	}
	for name, c := range map[string]struct {
		do func(r *rig)
		// live and pending are how many keys there are before the next start, and how many
		// of them wait to be published again.
		live, pending int
	}{
		"the cursor was set back":   {command("state", "set", "people", "--cursor", "beginning"), 49, 0},
		"it was reset":              {command("state", "reset", "people"), 49, 0},
		"all is published again":    {command("state", "reset", "people", "--republish"), 49, 49},
		"some were published again": {command("publish", "people", "5", "17"), 49, 0},
		"it was exported and imported": {func(r *rig) {
			file := filepath.Join(r.t.TempDir(), "state.json")
			command("state", "export", "--file", file)(r)
			command("state", "import", file, "--replace")(r)
			if err := os.Remove(file); err != nil {
				r.t.Fatal(err)
			}
		}, 49, 0},
		"it was lost and rebuilt": {func(r *rig) {
			r.produce(stateKey, nil)
			r.produce(entryKey("5"), nil)
			command("state", "rebuild", "people")(r)
		}, 49, 0},
		"it was rebuilt over what there was": {command("state", "rebuild", "people", "--replace"), 49, 0},
		"the topic was made again and is filled": {func(r *rig) {
			r.deleteTopic(r.topic("people"))
			r.createTopic(r.topic("people"), 1, map[string]string{"cleanup.policy": "compact"})
			command("state", "reset", "people", "--republish")(r)
		}, 0, 0}, // the ledger of the old topic was forgotten
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := published(t, 1)
			c.do(r)
			v := r.verify(0)
			if x := v.Collections[0]; x.Live != c.live || x.Pending != c.pending || x.Agreed != c.live-c.pending {
				t.Errorf("before the next start: %+v", x)
			}
			r.seed()
			r.verifiesClean()
			r.api.WriteAt("people", hostile.Update, hostile.Timing{}, "5", "6")
			r.seed()
			r.verifiesClean()
		})
	}
	t.Run("every record was deleted to be published again", func(t *testing.T) {
		t.Parallel()
		r := published(t, 1)
		command("state", "reset", "people", "--tombstones")(r)
		if x := r.verify(0).Collections[0]; x.Live != 0 || x.Tombstones != 50 || x.Seq == 0 {
			t.Errorf("before the next start: %+v", x)
		}
		r.seed()
		r.verifiesClean()
	})
	t.Run("it began anew without state", func(t *testing.T) {
		t.Parallel()
		r := published(t, 1)
		r.produce(stateKey, nil)
		if v := r.verify(4); v.Counts["state"] != 1 {
			t.Errorf("%+v", v)
		}
		r.seed("--bootstrap")
		r.verifiesClean()
	})
}

// A record that is gone at the source when its collection begins anew stays in the topic,
// and nobody knows of it any more: that is told.
func TestVerifyFindsWhatABootstrapLeavesBehind(t *testing.T) {
	t.Parallel()
	r := published(t, 1)
	r.produce(stateKey, nil)
	r.api.WriteAt("people", hostile.Remove, hostile.Timing{Backdate: time.Minute}, "9")
	r.seed("--bootstrap")
	v := r.verify(4)
	if len(v.Findings) != 1 || v.Findings[0].Check != "extra" || v.Findings[0].Key != "9" {
		t.Errorf("%+v", v)
	}
}
