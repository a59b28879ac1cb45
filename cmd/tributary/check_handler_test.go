package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// ofHandler runs check and returns what it says of handlers, the last of each rule.
func (c *toldCLI) ofHandler(args ...string) (byRule map[string]check, code int, text string) {
	c.t.Helper()
	code, out, errs := c.run(append([]string{"check", "-o", "json"}, args...)...)
	var report struct{ Checks []check }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		c.t.Fatalf("%v in %s%s", err, out, errs)
	}
	byRule = map[string]check{}
	for _, k := range report.Checks {
		if strings.HasPrefix(k.What, "handler ") {
			byRule[k.Rule] = k
		}
	}
	return byRule, code, out + errs
}

// TestCheckCallsAHandlerWhereItIsNamed and nowhere else: what it gives away only once would
// be gone with the call.
func TestCheckCallsAHandlerWhereItIsNamed(t *testing.T) {
	c := newToldCLI(t, map[string]string{"/delta": `{"more":false,"next_state":8,"new_or_updated":[{"collection":"people","record":{"id":1}}]}`}, "", "")
	c.handled()
	before := c.ok("state", "show", "-o", "json")
	if byRule, _, text := c.ofHandler(); len(c.called()) > 0 || byRule[""].Status != "note" || byRule[""].Remedy != "check it by itself: tributary check shop" {
		t.Errorf("it was called, or what it says is wrong\n%s", text)
	}
	for _, name := range []string{"shop", "people", "shop.pets"} {
		byRule, code, text := c.ofHandler(name)
		calls := c.called()
		if code != 0 || len(calls) != 2 || byRule["repeat"].Status != "ok" || !strings.Contains(byRule[""].Found, `the state {"at":"<7>"}, as it is committed, of sequence 4`) {
			t.Errorf("check %s: exit code %d, called %d times\n%s", name, code, len(calls), text)
		}
		for _, r := range calls {
			if !strings.HasPrefix(r, `/delta {"previous_state":{"at":"<7>"},`) {
				t.Errorf("check %s calls %s", name, r)
			}
		}
	}
	if after := c.ok("state", "show", "-o", "json"); after != before {
		t.Errorf("the state was\n%s\nand is\n%s", before, after)
	}
}

func TestCheckFollowsAHandlerWhereItIsTold(t *testing.T) {
	answers := map[string]string{"/delta": `{"more":false,"next_state":8}`, "/dump": `{"more":false,"new_or_updated":[{"collection":"pets","record":{"id":1}}],"next_delta_state":9}`}
	c := newToldCLI(t, answers, "    dump: {}\n", "")
	byRule, code, text := c.ofHandler("shop", "--follow", "--dump", "--state", "7")
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, text)
	}
	var states []string
	for _, r := range c.called() {
		path, document, _ := strings.Cut(r, " ")
		var call struct {
			State json.RawMessage `json:"previous_state"`
		}
		if err := json.Unmarshal([]byte(document), &call); err != nil {
			t.Fatal(err)
		}
		states = append(states, path+" "+string(call.State))
	}
	if got := strings.Join(states, ", "); got != "/delta 7, /delta 7, /delta 8, /dump null, /delta 9" {
		t.Errorf("it calls %s", got)
	}
	for _, rule := range []string{"answer", "more", "idle", "dump", "handover", "calls"} {
		if byRule[rule].Status != "ok" {
			t.Errorf("%s is %+v", rule, byRule[rule])
		}
	}
}

func TestCheckSaysWhatAHandlerBreaks(t *testing.T) {
	c := newToldCLI(t, map[string]string{}, "", "")
	large := `{"more":false,"new_or_updated":[{"collection":"pets","record":{"id":1,"text":"` + strings.Repeat("x", 1<<20) + `"}}]}`
	for answer, says := range map[string]string{
		`{"more":false,"deleted":[{"collection":"cats","id":1}]}`: "`tributary preview --request` shows what it answered",
		large: "more than its topic takes: raise the topic's max.message.bytes",
		`{"more":false,"next_state":"` + strings.Repeat("x", 1<<20) + `"}`: "raise max.message.bytes of that topic",
	} {
		c.answer("/delta", answer)
		byRule, code, text := c.ofHandler("shop")
		if k := byRule["answer"]; code != exitCheck || k.Status != "fail" || !strings.Contains(k.Found+k.Remedy, says) || !strings.Contains(k.Means, "nothing is published") {
			t.Errorf("exit code %d, want %q\n%.2000s", code, says, text)
		}
	}
}

func TestCheckRefusesFlagsOfHandlersWhereThereIsNone(t *testing.T) {
	c := newToldCLI(t, map[string]string{}, "", "127.0.0.1:1")
	refused := map[string]string{
		"check --follow":           "name it",
		"check notes --state null": "are for one source of type handler",
		"check shop --dump":        "shop has no dumps: say so in its config first (`dump: {}`)",
		"check shop --state {":     "--state wants JSON",
		"check cats":               `the config has no collection "cats"`,
	}
	for args, says := range refused {
		if code, _, errs := c.run(strings.Fields(args)...); code != exitUsage || !strings.Contains(errs, says) || len(c.called()) > 0 {
			t.Errorf("%s: exit code %d, want %q:\n%s", args, code, says, errs)
		}
	}
}
