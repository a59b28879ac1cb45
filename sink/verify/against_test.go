package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/connector"
	"tributary/offsets"
)

// shows is a source that shows records by id and instant, hashed as the world hashes its
// values.
func shows(change func(*Shown)) func(*Options) {
	return func(o *Options) {
		o.Source = func(context.Context, offsets.Name, connector.State) (*Shown, error) {
			s := &Shown{Ledger: &connector.Ledger{}, Deleted: &connector.Ledger{}, Began: 1_000_000, Lookback: 100 * time.Millisecond, Whole: true}
			for i := range 20 {
				seq, at, v := 2, i, 2
				if i >= 10 {
					seq, at, v = 4, i-10, 1
				}
				s.Ledger.Put(fmt.Sprint("k", i), connector.Entry{Instant: connector.Instant(seq*1000 + at), Print: 1, Hash: hashOf(fmt.Sprintf(`{"v":%d,"i":%d}`, v, i))})
			}
			s.Ledger.Drop("k3")
			s.Deleted.Put("k3", connector.Entry{Instant: 3000})
			change(s)
			return s, nil
		}
	}
}

func TestWhatTheSourceShowsIsCompared(t *testing.T) {
	w := newWorld(t, 1).filled()
	put := func(id string, at connector.Instant, hash string) func(*Shown) {
		return func(s *Shown) { s.Ledger.Put(id, connector.Entry{Instant: at, Print: 1, Hash: hashOf(hash)}) }
	}
	for name, c := range map[string]struct {
		do         func(*Shown)
		check, key string // "" for none
		against    Against
	}{
		"the same":                          {func(*Shown) {}, "", "", Against{Shown: 19, Equal: 19}},
		"one more":                          {put("new", 5000, "x"), CheckSourceUnpublished, "new", Against{Shown: 20, Equal: 19}},
		"one more, just old enough":         {put("new", 700_000, "x"), CheckSourceUnpublished, "new", Against{Shown: 20, Equal: 19}},
		"one more, too young":               {put("new", 700_001, "x"), "", "", Against{Shown: 20, Equal: 19, Changed: 1}},
		"a newer version":                   {put("k5", 2100, "x"), CheckSourceOlder, "k5", Against{Shown: 19, Equal: 18}},
		"an older version":                  {put("k5", 1005, "x"), CheckSourceNewer, "k5", Against{Shown: 19, Equal: 18}},
		"other fields":                      {put("k5", 2005, "x"), CheckSourceDiffers, "k5", Against{Shown: 19, Equal: 18}},
		"one that was published as deleted": {put("k3", 2003, "x"), CheckSourceUnpublished, "k3", Against{Shown: 20, Equal: 19}},
		"one less":                          {func(s *Shown) { s.Ledger.Drop("k5") }, CheckSourceGone, "k5", Against{Shown: 18, Equal: 18}},
		"one deleted": {func(s *Shown) {
			s.Ledger.Drop("k5")
			s.Deleted.Put("k5", connector.Entry{Instant: 2100})
		}, CheckSourceDeleted, "k5", Against{Shown: 18, Equal: 18}},
		"one deleted a moment ago": {func(s *Shown) {
			s.Ledger.Put("k5", connector.Entry{Instant: 999_999, Mark: true})
			s.Deleted.Put("k5", connector.Entry{Instant: 999_999})
		}, "", "", Against{Shown: 18, Equal: 18, Changed: 1}},
		"another fingerprint": {func(s *Shown) {
			s.Fingerprint.Exclude = []string{"a"}
			put("k5", 2005, "x")(s)
		}, "", "", Against{Shown: 19, Equal: 19, NotCompared: 19}},
	} {
		r := w.verify(shows(c.do))
		got := *r.Collections[0].Against
		c.against.Whole, c.against.Began = true, connector.Instant(1_000_000).String()
		if got != c.against || r.OK != (c.check == "") || c.check != "" && (!r.found(c.check, c.key) || len(r.Findings) != 1) {
			t.Errorf("%s: %+v\n%s", name, got, r.text())
		}
	}
	r := w.verify(shows(func(s *Shown) { s.Ledger, s.Whole = &connector.Ledger{}, false }))
	if !r.OK || r.Collections[0].Against.Whole {
		t.Errorf("of a source that was not shown to its end: %s", r.text())
	}
}

func TestWhatIsCommittedWhileTheSourceIsReadIsNoFinding(t *testing.T) {
	w := newWorld(t, 1).filled()
	r := w.verify(shows(func(s *Shown) {
		w.publish(page{{"k5", `{"v":3}`}, {"k6", ""}, {"new", `{}`}})
		s.Ledger.Put("k5", connector.Entry{Instant: 5000, Print: 1, Hash: hashOf(`{"v":3}`)})
		s.Ledger.Drop("k6")
		s.Ledger.Put("new", connector.Entry{Instant: 5002, Print: 1, Hash: hashOf(`{}`)})
	}))
	if a := r.Collections[0].Against; !r.OK || a.Changed != 3 || a.Equal != 17 {
		t.Errorf("%+v\n%s", a, r.text())
	}
}

// A connector that runs and is behind has told nothing wrong; one that passed a record over
// has.
func TestWhatARunningConnectorHasNotReadYetIsNoFinding(t *testing.T) {
	w := newWorld(t, 1).filled()
	for name, c := range map[string]struct {
		at   connector.Instant
		runs bool
		ok   bool
	}{
		"beyond the cursor":                        {600_000, true, true},
		"beyond the cursor of one that stands":     {600_000, false, false},
		"below the cursor":                         {1, true, false},
		"below the cursor of one that stands":      {1, false, false},
		"beyond the cursor of one, a moment young": {999_999, false, true},
	} {
		r := w.verify(shows(func(s *Shown) {
			if c.runs {
				w.publish(page{{"other", name}})
			}
			s.Ledger.Put("new", connector.Entry{Instant: c.at, Print: 1, Hash: hashOf("x")})
		}))
		found := r.found(CheckSourceUnpublished, "new")
		if found == c.ok {
			t.Errorf("%s: found %t\n%s", name, found, r.text())
		}
	}
}

func TestASourceThatCannotBeReadIsNoFinding(t *testing.T) {
	w := newWorld(t, 1).filled()
	r := w.verify(func(o *Options) {
		o.Source = func(context.Context, offsets.Name, connector.State) (*Shown, error) { return nil, errors.New("no way") }
	})
	if c := r.Collections[0]; r.OK || len(r.Findings) != 0 || r.Failed != 1 || !strings.Contains(c.Error, "no way") || c.Agreed != 19 {
		t.Errorf("%s", r.text())
	}
}
