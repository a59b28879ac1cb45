package rest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tributary/connector"
)

// personal is what must not be seen anywhere.
const personal = "ada@example.com"

func guarded(base string) Config {
	c := plain(base)
	c.Deleted = "deleted_at"
	c.Drop, c.Mask = []string{"deleted_at", "email", "phones.number"}, []string{"name"}
	return c
}

func TestWhatIsDroppedOrMaskedReachesNobody(t *testing.T) {
	t.Parallel()
	rows := []string{
		fmt.Sprintf(`{"id":1, "email":%q,"updated_at":"2026-01-01T00:00:00Z","name":%q,"n":1.0}`, personal, personal),
		fmt.Sprintf(`{"id":2,"updated_at":"2026-01-01T00:00:01Z","phones":[{"number":%q,"kind":"home"}],"email":[{"x":%q}]}`, personal, personal),
		fmt.Sprintf(`{"updated_at":"2026-01-01T00:00:02Z","email":%q,"name":{"first":%q}}`, personal, personal),
		fmt.Sprintf(`{"id":4,"updated_at":"2026-01-01T00:00:03Z","deleted_at":"2026-01-01T00:00:03Z","email":%q}`, personal),
		`{"id":5,"updated_at":"2026-01-01T00:00:04Z"}`,
	}
	s := setup(t, guarded, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(rows, ",")) })
	p, err := s.Fetch(t.Context(), connector.Query{From: connector.Beginning, To: connector.Forever, Page: 1})
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%+v", p); strings.Contains(all, personal) {
		t.Errorf("it is shown: %s", all)
	}
	for i, want := range []string{
		`{"id":1, "updated_at":"2026-01-01T00:00:00Z","name":"***","n":1.0}`,
		`{"id":2,"updated_at":"2026-01-01T00:00:01Z","phones":[{"kind":"home"}]}`,
		`{"updated_at":"2026-01-01T00:00:02Z","name":"***"}`,
		`{"id":4,"updated_at":"2026-01-01T00:00:03Z"}`,
		rows[4],
	} {
		if got := string(p.Records[i].Value); got != want {
			t.Errorf("record %d is %s, want %s", i, got, want)
		}
	}
	if !p.Records[3].Deleted || p.Records[2].Bad == "" {
		t.Error("id and deletion are read before anything is dropped")
	}
}

// The ledger, a state that is rebuilt and a source that is compared with all know a
// record by the hash of what is published.
func TestAPublishedValueHasTheHashOfItsRecord(t *testing.T) {
	t.Parallel()
	cfg := guarded("http://127.0.0.1:1/v2")
	d := newPageDecoder(&cfg, newStamps(cfg.Format))
	row := `{"id":1,"updated_at":"2026-01-01T00:00:00Z","email":%q,"name":%q,"phones":[{"number":%q}]}`
	page := func(text string) connector.Record {
		t.Helper()
		p, err := d.decode([]byte(`{"data":[` + fmt.Sprintf(row, text, text, text) + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return p.Records[0]
	}
	first, second := page(personal), page("another@example.com")
	if first.Hash != second.Hash || string(first.Value) != string(second.Value) {
		t.Errorf("a change that no consumer sees is one: %s %s", first.Value, second.Value)
	}
	parser, err := NewRecordParser(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := parser.Parse(first.ID, first.Value)
		if err != nil || got.Hash != first.Hash || string(got.Value) != string(first.Value) {
			t.Errorf("read from its topic it is %+v (%v), and was %+v", got, err, first)
		}
	}
}

func TestPathsOfValueThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says   string
		change func(*Config)
	}{
		{`value.drop takes "id", where the id lies`, func(c *Config) { c.Drop = []string{"id"} }},
		{`value.mask takes "id", where the id lies`, func(c *Config) { c.Mask = []string{"id"} }},
		{`value.drop takes "key", where the id lies (key.id)`, func(c *Config) { c.ID, c.Drop = "key.id", []string{"key"} }},
		{`value.mask takes "updated_at", where the instant lies`, func(c *Config) { c.Mask = []string{"updated_at"} }},
		{`value.drop and value.mask both have "a"`, func(c *Config) { c.Drop, c.Mask = []string{"a"}, []string{"a"} }},
		{`hash.include has "a.b", which value.drop takes away with "a"`, func(c *Config) { c.Drop, c.Include = []string{"a"}, []string{"a.b"} }},
		{`value.drop has "/emails/0/address" with an index`, func(c *Config) { c.Drop = []string{"/emails/0/address"} }},
		{"value.drop has an empty path", func(c *Config) { c.Drop = []string{""} }},
		{"value.mask: path", func(c *Config) { c.Mask = []string{"a..b"} }},
	} {
		cfg := plain("https://api.example.com/v2")
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
	}
	cfg := plain("https://api.example.com/v2")
	cfg.ID, cfg.Drop, cfg.Mask = "key.id", []string{"key.other", "idx"}, []string{"updated_at_text"}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhereNoRecordIsFoundNothingIsShown(t *testing.T) {
	t.Parallel()
	cfg := guarded("http://127.0.0.1:1/v2")
	cfg.Unwrap = "node"
	d := newPageDecoder(&cfg, newStamps(cfg.Format))
	p, err := d.decode(fmt.Appendf(nil, `{"data":[{"nude":{"id":1,"email":%q}},{"node":%q},{"node":{"id":3,"updated_at":"2026-01-01T00:00:00Z","email":%q}}]}`, personal, personal, personal))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"***"`, `"***"`, `{"id":3,"updated_at":"2026-01-01T00:00:00Z"}`} {
		if r := p.Records[i]; string(r.Value) != want || (r.Bad == "") != (i == 2) || i < 2 && r.Hash != (connector.Hash{}) {
			t.Errorf("record %d is %s (%s) with hash %s, want %s", i, r.Value, r.Bad, r.Hash, want)
		}
	}
}

func TestABodyIsShownWithoutWhatIsNotPublished(t *testing.T) {
	t.Parallel()
	cfg := guarded("http://127.0.0.1:1/v2")
	body := fmt.Sprintf(`{"metadata":{"n":1}, "data": [ {"id":1,"email":%q} , {"name":%q}], "more":false}`, personal, personal)
	if got := cfg.HideValues(body); got != `{"metadata":{"n":1}, "data": [ {"id":1} , {"name":"***"}], "more":false}` {
		t.Error(got)
	}
	for _, body := range []string{
		fmt.Sprintf(`{"data":[{"id":1,"email":%q},`, personal), fmt.Sprintf(`{"rows":[{"id":1,"email":%q}]}`, personal),
		fmt.Sprintf(`<p>%s`, personal), fmt.Sprintf(`{"data":[{"email":%q,"email":1}]}`, personal),
	} {
		if got := cfg.HideValues(body); strings.Contains(got, personal) || !strings.Contains(got, "hidden") {
			t.Errorf("%s is shown as %s", body, got)
		}
	}
	cfg.Drop, cfg.Mask = nil, nil
	if got := cfg.HideValues(body); got != body {
		t.Errorf("nothing is to be hidden, and it is %s", got)
	}
}
