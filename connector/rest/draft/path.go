package draft

import (
	"strings"

	"tributary/connector/rest/canon"
)

// below joins a path: names joined by dots, or a JSON Pointer (RFC 6901) where a name has a
// dot or a slash in it. "\x00" is for one that the config could not write.
func below(path, name string) string {
	switch {
	case name == "" || path == "\x00" || strings.ContainsAny(name, "\x00{}$") || printable(name) != name:
		return "\x00"
	case strings.HasPrefix(path, "/") || strings.ContainsAny(name, "./~"):
		parts := append(segments(path), name)
		for i, part := range parts {
			parts[i] = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		}
		return "/" + strings.Join(parts, "/")
	case path == "":
		return name
	}
	return path + "." + name
}

// segments are the names that below has joined.
func segments(path string) []string {
	if path == "" {
		return nil
	}
	rest, isPointer := strings.CutPrefix(path, "/")
	if !isPointer {
		return strings.Split(path, ".")
	}
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}

// leaf is the last name of a path, "" of none: without what OData puts before it, and with
// the name above where it says no more than that this is an address: _links.next.href.
func leaf(path string) string {
	parts := segments(path)
	if len(parts) == 0 {
		return ""
	}
	name := parts[len(parts)-1]
	if strings.HasPrefix(name, "@") {
		name = name[strings.LastIndexByte(name, '.')+1:]
	}
	if plain := simple(name); len(parts) > 1 && (plain == "href" || plain == "url") {
		name = parts[len(parts)-2] + name
	}
	return name
}

func usable(path string) bool {
	return !strings.Contains(path, "\x00") && (path == "" || canon.CheckPath(path) == nil)
}
