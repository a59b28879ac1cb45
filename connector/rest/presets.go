package rest

import (
	"embed"
	"strings"
)

//go:embed presets/*.yaml
var presets embed.FS

const presetSuffix = ".yaml"

// Preset returns the preset called name: the settings of one source, in YAML, as a
// user writes them.
func Preset(name string) ([]byte, bool) {
	if strings.ContainsAny(name, "/\\.") {
		return nil, false
	}
	text, err := presets.ReadFile("presets/" + name + presetSuffix)
	return text, err == nil
}

// PresetNames returns the names of all presets, sorted.
func PresetNames() []string {
	entries, _ := presets.ReadDir("presets") // it is embedded, and sorted
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), presetSuffix)
	}
	return names
}
