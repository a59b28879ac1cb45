package connector

import (
	"math"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Watcher is told of what happens to a collection. Its functions may be nil, and must
// neither block nor ask the collection.
type Watcher struct {
	// State has the last error too, where the state that begins is because of one.
	State  func(from, to, why string)
	Pull   func(reasons []string, took time.Duration, changed bool, err error)
	Commit func(upserts, deletions int)
	// Stuck has why what was read waits for its topic, nil when it does no more.
	Stuck func(why error)
}

// SetState makes s the one state that the collection is in; while it is quarantined or
// held it shows that.
func (c *CollectionMetrics) SetState(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = s
	c.show()
}

// SetQuarantined says why the collection's topic can not be written, nil that it can.
func (c *CollectionMetrics) SetQuarantined(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quarantined = why
	c.show()
}

// SetStuck says so too, of a topic for which something that was read waits.
func (c *CollectionMetrics) SetStuck(why error) {
	c.SetQuarantined(why)
	if c.Watch.Stuck != nil {
		c.Watch.Stuck(why)
	}
}

// SetHeld says in which state an operator has put the collection: StatePaused,
// StateStopped, or "" for none.
func (c *CollectionMetrics) SetHeld(state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = state
	c.show()
}

// State returns the state that the collection is in.
func (c *CollectionMetrics) State() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.effective()
}

func (c *CollectionMetrics) effective() string {
	switch {
	case c.current == StateStopped:
		return StateStopped
	case c.hold != "" && c.current != StateRestoring:
		return c.hold
	case c.quarantined != nil:
		return StateQuarantined
	}
	return c.current
}

func (c *CollectionMetrics) show() {
	now := c.effective()
	if now == c.shown {
		return
	}
	for _, name := range States {
		c.states.WithLabelValues(name).Set(oneIf(name == now))
	}
	if c.Watch.State != nil && c.shown != "" {
		why := ""
		switch {
		case now == StateBackoff, now == StateReauthRequired, now == StateStopped && c.hold == "":
			why = c.failure
		case now == StateQuarantined:
			why = c.quarantined.Error()
		}
		c.Watch.State(c.shown, now, why)
	}
	c.shown = now
}

// Every says how long the schedule leaves between two pulls at the most, math.MaxInt64 for
// as long as nobody asks.
func (c *CollectionMetrics) Every(gap time.Duration) {
	if gap == math.MaxInt64 {
		c.PollInterval.Set(math.Inf(1))
		return
	}
	c.PollInterval.Set(gap.Seconds())
}

// Began counts a pull that begins.
func (c *CollectionMetrics) Began(at time.Time, reasons []Reason) {
	c.LastAttempt.Set(seconds(at))
	for _, r := range reasons {
		c.Reasons.WithLabelValues(string(r.Name)).Inc()
	}
}

// Ended counts a pull that has ended, with how long it took.
func (c *CollectionMetrics) Ended(took time.Duration, reasons []Reason, changed bool, err error) {
	outcome := "empty"
	switch {
	case err != nil:
		outcome = "error"
	case changed:
		outcome = "ok"
	}
	c.Polls.WithLabelValues(outcome).Inc()
	if err == nil {
		c.PollDuration.Observe(took.Seconds())
	}
	if c.Watch.Pull != nil {
		c.Watch.Pull(strings.Split(NamesOf(reasons), ","), took, changed, err)
	}
}

// Failed notes an error of a request or a pull, for who looks.
func (c *CollectionMetrics) Failed(at time.Time, err error) {
	c.LastError.Set(seconds(at))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = err.Error()
}

// Committed counts changes that were committed.
func (c *CollectionMetrics) Committed(at time.Time, upserts, deletions int) {
	c.Upserts.Add(float64(upserts))
	c.Deletes.Add(float64(deletions))
	if upserts+deletions == 0 {
		return
	}
	c.LastChange.Set(seconds(at))
	c.mu.Lock()
	c.rate.add(at, float64(upserts+deletions))
	c.mu.Unlock()
	if c.Watch.Commit != nil {
		c.Watch.Commit(upserts, deletions)
	}
}

// Status is how a collection stands, in the numbers that its metrics show. Times that
// never were are zero.
type Status struct {
	State                                           string
	CaughtUp, Cursor                                time.Time
	LastAttempt, LastSuccess, LastError, LastChange time.Time
	// Failure is the text of the last error, Quarantine why the topic can not be written.
	Failure, Quarantine                  string
	SweepStarted, SweepEnded, SweepAt    time.Time
	SweepRunning, Guarded                bool
	Upserts, Deletions                   uint64
	Records, Doubts, Absent, Unpublished int
	// Rate is changes committed a second, about the last minute.
	Rate float64
}

// Status returns how the collection stands.
func (c *CollectionMetrics) Status(now time.Time) Status {
	c.mu.Lock()
	s := Status{State: c.effective(), Failure: c.failure, Rate: c.rate.at(now)}
	if c.quarantined != nil {
		s.Quarantine = c.quarantined.Error()
	}
	c.mu.Unlock()
	s.CaughtUp, s.Cursor = timeOf(c.CaughtUp), timeOf(c.Cursor)
	s.LastAttempt, s.LastSuccess = timeOf(c.LastAttempt), timeOf(c.LastSuccess)
	s.LastError, s.LastChange = timeOf(c.LastError), timeOf(c.LastChange)
	s.SweepStarted, s.SweepEnded, s.SweepAt = timeOf(c.SweepStarted), timeOf(c.SweepEnded), timeOf(c.SweepPosition)
	s.SweepRunning, s.Guarded = Value(c.SweepRunning) == 1, Value(c.SweepGuarded) == 1
	s.Upserts, s.Deletions = uint64(Value(c.Upserts)), uint64(Value(c.Deletes))
	s.Records, s.Doubts = int(Value(c.Entries)), int(Value(c.Doubts))
	s.Absent, s.Unpublished = int(Value(c.Absent)), int(Value(c.Unpublished))
	return s
}

// Value returns what a counter or a gauge stands at.
func Value(m prometheus.Metric) float64 {
	if s, ok := m.(*Series); ok { // thousands are asked for again and again
		return s.value()
	}
	var v dto.Metric
	if m.Write(&v) != nil {
		return math.NaN()
	}
	return v.GetGauge().GetValue() + v.GetCounter().GetValue() // one of them is not there
}

func timeOf(g *Series) time.Time {
	if v := Value(g); v != 0 {
		return time.UnixMicro(int64(math.Round(v * 1e6))).UTC()
	}
	return time.Time{}
}

// rate is how many come in a second, each forgotten by and by.
type rate struct {
	sum  float64
	last time.Time
}

const rateOver = time.Minute

func (r *rate) add(now time.Time, n float64) {
	r.sum = r.at(now)*rateOver.Seconds() + n
	r.last = now
}

func (r *rate) at(now time.Time) float64 {
	if r.last.IsZero() {
		return 0
	}
	return r.sum * math.Exp(-max(0, now.Sub(r.last).Seconds())/rateOver.Seconds()) / rateOver.Seconds()
}
