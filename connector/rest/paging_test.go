package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tributary/connector"
)

// shelf is a server with records 0 to n-1, which it shows by any way of paging, of at
// most size on a page whatever was asked.
type shelf struct {
	n, size int
	asked   []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.asked = append(s.asked, r.URL.RequestURI())
	at, n := 0, s.n
	if q.Get("updated_at[gte]") > "2024-01-01T00:00:00Z" {
		n = 0 // all are older
	}
	switch {
	case q.Has("p"):
		p, _ := strconv.Atoi(q.Get("p"))
		at = p * s.size
	case q.Has("offset"):
		at, _ = strconv.Atoi(q.Get("offset"))
	case q.Has("after"):
		at, _ = strconv.Atoi(q.Get("after"))
		at++
	}
	end := min(at+s.size, n)
	var rows []string
	for i := at; i < end; i++ {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"updated_at":"2024-01-01T00:00:00Z"}`, i))
	}
	tail := `"has_more":false,"end":true`
	if end < n {
		next := fmt.Sprintf("/v2/people?after=%d", end-1)
		w.Header().Add("Link", fmt.Sprintf(`<https://other.example.com/>; rel="last", <%s>; rel="Next nofollow"`, next))
		tail = fmt.Sprintf(`"has_more":true,"end":false,"paging":{"next":{"after":"%d"}},"next":%q`, end-1, next)
	}
	fmt.Fprintf(w, `{"data":[%s],%s}`, strings.Join(rows, ","), tail)
}

// walk asks for the pages of one reading until the last, and returns the ids.
func (b *bundle) walk(t *testing.T, q connector.Query) (ids []string) {
	t.Helper()
	for q.Page = 1; ; q.Page++ {
		p, err := b.Fetch(context.Background(), q)
		if err != nil {
			t.Fatalf("page %d: %v", q.Page, err)
		}
		for _, r := range p.Records {
			ids = append(ids, r.ID)
		}
		if p.Last || len(p.Records) == 0 || q.Page > 20 {
			return ids
		}
	}
}

// ways are configs for a shelf, one for each way of paging.
var ways = map[string]func(*Config){
	"number from 0":  func(c *Config) { c.PageParam, c.PageFromZero, c.Next = "p", true, "has_more" },
	"offset":         func(c *Config) { c.OffsetParam, c.Next = "offset", "has_more" },
	"token":          func(c *Config) { c.TokenParam, c.Token = "after", "paging.next.after" },
	"token and more": func(c *Config) { c.TokenParam, c.Token, c.Next = "after", "paging.next.after", "has_more" },
	"token and end":  func(c *Config) { c.TokenParam, c.Token, c.End = "after", "paging.next.after", "end" },
	"first token":    func(c *Config) { c.TokenParam, c.FirstToken, c.Token = "after", "-1", "paging.next.after" },
	"last id":        func(c *Config) { c.TokenParam, c.LastID, c.Next = "after", true, "has_more" },
	"last id alone":  func(c *Config) { c.TokenParam, c.LastID = "after", true },
	"token in a text": func(c *Config) {
		c.Params, c.Token = url.Values{"after": {"{token}"}}, "paging.next.after"
	},
	"address":     func(c *Config) { c.NextURL = "next" },
	"Link header": func(c *Config) { c.Link = "next" },
}

func paged(change func(*Config)) func(string) Config {
	return func(base string) Config {
		c := plain(base)
		c.PageParam, c.Next, c.Total, c.CountParams, c.ProbeParam, c.ProbeMax, c.Size, c.SizeParam = "", "", "", nil, "", 0, 0, ""
		change(&c)
		return c
	}
}

func TestEveryWayOfPagingShowsEveryRecordOnce(t *testing.T) {
	t.Parallel()
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 2, 3, 7} {
				s := &shelf{n: n, size: 3}
				b := setup(t, paged(change), s.ServeHTTP)
				for range 2 { // a second pass within the same bounds
					ids := b.walk(t, between(1e6, 9e6))
					if len(ids) != n || !slices.IsSorted(ids) {
						t.Errorf("of %d: got %v by %q", n, ids, s.asked)
					}
				}
			}
		})
	}
}

// An address that leads on and on, where the end is said beside it.
func TestAnEndThatIsSaidEndsBeforeTheAddressDoes(t *testing.T) {
	t.Parallel()
	b := setup(t, paged(func(c *Config) { c.NextURL, c.End = "next", "end_of_stream" }), func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}],"next":"/v2/people?cursor=same","end_of_stream":%v}`, r.URL.Query().Has("cursor"))
	})
	if ids := b.walk(t, between(1e6, 9e6)); len(ids) != 2 {
		t.Errorf("got %v", ids)
	}
}

func TestAFirstPageWithAsManyAsThereAreIsTheLast(t *testing.T) {
	t.Parallel()
	total := 0
	b := setup(t, paged(func(c *Config) { c.PageParam, c.Total = "p", "total" }), func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}],"total":%d}`, total)
	})
	for _, c := range []struct {
		total, page int
		last        bool
	}{{1, 1, true}, {2, 1, false}, {1, 2, false}, {0, 1, false}} {
		total = c.total
		q := between(1e6, 9e6)
		q.Page = c.page
		if p, err := b.Fetch(context.Background(), q); err != nil || p.Last != c.last {
			t.Errorf("page %d with one of %d: last is %v (%v)", c.page, c.total, p.Last, err)
		}
	}
}

