package connect

import (
	"net/http"

	"tributary/connector/control"
)

// hold returns the operation that makes a collection rest or go on. It is done when it is
// answered, and 202 is Connect's code all the same.
func (h *handler) hold(hold control.Hold, code int) operation {
	return func(r *http.Request) (int, any, error) {
		c, err := h.find(r)
		if err != nil {
			return 0, nil, unknown("Unknown connector " + r.PathValue("connector"))
		}
		return code, nil, h.plane.Hold(r.Context(), c.Name, hold)
	}
}

// restart has a collection try at once, which is what a restart is for. With includeTasks
// or onlyFailed the answer says what is being restarted; for what does not need it nothing
// is done, as in Connect.
func (h *handler) restart(r *http.Request) (int, any, error) {
	c, err := h.find(r)
	if err != nil {
		return 0, nil, unknown("Unknown connector: " + r.PathValue("connector"))
	}
	q := r.URL.Query()
	withTasks, onlyFailed := q.Get("includeTasks") == "true", q.Get("onlyFailed") == "true"
	status := h.statusOf(c)
	restarted := false
	if !onlyFailed || status.Connector.State == failed {
		if restarted, err = h.tryNow(r, c); err != nil {
			return 0, nil, err
		}
	}
	if !withTasks && !onlyFailed {
		return http.StatusNoContent, nil, nil
	}
	if restarted {
		status.Connector = stateInfo{State: restarting, Worker: h.cfg.Worker}
	}
	if restarted && withTasks {
		for i := range status.Tasks {
			status.Tasks[i].stateInfo = status.Connector
		}
	}
	return http.StatusAccepted, status, nil
}

func (h *handler) restartTask(r *http.Request) (int, any, error) {
	name, task := r.PathValue("connector"), r.PathValue("task")
	c, err := h.find(r)
	switch {
	case err != nil:
		return 0, nil, unknown("Unknown connector: " + name)
	case task != "0" || stateOf(c) == stopped:
		return 0, nil, unknown("Unknown task: " + name + "-" + task)
	}
	_, err = h.tryNow(r, c)
	return http.StatusNoContent, nil, err
}

// tryNow restarts a collection that does not rest: a restart changes no target state.
func (h *handler) tryNow(r *http.Request, c control.Collection) (bool, error) {
	if c.Hold != control.HoldNone {
		return false, nil
	}
	err := h.plane.Restart(r.Context(), c.Name)
	return err == nil, err
}

func unknown(message string) *apiError { return &apiError{http.StatusNotFound, message} }
