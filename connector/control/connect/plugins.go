package connect

import (
	"net/http"
	"strings"
)

// The one plugin, and the class that its tasks are said to have.
const (
	class     = "tributary.SourceConnector"
	taskClass = "tributary.SourceTask"
)

type plugin struct {
	Class   string `json:"class"`
	Type    string `json:"type"`
	Version string `json:"version"`
}

// configKey describes a key of a config, as Connect's ConfigDef does.
type configKey struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Required      bool     `json:"required"`
	DefaultValue  *string  `json:"default_value"`
	Importance    string   `json:"importance"`
	Documentation string   `json:"documentation"`
	Group         string   `json:"group"`
	Order         int      `json:"order_in_group"`
	Width         string   `json:"width"`
	DisplayName   string   `json:"display_name"`
	Dependents    []string `json:"dependents"`
}

type configValue struct {
	Name        string   `json:"name"`
	Value       *string  `json:"value"`
	Recommended []string `json:"recommended_values"`
	Errors      []string `json:"errors"`
	Visible     bool     `json:"visible"`
}

type validatedKey struct {
	Definition configKey   `json:"definition"`
	Value      configValue `json:"value"`
}

type validation struct {
	Name       string         `json:"name"`
	ErrorCount int            `json:"error_count"`
	Groups     []string       `json:"groups"`
	Configs    []validatedKey `json:"configs"`
}

// keysOf are the keys that configOf shows.
var keysOf = func() []configKey {
	var keys []configKey
	add := func(group, importance, name, what string) {
		keys = append(keys, configKey{
			Name: name, Type: "STRING", Importance: importance, Group: group, Order: len(keys) + 1,
			Documentation: what + " It is said in Tributary's config file and only shown here.",
			Width:         "MEDIUM", DisplayName: name, Dependents: []string{},
		})
	}
	add("Common", "HIGH", "name", "The collection, as SOURCE.COLLECTION.")
	add("Common", "HIGH", "connector.class", "The class, which is always this one.")
	add("Common", "HIGH", "tasks.max", "The number of tasks, which is always 1.")
	add("Common", "HIGH", "kafka.topic", "The topic that the collection is published to.")
	add("Common", "LOW", "group", "The deployment that it is of.")
	add("Source", "HIGH", "source", "The account of an API that it is of.")
	add("Source", "HIGH", "collection", "Its name within the source.")
	add("Source", "MEDIUM", "type", "How the source is read: rest or handler.")
	add("Source", "MEDIUM", "preset", "The preset that describes the source's API.")
	add("Source", "HIGH", "url", "The address of the API, without what may hold a credential.")
	add("Source", "MEDIUM", "interval", "The time between two pulls.")
	add("Source", "MEDIUM", "cron", "The cron expressions at which it is pulled, with semicolons between them.")
	add("Source", "LOW", "lane", "The partition of the offsets topic that holds its state.")
	return keys
}()

func (h *handler) plugins(*http.Request) (int, any, error) {
	return http.StatusOK, []plugin{{Class: class, Type: "source", Version: h.plane.Info().Version}}, nil
}

// isOurs knows the class by its short names too, as Connect does.
func isOurs(name string) bool {
	return name == class || name == "SourceConnector" || name == "Source"
}

func (h *handler) pluginConfig(r *http.Request) (int, any, error) {
	if p := r.PathValue("p"); !isOurs(p) {
		return 0, nil, unknown("Unknown plugin " + p + ".")
	}
	return http.StatusOK, keysOf, nil
}

// validate finds nothing wrong with any config: AKHQ asks for every plugin that it lists,
// and whoever then writes the config is told where it is written.
func (h *handler) validate(r *http.Request) (int, any, error) {
	if p := r.PathValue("p"); !isOurs(p) {
		return 0, nil, unknown("Unknown plugin " + p + ".")
	}
	var asked map[string]any
	if err := decode(r.Body, &asked); err != nil {
		return 0, nil, err
	}
	v := validation{Name: class, Groups: []string{"Common", "Source"}}
	for _, key := range keysOf {
		value := configValue{Name: key.Name, Recommended: []string{}, Errors: []string{}, Visible: true}
		if s, ok := asked[key.Name].(string); ok {
			s = strings.ToValidUTF8(s, "")
			value.Value = &s
		}
		v.Configs = append(v.Configs, validatedKey{key, value})
	}
	return http.StatusOK, v, nil
}
