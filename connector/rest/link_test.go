package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tributary/connector"
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
		if got, _, _ := linkTo(c.headers, "next"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestALinkHeaderThatCannotBeReadIsNoEnd(t *testing.T) {
	t.Parallel()
	for header, broken := range map[string]bool{
		"": false, " , ": false, `</a>; rel=prev`: false, `</a>; rel=next`: false, `</a>; rel=prev, `: false,
		`</a`: true, `</a>; rel="next`: true, `</a>; rel=prev, b`: true, `</a> rel=next`: true, `</a>; title="\`: true,
	} {
		if _, _, got := linkTo([]string{header}, "next"); got != broken {
			t.Errorf("%s: broken %v, want %v", header, got, broken)
		}
		b := setup(t, paged(ways["Link header"]), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", header)
			fmt.Fprint(w, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}]}`)
		})
		q := between(1e6, 9e6)
		q.Page = 1
		_, err := b.Fetch(context.Background(), q)
		var again *connector.RetryError
		if errors.As(err, &again) != broken || !broken && err != nil {
			t.Errorf("%s: %v", header, err)
		}
	}
}

func FuzzALinkHeaderIsReadOrLeft(f *testing.F) {
	for _, s := range []string{`</a>; rel="next"`, `<a>;x="\"", <b>;rel=next`, `<`, `<>`, `,,,`, `</x,y;z>; title="a, <b>; rel=next", </c>; rel=next`} {
		f.Add(s)
	}
	base, _ := url.Parse("https://api.example.com/v2/people?x=1")
	f.Fuzz(func(t *testing.T, h string) {
		target, ok, _ := linkTo([]string{h}, "next")
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
