package connect

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/connector/control"
)

// connectorInfo is a connector as Connect describes it. Clients take the values of its
// config for strings.
type connectorInfo struct {
	Name   string            `json:"name"`
	Config map[string]string `json:"config"`
	Tasks  []taskID          `json:"tasks"`
	Type   string            `json:"type"`
}

type taskID struct {
	Connector string `json:"connector"`
	Task      int    `json:"task"`
}

type taskInfo struct {
	ID     taskID            `json:"id"`
	Config map[string]string `json:"config"`
}

// expanded is a connector in a list, with what of it was asked for.
type expanded struct {
	Info   *connectorInfo `json:"info,omitempty"`
	Status *statusInfo    `json:"status,omitempty"`
}

// find returns the collection that a request is about. Names of sources and collections
// may hold dots themselves.
func (h *handler) find(r *http.Request) (control.Collection, error) {
	name := r.PathValue("connector")
	for i, c := range name {
		if c != '.' {
			continue
		}
		col, err := h.plane.Collection(control.Name{Source: name[:i], Collection: name[i+1:]})
		if err == nil {
			return col, nil
		}
	}
	return control.Collection{}, &apiError{http.StatusNotFound, "Connector " + name + " not found"}
}

// list answers with names alone unless something is expanded; what is not known is not
// expanded, as in Connect.
func (h *handler) list(r *http.Request) (int, any, error) {
	expand := r.URL.Query()["expand"]
	collections := h.plane.Collections()
	if len(expand) == 0 {
		names := make([]string, 0, len(collections))
		for _, c := range collections {
			names = append(names, c.Name.String())
		}
		return http.StatusOK, names, nil
	}
	info, status := slices.Contains(expand, "info"), slices.Contains(expand, "status")
	sources := h.sources()
	group := h.plane.Info().Group
	all := make(map[string]expanded, len(collections))
	for _, c := range collections {
		var e expanded
		if info {
			i := infoOf(c, sources[c.Source], group)
			e.Info = &i
		}
		if status {
			s := h.statusOf(c)
			e.Status = &s
		}
		all[c.Name.String()] = e
	}
	return http.StatusOK, all, nil
}

func (h *handler) sources() map[string]control.Source {
	sources := map[string]control.Source{}
	for _, s := range h.plane.Sources() {
		sources[s.Name] = s
	}
	return sources
}

func (h *handler) info(r *http.Request) (int, any, error) {
	c, err := h.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, infoOf(c, h.sources()[c.Source], h.plane.Info().Group), nil
}

func (h *handler) config(r *http.Request) (int, any, error) {
	c, err := h.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, configOf(c, h.sources()[c.Source], h.plane.Info().Group), nil
}

func (h *handler) tasks(r *http.Request) (int, any, error) {
	c, err := h.find(r)
	if err != nil {
		return 0, nil, err
	}
	tasks := []taskInfo{}
	for _, id := range tasksOf(c) {
		cfg := configOf(c, h.sources()[c.Source], h.plane.Info().Group)
		cfg["task.class"] = taskClass
		tasks = append(tasks, taskInfo{ID: id, Config: cfg})
	}
	return http.StatusOK, tasks, nil
}

func infoOf(c control.Collection, s control.Source, group string) connectorInfo {
	return connectorInfo{Name: c.Name.String(), Config: configOf(c, s, group), Tasks: tasksOf(c), Type: "source"}
}

// tasksOf returns the one task, or none where Connect would have none either.
func tasksOf(c control.Collection) []taskID {
	if stateOf(c) == stopped {
		return []taskID{}
	}
	return []taskID{{Connector: c.Name.String()}}
}

// configOf shows what is configured, as far as the plane shows it: no credential.
// Redpanda Console looks for the topic at kafka.topic.
func configOf(c control.Collection, s control.Source, group string) map[string]string {
	cfg := map[string]string{
		"name": c.Name.String(), "connector.class": class, "tasks.max": "1", "kafka.topic": c.Topic,
		"group": group, "source": c.Source, "collection": c.Name.Collection, "lane": strconv.Itoa(int(c.Lane)),
		"type": s.Type, "preset": s.Preset, "url": plainURL(s.URL), "cron": strings.Join(c.Cron, "; "),
	}
	if c.Interval > 0 {
		cfg["interval"] = time.Duration(c.Interval * float64(time.Second)).String()
	}
	for key, value := range cfg {
		if value == "" {
			delete(cfg, key)
		}
	}
	return cfg
}

// plainURL leaves out where credentials may stand in an address.
func plainURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

type topicsInfo struct {
	Topics []string `json:"topics"`
}

// topics answers for a connector that there is not, too, as Connect does. kcctl reads the
// first entry, so there is always one.
func (h *handler) topics(r *http.Request) (int, any, error) {
	topics := []string{}
	if c, err := h.find(r); err == nil {
		topics = append(topics, c.Topic)
	}
	return http.StatusOK, map[string]topicsInfo{r.PathValue("connector"): {topics}}, nil
}

// resetTopics has nothing to forget: a collection has its topic by its config, and not
// because something was written to it.
func (h *handler) resetTopics(*http.Request) (int, any, error) {
	return http.StatusAccepted, nil, nil
}
