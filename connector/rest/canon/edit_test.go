package canon

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// edited returns what is published of src.
func edited(t testing.TB, src string, drop, mask []string) string {
	t.Helper()
	if err := Check([]byte(src), 64); err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	h := NewHasher(nil, nil, nil, 64)
	h.Edit(drop, mask)
	_, end, err := h.Sum([]byte(src), 0, 1)
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	out := string(h.AppendEdited(nil, 0, end))
	if h.Edited() != (out != src) && !strings.Contains(src, Mask) {
		t.Errorf("%s became %s, and Edited says %v", src, out, h.Edited())
	}
	return out
}

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name, src  string
		drop, mask []string
		want       string
	}{
		{"the first member goes with the comma behind it", `{ "a":1 , "b":2.0, "c":3 }`, []string{"a"}, nil, `{ "b":2.0, "c":3 }`},
		{"one in the middle too", `{"a":1 , "b":2.0 , "c":3}`, []string{"b"}, nil, `{"a":1 , "c":3}`},
		{"the last goes with the comma before it", `{"a":1 , "b":2.0, "c":3 }`, []string{"c"}, nil, `{"a":1 , "b":2.0 }`},
		{"neighbours go together", `{"a":1,"b":2,"c":3,"d":4}`, []string{"b", "c"}, nil, `{"a":1,"d":4}`},
		{"neighbours at the end", `{"a":1,"b":2,"c":3,"d":4}`, []string{"c", "d"}, nil, `{"a":1,"b":2}`},
		{"both ends", `{"a":1,"b":2,"c":3,"d":4}`, []string{"a", "d"}, nil, `{"b":2,"c":3}`},
		{"all of them", "{\n \"a\":1,\n \"b\":[2]\n}", []string{"a", "b"}, nil, "{\n \n}"},
		{"what is not there is no edit", `{"a":{"b":1}}`, []string{"b", "a.c", "a.b.c"}, []string{"c"}, `{"a":{"b":1}}`},
		{"escaped names are names", `{"\u0061":1,"b":2}`, []string{"a"}, nil, `{"b":2}`},
		{"through arrays", `{"e":[{"x":1,"y":2},7,[{"x":3}],{"y":4}]}`, []string{"e.x"}, nil, `{"e":[{"y":2},7,[{}],{"y":4}]}`},
		{"a drop below one that is dropped", `{"a":{"b":1,"c":2},"d":3}`, []string{"a", "a.b"}, nil, `{"d":3}`},
		{"a drop within the member before the last", `{"a":{"b":1,"c":2},"d":3}`, []string{"a.c", "d"}, nil, `{"a":{"b":1}}`},
		{"the rest keeps its bytes", `{"n":1.10e+2, "s":"\u00e9\/" ,"x":0,"big":12345678901234567890}`, []string{"x"}, nil, `{"n":1.10e+2, "s":"\u00e9\/" ,"big":12345678901234567890}`},

		{"a text, a number, a truth value", `{"a":"x","b":-1.5,"c":true,"d":""}`, nil, []string{"a", "b", "c", "d"}, `{"a":"***","b":"***","c":"***","d":"***"}`},
		{"null has nothing to hide", `{"a":null}`, nil, []string{"a"}, `{"a":null}`},
		{"each element", `{"a":[ "x" , 1,null,[ "y" ]]}`, nil, []string{"a"}, `{"a":[ "***" , "***",null,[ "***" ]]}`},
		{"an object is one value", `{"a":{"b":"x","c":{"d":1}},"e":[{"f":1}]}`, nil, []string{"a", "a.b", "e"}, `{"a":"***","e":["***"]}`},
		{"members of the elements", `{"e":[{"x":"1","y":2},{"x":null}]}`, nil, []string{"e.x"}, `{"e":[{"x":"***","y":2},{"x":null}]}`},
		{"below what is dropped", `{"a":{"b":"x"},"c":1}`, []string{"a"}, []string{"a.b"}, `{"c":1}`},
		{"a drop below what is masked", `{"a":{"b":"x"},"c":[{"b":1}]}`, []string{"a.b", "c.b"}, []string{"a", "c"}, `{"a":"***","c":["***"]}`},
		{"a mask is masked again to itself", `{"a":"***"}`, nil, []string{"a"}, `{"a":"***"}`},
		{"a scalar where an object was expected is another field", `{"a":"x"}`, []string{"a.b"}, []string{"a.c"}, `{"a":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := edited(t, c.src, c.drop, c.mask); got != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", c.src, got, c.want)
			}
		})
	}
}

func TestTheDigestIsThatOfWhatIsPublished(t *testing.T) {
	sum := func(src string, include, exclude, drop, mask []string) string {
		h := NewHasher(include, exclude, nil, 64)
		h.Edit(drop, mask)
		if _, _, err := h.Sum([]byte(src), 0, 1); err != nil {
			t.Fatal(err)
		}
		return string(h.w.out)
	}
	drop, mask := []string{"mail", "phones.number"}, []string{"name"}
	a := sum(`{"id":1,"mail":"a@x","name":"A","phones":[{"number":1,"kind":"home"}]}`, nil, nil, drop, mask)
	b := sum(`{"id":1,"mail":"b@x","name":"B","phones":[{"number":2,"kind":"home"}]}`, nil, nil, drop, mask)
	if a != b {
		t.Errorf("what no consumer sees changes the digest:\n%s\n%s", a, b)
	}
	for _, other := range []string{
		`{"id":1,"name":null,"phones":[{"number":1,"kind":"home"}]}`, // a consumer sees that there is none
		`{"id":1,"phones":[{"number":1,"kind":"home"}]}`,
		`{"id":1,"name":"A","phones":[{"number":1,"kind":"work"}]}`,
		`{"id":1,"name":"A","phones":[{"number":1,"kind":"home"},{"number":1,"kind":"home"}]}`,
	} {
		if sum(other, nil, nil, drop, mask) == a {
			t.Errorf("%s has the digest of another value", other)
		}
	}
	if got := sum(`{"a":"x","b":"y","c":1}`, []string{"a", "c"}, nil, nil, []string{"a", "b"}); got != `{"a":"***","c":1}` {
		t.Errorf("with include: %s", got)
	}
	if got := sum(`{"a":"x","b":"y","c":1}`, nil, []string{"a"}, []string{"c"}, []string{"a", "b"}); got != `{"b":"***"}` {
		t.Errorf("with exclude: %s", got)
	}
}

func TestFieldsAreFoundBeforeTheyAreEdited(t *testing.T) {
	src := []byte(`{"a":{"id":7},"b":"x","c":1}`)
	h := NewHasher(nil, nil, []string{"a.id", "b"}, 64)
	h.Edit([]string{"a"}, []string{"b"})
	_, end, err := h.Sum(src, 0, 1)
	if err != nil || string(h.Found(0)) != "7" || string(h.Found(1)) != `"x"` {
		t.Errorf("found %q and %q (%v)", h.Found(0), h.Found(1), err)
	}
	if got := string(h.AppendEdited(nil, 0, end)); got != `{"b":"***","c":1}` {
		t.Error(got)
	}
}

func TestTwoMembersOfOneNameAreRefusedAlsoWhereTheyAreDropped(t *testing.T) {
	for _, src := range []string{`{"a":1,"b":2,"a":3}`, `{"a":{"x":1,"x":2}}`} {
		h := NewHasher(nil, nil, nil, 64)
		h.Edit([]string{"a"}, nil)
		if _, _, err := h.Sum([]byte(src), 0, 1); err == nil {
			t.Errorf("%s was accepted: which of them is dropped?", src)
		}
	}
}

// FuzzEdit compares with the plainest way to do it, on decoded values.
func FuzzEdit(f *testing.F) {
	for _, s := range append(slices.Clone(seeds), `{"a":"secret","b":{"c":"secret","a":[{"c":1},{"c":2,"d":[[{"e":"x"}]]}]},"c":["secret",null,{"d":1}],"z":"keep"}`,
		`{"x":1,"a":2}`, `{"a":2,"x":1}`, `{"b":{"c":1},"x":{"c":1}}`, `{"b":[{"c":1,"z":2}],"c":{"d":{"e":1}}}`) {
		f.Add([]byte(s), "a,b.c", "c,b.a.d")
		f.Add([]byte(s), "b", "b.c,c.d.e")
	}
	f.Fuzz(func(t *testing.T, src []byte, drops, masks string) {
		drop, mask := paths(drops), paths(masks)
		if Check(src, 64) != nil {
			return
		}
		begin := space(src, 0)
		h := NewHasher(nil, nil, nil, 64)
		h.Edit(drop, mask)
		sum, end, err := h.Sum(src, begin, 1)
		if err != nil {
			return
		}
		out := h.AppendEdited(nil, begin, end)
		if err := Check(out, 64); err != nil {
			t.Fatalf("%q became %q: %v", src, out, err)
		}
		if !bytes.Contains(src, []byte(`\u`)) { // encoding/json takes half a character for another
			got, want := decoded(t, out), plainly(decoded(t, src), drop, mask)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q less %q, masked %q\ngot  %v\nwant %v", src, drop, mask, got, want)
			}
		}
		// The digest is that of what is published, by who knows of no edit and by who does.
		plain := NewHasher(nil, nil, nil, 64)
		if again, _, err := plain.Sum(out, 0, 1); err != nil || again != sum {
			t.Fatalf("%q: the digest of %q is another (%v)", src, out, err)
		}
		again, end, err := h.Sum(out, 0, 1)
		if twice := h.AppendEdited(nil, 0, end); err != nil || again != sum || !bytes.Equal(twice, out) {
			t.Fatalf("%q edited twice is %q (%v)", out, twice, err)
		}
	})
}

func paths(list string) (out []string) {
	for p := range strings.SplitSeq(list, ",") {
		if CheckPath(p) == nil && utf8.ValidString(p) && !strings.Contains(p, "/") {
			out = append(out, p)
		}
	}
	return out
}

func decoded(t *testing.T, src []byte) any {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// plainly edits a decoded value path by path; masks first, as they take the whole of an
// object.
func plainly(v any, drop, mask []string) any {
	for _, p := range mask {
		v = at(v, strings.Split(p, "."), func(v any) (any, bool) { return hide(v), true })
	}
	for _, p := range drop {
		v = at(v, strings.Split(p, "."), func(any) (any, bool) { return nil, false })
	}
	return v
}

func hide(v any) any {
	switch x := v.(type) {
	case nil:
		return nil
	case []any:
		for i := range x {
			x[i] = hide(x[i])
		}
		return x
	}
	return "***"
}

func at(v any, path []string, change func(any) (any, bool)) any {
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = at(x[i], path, change)
		}
	case map[string]any:
		m, ok := x[path[0]]
		switch {
		case !ok:
		case len(path) > 1:
			x[path[0]] = at(m, path[1:], change)
		default:
			if m, keep := change(m); keep {
				x[path[0]] = m
			} else {
				delete(x, path[0])
			}
		}
	}
	return v
}
