package connector

import (
	"errors"
	"math/rand/v2"
	"time"
)

// hostility is what else an API, a person and a clock do.
type hostility struct {
	skew     time.Duration // by how much the clocks of the API's machines lag, at most
	putOff   float64       // part of the pages of a sweep for which there is no budget
	lost     float64       // part of the later pages that cannot be asked for any more
	shows    int           // records of an answer to a probe at most; 0: any
	doubled  float64       // part of the rows that a page shows twice
	bad      int           // one version of so many cannot be published; 0: none
	dlq      bool
	visits   float64 // part of the pulls after which a person does something
	fickle   bool    // confirm and lookback change at a start
	approves bool
	rush     bool // the next pull is due before this one has done what can wait
	away     bool // now and then it is not read for so long that it owes a long trailing pass
}

func (p *simParams) drawHostility(r *rand.Rand) {
	maybe := func(v float64) float64 {
		if r.IntN(3) == 0 {
			return v * r.Float64()
		}
		return 0
	}
	if r.IntN(3) == 0 {
		p.skew = time.Duration(r.IntN(3000)) * time.Millisecond
	}
	p.putOff, p.lost, p.doubled, p.visits = maybe(0.5), maybe(0.2), maybe(0.2), maybe(0.3)
	if r.IntN(3) == 0 {
		p.shows = 2 + r.IntN(3)
	}
	if r.IntN(3) == 0 {
		p.bad, p.dlq = 3+r.IntN(8), r.IntN(2) == 0
	}
	p.fickle, p.approves = r.IntN(3) == 0, p.outage == noOutage && r.IntN(3) == 0
	p.rush = r.IntN(4) == 0
	p.away = p.rush && r.IntN(2) == 0
}

func (s *sim) clock() Instant {
	at := s.now
	if s.p.skew > 0 && !s.quiet {
		at = at.Add(-time.Duration(s.rnd.Int64N(int64(s.p.skew))))
	}
	return at.Floor(time.Second)
}

func (s *sim) unwilling(q Query) error {
	if s.quiet {
		return nil
	}
	if !q.By.IsZero() && s.rnd.Float64() < s.p.putOff {
		return ErrPutOff
	}
	if q.Page > 1 && s.rnd.Float64() < s.p.lost {
		return &AnewError{errors.New("the token has expired")}
	}
	return nil
}

func (s *sim) cutProbe(p Page) Page {
	if s.p.shows > 0 && len(p.Records) > s.p.shows {
		p.Records, p.Last = p.Records[:s.p.shows], false
	} else if s.p.shows > 0 {
		p.Last = false
	}
	return p
}

func (s *sim) twice(q Query) bool {
	return !q.Count && s.p.doubled > 0 && s.rnd.Float64() < s.p.doubled
}

func (p simParams) spoilt(v simVersion) bool {
	return p.bad > 0 && v.id != "1" && !v.deleted && !v.gone && v.content%p.bad == 1
}

func (p simParams) onBad() OnBadRecord {
	switch {
	case p.bad == 0:
		return StopOnBadRecord
	case p.dlq:
		return DeadLetterQueue
	}
	return SkipBadRecord
}

func (p simParams) interval() time.Duration {
	switch {
	case p.rush:
		return 50 * time.Millisecond
	case p.putOff > 0:
		return time.Hour
	}
	return 0
}

func (t *simTopics) settings() Settings {
	set := t.s.p.settings()
	if t.s.quiet {
		set.Interval = 0
	}
	if t.s.p.fickle && !t.s.quiet {
		if set.Probe > 1 && t.s.p.outage == noOutage && t.s.rnd.IntN(2) == 0 {
			set.Sweeps.Confirm = ConfirmNone
		}
		set.Lookback += time.Duration(t.s.rnd.IntN(2000)) * time.Millisecond
		if t.s.rnd.IntN(3) == 0 {
			set.Sweeps.Listing = "b"
		}
	}
	return set
}

// rest lets time pass between two pulls.
func (s *sim) rest() {
	if s.p.away && s.rnd.IntN(8) == 0 {
		for range 20 {
			s.step(s.p.lookback() / 10)
		}
	}
	s.step(time.Duration(s.rnd.IntN(1500)) * time.Millisecond)
}

// visited lets a person do something, and says whether.
func (t *simTopics) visited() bool {
	if t.s.rnd.Float64() >= t.s.p.visits {
		return false
	}
	s := &t.fold.State
	switch t.s.rnd.IntN(4) {
	case 0, 1:
		if t.s.p.sweeps.Every > 0 && s.Trailing != Beginning {
			*s = s.Swept(t.s.p.approves && t.s.rnd.IntN(2) == 0)
		}
	case 2:
		if s.Trailing != Beginning && s.Cursor.Instant > simStart {
			*s = s.Moved(simStart.Add(time.Duration(t.s.rnd.Int64N(int64(s.Cursor.Instant.Sub(simStart))))), t.s.now)
		}
	case 3:
		if s.Trailing != Beginning {
			*s = s.Restarted(t.s.p.settings(), t.s.now)
		}
	}
	return true
}

// lettersOf checks that a version is a letter once.
func (t *simTopics) lettersOf(b *Batch) {
	for _, l := range b.Letters {
		t.letters[string(l.Value)]++
		if n := t.letters[string(l.Value)]; n > 1 && t.s.p.stale == 0 {
			t.faultf("%s is a letter %d times", l.Value, n)
		}
	}
}
