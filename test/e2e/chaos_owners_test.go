//go:build unix

package e2e

import (
	"testing"
	"time"

	"tributary/test/kafkatest"
)

// Two are deployed by mistake, and each is started again at once however it ended. The
// lane goes from one to the other and back, but no faster than one can work with, and
// nothing is published twice.
func TestTwoInstancesThatAreRestartedBlindlyChangeOwnersAtMostEveryTenSeconds(t *testing.T) {
	t.Parallel()
	r := changingRig(t, kafkatest.Shared(t), 37)
	r.keepOffsets()
	stop := r.writing(200, 38)
	both := []*supervised{r.supervise("first"), r.supervise("second")}
	span := 45 * time.Second
	if *long {
		span = 3 * time.Minute
	}
	superviseFor(span, both)
	owner := whoStays(both)
	stop()
	owner.says(soon, `msg="caught up"`)
	r.rest(soon, three...)
	owner.running()

	h := r.history()
	stints := h.stints()
	for i, c := range stints[1:] {
		gap := c.at.Sub(stints[i].at)
		t.Logf("%s took the lane after %s", c.instance, gap.Round(time.Millisecond))
		if gap < 10*time.Second {
			t.Errorf("%s took the lane only %s after the other had", c.instance, gap)
		}
	}
	for _, c := range stints[:len(stints)-1] {
		if c.batches < 10 {
			t.Errorf("%s committed only %d batches while it had the lane", c.instance, c.batches)
		}
	}
	changes := len(stints) - 1
	if least := int(span/(10*time.Second)) - 2; changes < least {
		t.Errorf("%d changes of owner in %s, want %d", changes, span, least)
	}
	t.Logf("%d changes of owner in %s; first ended %d times, second %d times", changes, span, both[0].ends, both[1].ends)
}

// Two on one host have one name unless told, and a name never waits for itself: it is
// how a restart begins at once. So they take the lane from each other as fast as they
// start, and nothing is lost but time.
func TestTwoInstancesOfOneNameThatAreRestartedBlindlyHarmNothing(t *testing.T) {
	t.Parallel()
	r := changingRig(t, kafkatest.Shared(t), 53)
	r.keepOffsets()
	stop := r.writing(200, 54)
	both := []*supervised{r.supervise("first"), r.supervise("first")}
	superviseFor(10*time.Second, both)
	for end := time.Now().Add(soon); both[0].ends+both[1].ends < 3 && time.Now().Before(end); {
		superviseFor(time.Second, both) // a machine that is slow to start them
	}
	both[0].p.kill()
	both[1].p.kill()
	stop()
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.rest(soon, three...)
	h := r.history()
	claimed, committed := h.lives()
	if claimed < 4 || committed < claimed/3 {
		t.Errorf("of %d that took the lane %d committed anything", claimed, committed)
	}
	t.Logf("in 10 s %d took the lane, and %d of them committed something; %d ended with code 5", claimed, committed, both[0].ends+both[1].ends)
}

// superviseFor starts again whatever ends.
func superviseFor(span time.Duration, all []*supervised) {
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, s := range all {
			s.restart()
		}
	}
}

// supervised is an instance that is started again whenever it has ended.
type supervised struct {
	r    *rig
	file string
	p    *process
	ends int
}

func (r *rig) supervise(instance string) *supervised {
	file := r.fileFor(instance)
	return &supervised{r: r, file: file, p: launch(r.t, "run", "-c", file)}
}

// restart starts the instance again if it has ended, which must have been because the
// other one had its lane.
func (s *supervised) restart() {
	s.r.t.Helper()
	if !s.p.over() {
		return
	}
	if code := s.p.cmd.ProcessState.ExitCode(); code != 5 {
		s.r.t.Errorf("ended with code %d, want 5", code)
	}
	s.ends++
	s.p = launch(s.r.t, "run", "-c", s.file)
}

// whoStays waits until one of them has lost the lane and ended, and returns the one that
// has it. To tell by what they say who has it at a moment would be wrong in some moments.
func whoStays(both []*supervised) *process {
	a, b := both[0], both[1]
	eventually(a.r.t, soon, "one of them ends for the other", func() bool { return a.p.over() || b.p.over() })
	if a.p.over() {
		a, b = b, a
	}
	if code := b.p.cmd.ProcessState.ExitCode(); code != 5 {
		a.r.t.Errorf("ended with code %d, want 5", code)
	}
	return a.p
}
