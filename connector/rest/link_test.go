package rest

import (
	"net/url"
	"strings"
	"testing"
)

func TestALinkHeaderIsReadAsItsRFCSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		headers    []string
	}{
		{"one", "/a?page=2", []string{`</a?page=2>; rel="next"`}},
		{"among others", "/b", []string{`</a>; rel="prev", </b>; rel="next", </c>; rel="last"`}},
		{"in another header", "/b", []string{`</a>; rel=prev`, `</b>; rel=next`}},
		{"commas and semicolons within", "/a;b,c", []string{`</x,y;z>; title="a, <b>; rel=next", </a;b,c>; rel=next`}},
		{"several relations", "/a", []string{`</a>; rel="nofollow  NEXT"`}},
		{"the first rel counts", "", []string{`</a>; rel=prev; rel=next`}},
		{"without blanks", "/a", []string{`</a>;rel=next,</b>;rel=prev`}},
		{"with many", "/a", []string{" , ,\t</a> ; rel = next ;x;y=\"\\\"\" "}},
		{"an escaped quotation mark", "/b", []string{`</a>; title="\", <x>; rel=next", </b>; rel=next`}},
		{"no relation", "", []string{`</a>`}},
		{"another relation", "", []string{`</a>; rel="nexts"`}},
		{"cut", "", []string{`</a`, `</a>; rel="next`, `a; rel=next`, `<a>, b`, ``}},
		{"empty", "", []string{`<>; rel=prev`}},
		{"itself", "", []string{`<>; rel=next`}},
	} {
		if got, _ := linkTo(c.headers, "next"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzALinkHeaderIsReadOrLeft(f *testing.F) {
	for _, s := range []string{`</a>; rel="next"`, `<a>;x="\"", <b>;rel=next`, `<`, `<>`, `,,,`, `</x,y;z>; title="a, <b>; rel=next", </c>; rel=next`} {
		f.Add(s)
	}
	base, _ := url.Parse("https://api.example.com/v2/people?x=1")
	f.Fuzz(func(t *testing.T, h string) {
		target, ok := linkTo([]string{h}, "next")
		if !ok {
			return
		}
		if !strings.Contains(h, "<"+target+">") || !strings.Contains(strings.ToLower(h), "next") {
			t.Fatalf("%q: got %q", h, target)
		}
		if u, err := nextAddress(base, target); err == nil {
			if again, err := url.Parse(u.String()); err != nil || again.Host != u.Host || again.User != nil {
				t.Fatalf("%q: %q is read back as %v", h, u, again)
			}
		}
	})
}
