package canon

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestAPathIsNamesJoinedByDotsOrAJSONPointer(t *testing.T) {
	for _, c := range []struct {
		path, parent string
		want         []string
	}{
		{"", "", nil},
		{"a", "", []string{"a"}},
		{"a.b", "a", []string{"a", "b"}},
		{"/", "", []string{""}},
		{"/a/b", "/a", []string{"a", "b"}},
		{"/a.b/c~1d~0e", "/a.b", []string{"a.b", "c/d~e"}},
		{"/~01", "", []string{"~1"}},
		{"/links/0/href", "/links/0", []string{"links", "0", "href"}},
	} {
		got, err := SplitPath(c.path)
		if err != nil || !slices.Equal(got, c.want) || ParentPath(c.path) != c.parent {
			t.Errorf("%q: got %q %v below %q", c.path, got, err, ParentPath(c.path))
		}
	}
	for _, bad := range []string{".", "a.", ".a", "a..b", "/~", "/a~2", "/~~0"} {
		if CheckPath(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestFoundByPointer(t *testing.T) {
	const src = `{"a.b":{"c/d":[10,{"id":[[],["x"]]},"e"]},"0":"name","":{"":1},"list":[{"0":true}]}`
	paths := []string{"/a.b/c~1d/0", "/a.b/c~1d/1/id/1/0", "/a.b/c~1d/2", "/a.b/c~1d/3", "/a.b/c~1d/-", "/0", "//", "/list/0/0", "/list/00", "/a.b/c~1d/0/x", "/list"}
	h := NewHasher(nil, nil, paths, 64)
	if _, _, err := h.Sum([]byte(src), 0, 1); err != nil {
		t.Fatal(err)
	}
	for k, want := range []string{"10", `"x"`, `"e"`, "", "", `"name"`, "1", "true", "", "", `[{"0":true}]`} {
		if got := string(h.Found(k)); got != want {
			t.Errorf("%s: got %q, want %q", paths[k], got, want)
		}
	}
	// A filter looks through arrays: a number in it is the name of a member.
	if got, err := text(t, `{"a":[{"0":1,"1":2}]}`, nil, []string{"/a/0"}); err != nil || got != `{"a":[{"1":2}]}` {
		t.Errorf("got %s %v", got, err)
	}
}

// pointed is what encoding/json finds, as plainly as can be.
func pointed(doc any, path []string) (any, bool) {
	for _, name := range path {
		switch v := doc.(type) {
		case map[string]any:
			var ok bool
			if doc, ok = v[name]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || !IsIndex(name) || i >= len(v) {
				return nil, false
			}
			doc = v[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

func FuzzAPointerFindsWhatEncodingJSONFinds(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), "/a/0/b")
	}
	f.Add([]byte(`{"a":[{"b":[1,"x\"]"]}]}`), "/a/0/b/1")
	f.Add([]byte(`{"a":{"":{"\u0062":2}}}`), "/a//b")
	f.Fuzz(func(t *testing.T, src []byte, path string) {
		split, err := SplitPath(path)
		if err != nil {
			return
		}
		if strings.HasPrefix(path, "/") {
			back := ""
			for _, n := range split {
				back += "/" + strings.ReplaceAll(strings.ReplaceAll(n, "~", "~0"), "/", "~1")
			}
			if back != path {
				t.Fatalf("%q was split to %q", path, split)
			}
		}
		h := NewHasher(nil, nil, []string{path}, 64)
		var doc any
		if Check(src, 64) != nil || strings.Contains(string(src), `\u`) || json.Unmarshal(src, &doc) != nil {
			return
		}
		if _, _, err := h.Sum(src, space(src, 0), 1); err != nil {
			return // two members of one name
		}
		inArray := false // below an array, the walk finds nothing that is no index
		want, there := pointed(doc, split)
		if !strings.HasPrefix(path, "/") {
			for k := range split {
				v, _ := pointed(doc, split[:k])
				_, isArray := v.([]any)
				inArray = inArray || isArray
			}
		}
		got := h.Found(0)
		if inArray {
			return
		}
		if (got != nil) != there {
			t.Fatalf("%s in %s: got %q, there is %v", path, src, got, there)
		}
		if there {
			wantText, _ := json.Marshal(want)
			var v any
			if err := json.Unmarshal(got, &v); err != nil {
				t.Fatal(err)
			}
			if gotText, _ := json.Marshal(v); string(gotText) != string(wantText) {
				t.Fatalf("%s in %s: got %s, want %s", path, src, gotText, wantText)
			}
		}
	})
}
