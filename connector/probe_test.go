package connector

import (
	"slices"
	"testing"
)

// An API that shows one record at a time to whoever asks for several by id.
func TestAProbeThatShowsOneRecordAtMostProvesNothing(t *testing.T) {
	for name, pick := range map[string]func(ids []string) string{
		"the last":  func(ids []string) string { return ids[len(ids)-1] },
		"the first": func(ids []string) string { return ids[0] },
		"least":     func(ids []string) string { return slices.Min(ids) },
	} {
		for _, last := range []bool{false, true} {
			s := sweeping(t, 10, nil)
			s.pull(2)
			s.page = func(q Query) Page { // the listing forgets r3 and r4
				if len(q.IDs) > 0 {
					q.IDs = []string{pick(q.IDs)}
					p := s.listed(q)
					p.Last = last
					return p
				}
				p := s.listed(q)
				p.Records = slices.DeleteFunc(slices.Clone(p.Records), func(rec Record) bool { return rec.ID == "r3" || rec.ID == "r4" })
				return p
			}
			s.pull(8)
			if got := s.buried(); got != "" {
				t.Errorf("%s, last %v: buried %q", name, last, got)
			}
		}
	}
}

// A row whose id cannot be read may be any of those that were asked for.
func TestAProbeThatShowsARecordWithoutAnIDProvesNothingAbsent(t *testing.T) {
	s := sweeping(t, 10, func(set *Settings) { set.OnBadRecord = SkipBadRecord })
	s.pull(2)
	spoil := func(p Page) Page {
		p.Records = slices.Clone(p.Records)
		for i := range p.Records {
			if p.Records[i].ID == "r3" {
				p.Records[i] = Record{Bad: "it has no id"}
			}
		}
		return p
	}
	s.page = func(q Query) Page { return spoil(s.listed(q)) }
	s.pull(6)
	if got := s.buried(); got != "" {
		t.Errorf("buried %q", got)
	}
}
