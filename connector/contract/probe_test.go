package contract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tributary/connector"
)

func TestAProbeForWhatCannotBeThere(t *testing.T) {
	t.Parallel()
	refused := &connector.RetryError{Reason: connector.RetryRefused, Err: errors.New("404 for all of them")}
	confirmed := func(o *Options) { o.Settings.Sweeps = connector.Sweeps{Every: 1, Confirm: connector.ConfirmIDs} }
	unknown := func(q connector.Query) (id string) {
		for _, id := range q.IDs {
			if !slices.ContainsFunc(fill(100).rows, func(r connector.Record) bool { return r.ID == id }) {
				return id
			}
		}
		return ""
	}
	once := 0
	for _, c := range []struct {
		name  string
		with  func(*Options)
		spoil func(id string, p *connector.Page) error
		level Level
		says  string
	}{
		{name: "shows nothing of it", spoil: func(string, *connector.Page) error { return nil }, level: OK, says: "shows none"},
		{name: "shows a record for whatever it is asked", with: confirmed, spoil: func(id string, p *connector.Page) error {
			p.Records = append(p.Records, record(id, now))
			return nil
		}, level: Fail, says: "`probe.gone`"},
		{name: "shows something that is no record", with: confirmed, spoil: func(id string, p *connector.Page) error {
			p.Records = append(p.Records, connector.Record{ID: id, Bad: "it has no instant"})
			return nil
		}, level: Fail, says: "would pass for there"},
		{name: "shows a record that was not asked for", spoil: func(string, *connector.Page) error {
			return &connector.StopError{What: "the API ignored the ids of a probe", Remedy: "correct probe.param"}
		}, level: Fail, says: "ignored the ids"},
		{name: "refuses all of them", with: confirmed, spoil: func(string, *connector.Page) error { return refused }, level: Fail, says: "404 for all"},
		{name: "refuses all of them, and nothing is confirmed by it", spoil: func(string, *connector.Page) error { return refused }, level: Warn, says: "confirm: none"},
		{name: "shows neither", with: confirmed, spoil: func(_ string, p *connector.Page) error {
			p.Records = nil
			return nil
		}, level: Fail, says: "shows neither"},
		{name: "refuses the form of one", with: confirmed, spoil: func(string, *connector.Page) error {
			if once++; once == 1 {
				return refused
			}
			return nil
		}, level: OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, o := fill(100), options()
			s.spoil = func(q connector.Query, p *connector.Page) error {
				if id := unknown(q); id != "" {
					return c.spoil(id, p)
				}
				return nil
			}
			if c.with != nil {
				c.with(&o)
			}
			by := look(t, s, o, nil)
			if got := by["absent"]; got.Level != c.level || !strings.Contains(got.Found+got.Means+got.Set, c.says) {
				t.Errorf("want %s with %q, got %+v\nof %+v", c.level, c.says, got, by)
			}
		})
	}
}

func TestWhereNoIDCanBeMadeUpThatIsSaidAndNothingBlamed(t *testing.T) {
	t.Parallel()
	s, o := fill(20), options()
	for i := range s.rows {
		s.rows[i] = record(strings.Repeat("ü", i+1), s.rows[i].Instant)
	}
	o.Settings.Sweeps = connector.Sweeps{Every: 1, Confirm: connector.ConfirmIDs}
	if got := look(t, s, o, nil)["absent"]; got.Level != Note || !strings.Contains(got.Found, `"ü"`) {
		t.Errorf("%+v", got)
	}
}

// An API may refuse what is not of the form of its ids.
func TestAnIDThatIsMadeUpHasTheFormOfOthers(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"17":                                   "[2147483646 1000042]",
		"2147483640":                           "[4294967281 2148483643]",
		"acme/39":                              "[acme/2147483646 acme/1000042]",
		"cus_NffrFeUfNV":                       "[cus_OggsGfVgOW cus_QiiuIhXiQY]",
		"gid://shop/Product/7":                 "[gid://shop/Product/2147483646 gid://shop/Product/1000042]",
		"9b2f4c1d-0e5a-4b6c-8d7e-f0a1b2c3d4e5": "[0c3a5d2e-1f6b-4c7d-8e8f-a1b2c3d4e5f6 2e5c7f4a-3b8d-4e9f-8a0b-c3d4e5f6a7b8]",
	} {
		c := New(nil, options())
		c.see([]connector.Record{record("39", now), record("acme/39", now), record("gid://shop/Product/39", now)})
		if got := fmt.Sprint(c.madeUp(id)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}
