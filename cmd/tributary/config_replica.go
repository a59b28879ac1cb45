package main

import (
	"path/filepath"
	"slices"

	"tributary/connector/rest"
)

// ReplicaConfig is where a source's collections are kept to be read from.
type ReplicaConfig struct {
	// Path is the file, absolute or relative to where the process runs.
	Path string
	// Indexes are paths of values that are looked for, compared or sorted by, by collection.
	Indexes map[string][]string
}

// maxIndexes bounds those of a collection: each is written with every record.
const maxIndexes = 16

// replica decodes the replica of a source. Whether its collections are there is only known
// later: checkReplica.
func (f *fileDecoder) replica(n *node) *ReplicaConfig {
	r := &ReplicaConfig{Indexes: map[string][]string{}}
	f.object(n, keys{
		"path": func(n *node) { r.Path = f.replicaPath(n) },
		"indexes": func(n *node) {
			if !f.isKind(n, mapNode) {
				return
			}
			for _, field := range n.fields {
				r.Indexes[field.key] = f.indexes(field.value)
			}
		},
	})
	if n.kind == mapNode {
		f.require(n, "path")
	}
	return r
}

// replicaPath returns a path relative to the config's folder. Two replicas must not share a
// file.
func (f *fileDecoder) replicaPath(n *node) string {
	path := f.name(n)
	if path == "" {
		return ""
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.folder, path)
	}
	path = filepath.Clean(path)
	if first, twice := f.replicas[path]; twice {
		f.fail(n, "is the file of the replica in %v too: each source has its own", first)
	}
	f.replicas[path] = n.pos
	return path
}

func (f *fileDecoder) indexes(n *node) []string {
	paths := f.texts(n)
	if len(paths) > maxIndexes {
		f.fail(n, "has %d paths, and %d are the most: each is written with every record", len(paths), maxIndexes)
	}
	for i, p := range paths {
		if err := rest.CheckPath(p); p != "" && err != nil {
			f.fail(n.items[i], "is %s: %v", shown(n.items[i]), err)
		}
	}
	return paths
}

// checkReplica refuses indexes of collections that the source does not have.
func (f *fileDecoder) checkReplica(n *node, s *SourceConfig) {
	indexes := n.get("replica").get("indexes")
	if indexes == nil || indexes.kind != mapNode {
		return
	}
	var names []string
	for _, c := range s.Collections {
		names = append(names, c.Settings.Collection)
	}
	for _, field := range indexes.fields {
		if !slices.Contains(names, field.key) {
			f.failAt(field.pos, "%s has indexes of %q, which is no collection of this source%s", indexes.path, field.key, suggestion(field.key, names))
		}
	}
}