// Of seven records the server shows six, and says that nothing follows.
func TestAnEndWhereTheAPIShowsNoMoreIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		most int
		tail string
		stop bool
	}{
		"at the most":            {6, "", true},
		"before it":              {7, "", false},
		"no most":                {0, "", false},
		"at the most, and whole": {6, `,"total":6`, false},
		"at the most, of more":   {6, `,"total":7`, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{n: 6, size: 3}
			b := setup(t, paged(func(cfg *Config) {
				ways["token and more"](cfg)
				cfg.MaxOffset, cfg.Size, cfg.Total = c.most, 3, "total"
			}), func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				s.ServeHTTP(rec, r)
				fmt.Fprint(w, strings.TrimSuffix(rec.Body.String(), "}")+c.tail+"}")
			})
			q := between(1e6, 9e6)
			var err error
			for q.Page = 1; q.Page <= 2 && err == nil; q.Page++ {
				_, err = b.Fetch(context.Background(), q)
			}
			if c.stop != errors.As(err, new(*connector.StopError)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheFirstTokenIsThatOfTheFirstPage(t *testing.T) {
	t.Parallel()
	s := &shelf{n: 5, size: 3}
	b := setup(t, paged(ways["first token"]), s.ServeHTTP)
	b.walk(t, between(1e6, 9e6))
	if len(s.asked) != 2 || !strings.Contains(s.asked[0], "after=-1") || !strings.Contains(s.asked[1], "after=2") {
		t.Errorf("asked %q", s.asked)
	}
}

func TestAPageThatIsAskedForAgainIsTheSame(t *testing.T) {
	t.Parallel()
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			b := setup(t, paged(change), (&shelf{n: 9, size: 3}).ServeHTTP)
			q := between(1e6, 9e6)
			for _, x := range []struct {
				page int
				want string
			}{{1, "0"}, {1, "0"}, {2, "3"}, {2, "3"}, {3, "6"}, {3, "6"}, {1, "0"}, {2, "3"}} {
				q.Page = x.page
				p, err := b.Fetch(context.Background(), q)
				if err != nil || p.Records[0].ID != x.want {
					t.Fatalf("page %d: got %v %v, want %s", x.page, p.Records, err, x.want)
				}
			}
		})
	}
}

func TestAPageThatNothingLeadsToAnyMoreIsSaidToBeLost(t *testing.T) {
	t.Parallel()
	for name, change := range ways {
		if strings.HasPrefix(name, "number") {
			continue // needs no memory
		}
		t.Run(name, func(t *testing.T) {
			b := setup(t, paged(change), (&shelf{n: 9, size: 2}).ServeHTTP)
			q := between(1e6, 9e6)
			lost := func(page int) {
				t.Helper()
				q.Page = page
				if _, err := b.Fetch(context.Background(), q); !errors.As(err, new(*connector.AnewError)) {
					t.Fatalf("page %d: got %v", page, err)
				}
			}
			lost(2)
			b.walk(t, q)
			lost(3)
			q.Page = 1
			if _, err := b.Fetch(context.Background(), q); err != nil {
				t.Fatal(err)
			}
			q.To = 8e6 // other bounds
			lost(2)
		})
	}
}

func TestATokenThatHasExpiredBeginsAnew(t *testing.T) {
	t.Parallel()
	s := &shelf{n: 9, size: 2}
	b := setup(t, paged(ways["token"]), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "3" {
			http.Error(w, `{"error":"token expired"}`, http.StatusGone)
			return
		}
		s.ServeHTTP(w, r)
	})
	q := between(1e6, 9e6)
	for _, q.Page = range []int{1, 2, 3} {
		_, err := b.Fetch(context.Background(), q)
		if (q.Page == 3) != errors.As(err, new(*connector.AnewError)) || q.Page == 3 && !strings.Contains(err.Error(), "token expired") {
			t.Errorf("page %d: got %v", q.Page, err)
		}
	}
}

