package rest

import (
	"strings"
	"testing"
)

// A record that is read alone has the id, instant and hash that it has in a page.
func TestARecordAloneIsReadAsInItsPage(t *testing.T) {
	cfg := plain("http://127.0.0.1:1/v2")
	cfg.Exclude = []string{"seen"}
	cfg.Deleted = "deleted_at"
	values := []string{
		`{"id":1,"updated_at":"2026-01-01T00:00:00Z","name":"a","seen":1}`,
		`{"id":"x","updated_at":"2026-01-01T00:00:00.5+01:00","deleted_at":"2026-01-01T00:00:00Z"}`,
		`{"name":"no id"}`,
	}
	page, err := newPageDecoder(&cfg, newStamps(cfg.Format)).decode([]byte(`{"data":[` + strings.Join(values, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewRecordParser(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		got, err := p.Parse("", []byte(v))
		want := page.Records[i]
		if err != nil || got.ID != want.ID || got.Instant != want.Instant || got.Hash != want.Hash || got.Deleted != want.Deleted ||
			got.Stamp != want.Stamp || got.Bad != want.Bad || string(got.Value) != v {
			t.Errorf("%s: %+v %v, want %+v", v, got, err, want)
		}
	}
	for _, bad := range []string{"", "{", `{"id":1} {}`, "\xff"} {
		if _, err := p.Parse("", []byte(bad)); err == nil {
			t.Errorf("%q was taken for a record", bad)
		}
	}
}
