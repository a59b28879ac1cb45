package connector

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// commit commits the oldest staged batch and checks the invariants that hold at every
// commit.
func (t *simTopics) commit() {
	b := t.staged[0]
	t.staged = t.staged[1:]
	t.commits++
	before := t.fold.State
	live := map[string]Hash{}
	for id, e := range t.fold.Ledger.All() {
		if !e.Mark {
			live[id] = e.Hash
		}
	}
	if len(live) != len(t.live) {
		t.faultf("fold of the topic has %d records, the ledger %d", len(t.live), len(live))
	}
	for _, c := range b.Changes {
		t.publish(c)
	}
	for _, c := range b.Entries {
		if old, had := t.fold.Ledger.Get(c.ID); had && !c.Drop && !old.Mark && !c.New.Mark && c.New.Instant < old.Instant {
			d, doubted := t.fold.Doubts[c.ID]
			if !doubted || t.s.now < d.Since.Add(t.s.p.lookback()) {
				t.faultf("entry of %s fell from %s to %s without an old doubt", c.ID, old.Instant, c.New.Instant)
			}
		}
	}
	for _, c := range b.Entries {
		if d := t.fold.Doubts[c.ID]; c.Drop && !c.Old.Mark && t.s.now < d.Since.Add(t.s.p.lookback()) {
			t.faultf("%s is taken for gone, by a doubt of %s", c.ID, d.Since)
		}
		if _, again := t.live[c.ID]; c.New.Mark && !again {
			t.died(c.ID, c.New.Instant) // and was not made again within this batch
		}
	}
	t.lettersOf(&b)
	t.fold.Apply(&b)
	for id, e := range t.fold.Ledger.All() {
		if h, ok := t.live[id]; e.Mark == ok || (ok && h != e.Hash) {
			t.faultf("record %s: topic %v %v, ledger %+v", id, ok, h, e)
		}
	}
	after := b.State
	if len(b.Changes)+len(b.Entries)+len(b.Doubts)+len(b.Letters)+len(b.Receipts) == 0 && after.Cursor.Instant == before.Cursor.Instant && after.Trailing == before.Trailing && after.Sweep == before.Sweep && after.Feed == before.Feed {
		t.faultf("empty batch")
	}
	if after.Seq != before.Seq+1 {
		t.faultf("seq %d after %d", after.Seq, before.Seq)
	}
	if after.Cursor.Instant < before.Cursor.Instant || after.Cursor.Instant > t.s.now {
		t.faultf("cursor %s after %s at %s", after.Cursor.Instant, before.Cursor.Instant, t.s.now)
	}
	if after.Trailing < before.Trailing && after.Lookback <= before.Lookback || after.Trailing > t.s.now.Add(-t.s.p.lookback()) {
		t.faultf("trailing %s after %s at %s", after.Trailing, before.Trailing, t.s.now)
	}
}

// publish appends to the data topic and judges the record.
func (t *simTopics) publish(c Change) {
	old, had := t.live[c.ID]
	if c.Value == nil {
		if !had {
			t.faultf("tombstone for %s, which is not live", c.ID)
		}
		delete(t.live, c.ID)
		t.buried(c)
		t.died(c.ID, c.Instant)
		return
	}
	if had && old == c.Hash {
		t.faultf("version %s published although its hash is that of the live one", c.Value)
	}
	t.live[c.ID] = c.Hash
	ver, _ := strconv.Atoi(strings.Split(string(c.Value), "/")[1])
	v := t.s.versions[c.ID][ver-1]
	if w := t.last[c.ID]; w.ver >= v.ver {
		// With lagging replicas the stamps alone tell the order: the limits that remain.
		if t.s.p.stale == 0 || v.stamp < w.stamp.Floor(max(t.s.p.stamp, t.s.p.tick)) {
			if !t.limits(c.ID) {
				t.faultf("version %s (%s) published after version %d (%s)", c.Value, v.stamp, w.ver, w.stamp)
			}
		}
	}
	t.last[c.ID] = v
}

