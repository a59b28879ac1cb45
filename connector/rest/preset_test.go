package rest

import (
	"slices"
	"strings"
	"testing"
)

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
