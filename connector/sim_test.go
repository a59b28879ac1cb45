package connector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// simParams describe one simulated API and what happens to it.
type simParams struct {
	seed                 uint64
	records, writes      int
	size, cut            int // page size asked for, and what the API cuts it to
	stamp, tick          time.Duration
	ends, totals, upper  bool
	stableTies           bool
	late                 time.Duration // at most
	backdate             time.Duration // lock waiters and imports: at most
	stale                float64       // part of the requests that a replica answers
	lag                  time.Duration
	touches, softDeletes float64
	bulk                 int
	failures             float64
	probe                int
	crashes              int
	depth                int // batches staged before one is committed
	settle               time.Duration
	overlap              time.Duration
	ahead                bool // requests are sent ahead

	hardDeletes, restores float64
	sweeps                Sweeps
	outage                outage
	ids                   int    // that the API takes in one query; 0: any
	order                 string // "": by stamp, ascending; else by id, newest first, or random
	unfiltered            bool
	feed                  bool
	hostility
}

// outage is what is wrong with the API for a while, from every request's point of view.
type outage string

const (
	noOutage   outage = ""
	showsNone  outage = "200 and nothing, as to a wrong key"
	showsHalf  outage = "the listing ends in its middle"
	refusesAll outage = "403"
	hidesHalf  outage = "a credential that sees every other record"
)

func (p simParams) lookback() time.Duration {
	return max(p.late, p.backdate) + p.lag + max(p.stamp, p.tick) + time.Second + 2*time.Millisecond + p.skew
}

// simVersion is one version of a record. A later one in the slice overwrites the
// earlier ones, whatever their stamps say.
type simVersion struct {
	id      string
	ver     int
	stamp   Instant
	visible Instant
	deleted bool
	gone    bool // not listed any more
	content int  // what the hash is made of; a touch keeps it
}

func (v simVersion) hash() Hash {
	return Hash{byte(v.content >> 16), byte(v.content >> 8), byte(v.content), 1}
}

// sim is the API, in virtual time, with its writer.
type sim struct {
	p        simParams
	rnd      *rand.Rand
	now      Instant
	versions map[string][]simVersion // in the order in which they turn visible
	ids      []string
	left     int // writes
	content  int
	requests int
	quiet    bool    // no stale answers, no failures, no writes
	from, to Instant // of the outage
}

const simStart = Instant(1_790_000_000_000_000)

func newSim(p simParams) *sim {
	s := &sim{p: p, rnd: rand.New(rand.NewPCG(p.seed, 7)), now: simStart, versions: map[string][]simVersion{}, left: p.writes}
	for range p.records {
		s.insert(s.now.Add(-time.Duration(s.rnd.IntN(5000)) * time.Millisecond))
	}
	s.from, s.to = Forever, Forever
	if p.outage != noOutage {
		s.from = s.now.Add(time.Duration(s.rnd.Int64N(int64(20 * time.Second))))
		s.to = s.from.Add(time.Duration(s.rnd.Int64N(int64(8 * p.lookback()))))
	}
	return s
}

func (s *sim) insert(stamp Instant) {
	id := strconv.Itoa(len(s.ids) + 1)
	s.ids = append(s.ids, id)
	s.content++
	s.versions[id] = []simVersion{{id: id, ver: 1, stamp: stamp.Floor(s.p.stamp), visible: stamp, content: s.content}}
}

// dark returns the outage of this moment.
func (s *sim) dark() outage {
	if s.quiet || s.now < s.from || s.now >= s.to {
		return noOutage
	}
	return s.p.outage
}

// failing says that an outage is to come, or lasts. A schedule goes on until it is over:
// what it leads to is believed a lookback later.
func (s *sim) failing() bool { return s.p.outage != noOutage && s.now < s.to }

// remove makes a record vanish without a word.
func (s *sim) remove(id string) {
	vs := s.versions[id]
	if last := vs[len(vs)-1]; last.visible <= s.now && !last.gone && id != "1" {
		s.write(id, s.now, s.now, false, true)
		s.versions[id][len(vs)].gone = true
	}
}

// restore brings it back as it was, with the stamp it had or a new one.
func (s *sim) restore(id string) {
	vs := s.versions[id]
	last := vs[len(vs)-1]
	if !last.gone || last.visible > s.now || s.p.feed && s.now.Floor(s.p.stamp) <= last.stamp {
		return // within one tick two lists tell no order: another limit
	}
	v := vs[len(vs)-2]
	v.ver, v.visible = len(vs)+1, s.now
	// With a feed a limit remains: whoever comes back as it was before its deletion was
	// heard of is deleted, and found again by the next sweep.
	unheard := s.p.feed && (s.p.outage != noOutage || s.p.failures > 0 || s.now < vs[len(vs)-1].visible.Add(3*s.p.lookback()+s.p.settle))
	if unheard || s.rnd.IntN(2) == 0 {
		v.stamp = s.now.Floor(s.p.stamp)
	}
	s.versions[id] = append(vs, v)
}

