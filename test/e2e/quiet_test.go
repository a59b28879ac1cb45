//go:build unix

package e2e

import (
	"net/url"
	"testing"
	"time"

	"tributary/test/hostile"
)

// stateView is what `state show -o json` prints, as far as tests look at it.
type stateView struct {
	Topic string
	Lanes []struct {
		Lane          int
		Instance, Run string
	}
	Collections []struct {
		Source, Collection, Cursor, Trailing, Topic, Problem string
		CursorAt                                             string `json:"cursor_at"`
		Live                                                 int
		Seq                                                  uint64
		Sweep                                                struct {
			Running bool
			Absent  int
			Guard   string
		}
	}
}

func (r *rig) state() stateView {
	r.t.Helper()
	code, out, log := r.command("state", "show", "-o", "json")
	if code != 0 {
		r.t.Fatalf("state show ended with code %d: %s", code, log)
	}
	return decode[stateView](r.t, out)
}

// settled waits until the past owes nothing more: every trailing pass has come to its
// cursor.
func (r *rig) settled(within time.Duration) {
	r.t.Helper()
	eventually(r.t, within, "the trailing passes have come to their cursors", func() bool {
		state := r.state()
		for _, c := range state.Collections {
			if c.Trailing < c.CursorAt { // of one form, to the microsecond
				return false
			}
		}
		return len(state.Collections) == len(r.config.sources[0].collections)
	})
}

func TestOnUnchangedDataARestartPublishesNothingAndAnIdlePollWritesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people", "accounts"}, Seed: 6})
	for i := range 700 {
		r.api.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*time.Second})
	}
	r.api.InsertAt("people", 350, hostile.Timing{Backdate: time.Minute})
	for i := range 250 { // the newest 30 within the overlap
		r.api.InsertAt("accounts", 1, hostile.Timing{Backdate: time.Minute + time.Duration(250-i)*30*time.Millisecond})
	}
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.settled(soon)
	p.stop()
	topics := []string{r.topic("people"), r.topic("accounts")}
	before := r.ends(topics...)

	asked := len(r.api.Responses())
	p = r.run()
	eventually(t, soon, "three pulls", func() bool { return p.metric("tributary_polls_total") >= 6 })
	equalEnds(t, before, r.ends(topics...))
	r.firstPullsReadTheOverlap(asked)
	r.laterPullsAreOneRequest(p)
	time.Sleep(lookback / 2)
	equalEnds(t, before, r.ends(topics...))
	p.stop()
}

// firstPullsReadTheOverlap looks at the first request of each collection after a
// restart: it asks from an overlap behind the newest record, and not from further back.
func (r *rig) firstPullsReadTheOverlap(asked int) {
	r.t.Helper()
	seen := map[string]bool{}
	for _, a := range r.api.Responses()[asked:] {
		if seen[a.Collection] {
			continue
		}
		seen[a.Collection] = true
		q, err := url.ParseQuery(a.Query)
		if err != nil {
			r.t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339Nano, q.Get("updated_at[gte]"))
		if back := r.newest(a.Collection).Sub(from); err != nil || back < 0 || back > time.Second {
			r.t.Errorf("%s was first asked from %q (%v), %s before the newest record; the overlap is 1 s", a.Collection, q.Get("updated_at[gte]"), err, back)
		}
	}
	if len(seen) != 2 {
		r.t.Errorf("asked for %v", seen)
	}
}

// laterPullsAreOneRequest counts requests and pulls over two seconds, in which the
// offsets topic must not move.
func (r *rig) laterPullsAreOneRequest(p *process) {
	r.t.Helper()
	// sample counts both at one moment: between two pulls.
	sample := func(c string) (answers int, pulls float64) {
		eventually(r.t, soon, "no pull ends while one counts", func() bool {
			pulls = p.metric("tributary_polls_total", "collection", c)
			answers = r.answers(c)
			return p.metric("tributary_polls_total", "collection", c) == pulls
		})
		return answers, pulls
	}
	for _, c := range []string{"people", "accounts"} {
		offsets := r.ends(r.offsets())
		answersBefore, pullsBefore := sample(c)
		time.Sleep(2 * time.Second)
		answers, pulls := sample(c)
		answers, pulls = answers-answersBefore, pulls-pullsBefore
		// One pull may be under way at either end.
		if d := float64(answers) - pulls; pulls < 5 || d < -1 || d > 1 {
			r.t.Errorf("%s: %d requests in %v pulls", c, answers, pulls)
		}
		equalEnds(r.t, offsets, r.ends(r.offsets()))
		r.t.Logf("%s: %d requests in %v pulls", c, answers, pulls)
	}
}

func (r *rig) answers(collection string) int {
	n := 0
	for _, a := range r.api.Responses() {
		if a.Collection == collection {
			n++
		}
	}
	return n
}

// newest is the latest stamp that the API shows.
func (r *rig) newest(collection string) (newest time.Time) {
	for _, v := range r.api.Truth(collection) {
		if v.Stamp.After(newest) {
			newest = v.Stamp
		}
	}
	return newest
}

// An idle lane asks from time to time whether it is still its owner's. On the epochs of a
// real broker it must neither be wrong nor write.
func TestAnIdleConnectorKeepsItsLaneAndWritesNothing(t *testing.T) {
	t.Parallel()
	r := small(t)
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle("people", "accounts"), soon)
	r.settled(soon)
	before := r.ends(r.offsets())
	time.Sleep(11 * time.Second) // it asks every 5 s
	equalEnds(t, before, r.ends(r.offsets()))
	if line := lineWith(p.log.String(), "lane is spent"); line != "" {
		t.Errorf("idle, it gave its lane up: %s", line)
	}
	r.api.Insert("people", 1)
	r.rest(soon, "people", "accounts")
	p.stop()
}
