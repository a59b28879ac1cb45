package verify

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// A suspect is a key that did not agree when the topic was read: it changed meanwhile,
// or compaction removed what a newer record replaced, or it is a finding.
type suspect struct {
	entry connector.Entry // by the ledger, as far as it was read
	live  bool
	// had says that it was live at the consistent point.
	had bool
	// at is the last version up to the batch that the ledger stands at; seen says that
	// there is one, vague that its hash was not kept.
	at          version
	seen, vague bool
	// later is one after it.
	later    version
	hasLater bool
	// times counts the rounds in a row in which it did not agree.
	times int
}

// How often suspects are looked at again while the topic goes on, and how many are.
const (
	maxRounds   = 8
	maxSuspects = 1 << 20
)

// conclude judges what did not agree when the topic was read.
func (s *scan) conclude(ctx context.Context) error {
	suspects := s.suspects()
	for round := 1; len(suspects) > 0; round++ {
		moved, err := s.round(ctx, suspects)
		if err != nil {
			return err
		}
		if settled := s.judge(suspects); !moved || settled || round == maxRounds {
			break
		}
		if err := sleep(ctx, 50*time.Millisecond<<round); err != nil {
			return err
		}
	}
	if len(suspects) > 0 {
		if err := s.confirm(ctx, suspects); err != nil {
			return err
		}
		// Whether what is newer was committed, the lane tells when it is read after it.
		if err := s.lane.read(ctx); err != nil {
			return err
		}
	}
	s.report(suspects)
	return nil
}

// suspects counts what agrees, and returns what does not.
func (s *scan) suspects() map[string]*suspect {
	out := map[string]*suspect{}
	add := func(id string, x suspect) {
		if len(out) < maxSuspects {
			x.later, x.hasLater = s.fold.later[id]
			out[id] = &x
			return
		}
		check, what := describe(x.entry, x.live, x.at, x.seen)
		s.c.find(check, nowhere, nowhere, id, what)
	}
	for at := range s.ledger.Slots() {
		id, e, ok := s.ledger.At(at)
		if !ok || e.Mark {
			continue
		}
		if e.Print == 0 {
			s.c.Pending++ // it may be in the topic in any version, or not at all
			continue
		}
		switch s.fold.last[at] {
		case same:
			s.c.Agreed++
		case alike:
			s.c.Agreed++
			s.c.NotCompared++
		case other:
			add(id, suspect{entry: e, live: true, had: true, seen: true, vague: true})
		default:
			add(id, suspect{entry: e, live: true, had: true})
		}
	}
	for id, e := range s.fold.extra.All() {
		add(id, suspect{seen: true, at: version{hashed: true, print: e.Print, hash: e.Hash}})
	}
	return out
}

// round reads the lane on, and then the topic, and notes what they say of suspects. It
// returns whether anything was committed meanwhile.
func (s *scan) round(ctx context.Context, suspects map[string]*suspect) (moved bool, err error) {
	before := s.lane.tail.Next
	if err := s.lane.read(ctx); err != nil {
		return false, err
	}
	moved = s.lane.tail.Next != before
	s.follow(suspects)
	now := s.seq()
	for _, p := range s.parts {
		at := p.tail.Next
		if err := p.read(ctx, func(r *kgo.Record) error { s.look(suspects, r, now); return nil }); err != nil {
			return false, err
		}
		moved = moved || p.tail.Next != at
	}
	return moved, nil
}

// follow brings the ledger's side of the suspects to where the lane was read to, and the
// topic's with it.
func (s *scan) follow(suspects map[string]*suspect) {
	d, now := s.lane.delta(s.name), s.seq()
	for id, x := range suspects {
		if e, ok := d.entries.Get(id); ok {
			x.entry, x.live = e, !e.Mark
		}
		if x.hasLater && x.later.seq <= now {
			x.at, x.seen, x.vague, x.hasLater = x.later, true, false, false
		}
	}
}

// look notes a record of a suspect; now is the last batch that the ledger's side knows.
func (s *scan) look(suspects map[string]*suspect, r *kgo.Record, now uint64) {
	x := suspects[string(r.Key)]
	if x == nil {
		return
	}
	h, _ := s.headers.Read(r) // what is wrong with them was said when it was read first
	v := versionOf(r, h)
	if v.seq > now {
		x.later, x.hasLater = v, true
	} else {
		x.at, x.seen, x.vague = v, true, false
	}
}

// judge drops the suspects that agree. settled says that none of the others is likely to
// come to agree: each was looked at twice, and nothing newer of it is on its way.
func (s *scan) judge(suspects map[string]*suspect) (settled bool) {
	settled = true
	for id, x := range suspects {
		switch {
		case x.agrees():
			if delete(suspects, id); x.had {
				s.c.Agreed++
			}
		case x.hasLater:
			x.times, settled = 0, false
		default:
			x.times++
			settled = settled && x.times > 1
		}
	}
	return settled
}

func (x *suspect) agrees() bool {
	switch {
	case x.vague:
		return false
	case !x.live:
		return !x.seen || x.at.dead
	case x.entry.Print == 0:
		return true
	}
	return x.seen && compare(x.at, x.entry) >= alike
}

// confirm reads the topic once more from its beginning, for the suspects alone: what
// compaction took from under the first reading shows in the second, and where a finding
// lies too.
func (s *scan) confirm(ctx context.Context, suspects map[string]*suspect) error {
	for _, x := range suspects {
		x.at, x.seen, x.vague, x.hasLater = version{}, false, false, false
	}
	for _, p := range s.parts {
		p.restart()
		p.tail.Hole = nil
	}
	if _, err := s.round(ctx, suspects); err != nil {
		return err
	}
	s.judge(suspects)
	return nil
}

// report tells of the suspects that are left, in the order of their keys.
func (s *scan) report(suspects map[string]*suspect) {
	keys := make([]string, 0, len(suspects))
	for id := range suspects {
		keys = append(keys, id)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, id := range keys {
		x := suspects[id]
		if x.hasLater && x.later.seq <= s.seq() {
			if s.c.Changed++; s.c.Changed <= s.c.limit {
				s.c.ChangedKeys = append(s.c.ChangedKeys, id)
			}
			continue
		}
		check, what := describe(x.entry, x.live, x.at, x.seen)
		partition, offset := int32(nowhere), int64(nowhere)
		if x.seen {
			partition, offset = x.at.partition, x.at.offset
		}
		s.c.find(check, partition, offset, id, what)
	}
}
