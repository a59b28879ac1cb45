package draft

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// records are the array that looks most like a list of records.
type records struct {
	path string
	why  string
	rows []map[string]any
	// sure says that there are records in it.
	sure bool
}

// asides are lists that stand beside the records, and may hold more than there are of them.
var asides = []string{"included", "includes", "expansions", "errors", "warnings", "messages", "links", "facets", "aggregations"}

// shownIn says what an answer without a list has, which may be why: an error, one record.
func shownIn(doc any) string {
	top, ok := doc.(map[string]any)
	if !ok {
		return ", and no object"
	}
	names := sorted(top)
	if len(names) == 0 {
		return ", which is empty"
	}
	for i, name := range names {
		names[i] = printable(name)
	}
	const most = 8
	return ", which has " + strings.Join(names[:min(len(names), most)], ", ")
}

// findRecords looks for the array of objects that holds most, the shallowest of equals.
func findRecords(doc any) records {
	best, size := records{path: "data", why: "TODO: no list of objects is in the answer" + shownIn(doc) + "; say where the records are"}, -2
	var walk func(v any, path string, depth int)
	walk = func(v any, path string, depth int) {
		switch v := v.(type) {
		case []any:
			rows := objects(v)
			n := len(rows) * (1 + members(rows)/4)
			if slices.Contains(asides, simple(leaf(path))) {
				n = -1
			}
			if n > size && (len(rows) > 0 || len(v) == 0) && usable(path) {
				why := fmt.Sprintf("the largest list of objects in the answer: %d of them", len(rows))
				if len(rows) == 0 {
					why = "TODO: it is empty; ask for a list that has records, so that more can be said"
				}
				best, size = records{path, why, rows, len(rows) > 0}, n
			}
		case map[string]any:
			if depth < maxDepth {
				for _, name := range sorted(v) {
					walk(v[name], below(path, name), depth+1)
				}
			}
		}
	}
	walk(doc, "", 0)
	return best
}

// objects returns the items of a list if all of them are objects.
func objects(list []any) []map[string]any {
	var rows []map[string]any
	for _, item := range list {
		row, ok := item.(map[string]any)
		if !ok {
			return nil
		}
		rows = append(rows, row)
	}
	return rows
}

func members(rows []map[string]any) int {
	if len(rows) == 0 {
		return 0
	}
	return len(rows[0])
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ids are the names of ids, the best first.
var ids = []string{"id", "uuid", "guid", "gid", "sysid", "recordid", "objectid", "key", "slug", "code"}

// findID looks for the member that every record has, each another.
func findID(rows []map[string]any, collection string) guess {
	if len(rows) == 0 {
		return guess{"id", "TODO: no record was shown; say which member is the id"}
	}
	singular := simple(strings.TrimSuffix(collection, "s"))
	best, rank := "", len(ids)+2
	for _, name := range sorted(rows[0]) {
		r := slices.Index(ids, simple(name))
		switch {
		case simple(name) == singular+"id":
			r = 1
		case r < 0 && strings.HasSuffix(simple(name), "id"):
			r = len(ids)
		case r < 0:
			continue
		}
		if path := below("", name); r < rank && usable(path) && distinct(rows, path) {
			best, rank = path, r
		}
	}
	switch {
	case best == "":
		if path := nestedID(rows); path != "" {
			return guess{path, fmt.Sprintf("TODO: each of %d records has another one, one level down; is it the record's own?", len(rows))}
		}
		return guess{"id", "TODO: no member looks like an id that each record has of its own" + together(rows)}
	case rank == len(ids):
		return guess{best, fmt.Sprintf("TODO: each of %d records has another one; is it the record's own?", len(rows))}
	}
	return guess{best, fmt.Sprintf("each of %d records has another one", len(rows))}
}

// nestedID looks one level down for what every record has, each another: the one with the
// best name.
func nestedID(rows []map[string]any) string {
	best, rank := "", len(ids)+2
	for _, path := range candidates(rows[0]) {
		nested, name := len(segments(path)) > 1, leaf(path)
		_, isTime := classify(valueAt(rows[0], path))
		if !nested || isTime || len(rows) < 3 || !distinct(rows, path) {
			continue
		}
		r := slices.Index(ids, simple(name))
		switch {
		case r < 0 && strings.HasSuffix(simple(name), "id"):
			r = len(ids)
		case r < 0:
			r = len(ids) + 1
		}
		if r < rank {
			best, rank = path, r
		}
	}
	return best
}

// together names what might be the id although no name says so: members that each record has
// another one of, or else two that no two records share.
func together(rows []map[string]any) string {
	var alone, parts []string
	for _, path := range candidates(rows[0]) {
		v := valueAt(rows[0], path)
		if _, isTime := classify(v); isTime || len(rows) < 3 {
			continue
		}
		switch v.(type) {
		case string, json.Number:
			if distinct(rows, path) {
				alone = append(alone, path)
			}
			parts = append(parts, path)
		}
	}
	const most = 6
	if len(alone) > 0 {
		return "; of these each has another one: " + strings.Join(alone[:min(len(alone), most)], ", ")
	}
	parts = parts[:min(len(parts), 20)]
	for i, one := range parts {
		for _, other := range parts[i+1:] {
			if distinct(rows, one, other) {
				return fmt.Sprintf("; no two share both %s and %s, as in id: [%s, %s]", one, other, one, other)
			}
		}
	}
	return ""
}

// distinct says whether no two records have the same values at these paths.
func distinct(rows []map[string]any, paths ...string) bool {
	seen := map[string]bool{}
	for _, row := range rows {
		var all []string
		for _, path := range paths {
			switch v := valueAt(row, path).(type) {
			case string:
				all = append(all, v)
			case json.Number:
				all = append(all, v.String())
			}
		}
		key := strings.Join(all, "\x00")
		if len(all) < len(paths) || slices.Contains(all, "") || seen[key] {
			return false
		}
		seen[key] = true
	}
	return true
}

var deletions = []string{"deletedat", "deleted", "isdeleted", "datedeleted", "archivedat", "archived", "isarchived", "intrash", "trashedat"}

// findDeleted looks for the member that says that a record is gone.
func findDeleted(rows []map[string]any) guess {
	if len(rows) == 0 {
		return guess{}
	}
	for _, want := range deletions {
		for _, name := range sorted(rows[0]) {
			if path := below("", name); simple(name) == want && usable(path) {
				return guess{path, "records have it; is a record gone when it is set?"}
			}
		}
	}
	return guess{}
}
