package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestAReplicaIsAFileBesideTheConfig(t *testing.T) {
	cfg := mustParse(t, head+`
sources:
  - {name: shop, preset: shop, replica: {path: data/shop.db, indexes: {people: [email, /address/city]}}, collections: [people]}
  - {name: other, preset: shop, replica: {path: /var/lib/other.db}}
  - {name: none, preset: shop}
`)
	want := &ReplicaConfig{Path: filepath.Join("testdata", "data", "shop.db"), Indexes: map[string][]string{"people": {"email", "/address/city"}}}
	if got := cfg.Sources[0].Replica; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := cfg.Sources[1].Replica.Path; got != "/var/lib/other.db" || cfg.Sources[2].Replica != nil {
		t.Errorf("got %q and %v", got, cfg.Sources[2].Replica)
	}
}

func TestAReplicaThatCannotBeMeantIsRefused(t *testing.T) {
	for lines, want := range map[string]string{
		"replica: x.db":         "sources[0].replica wants a map",
		"replica: {}":           `needs "path"`,
		"replica: {path: ''}":   "is empty",
		"replica: {file: x.db}": `unknown key "file"`,
		"replica: {path: x.db, indexes: {persons: [email]}}":                                                   `indexes of "persons", which is no collection of this source`,
		"replica: {path: x.db, indexes: {people: [a..b]}}":                                                     "has an empty name",
		"replica: {path: x.db, indexes: {people: ['']}}":                                                       "is empty",
		"replica: {path: x.db, indexes: {people: email}}":                                                      "wants a list",
		"collections: [{name: people, replica: {path: x.db}}]":                                                 "belongs to the source",
		"replica: {path: ./d/../x.db}, collections: [people]},\n{name: b, preset: shop, replica: {path: x.db}": "is the file of the replica in line 3, column 54 too",
	} {
		text := head + "sources: [{name: shop, preset: shop, " + lines + "}]\n"
		if _, err := parseTest(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", lines, err, want)
		}
	}
}
