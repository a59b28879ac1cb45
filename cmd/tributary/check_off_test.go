package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
)

// TestCheckCallsNothingGoodOfWhatDidNotAnswer, nor what was called off bad.
func TestCheckCallsNothingGoodOfWhatDidNotAnswer(t *testing.T) {
	r := newContractRig(t, hostile.Hostility{}, "")
	r.api.Close()
	code, out, _ := r.run("check", "people", "--wait", "0")
	if code != exitCheck || !strings.Contains(out, "fail  collection crm.people: ") || strings.Contains(out, "ok    collection crm.people") {
		t.Errorf("of an API that is down: %d\n%s", code, out)
	}

	r = newContractRig(t, hostile.Hostility{}, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(300*time.Millisecond, cancel)
	code, out, said := r.runIn(ctx, "check", "people", "--wait", "1h")
	if code != exitFailed || strings.Contains(out, "fail") || !strings.Contains(said, "called off") {
		t.Errorf("called off: %d\n%s%s", code, out, said)
	}
}
