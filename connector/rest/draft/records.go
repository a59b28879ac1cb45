package draft

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tributary/connector/rest/canon"
)

// records are the array that looks most like a list of records.
type records struct {
	path string
	why  string
	rows []map[string]any
	// sure says that there are records in it.
	sure bool
}

// findRecords looks for the array of objects that holds most, the shallowest of equals.
func findRecords(doc any) records {
	best, size := records{path: "data", why: "TODO: no list of objects is in the answer; say where the records are"}, -1
	var walk func(v any, path string, depth int)
	walk = func(v any, path string, depth int) {
		switch v := v.(type) {
		case []any:
			rows := objects(v)
			n := len(rows) * (1 + members(rows)/4)
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

// below joins a path; "\x00" for one that the config could not write.
func below(path, name string) string {
	if name == "" || strings.ContainsAny(name, "./~\x00{}$") || printable(name) != name {
		return "\x00"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func usable(path string) bool {
	return !strings.Contains(path, "\x00") && (path == "" || canon.CheckPath(path) == nil)
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
		if r < rank && usable(below("", name)) && distinct(rows, name) {
			best, rank = name, r
		}
	}
	switch {
	case best == "":
		if path := nestedID(rows); path != "" {
			return guess{path, fmt.Sprintf("TODO: each of %d records has another one, one level down; is it the record's own?", len(rows))}
		}
		return guess{"id", "TODO: no member looks like an id that each record has of its own"}
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
		_, name, nested := strings.Cut(path, ".")
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

func distinct(rows []map[string]any, path string) bool {
	seen := map[string]bool{}
	for _, row := range rows {
		switch v := valueAt(row, path).(type) {
		case string:
			if v == "" || seen[v] {
				return false
			}
			seen[v] = true
		case json.Number:
			if seen[v.String()] {
				return false
			}
			seen[v.String()] = true
		default:
			return false
		}
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
			if simple(name) == want && usable(below("", name)) {
				return guess{name, "records have it; is a record gone when it is set?"}
			}
		}
	}
	return guess{}
}
