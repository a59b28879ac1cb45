package canon

import (
	"errors"
	"strings"
	"testing"
)

// text returns the canonical text of src, which must be valid.
func text(t testing.TB, src string, include, exclude []string) (string, error) {
	t.Helper()
	if err := Check([]byte(src), 64); err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	h := NewHasher(include, exclude, nil, 64)
	_, end, err := h.Sum([]byte(src), space([]byte(src), 0), 1)
	if err == nil && strings.TrimSpace(src[end:]) != "" {
		t.Fatalf("%q: the walk ended at %d", src, end)
	}
	return string(h.w.out), err
}

func TestCanonicalText(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"members are sorted at every level", `{"b":{"z":1,"y":[{"d":1,"c":2}]},"a":2}`, `{"a":2,"b":{"y":[{"c":2,"d":1}],"z":1}}`},
		{"white space goes", " {\t\"b\" :\r\n[ 1 , 2 ] , \"a\" : { } } ", `{"a":{},"b":[1,2]}`},
		{"names sort by all their bytes", `{"abcdefghZ":1,"abcdefgh":2,"abcdefghA":3,"abc":4,"":5}`, `{"":5,"abc":4,"abcdefgh":2,"abcdefghA":3,"abcdefghZ":1}`},
		{"escapes are decoded", `"\u0041\/\u00e9\ud83d\ude00\t\"\\"`, `"A/é😀\u0009\"\\"`},
		{"escaped names are names", `{"\u0062":1,"a":2}`, `{"a":2,"b":1}`},
		{"hexadecimal digits are lower case", `"\u001F\uD800"`, `"\u001f\ud800"`},
		{"lone surrogates stay apart", `["\ud800","\udc00","\ufffd","\\ud800"]`, "[\"\\ud800\",\"\\udc00\",\"\uFFFD\",\"\\\\ud800\"]"},
		{"a lone high surrogate before a pair", `"\ud83d\ud83d\ude00"`, `"\ud83d😀"`},
		{"a reversed pair is no pair", `"\ude00\ud83d"`, `"\ude00\ud83d"`},
		{"numbers keep their text", `[1,1.0,1e0,-0,12345678901234567890,1e400]`, `[1,1.0,1e0,-0,12345678901234567890,1e400]`},
		{"a zone is rendering", `"2024-03-10T01:30:00.100000-05:00"`, `"2024-03-10T06:30:00.1Z"`},
		{"a fraction keeps what is not zero", `"2024-01-01T00:00:00.123456789012+00:00"`, `"2024-01-01T00:00:00.123456789012Z"`},
		{"a fraction of zeros goes", `"2024-01-01T00:00:00.000000Z"`, `"2024-01-01T00:00:00Z"`},
		{"an escaped offset", `"2024-01-01T02:00:00\u002b02:00"`, `"2024-01-01T00:00:00Z"`},
		{"a year back", `"2024-01-01T00:00:00+00:30"`, `"2023-12-31T23:30:00Z"`},
		{"no year before the first", `"0000-01-01T00:00:00+01:00"`, `"0000-01-01T00:00:00+01:00"`},
		{"no year behind the last", `"9999-12-31T23:59:59-01:00"`, `"9999-12-31T23:59:59-01:00"`},
		{"no such day", `"2023-02-29T00:00:00+01:00"`, `"2023-02-29T00:00:00+01:00"`},
		{"a leap second stays", `"2016-12-31T23:59:60+01:00"`, `"2016-12-31T23:59:60+01:00"`},
		{"names are no times", `{"2024-01-01T02:00:00+02:00":1}`, `{"2024-01-01T02:00:00+02:00":1}`},
		{"a time in a text is text", `"at 2024-01-01T02:00:00+02:00"`, `"at 2024-01-01T02:00:00+02:00"`},
		{"scalars", `[null,true,false,""]`, `[null,true,false,""]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := text(t, c.src, nil, nil)
			if err != nil || got != c.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestFields(t *testing.T) {
	const src = `{"id":1,"a":{"x":1,"y":{"p":1,"q":2}},"tags":[{"id":1,"n":"a"},7,{"n":"b"}],"starred":true}`
	for _, c := range []struct {
		name             string
		include, exclude []string
		want             string
	}{
		{"everything", nil, nil, `{"a":{"x":1,"y":{"p":1,"q":2}},"id":1,"starred":true,"tags":[{"id":1,"n":"a"},7,{"n":"b"}]}`},
		{"without a few", nil, []string{"starred", "a.y.p", "tags.id", "none.such"}, `{"a":{"x":1,"y":{"q":2}},"id":1,"tags":[{"n":"a"},7,{"n":"b"}]}`},
		{"without all of an object", nil, []string{"a", "tags"}, `{"id":1,"starred":true}`},
		{"only a few", []string{"a.y", "id"}, nil, `{"a":{"y":{"p":1,"q":2}},"id":1}`},
		{"only in the elements of an array", []string{"tags.n"}, nil, `{"tags":[{"n":"a"},7,{"n":"b"}]}`},
		{"a field and one below it", []string{"a", "a.x"}, nil, `{"a":{"x":1,"y":{"p":1,"q":2}}}`},
		{"nothing that is there", []string{"b"}, nil, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := text(t, src, c.include, c.exclude); err != nil || got != c.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestWalkRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, src string
		exclude   []string
		want      error
	}{
		{"two members of one name", `{"a":1,"b":2,"a":3}`, nil, ErrDuplicate},
		{"two neighbours of one name", `{"a":1,"a":1}`, nil, ErrDuplicate},
		{"the same name, escaped", `{"a":1,"\u0061":2}`, nil, ErrDuplicate},
		{"two long names", `{"abcdefghi":1,"b":1,"abcdefghi":2}`, nil, ErrDuplicate},
		{"two names that are left out", `{"a":1,"b":2,"a":3}`, []string{"a"}, ErrDuplicate},
		{"two names below what is left out", `{"a":{"x":1,"x":1}}`, []string{"a"}, ErrDuplicate},
		{"two names in an element", `[[{"x":1,"x":1}]]`, nil, ErrDuplicate},
		{"as deep as allowed", deep(64), nil, nil},
		{"too deep", deep(65), nil, ErrDeep},
		{"too deep in what is left out", `{"a":` + deep(64) + `}`, []string{"a"}, ErrDeep},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := text(t, c.src, nil, c.exclude); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestFound(t *testing.T) {
	const src = `{"a":{"id":"x","in":[{"id":1}]},"id": 12345678901234567890 ,"\u0064":null}`
	h := NewHasher([]string{"none"}, nil, []string{"id", "a.id", "a.in.id", "d", "a", "id"}, 64)
	if _, _, err := h.Sum([]byte(src), 0, 1); err != nil {
		t.Fatal(err)
	}
	for k, want := range []string{"12345678901234567890", `"x"`, "", "null", `{"id":"x","in":[{"id":1}]}`, "12345678901234567890"} {
		if got := string(h.Found(k)); got != want {
			t.Errorf("path %d: got %q, want %q", k, got, want)
		}
	}
}

func TestARememberedOrderIsOnlyAHint(t *testing.T) {
	// Names with eight bytes in common have one shape, whatever follows.
	h := NewHasher(nil, nil, nil, 64)
	for _, c := range []struct{ src, want string }{
		{`{"z":0,"abcdefgh1":1,"abcdefgh2":2}`, `{"abcdefgh1":1,"abcdefgh2":2,"z":0}`},
		{`{"z":0,"abcdefgh2":2,"abcdefgh1":1}`, `{"abcdefgh1":1,"abcdefgh2":2,"z":0}`},
		{`{"z":0,"abcdefgh1":1,"abcdefgh2":2}`, `{"abcdefgh1":1,"abcdefgh2":2,"z":0}`},
		{`{"z":0,"abcdefgh1":1,"abcdefgh1":2}`, ``},
		{`{"z":{"z":0,"a":1},"abcdefgh1":{},"abcdefgh2":[]}`, `{"abcdefgh1":{},"abcdefgh2":[],"z":{"a":1,"z":0}}`},
	} {
		_, _, err := h.Sum([]byte(c.src), 0, 1)
		if c.want == "" && !errors.Is(err, ErrDuplicate) || c.want != "" && (err != nil || string(h.w.out) != c.want) {
			t.Errorf("%s: got %s, %v", c.src, h.w.out, err)
		}
	}
}

func TestSumAllocatesNothing(t *testing.T) {
	h := NewHasher(nil, []string{"updated_at"}, []string{"id"}, 64)
	records := [][]byte{[]byte(flat(1)), []byte(crm(1)), []byte(flat(2)), []byte(crm(2))}
	sum := func() {
		for _, r := range records {
			if _, _, err := h.Sum(r, 0, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	sum()
	if n := testing.AllocsPerRun(20, sum); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      error
	}{
		{"a document", ` {"a":"\ud800"} `, nil},
		{"nothing", ``, ErrTruncated},
		{"a cut string", `{"a":"b`, ErrTruncated},
		{"a cut literal", `[tru`, ErrTruncated},
		{"a cut array", `[1,2`, ErrTruncated},
		{"two documents", `{}{}`, ErrTrailing},
		{"rubbish behind", `[] x`, ErrTrailing},
		{"a trailing comma", `[1,]`, ErrSyntax},
		{"a byte order mark", "\uFEFF{}", ErrSyntax},
		{"a raw control character", "\"a\x01\"", ErrSyntax},
		{"an escape that is none", `"\x"`, ErrSyntax},
		{"a number that is none", `[01]`, ErrSyntax},
		{"NaN", `[NaN]`, ErrSyntax},
		{"invalid UTF-8", "\"\xff\"", ErrEncoding},
		{"a raw surrogate", "\"\xed\xa0\x80\"", ErrEncoding},
		{"deeper than the decoder goes", strings.Repeat("[", 20000), ErrDeep},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Check([]byte(c.src), 64); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
