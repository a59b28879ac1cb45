package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// presets are where a source's preset is found: YAML of the same kind by its name.
type presets struct {
	lookup func(name string) ([]byte, bool)
	names  func() []string
}

// preset returns the tree of the preset that a source names, nil without one.
func (f *fileDecoder) preset(own *node, s *SourceConfig) *node {
	at := own.get("preset")
	if at == nil {
		return nil
	}
	name := f.name(at)
	if name == "" {
		return nil
	}
	s.Preset = name
	if tree, done := f.parsed[name]; done {
		return tree
	}
	f.parsed[name] = nil
	data, ok := f.presets.lookup(name)
	if !ok {
		f.fail(at, "is %s, which is no preset%s", shown(at), suggestion(name, f.presets.names()))
		return nil
	}
	tree := parseTree(f.decoder, newConfigText("preset "+name, data))
	if tree != nil && f.isKind(tree, mapNode) {
		f.parsed[name] = tree
	}
	return f.parsed[name]
}

// byName returns the preset's collections by their names.
func (f *fileDecoder) byName(list *node) map[string]*node {
	out := map[string]*node{}
	if list == nil {
		return out
	}
	for i, item := range list.items {
		// Kept in the list too: without entries of the user's it is decoded as his.
		if m, name := f.collection(item); name != "" {
			list.items[i], out[name] = m, m
		}
	}
	return out
}

// knownTo refuses a name that the preset does not have, unless the user says by path what
// to ask for: of a name that is mistyped nothing but 404 would come, at the first poll. It
// returns the name whose defaults are meant.
func (f *fileDecoder) knownTo(preset string, defaults map[string]*node, name string, own, at *node) string {
	if len(defaults) == 0 || defaults[name] != nil || own.get("path") != nil {
		return name
	}
	all := slices.Sorted(maps.Keys(defaults))
	f.fail(at.at("name"), "is %s, which the preset %s does not have%s If the API does, say where: {name: NAME, path: PATH}",
		shown(at.at("name")), preset, sentence(suggestion(name, all)))
	return cmp.Or(nearest(name, all), all[0])
}

// sentence ends a text that others follow.
func sentence(s string) string {
	if strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