// died remembers that a deletion was read: no older version may be published any more.
func (t *simTopics) died(id string, at Instant) {
	if w := t.last[id]; w.deleted && w.stamp == at {
		return // its tombstone and its mark are one deletion
	}
	for _, v := range t.s.versions[id] {
		if v.deleted && v.stamp == at && v.ver > t.last[id].ver {
			t.last[id] = v
			return
		}
	}
	for _, v := range t.s.versions[id] {
		if v.gone && v.ver > t.last[id].ver { // it says nothing of its instant
			t.last[id] = v
			return
		}
	}
}

// buried judges a tombstone: the record was deleted at some moment after the version
// published last.
func (t *simTopics) buried(c Change) {
	ever, since := false, false
	for _, v := range t.s.versions[c.ID] {
		ever = ever || v.deleted
		since = since || v.deleted && v.ver > t.last[c.ID].ver
	}
	if !ever || !since && !t.limits(c.ID) {
		t.faultf("tombstone for %s, which was never deleted since (last %+v of %+v)", c.ID, t.last[c.ID], t.s.versions[c.ID])
	}
}

// limits says whether the record has an older version with a newer stamp, which
// lagging replicas may show as if it were the newer one.
func (t *simTopics) limits(id string) bool {
	if t.s.p.stale == 0 {
		return false
	}
	vs := t.s.versions[id]
	for i := 1; i < len(vs); i++ {
		if vs[i].stamp <= vs[i-1].stamp {
			return true
		}
	}
	return false
}

func (p simParams) settings() Settings {
	return Settings{Source: "s", Collection: "c", Tick: max(p.tick, p.stamp), Paged: true, Probe: p.probe,
		Overlap: p.overlap, Lookback: p.lookback(), Settle: p.settle, Start: Start{At: Beginning}, OnBadRecord: p.onBad(), Interval: p.interval(), Sweeps: p.sweeps, Unordered: p.order != "", Unfiltered: p.unfiltered,
		Feed:        Feed{Interval: p.lookback() / 3, Tick: max(p.tick, p.stamp), Paged: true},
		Fingerprint: Fingerprint{HashVersion: 1, ID: "id", Instant: "updated_at", Deletions: "deleted_at"}}
}

func simEnv(s *sim) Env {
	e := simEnvOf(s)
	e.Sleep = func(_ context.Context, d time.Duration) error { s.step(d / 100); return nil }
	e.Random = s.rnd.Float64
	skew := time.Duration(s.rnd.IntN(4001)-2000) * time.Millisecond
	e.Now = func() time.Time { return s.now.Add(skew).Time() }
	if s.p.feed {
		e.Feed = simFeed{s}
	}
	if s.p.ahead {
		e.Go = func(send func()) { send() } // before the page at hand is diffed
	}
	return e
}

