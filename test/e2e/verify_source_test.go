//go:build unix

package e2e

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"tributary/test/hostile"
)

// old has 40 people of an hour ago, published, and no connector that runs.
func old(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	r.api.InsertAt("people", 40, hostile.Timing{Backdate: time.Hour})
	r.api.Write("people", hostile.Delete, "3")
	r.seed()
	return r
}

func TestVerifyAgainstTheSourceFindsWhatDiffers(t *testing.T) {
	t.Parallel()
	r := old(t)
	v := r.verifiesClean("--against-source")
	if a := v.Collections[0].Against; a == nil || a.Shown != 39 || a.Equal != 39 || a.Changed != 0 || !a.Whole {
		t.Fatalf("%+v", v)
	}
	minute := hostile.Timing{Backdate: time.Minute}
	for _, w := range []struct {
		op   hostile.Op
		at   hostile.Timing
		id   string
		want string
	}{
		{hostile.Update, minute, "5", "source-older"},
		{hostile.Update, hostile.Timing{Backdate: 2 * time.Hour}, "6", "source-newer"},
		{hostile.Delete, minute, "7", "source-deleted"},
		{hostile.Remove, minute, "8", "source-gone"},
	} {
		if r.api.WriteAt("people", w.op, w.at, w.id) != 1 {
			t.Fatalf("%s was not written", w.id)
		}
		v := r.verify(4, "--against-source")
		if !slices.ContainsFunc(v.Findings, func(f verifiedFinding) bool { return f.Check == w.want && f.Key == w.id && f.What != "" }) || v.Counts[w.want] != 1 {
			t.Errorf("no %s of %s in %+v", w.want, w.id, v)
		}
	}
	id := r.api.InsertAt("people", 1, minute)[0]
	r.api.Write("people", hostile.Update, "10") // too young to be missed
	v = r.verify(4, "--against-source")
	if v.Counts["source-unpublished"] != 1 || len(v.Findings) != 5 || !slices.ContainsFunc(v.Findings, func(f verifiedFinding) bool { return f.Key == id }) {
		t.Errorf("%+v", v)
	}
	if a := v.Collections[0].Against; a.Shown != 38 || a.Equal != 34 || a.Changed != 1 {
		t.Errorf("%+v", *a)
	}
	// The topics themselves are in order.
	r.verifiesClean()
}

// A change of the hash makes hashes that cannot be compared.
func TestVerifyAgainstTheSourceComparesStampsWhereHashesCannotBe(t *testing.T) {
	t.Parallel()
	r := old(t)
	r.set("hash", "{exclude: [updated_at, touched_at, ver, score]}")
	v := r.verifiesClean("--against-source")
	if a := v.Collections[0].Against; a.Shown != 39 || a.Equal != 39 {
		t.Errorf("%+v", *a)
	}
	r.api.WriteAt("people", hostile.Update, hostile.Timing{Backdate: time.Minute}, "5")
	if v := r.verify(4, "--against-source"); v.Counts["source-older"] != 1 || len(v.Findings) != 1 {
		t.Errorf("%+v", v)
	}
}

func TestVerifyAgainstTheSourceFindsNothingWhileTheConnectorRuns(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 51, withoutStale(everything()))
	p := r.run()
	p.caughtUp(three...)
	changed, shown := 0, 0
	times := r.again(300, 52, 2, func(v verified) {
		for _, c := range v.Collections {
			shown, changed = shown+c.Against.Shown, changed+c.Against.Changed
		}
	}, "--against-source")
	r.unfenced(p)
	r.finish(three...)
	if v := r.verifiesClean("--against-source"); v.Collections[0].Against.Shown == 0 {
		t.Errorf("%+v", v)
	}
	if times < 2 || changed == 0 {
		t.Errorf("%d times, %d changed", times, changed)
	}
	t.Logf("verified %d times; of %d records shown %d had changed meanwhile", times, shown, changed)
}

// What the head does not see, because it is stamped with an older time than it turns
// visible at, waits for the trailing pass: until then a version is not published though it
// is older than a lookback.
func TestVerifyAgainstTheSourceExpectsNothingThatTheTrailingPassHasNotReadYet(t *testing.T) {
	t.Parallel()
	r := old(t)
	p := r.run()
	p.caughtUp("people")
	written := make(chan struct{})
	go func() {
		defer close(written)
		for id := 10; id < 40 && t.Context().Err() == nil; id++ {
			r.api.Insert("people", 1)
			r.api.WriteAt("people", hostile.Update, hostile.Timing{Backdate: lookback - time.Second}, strconv.Itoa(id))
			time.Sleep(300 * time.Millisecond)
		}
	}()
	changed := 0
	for over := false; !over; {
		select {
		case <-written:
			over = true
		default:
		}
		changed += r.verifiesClean("--against-source").Collections[0].Against.Changed
	}
	if changed == 0 {
		t.Error("nothing was waiting to be read")
	}
	p.running()
	r.converge(r.oracle("people"), 3*lookback+soon)
	r.right("people")
}

func TestVerifyAgainstASourceThatRefusesUsEndsWith1(t *testing.T) {
	t.Parallel()
	r := old(t)
	r.config.sources[0].url += "/nowhere"
	code, out, log := r.command("verify", "--against-source")
	if code != 1 || lineWith(out, "could not be verified", "from its source") == "" || lineWith(log, "1 of 1 collections could not be verified") == "" {
		t.Errorf("ended with %d\n%s%s", code, out, log)
	}
}