// write adds the next version of id, if none of it is still invisible.
func (s *sim) write(id string, stamp, visible Instant, touch, deleted bool) {
	vs := s.versions[id]
	last := vs[len(vs)-1]
	probed := s.p.sweeps.Every > 0 || s.p.hardDeletes > 0 && s.p.probe > 1
	if last.visible > s.now || last.gone || deleted && id == "1" && probed {
		return // one always lives: where none does no probe proves anything
	}
	v := simVersion{id: id, ver: last.ver + 1, stamp: stamp.Floor(s.p.stamp), visible: visible, deleted: deleted, content: last.content}
	if !touch || last.deleted || deleted {
		s.content++
		v.content = s.content
	}
	s.versions[id] = append(vs, v)
}

func (s *sim) somebody() string { return s.ids[s.rnd.IntN(len(s.ids))] }

// step lets time pass and writers write.
func (s *sim) step(d time.Duration) {
	s.now = s.now.Add(d)
	for s.left > 0 && !s.quiet && s.rnd.Float64() < 0.5 {
		s.left--
		stamp, visible := s.now, s.now
		switch k := s.rnd.IntN(10); {
		case k < 2 && s.p.late > 0:
			visible = s.now.Add(time.Duration(s.rnd.Int64N(int64(s.p.late))))
		case k < 4 && s.p.backdate > 0:
			stamp = s.now.Add(-time.Duration(s.rnd.Int64N(int64(s.p.backdate))))
		}
		switch k := s.rnd.Float64(); {
		case len(s.ids) > 0 && s.rnd.Float64() < s.p.hardDeletes:
			s.remove(s.somebody())
		case len(s.ids) > 0 && s.rnd.Float64() < s.p.restores:
			s.restore(s.somebody())
		case k < 0.2 || len(s.ids) == 0:
			s.insert(stamp)
			last := s.ids[len(s.ids)-1]
			s.versions[last][0].visible = visible
		case k < 0.2+s.p.touches:
			s.write(s.somebody(), stamp, visible, true, false)
		case k < 0.2+s.p.touches+s.p.softDeletes:
			s.write(s.somebody(), stamp, visible, false, true)
		case k < 0.3+s.p.touches+s.p.softDeletes && s.p.bulk > 0:
			for range s.p.bulk {
				s.write(s.somebody(), stamp, visible, false, false)
			}
		default:
			s.write(s.somebody(), stamp, visible, false, false)
		}
	}
}

// listed returns what a request at t is shown of what is listed.
func (s *sim) listed(t Instant) []simVersion {
	rows := slices.DeleteFunc(s.at(t), func(v simVersion) bool { return v.gone })
	switch s.dark() {
	case showsNone:
		return nil
	case hidesHalf:
		return slices.DeleteFunc(rows, func(v simVersion) bool { return v.id[len(v.id)-1]%2 == 0 })
	}
	return rows
}

// at returns what is the case at t: the last version of each record that is visible.
func (s *sim) at(t Instant) []simVersion {
	var rows []simVersion
	for _, id := range s.ids {
		vs := s.versions[id]
		for i := len(vs) - 1; i >= 0; i-- {
			if vs[i].visible <= t {
				rows = append(rows, vs[i])
				break
			}
		}
	}
	return rows
}