// simEnvOf is an environment in which nothing happens while one waits.
func simEnvOf(s *sim) Env {
	return Env{
		Now:    func() time.Time { return s.now.Time() },
		Sleep:  func(context.Context, time.Duration) error { return nil },
		Random: func() float64 { return 0.5 },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// run lives through a schedule and returns what went wrong.
func (p simParams) run() []string {
	s := newSim(p)
	topics := newSimTopics(s)
	for range p.crashes {
		topics.crashAt[1+s.rnd.IntN(30)] = s.rnd.IntN(2) == 0
	}
	m := NewMetrics(prometheus.NewRegistry()).Collection("s", "c")
	var reader *Reader
	ended := false // the head reading of this pull came to its end: it left no tie for later
	start := func() error {
		topics.staged = nil
		mem := NewMemory()
		mem.fold(topics.fold)
		var err error
		env := simEnv(s)
		env.CaughtUp = func() { ended = true }
		reader, err = NewReader(topics.settings(), s, topics, mem, env, m)
		return err
	}
	if err := start(); err != nil {
		return []string{err.Error()}
	}
	crashed := false
	pull := func() error {
		visible := s.at(s.now)
		ended = false
		err := reader.Pull(context.Background())
		if err == errCrash {
			crashed = true
			return start()
		}
		if err == nil && !crashed && p.order == "" && ended && s.now < s.from {
			topics.fresh(visible)
		}
		return err
	}
	for i := 0; (s.left > 0 || s.failing()) && i < 2000; i++ {
		if err := pull(); err != nil {
			return append(topics.faults, err.Error())
		}
		s.rest()
		if topics.visited() {
			if err := start(); err != nil {
				return append(topics.faults, err.Error())
			}
		}
	}
	// Quiet: after three lookbacks, of those it has now, everything is there and nothing
	// more happens.
	s.quiet, reader.set.Interval = true, 0
	for end := s.now.Add(3*reader.set.Lookback + p.overlap + p.settle + 3*time.Second); s.now < end; s.step(p.lookback() / 4) {
		if err := pull(); err != nil {
			return append(topics.faults, err.Error())
		}
	}
	clear(topics.crashAt)
	if err := pull(); err != nil {
		return append(topics.faults, err.Error())
	}
	if p.sweeps.Every > 0 {
		if err := topics.swept(&reader, start, pull); err != nil {
			return append(topics.faults, err.Error())
		}
	}
	return append(topics.faults, topics.final(reader, s)...)
}

// fresh checks what a pull must have published of what was visible when it began:
// whatever turned visible at most an overlap after its stamp, and is still so.
func (t *simTopics) fresh(visible []simVersion) {
	if t.s.p.stale > 0 || t.s.p.settle > 0 {
		return
	}
	now := map[string]simVersion{}
	for _, v := range t.s.at(t.s.now) {
		now[v.id] = v
	}
	for _, v := range visible {
		contradicts := false // an older version has a newer stamp: it is doubted first
		for _, older := range t.s.versions[v.id][:v.ver-1] {
			at := older.stamp
			if tick := max(t.s.p.stamp, t.s.p.tick); t.s.p.feed && older.gone && at == at.Floor(tick) {
				at = at.Add(tick - time.Microsecond) // an event of a feed holds for all of its tick
			}
			contradicts = contradicts || v.stamp < at
		}
		if v.deleted || contradicts || t.s.p.spoilt(v) || v.visible.Sub(v.stamp) > t.s.p.overlap || now[v.id] != v {
			continue
		}
		if t.live[v.id] != v.hash() {
			t.faultf("version %d of %s (%s, visible %s) is not published by the pull that began when it was visible", v.ver, v.id, v.stamp, v.visible)
		}
	}
}

func (m *Memory) fold(o *Memory) {
	m.State = o.State
	for id, e := range o.Ledger.All() {
		m.Ledger.Put(id, e)
	}
	for id, d := range o.Doubts {
		m.Doubts[id] = d
	}
	for key, x := range o.Receipts {
		m.Receipts[key] = x
	}
}

func (t *simTopics) final(reader *Reader, s *sim) (faults []string) {
	truth, spoilt := map[string]Hash{}, map[string]bool{}
	for _, v := range s.at(s.now) {
		switch {
		case s.p.spoilt(v):
			spoilt[v.id] = true // whatever was good of it stays
		case !v.deleted:
			truth[v.id] = v.hash()
		}
	}
	for id, h := range truth {
		if got, ok := t.live[id]; !ok {
			faults = append(faults, "lost "+id)
		} else if got != h {
			faults = append(faults, fmt.Sprintf("stale %s: ledger %v", id, s.versions[id]))
		}
	}
	for id := range t.live {
		if _, ok := truth[id]; !ok && !spoilt[id] {
			faults = append(faults, "deleted but live: "+id)
		}
	}
	if n := len(t.fold.Doubts); n > 0 {
		faults = append(faults, fmt.Sprintf("%d doubts left", n))
	}
	requests, commits := s.requests, t.commits
	if err := reader.Pull(context.Background()); err != nil {
		faults = append(faults, err.Error())
	}
	if s.p.order != "" {
		requests = s.requests - 1 // as many as there are pages, or twice
	}
	if s.requests != requests+1 || t.commits != commits {
		faults = append(faults, fmt.Sprintf("an idle pull took %d requests and %d commits", s.requests-requests, t.commits-commits))
	}
	return faults
}
