package connect

import (
	"slices"
	"strings"
	"testing"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// TestStates says what each state is called there, under each hold. Who adds a state
// decides here.
func TestStates(t *testing.T) {
	want := map[string][3]string{ // not held, paused, stopped
		connector.StateRestoring:      {unassigned, unassigned, stopped},
		connector.StateRunning:        {running, paused, stopped},
		connector.StateBackoff:        {running, paused, stopped},
		connector.StateQuarantined:    {failed, failed, stopped},
		connector.StateStopped:        {failed, failed, stopped},
		connector.StatePaused:         {paused, paused, stopped},
		connector.StateReauthRequired: {failed, failed, stopped},
	}
	for _, state := range connector.States {
		for i, hold := range []control.Hold{control.HoldNone, control.HoldPaused, control.HoldStopped} {
			if got := stateOf(control.Collection{State: state, Hold: hold}); got != want[state][i] {
				t.Errorf("%s, held %q: %s, want %s", state, hold, got, want[state][i])
			}
		}
	}
}

// TestWhatClientsTakeForGrantedOfAStatus holds in every state: kcctl ends at a FAILED task
// without a trace, Redpanda Console calls a RUNNING connector without tasks unhealthy, and
// Kafbat UI knows no STOPPED task.
func TestWhatClientsTakeForGrantedOfAStatus(t *testing.T) {
	p, _ := world()
	h := &handler{plane: p, cfg: Config{Worker: "here:8083"}}
	for _, state := range connector.States {
		for _, hold := range []control.Hold{control.HoldNone, control.HoldPaused, control.HoldStopped} {
			s := h.statusOf(control.Collection{State: state, Hold: hold})
			if s.Connector.Worker == "" || s.Type != "source" {
				t.Errorf("%s %q: %+v", state, hold, s)
			}
			if (s.Connector.State == stopped) != (len(s.Tasks) == 0) {
				t.Errorf("%s %q: %s with %d tasks", state, hold, s.Connector.State, len(s.Tasks))
			}
			for _, task := range s.Tasks {
				if !slices.Contains([]string{running, paused, failed, unassigned, restarting}, task.State) {
					t.Errorf("%s %q: a task is %s", state, hold, task.State)
				}
				if (task.State == failed) && task.Trace == "" {
					t.Errorf("%s %q: FAILED without a trace", state, hold)
				}
			}
		}
	}
}

// TestTracesAreShownWhole looks for the reason where Redpanda Console does.
func TestTracesAreShownWhole(t *testing.T) {
	for why, want := range map[string]string{
		"its topic is gone":              "its topic is gone",
		"its topic is gone (crm.people)": "its topic is gone (crm.people).",
		"java says: some exception":      "java says: some exception.",
		"two\nlines\tand a tab":          "two lines and a tab",
		"":                               "the collection is stopped",
		"GET http://127.0.0.1:1/: EOF":   "GET http://127.0.0.1:1/: EOF",
		"caused by: a proxy":             "caused by: a proxy",
	} {
		c := controltest.Collection("crm", "people")
		controltest.Fail(&c, connector.StateStopped, why, "mend it (now)")
		c.LastError = nil
		trace := traceOf(c)
		if got := shownByConsole(trace); got != want {
			t.Errorf("%q: %q of %q", why, got, trace)
		}
		if !strings.HasSuffix(trace, "\nRemedy: mend it (now)") {
			t.Errorf("%q: no remedy in %q", why, trace)
		}
	}
}

// shownByConsole finds in a trace what Redpanda Console shows of it.
func shownByConsole(trace string) string {
	for line := range strings.SplitSeq(trace, "\n") {
		if line = strings.Trim(line, "\t"); strings.HasSuffix(line, "exception") || strings.HasSuffix(line, ")") {
			continue
		}
		_, text, _ := strings.Cut(line, ":")
		return strings.TrimSpace(text)
	}
	return ""
}

// TestARestartIsForWhatDoesNotRest asks in every state.
func TestARestartIsForWhatDoesNotRest(t *testing.T) {
	for _, c := range []struct {
		path string
		hold control.Hold
		fail bool
		code int
		want string
	}{
		{"restart", control.HoldNone, true, 204, "restart crm.people"},
		{"restart?onlyFailed=true", control.HoldNone, true, 202, "restart crm.people"},
		{"restart?onlyFailed=true", control.HoldNone, false, 202, ""},
		{"restart?includeTasks=true&onlyFailed=true", control.HoldNone, true, 202, "restart crm.people"},
		{"tasks/0/restart", control.HoldNone, true, 204, "restart crm.people"},
		{"restart", control.HoldPaused, false, 204, ""},
		{"restart?includeTasks=true", control.HoldPaused, false, 202, ""},
		{"tasks/0/restart", control.HoldPaused, false, 204, ""},
	} {
		p, h := world()
		p.Set(people, func(col *control.Collection) {
			if c.fail {
				controltest.Fail(col, connector.StateStopped, "why", "")
			}
			col.Hold = c.hold
		})
		w := ask(h, "POST", "/connectors/crm.people/"+c.path, "")
		if got := strings.Join(p.Calls(), ", "); w.Code != c.code || got != c.want {
			t.Errorf("%s, held %q, failed %t: %d, asked of the plane: %q", c.path, c.hold, c.fail, w.Code, got)
		}
		if (c.code == 202) && strings.Contains(w.Body.String(), restarting) != (c.want != "") {
			t.Errorf("%s, held %q, failed %t: %s", c.path, c.hold, c.fail, w.Body)
		}
	}
}
