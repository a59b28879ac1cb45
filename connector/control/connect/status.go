package connect

import (
	"net/http"
	"strings"
	"time"

	"tributary/connector"
	"tributary/connector/control"
)

// The states of connectors and tasks that are used here. Clients refuse others than those
// that Connect has.
const (
	running    = "RUNNING"
	paused     = "PAUSED"
	stopped    = "STOPPED" // of a connector alone: it has no tasks then
	failed     = "FAILED"
	unassigned = "UNASSIGNED"
	restarting = "RESTARTING"
)

type statusInfo struct {
	Name      string       `json:"name"`
	Connector stateInfo    `json:"connector"`
	Tasks     []taskStatus `json:"tasks"`
	Type      string       `json:"type"`
}

type stateInfo struct {
	State  string `json:"state"`
	Worker string `json:"worker_id"`
	Trace  string `json:"trace,omitempty"`
}

type taskStatus struct {
	ID int `json:"id"`
	stateInfo
}

// stateOf says what Connect would call the state of a collection. What an operator has
// stopped is stopped whatever else is true of it, or its offsets could not be set. FAILED
// is what needs a person: also a topic that refuses records, and a credential that is
// refused, although they are tried again. An error that is being tried again is none.
func stateOf(c control.Collection) string {
	switch {
	case c.Hold == control.HoldStopped:
		return stopped
	case c.State == connector.StateStopped, c.State == connector.StateQuarantined, c.State == connector.StateReauthRequired:
		return failed
	case c.State == connector.StateRestoring:
		return unassigned
	case c.Hold == control.HoldPaused, c.State == connector.StatePaused:
		return paused
	}
	return running
}

// traceOf is what a FAILED task must have, or kcctl ends; beside RUNNING it says that
// requests fail and are tried again. Redpanda Console shows what stands behind the first
// colon of the first line that does not end like one of a stack.
func traceOf(c control.Collection) string {
	if state := stateOf(c); state != failed && (state != running || c.State != connector.StateBackoff) {
		return ""
	}
	why := c.Why
	if why == "" && c.LastError != nil {
		why = c.LastError.Text
	}
	if why == "" {
		why = "the collection is " + c.State
	}
	why = strings.Join(strings.Fields(why), " ")
	if strings.HasSuffix(why, ")") || strings.HasSuffix(why, "exception") {
		why += "."
	}
	trace := "PollError: " + why
	if c.Remedy != "" {
		trace += "\nRemedy: " + strings.Join(strings.Fields(c.Remedy), " ")
	}
	if c.LastError != nil {
		trace += "\nLast error at " + c.LastError.At.UTC().Format(time.RFC3339)
	}
	return trace
}

func (h *handler) statusOf(c control.Collection) statusInfo {
	state := stateInfo{State: stateOf(c), Worker: h.cfg.Worker, Trace: traceOf(c)}
	s := statusInfo{Name: c.Name.String(), Connector: state, Tasks: []taskStatus{}, Type: "source"}
	if state.State != stopped {
		s.Tasks = append(s.Tasks, taskStatus{stateInfo: state})
	}
	return s
}

func (h *handler) status(r *http.Request) (int, any, error) {
	c, err := h.find(r)
	if err != nil {
		return 0, nil, &apiError{http.StatusNotFound, "No status found for connector " + r.PathValue("connector")}
	}
	return http.StatusOK, h.statusOf(c), nil
}

func (h *handler) taskStatus(r *http.Request) (int, any, error) {
	name, task := r.PathValue("connector"), r.PathValue("task")
	c, err := h.find(r)
	if err == nil && task == "0" && stateOf(c) != stopped {
		return http.StatusOK, h.statusOf(c).Tasks[0], nil
	}
	return 0, nil, &apiError{http.StatusNotFound, "No status found for task " + name + "-" + task}
}
