package main

import (
	"strings"
	"testing"
)

func TestACollectionThatThePresetDoesNotHave(t *testing.T) {
	for collection, says := range map[string]string{
		"pepole":                            `did you mean "people"`,
		"tasks":                             "there are orders, people",
		"{name: tasks, interval: 1m}":       "If the API does, say where: {name: NAME, path: PATH}",
		"{name: tasks, path: v3/tasks}":     "",
		"people":                            "",
		"{name: \"${env:TOKEN}\", path: x}": "",
	} {
		_, err := parseTest(head + "sources: [{name: s, preset: shop, collections: [" + collection + "]}]\n")
		if says != "" && (err == nil || !strings.Contains(err.Error(), says)) || says == "" && err != nil && strings.Contains(err.Error(), "does not have") {
			t.Errorf("%s: want %q, got %v", collection, says, err)
		}
	}
}
