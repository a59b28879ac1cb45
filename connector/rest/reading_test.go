package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// kept commits what a reader stages.
type kept struct{ published []string }

func (k *kept) Stage(_ context.Context, b *connector.Batch) error {
	for _, c := range b.Changes {
		k.published = append(k.published, c.ID)
	}
	return nil
}
func (k *kept) Flush(context.Context) error { return nil }

// reading is a reader of the collection of a config, and what it has published since it
// was asked last.
type reading struct {
	*connector.Reader
	*kept
	t *testing.T
}

func newReading(t *testing.T, c Config, client *Client) *reading {
	t.Helper()
	m := connector.NewMetrics(prometheus.NewRegistry())
	src, err := New(c, client, m.Source("s"))
	if err != nil {
		t.Fatal(err)
	}
	set := connector.Settings{
		Source: "s", Collection: "c", Tick: time.Second, Paged: c.Paged(), Unordered: c.Unordered, Unfiltered: c.Unordered && c.Unfiltered(),
		Overlap: time.Second, Lookback: time.Minute, Start: connector.Start{At: connector.Beginning}, OnBadRecord: connector.StopOnBadRecord, Fingerprint: c.Fingerprint(),
	}
	env := connector.Env{Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Random: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler), GiveUp: 1}
	out := &kept{}
	r, err := connector.NewReader(set, src, out, connector.NewMemory(), env, m.Collection("s", "c"))
	if err != nil {
		t.Fatal(err)
	}
	return &reading{r, out, t}
}

// pull reads once and returns what was published.
func (r *reading) pull() []string {
	r.t.Helper()
	r.published = nil
	if err := r.Pull(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(r.published)
	return r.published
}

func serve(t *testing.T, h http.Handler) (base string, client *Client) {
	t.Helper()
	server := httptest.NewServer(dated(h.ServeHTTP))
	t.Cleanup(server.Close)
	client = NewClient("test", Budget{}, nil)
	t.Cleanup(client.CloseIdleConnections)
	return server.URL + "/v2", client
}

func TestEveryWayOfPagingReadsATieThatIsLargerThanAPage(t *testing.T) {
	t.Parallel()
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			base, client := serve(t, &shelf{n: 23, size: 5})
			c := paged(change)(base)
			c.Format = "rfc3339"
			r := newReading(t, c, client)
			if got := r.pull(); len(got) != 23 {
				t.Errorf("%d records are published: %q", len(got), got)
			}
			if got := r.pull(); len(got) != 0 {
				t.Errorf("published again: %q", got)
			}
		})
	}
}

func TestACollectionUnderParentsIsRead(t *testing.T) {
	t.Parallel()
	for _, childrenPaged := range []bool{true, false} {
		f := theForge()
		base, client := serve(t, f)
		c := below(func(c *Config) {
			c.Parent.List.Instant, c.Format = "changed", "rfc3339"
			if !childrenPaged {
				c.TokenParam, c.Token = "", ""
			}
		})(base)
		r := newReading(t, c, client)
		want := []string{"a/1", "a/2", "a/3", "b~1c/1", "d/4", "d/5"}
		if !childrenPaged {
			want = slices.DeleteFunc(want, func(id string) bool { return id == "a/3" })
		}
		if got := r.pull(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		// A parent that is new brings along what is older than the cursor.
		f.projects = append(f.projects, "new")
		f.issues["new"] = []string{"9"}
		r.Memory().State.Cursor = connector.Cursor{Instant: instant(t, "2024-01-05T00:00:00Z")}
		if got := r.pull(); !slices.Equal(got, []string{"new/9"}) {
			t.Errorf("got %q of a new parent, asked for %q", got, f.asked)
		}
	}
}

func TestAListWithoutFilterNorOrderIsRead(t *testing.T) {
	t.Parallel()
	stamp := func(i int) string { return fmt.Sprintf("2024-01-01T00:00:%02dZ", 59-i) }
	extra := ""
	base, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var rows []string
		for i := range 20 {
			rows = append(rows, fmt.Sprintf(`{"id":%d,"updated_at":%q}`, i, stamp(i)))
		}
		fmt.Fprintf(w, `{"data":[%s%s]}`, extra, strings.Join(rows, ","))
	}))
	c := paged(func(c *Config) { c.From, c.To, c.Params, c.Order, c.Unordered = "", "", nil, nil, true })(base)
	if !c.Unfiltered() || c.Paged() {
		t.Fatal("it has neither filter nor pages")
	}
	r := newReading(t, c, client)
	if got := r.pull(); len(got) != 20 {
		t.Errorf("got %q", got)
	}
	extra = `{"id":20,"updated_at":"2024-01-01T00:00:01Z"},`
	if got := r.pull(); !slices.Equal(got, []string{"20"}) {
		t.Errorf("got %q", got)
	}
}
