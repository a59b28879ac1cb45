package rest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// sourceYAML is what a preset may say.
type sourceYAML struct {
	URL    string
	Budget struct {
		PerMinute int `yaml:"per_minute"`
		Share     float64
	}
	Request requestYAML
	Cursor  struct{ Field, From, To, Format, Tick string }
	Order   map[string]string
	Page    struct {
		SizeParam   string `yaml:"size_param"`
		Size        int
		Param       string
		Next, Total string
		CountParams map[string]any `yaml:"count_params"`
	}
	Records, ID string
	Echo        struct {
		From  string
		Order map[string]string
	}
	Collections []struct {
		Name, Path string
		Request    requestYAML
		Hash       struct{ Include, Exclude []string }
		Probe      struct {
			Param string
			Max   int
		}
		Deletions any
	}
	Deletions any
}

type requestYAML struct{ Params map[string]any }

var collectionName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func TestEveryPresetIsAConfig(t *testing.T) {
	for _, name := range PresetNames() {
		text, ok := Preset(name)
		if !ok {
			t.Fatalf("%s is listed and not there", name)
		}
		var s sourceYAML
		if err := yaml.UnmarshalWithOptions(text, &s, yaml.Strict()); err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, c := range s.Collections {
			if !collectionName.MatchString(c.Name) || names[c.Name] {
				t.Errorf("%s: collection %q has a bad name, or is there twice", name, c.Name)
			}
			names[c.Name] = true
			if c.Path == "" {
				c.Path = c.Name
			}
			config := salesloftLike(s.URL)
			config.Path = c.Path
			config.From, config.To, config.Format, config.Instant = s.Cursor.From, s.Cursor.To, s.Cursor.Format, s.Cursor.Field
			config.SizeParam, config.Size, config.PageParam, config.Next, config.Total = s.Page.SizeParam, s.Page.Size, s.Page.Param, s.Page.Next, s.Page.Total
			config.ProbeParam, config.ProbeMax, config.Exclude = c.Probe.Param, c.Probe.Max, c.Hash.Exclude
			config.Records, config.ID, config.EchoFrom, config.EchoOrder = s.Records, s.ID, s.Echo.From, s.Echo.Order
			if err := config.Validate(); err != nil {
				t.Errorf("%s: %s: %v", name, c.Name, err)
			}
		}
	}
}

func TestTheSalesloftPresetKnowsItsCollections(t *testing.T) {
	text, _ := Preset("salesloft")
	for _, want := range []string{"name: people", "path: activities/calls", "include_archived_templates: true", "show_deleted: true", "exclude: [starred, locale_utc_offset]"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(string(text), "- name: tasks") {
		t.Error("tasks cannot be sorted by updated_at")
	}
}

func TestAPresetThatIsNotThere(t *testing.T) {
	for _, name := range []string{"", "none", "../config", "salesloft.yaml", "/etc/passwd"} {
		if _, ok := Preset(name); ok {
			t.Errorf("%q is a preset", name)
		}
	}
	if !slices.IsSorted(PresetNames()) || !slices.Contains(PresetNames(), "salesloft") {
		t.Errorf("got %v", PresetNames())
	}
}