func (s *sim) Fetch(_ context.Context, q Query) (Page, error) {
	s.requests++
	s.step(time.Duration(s.rnd.IntN(40)) * time.Millisecond)
	if !s.quiet && s.rnd.Float64() < s.p.failures {
		return Page{}, &RetryError{Reason: RetryServer, Err: errors.New("503")}
	}
	if s.dark() == refusesAll || s.p.ids > 0 && len(q.IDs) > s.p.ids {
		return Page{}, &RetryError{Reason: RetryRefused, Err: errors.New("4xx")}
	}
	t := s.now
	if !s.quiet && s.rnd.Float64() < s.p.stale {
		t = t.Add(-time.Duration(s.rnd.Int64N(int64(s.p.lag))))
	}
	if err := s.unwilling(q); err != nil {
		return Page{}, err
	}
	page := Page{Date: s.clock(), Total: -1}
	if len(q.IDs) > 0 {
		for _, v := range s.listed(t) {
			if slices.Contains(q.IDs, v.id) {
				page.Records = append(page.Records, s.record(v))
			}
		}
		page.Last = true
		return s.cutProbe(page), nil
	}
	var rows []simVersion
	all := s.listed(t)
	if s.dark() == showsHalf {
		slices.SortStableFunc(all, func(a, b simVersion) int { return int(a.stamp - b.stamp) })
		all = all[:len(all)/2]
	}
	for _, v := range all {
		below := s.p.upper && q.To != Forever && v.stamp >= q.To.Floor(s.p.tick)
		if s.p.unfiltered || v.stamp >= q.From.Floor(s.p.tick) && !below {
			rows = append(rows, v)
		}
	}
	if !s.p.stableTies {
		s.rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	slices.SortStableFunc(rows, s.compare)
	size := min(s.p.size, s.p.cut)
	from := min((q.Page-1)*size, len(rows))
	to := min(from+size, len(rows))
	for _, v := range rows[from:to] {
		page.Records = append(page.Records, s.record(v))
		if s.twice(q) {
			page.Records = append(page.Records, s.record(v))
		}
	}
	page.Last = s.p.ends && to == len(rows)
	if s.p.totals && q.Count && s.p.upper {
		page.Total = len(rows)
	}
	return page, nil
}

// A simFeed lists what was removed.
type simFeed struct{ *sim }

func (s simFeed) Fetch(_ context.Context, q Query) (Page, error) {
	s.step(time.Duration(s.rnd.IntN(40)) * time.Millisecond)
	if s.dark() == refusesAll || !s.quiet && s.rnd.Float64() < s.p.failures {
		return Page{}, &RetryError{Reason: RetryServer, Err: errors.New("503")}
	}
	t := s.now
	if !s.quiet && s.rnd.Float64() < s.p.stale {
		t = t.Add(-time.Duration(s.rnd.Int64N(int64(s.p.lag))))
	}
	page := Page{Date: s.clock(), Total: -1}
	var events []simVersion
	for _, id := range s.ids {
		for _, v := range s.versions[id] {
			if v.gone && v.visible <= t && v.stamp >= q.From.Floor(s.p.tick) && s.dark() != showsNone {
				events = append(events, v)
			}
		}
	}
	slices.SortStableFunc(events, func(a, b simVersion) int { return int(a.stamp - b.stamp) })
	from := min((q.Page-1)*s.p.size, len(events))
	to := min(from+s.p.size, len(events))
	for _, v := range events[from:to] {
		page.Records = append(page.Records, Record{ID: v.id, Instant: v.stamp, Stamp: v.stamp.String(), Deleted: true})
	}
	page.Last = s.p.ends && to == len(events)
	return page, nil
}

// compare sorts as the API does.
func (s *sim) compare(a, b simVersion) int {
	switch s.p.order {
	case "id":
		x, _ := strconv.Atoi(a.id)
		y, _ := strconv.Atoi(b.id)
		return x - y
	case "newest first":
		return int(b.stamp - a.stamp)
	case "random":
		return 0
	}
	return int(a.stamp - b.stamp)
}

func (s *sim) record(v simVersion) Record {
	rec := Record{ID: v.id, Instant: v.stamp, Stamp: v.stamp.String(), Deleted: v.deleted, Hash: v.hash(),
		Value: fmt.Appendf(nil, "%s/%d", v.id, v.ver)}
	if s.p.spoilt(v) {
		rec.Bad = "spoilt"
	}
	return rec
}

// errCrash ends a life of the reader.
var errCrash = errors.New("crash")

// simTopics are the data and offsets topics: batches are staged, then committed some
// later, and a crash takes what is staged.
type simTopics struct {
	s       *sim
	staged  []Batch
	fold    *Memory
	live    map[string]Hash // fold of the data topic
	last    map[string]simVersion
	commits int
	crashAt map[int]bool // at this stage call: true after the commit, false before
	stages  int
	faults  []string
	letters map[string]int // by value
}

func newSimTopics(s *sim) *simTopics {
	return &simTopics{s: s, fold: NewMemory(), live: map[string]Hash{}, last: map[string]simVersion{}, letters: map[string]int{}, crashAt: map[int]bool{}}
}

func (t *simTopics) Stage(_ context.Context, b *Batch) error {
	t.stages++
	after, crash := t.crashAt[t.stages]
	if crash && !after {
		return errCrash
	}
	c := Batch{Changes: slices.Clone(b.Changes), Entries: slices.Clone(b.Entries), Doubts: slices.Clone(b.Doubts), Letters: slices.Clone(b.Letters), Receipts: slices.Clone(b.Receipts), State: b.State}
	t.staged = append(t.staged, c)
	for len(t.staged) > t.s.p.depth {
		t.commit()
	}
	if crash {
		t.Flush(context.Background())
		return errCrash
	}
	return nil
}

func (t *simTopics) Flush(context.Context) error {
	for len(t.staged) > 0 {
		t.commit()
	}
	return nil
}

func (t *simTopics) faultf(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf("commit %d: ", t.commits)+fmt.Sprintf(format, args...))
}
