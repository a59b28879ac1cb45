package canon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var seeds = []string{
	`{"a":1,"b":[true,null,"x\u00e9\ud800"],"c":{"d":"2024-01-01T00:00:00+02:00"}}`,
	`[1.0,-0,1e400,12345678901234567890,"\\\"\/\b\f\n\r\t\u001f"]`,
	`{"a":1,"\u0061":2}`, `{"":{"":{"":[]}}}`, `"2024-02-29T23:59:60.5Z"`, `[[[[[[`, `{"a":1}{"b":2}`, "\uFEFF[]", "{\"\xff\":1}", `nul`, ``, "0\x03",
}

func FuzzCheckAcceptsWhatEncodingJSONAccepts(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		err := Check(src, 64)
		if errors.Is(err, ErrDeep) {
			return
		}
		if want := json.Valid(src) && utf8.Valid(src); want != (err == nil) {
			t.Fatalf("%q: got %v, valid is %v", src, err, want)
		}
		if err != nil {
			return
		}
		before := bytes.Clone(src)
		h := NewHasher(nil, []string{"a", "c.d"}, []string{"b"}, 64)
		_, end, err := h.Sum(src, space(src, 0), 1)
		if err == nil && space(src, end) != len(src) {
			t.Fatalf("%q: the walk ended at %d", src, end)
		}
		if err != nil && !errors.Is(err, ErrDuplicate) && !errors.Is(err, ErrDeep) {
			t.Fatal(err)
		}
		if !bytes.Equal(before, src) {
			t.Fatal("the walk changed its input")
		}
	})
}

func FuzzSumDoesNotDependOnTheWriting(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		if Check(src, 64) != nil {
			return
		}
		h := NewHasher(nil, nil, nil, 64)
		want, _, err := h.Sum(src, space(src, 0), 1)
		if err != nil {
			return
		}
		text := string(h.w.out)
		r := rewriter{Rand: rand.New(rand.NewPCG(seed, 1)), src: src}
		other := []byte(r.space() + r.value(space(src, 0)) + r.space())
		if err := Check(other, 64); err != nil {
			t.Fatalf("the rewriter broke %q to %q: %v", src, other, err)
		}
		got, _, err := h.Sum(other, space(other, 0), 1)
		if err != nil || got != want {
			t.Fatalf("%q\n%q: %v\n%s\n%s", src, other, err, text, h.w.out)
		}
		// The canonical text of the canonical text is itself.
		again, _, err := h.Sum([]byte(text), 0, 1)
		if err != nil || again != want || string(h.w.out) != text {
			t.Fatalf("%s\n%s: %v", text, h.w.out, err)
		}
	})
}

// rewriter writes a value in another way: members shuffled, space and escapes
// anywhere. It is as plain as can be, and shares only scanning with the walk.
type rewriter struct {
	*rand.Rand
	src []byte
	end int
}

func (r *rewriter) space() string { return strings.Repeat(" \n\t\r"[r.IntN(4):][:1], r.IntN(3)) }

func (r *rewriter) value(i int) string {
	switch r.src[i] {
	case '"':
		return r.str(i)
	case '[':
		return r.list(i, ']', func(i int) string { return r.value(i) }, false)
	case '{':
		return r.list(i, '}', func(i int) string {
			name := r.str(i)
			return name + r.space() + ":" + r.space() + r.value(space(r.src, space(r.src, r.end)+1))
		}, true)
	}
	r.end = scalarEnd(r.src, i)
	return string(r.src[i:r.end])
}

func (r *rewriter) list(i int, closing byte, item func(int) string, shuffle bool) string {
	opening := string(r.src[i])
	var items []string
	for i = space(r.src, i+1); r.src[i] != closing; {
		items = append(items, r.space()+item(i)+r.space())
		if i = space(r.src, r.end); r.src[i] == ',' {
			i = space(r.src, i+1)
		}
	}
	r.end = i + 1
	if shuffle {
		r.Shuffle(len(items), func(a, b int) { items[a], items[b] = items[b], items[a] })
	}
	return opening + r.space() + strings.Join(items, ",") + string(closing)
}

func (r *rewriter) str(i int) string {
	end, _ := quote(r.src, i+1)
	r.end = end + 1
	var b strings.Builder
	for raw := r.src[i+1 : end]; len(raw) > 0; {
		c, n := utf8.DecodeRune(raw)
		switch {
		case c == '\\': // escapes stay, for two of them may be a pair
			n = 2
			if raw[1] == 'u' {
				n = 6
			}
			b.Write(raw[:n])
		case c < 0x10000 && r.IntN(3) == 0:
			fmt.Fprintf(&b, []string{`\u%04x`, `\u%04X`}[r.IntN(2)], c)
		default:
			b.Write(raw[:n])
		}
		raw = raw[n:]
	}
	return `"` + b.String() + `"`
}

func FuzzParseTimeReadsWhatTheStandardLibraryReads(f *testing.F) {
	for _, s := range []string{"2024-01-01T00:00:00Z", "2024-02-29T23:59:59.123456789-05:00", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9-23:59",
		"2016-12-31T23:59:60Z", "2024-01-01 00:00:00+0530", "2023-02-29T00:00:00Z", "2024-01-01T00:00:00", "1969-12-31T23:59:59.999999999Z", "2024-01-01T00:00:00.Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseTime([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		if err == nil && len(s) >= 20 && s[4] == '-' && s[13] == ':' && s[19] != ',' && (s[len(s)-1] == 'Z' || s[len(s)-2] < '6') { // time.Parse takes one-digit hours, commas and 60 minutes
			if _, offset := want.Zone(); offset > -24*3600 && offset < 24*3600 && (!ok || got.Sec != want.Unix() || got.Micros() != want.UnixMicro()) {
				t.Fatalf("%q: got %v %v, want %v", s, got, ok, want)
			}
		}
		if !ok {
			return
		}
		if out := normalTime([]byte(s), 0); string(out) != s {
			back, ok := ParseTime(out)
			if !ok || back.Micros() != got.Micros() {
				t.Fatalf("%q was written %q", s, out)
			}
			if back, err := time.Parse(time.RFC3339Nano, string(out)); err != nil || back.Unix() != got.Sec {
				t.Fatalf("%q was written %q: %v", s, out, err)
			}
		}
	})
}
