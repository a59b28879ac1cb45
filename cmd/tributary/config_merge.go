package main

import (
	"slices"
	"strconv"
)

// overlay lays one tree over another and returns the result; neither is changed. Maps
// are merged key by key, everything else is replaced, and a null takes away what is
// below it. Either may be nil.
func overlay(base, over *node) *node {
	switch {
	case over == nil:
		return base
	case base == nil, base.kind != mapNode, over.kind != mapNode:
		return over
	}
	out := &node{kind: mapNode, pos: over.pos, path: over.path, fields: slices.Clone(over.fields)}
	for _, below := range base.fields {
		i := slices.IndexFunc(over.fields, func(f field) bool { return f.key == below.key })
		if i < 0 {
			out.fields = append(out.fields, below)
			continue
		}
		lower := below.value
		if below.key == "hash" || below.key == "auth" {
			lower = lower.only(over.fields[i].value)
		}
		out.fields[i].value = overlay(lower, over.fields[i].value)
	}
	return out
}

// only returns the map with just those keys that the other one has too. In a map whose
// keys are alternatives, choosing one must not leave another behind from below.
func (n *node) only(other *node) *node {
	return n.filter(func(key string) bool {
		return slices.ContainsFunc(other.fields, func(f field) bool { return f.key == key })
	})
}

// without returns the map without some keys.
func (n *node) without(keys ...string) *node {
	return n.filter(func(key string) bool { return !slices.Contains(keys, key) })
}

func (n *node) filter(keep func(key string) bool) *node {
	if n == nil || n.kind != mapNode {
		return n
	}
	out := *n
	out.fields = slices.DeleteFunc(slices.Clone(n.fields), func(f field) bool { return !keep(f.key) })
	return &out
}

func joined(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func indexed(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
