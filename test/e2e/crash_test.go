//go:build unix

package e2e

import (
	"testing"
	"time"
)

func TestKilledEveryTwoSecondsNothingIsLostAndNothingComesTwice(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 4, withoutStale(everything()))
	kills := r.killedEvery(2*time.Second, 300, 14)
	if kills < 5 {
		t.Fatalf("killed %d times only", kills)
	}
	r.finish(three...)
	t.Logf("killed %d times", kills)
}

// Two are started on purpose, and then the first again: each takes over from the other
// as soon as a claim is ten seconds old, and whoever is fenced ends and says by whom.
func TestTheSecondInstanceFencesTheFirst(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 5, withoutStale(everything()))
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.write(300, phase()+5*time.Second, 15)
	}()
	first := r.run()
	first.says(soon, `msg="lane acquired"`)
	time.Sleep(2 * time.Second)
	r.config.instance = "second"
	began := time.Now()
	second := r.run()
	second.says(soon, "waiting: another instance has just claimed the lane", "instance=first")
	if code := first.wait(soon); code != 5 {
		t.Fatalf("the first ended with code %d, want 5", code)
	}
	took := time.Since(began)
	if lineWith(first.log.String(), "tributary: ", `taken by instance "second"`, "run only one") == "" {
		t.Errorf("the first does not say who took its lane:\n%s", tail(first.log.String(), 1000))
	}
	r.config.instance = "third"
	third := r.run()
	if code := second.wait(soon); code != 5 {
		t.Fatalf("the second ended with code %d, want 5", code)
	}
	<-written
	third.running()
	r.finish(three...)
	t.Logf("the second had the lane %s after it started", took.Round(100*time.Millisecond))
}