// The first page alone is read where a reading is anchored anew: what leads to the second
// matters when it is asked for.
func TestALinkIsFollowedOnItsOwnOriginAlone(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"https://evil.example.com/v2/people", "//evil.example.com/", "http://user:pw@HOST/v2", "https://HOST/v2/people", "javascript:alert(1)", "http://HOST:1/", "\x01", ":", "mailto:a@b"} {
		var next string
		b := setup(t, paged(ways["address"]), func(w http.ResponseWriter, r *http.Request) {
			text, _ := json.Marshal(next)
			fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}],"next":%s}`, text)
		})
		next = strings.ReplaceAll(link, "HOST", strings.TrimPrefix(b.server.URL, "http://"))
		next = strings.ReplaceAll(next, "HOST:1", "127.0.0.1:1")
		if link == "\x01" {
			next = "?a=\u0001"
		}
		q := between(1e6, 9e6)
		p, err := b.Fetch(context.Background(), q)
		if err != nil || p.Last {
			t.Errorf("%q: the first page: %v %v", link, p.Last, err)
		}
		q.Page = 2
		var stop *connector.StopError
		if _, err = b.Fetch(context.Background(), q); !errors.As(err, &stop) || !strings.Contains(stop.What, "not followed") {
			t.Errorf("%q: got %v", link, err)
		}
	}
}

func TestALinkCanLeaveThePath(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"/other/place?x=1#part", "?x=1", "http://HOST/x?x=1"} {
		var got string
		var host string
		b := setup(t, paged(ways["address"]), func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.RequestURI()
			fmt.Fprintf(w, `{"data":[],"next":%q}`, strings.ReplaceAll(next, "HOST", host))
		})
		host = strings.TrimPrefix(b.server.URL, "http://")
		q := between(1e6, 9e6)
		for _, q.Page = range []int{1, 2} {
			if _, err := b.Fetch(context.Background(), q); q.Page == 1 && err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasSuffix(got, "?x=1") {
			t.Errorf("%s: asked for %s", next, got)
		}
	}
}

func TestPagesThatGoRoundInACircleStop(t *testing.T) {
	t.Parallel()
	for name, change := range ways {
		if strings.HasPrefix(name, "number") || name == "offset" {
			continue // a drain counts its rows
		}
		t.Run(name, func(t *testing.T) {
			n := 0
			b := setup(t, paged(change), func(w http.ResponseWriter, r *http.Request) {
				n++
				at := n % 3
				w.Header().Set("Link", fmt.Sprintf(`<?after=%d>; rel=next`, at))
				fmt.Fprintf(w, `{"data":[{"id":%d,"updated_at":"2024-01-01T00:00:00Z"}],"has_more":true,"paging":{"next":{"after":"%d"}},"next":"?after=%d"}`, at, at, at)
			})
			q := between(1e6, 9e6)
			for q.Page = 1; ; q.Page++ {
				_, err := b.Fetch(context.Background(), q)
				var stop *connector.StopError
				if errors.As(err, &stop) && strings.Contains(stop.What, "circle") && q.Page == 4 {
					return
				}
				if err != nil || q.Page > 10 {
					t.Fatalf("page %d: %v", q.Page, err)
				}
			}
		})
	}
}

func TestMoreIsSaidAndNothingLeadsToIt(t *testing.T) {
	t.Parallel()
	b := setup(t, paged(ways["token and more"]), write(`{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}],"has_more":true}`))
	b.retry(connector.RetryBody, "not what leads to it")
}

func TestNoMoreIsAskedForThanTheAPIShows(t *testing.T) {
	t.Parallel()
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			s := &shelf{n: 30, size: 3}
			b := setup(t, paged(func(c *Config) {
				change(c)
				c.Size, c.MaxOffset = 3, 9
			}), s.ServeHTTP)
			q := between(1e6, 9e6)
			for q.Page = 1; q.Page < 4; q.Page++ {
				if _, err := b.Fetch(context.Background(), q); err != nil {
					t.Fatal(err)
				}
			}
			var stop *connector.StopError
			if _, err := b.Fetch(context.Background(), q); !errors.As(err, &stop) || !strings.Contains(stop.What, "more than 9 records") || len(s.asked) != 3 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPagingIsNamedWholeAndOnce(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		says   string
		change func(*Config)
	}{
		{"by number (param) and by token", func(c *Config) { c.TokenParam, c.Token = "after", "next" }},
		{"page.token is missing", func(c *Config) { c.PageParam, c.TokenParam = "", "after" }},
		{"page.token_param is missing", func(c *Config) { c.PageParam, c.Token = "", "next" }},
		{"exclude each other", func(c *Config) { c.PageParam, c.Token, c.LastID, c.TokenParam = "", "next", true, "after" }},
		{"page.first", func(c *Config) { c.PageParam, c.PageFromZero = "", true }},
		{"page.max_offset", func(c *Config) { c.PageParam, c.MaxOffset = "", 5 }},
		{"page.link", func(c *Config) { c.PageParam, c.Link = "", "a b" }},
		{"page.next_url", func(c *Config) { c.PageParam, c.NextURL = "", "a..b" }},
	} {
		c := plain("https://api.example.com/v2")
		x.change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("got %v, want %q", err, x.says)
		}
	}
}
