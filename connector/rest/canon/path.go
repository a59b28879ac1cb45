package canon

import (
	"fmt"
	"strings"
)

// SplitPath returns the names of a path: those between its dots or, if it begins with a
// slash, those of a JSON Pointer (RFC 6901), which may hold dots, be empty, or be the
// index of an element of an array. The empty path is the whole and has none.
func SplitPath(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' {
		names := strings.Split(path, ".")
		for _, n := range names {
			if n == "" {
				return nil, fmt.Errorf("path %q has an empty name", path)
			}
		}
		return names, nil
	}
	names := strings.Split(path[1:], "/")
	for i, n := range names {
		for rest := n; ; {
			_, after, found := strings.Cut(rest, "~")
			if !found {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, fmt.Errorf("path %q has a ~ that is followed by neither 0 nor 1: in a JSON Pointer ~0 stands for ~ and ~1 for /", path)
			}
			rest = after
		}
		names[i] = strings.ReplaceAll(strings.ReplaceAll(n, "~1", "/"), "~0", "~")
	}
	return names, nil
}

// CheckPath says whether path can be a path.
func CheckPath(path string) error {
	_, err := SplitPath(path)
	return err
}

// ParentPath returns the path of what holds the value at path.
func ParentPath(path string) string {
	separator := byte('.')
	if strings.HasPrefix(path, "/") {
		separator = '/'
	}
	return path[:max(0, strings.LastIndexByte(path, separator))]
}

// names are those of a path that has passed CheckPath.
func names(path string) []string {
	all, _ := SplitPath(path)
	return all
}

// cutIndex cuts the names of a path before the first that may be an index. The walk goes
// by the names of members; an element is looked for within what it has found.
func cutIndex(path string) (walked, within []string) {
	all := names(path)
	if strings.HasPrefix(path, "/") {
		for i, n := range all {
			if IsIndex(n) {
				return all[:i], all[i:]
			}
		}
	}
	return all, nil
}

// IsIndex says whether a name is an index of RFC 6901, section 4.
func IsIndex(name string) bool {
	return name == "0" || name != "" && name[0] != '0' && len(name) < 10 && strings.Trim(name, "0123456789") == ""
}

// Lookup returns the text of the value at a path of names within the value that src begins
// with, nil if it has none. Of members of one name it finds the first. src is a piece of
// a text that has passed Check.
func Lookup(src []byte, path []string) []byte {
	i := space(src, 0)
	for _, name := range path {
		switch src[i] {
		case '{':
			i = memberAt(src, i, name)
		case '[':
			i = elementAt(src, i, name)
		default:
			i = -1
		}
		if i < 0 {
			return nil
		}
	}
	return src[i:skip(src, i)]
}

// memberAt returns the index of the value of the member of that name in the object at i.
func memberAt(src []byte, i int, name string) int {
	want := string(appendEscaped(nil, name))
	var got []byte
	for i = space(src, i+1); src[i] != '}'; {
		end, _ := quote(src, i+1)
		got = appendText(got[:0], src[i+1:end])
		value := space(src, space(src, end+1)+1)
		if string(got) == want {
			return value
		}
		if i = space(src, skip(src, value)); src[i] == ',' {
			i = space(src, i+1)
		}
	}
	return -1
}

// elementAt returns the index of the element of that index in the array at i.
func elementAt(src []byte, i int, index string) int {
	if !IsIndex(index) {
		return -1
	}
	n := 0
	for _, c := range index {
		n = n*10 + int(c-'0')
	}
	for i = space(src, i+1); src[i] != ']'; n-- {
		if n == 0 {
			return i
		}
		if i = space(src, skip(src, i)); src[i] == ',' {
			i = space(src, i+1)
		}
	}
	return -1
}

// skip returns the index behind the value at i.
func skip(src []byte, i int) int {
	switch src[i] {
	case '"':
		end, _ := quote(src, i+1)
		return end + 1
	case '{', '[':
	default:
		return scalarEnd(src, i)
	}
	for depth := 0; ; i++ {
		switch src[i] {
		case '"':
			i, _ = quote(src, i+1)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}
