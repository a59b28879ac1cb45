//go:build unix

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
)

// verified is what `verify -o json` prints, as far as the tests ask.
type verified struct {
	OK          bool                 `json:"ok"`
	Collections []verifiedCollection `json:"collections"`
	Findings    []verifiedFinding    `json:"findings"`
	Counts      map[string]int       `json:"counts"`
}

type verifiedCollection struct {
	Collection string `json:"collection"`
	Seq        uint64 `json:"seq"`
	Live       int    `json:"live"`
	Records    int    `json:"records"`
	Tombstones int    `json:"tombstones"`
	Agreed     int    `json:"agreed"`
	Pending    int    `json:"pending"`
	Changed    int    `json:"changed_while_verifying"`
	Whole      int    `json:"batches_whole"`
	Unjudged   int    `json:"batches_unjudged"`
	Error      string `json:"error"`
	Against    *struct {
		Shown       int  `json:"shown"`
		Equal       int  `json:"equal"`
		Changed     int  `json:"changed_meanwhile"`
		NotCompared int  `json:"not_compared"`
		Whole       bool `json:"whole"`
	} `json:"against_source"`
}

type verifiedFinding struct {
	Check      string `json:"check"`
	Collection string `json:"collection"`
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	Offset     int64  `json:"offset"`
	Key        string `json:"key"`
	What       string `json:"what"`
}

// verify runs the command, which must end with that code.
func (r *rig) verify(code int, args ...string) verified {
	r.t.Helper()
	path, _ := r.file()
	p := launch(r.t, append([]string{"verify", "-o", "json", "-c", path}, args...)...)
	// A source that throttles and hangs takes its time.
	if got := p.wait(3 * time.Minute); got != code {
		r.t.Fatalf("verify ended with %d, want %d\n%s\n%s", got, code, tail(p.out.String(), 6000), p.log.String())
	}
	return decode[verified](r.t, p.out.String())
}

// verifiesClean must find nothing, and have looked at something.
func (r *rig) verifiesClean(args ...string) verified {
	r.t.Helper()
	v := r.verify(0, args...)
	if !v.OK || len(v.Findings) > 0 || len(v.Collections) == 0 {
		r.t.Fatalf("%+v", v)
	}
	for _, c := range v.Collections {
		if c.Live == 0 || c.Records < c.Live || c.Agreed+c.Changed != c.Live || c.Pending != 0 || c.Whole+c.Unjudged == 0 {
			r.t.Errorf("%+v", c)
		}
	}
	return v
}

// caughtUp waits until the collections have caught up once.
func (p *process) caughtUp(collections ...string) {
	p.t.Helper()
	for _, c := range collections {
		p.says(soon, `msg="caught up"`, "collection="+c)
	}
}

func TestVerifyFindsNothingAfterACleanRunAndChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people", "accounts"}})
	ids := r.api.InsertAt("people", 500, hostile.Timing{Backdate: time.Minute})
	r.api.InsertAt("accounts", 50, hostile.Timing{Backdate: time.Minute})
	p := r.run()
	p.caughtUp("people", "accounts")
	r.api.Write("people", hostile.Update, ids[:100]...)
	r.api.Write("people", hostile.Delete, ids[:7]...)
	r.converge(r.oracle("people", "accounts"), soon)
	r.verifiesClean()
	r.unfenced(p)
	p.stop()
	before := r.ends(r.offsets(), r.topic("people"), r.topic("accounts"))
	for range 3 {
		v := r.verifiesClean()
		if c := v.Collections[1]; c.Collection != "people" || c.Live != 493 || c.Tombstones != 7 || c.Unjudged != 0 {
			t.Errorf("%+v", c)
		}
	}
	if v := r.verifiesClean("crm.people"); len(v.Collections) != 1 {
		t.Errorf("%+v", v)
	}
	equalEnds(t, before, r.ends(r.offsets(), r.topic("people"), r.topic("accounts")))
	if code, out, _ := r.command("verify", "crm"); code != 0 || lineWith(out, "ok", "crm.people", "493 live keys") == "" || !strings.Contains(out, "Not proved:") {
		t.Errorf("verify ended with %d\n%s", code, out)
	}
	if code, _, log := r.command("verify", "crm.nobody"); code != 2 || !strings.Contains(log, "crm.nobody") {
		t.Errorf("of an unknown collection: %d %s", code, log)
	}
}

// unfenced fails the test unless the lane was acquired once and is still owned.
func (r *rig) unfenced(p *process) {
	r.t.Helper()
	p.running()
	log := p.log.String()
	if strings.Contains(log, "lane is spent") || strings.Count(log, `msg="lane acquired"`) != 1 {
		r.t.Errorf("the connector did not keep its lane:\n%s", tail(log, 2000))
	}
}

// again verifies while the API is written to, for a phase and at least so often, and
// returns how often. On a busy machine that takes longer than a phase.
func (r *rig) again(rate float64, seed uint64, least int, look func(verified), args ...string) (times int) {
	r.t.Helper()
	stop := r.writing(rate, seed)
	for end := time.Now().Add(phase()); times < least || time.Now().Before(end); times++ {
		look(r.verifiesClean(args...))
	}
	stop()
	look(r.verifiesClean(args...))
	return times + 1
}

func TestVerifyFindsNothingWhileTheConnectorRuns(t *testing.T) {
	t.Parallel()
	for name, topics := range map[string]string{"one partition": "", "five partitions": ", partitions: 5"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := withoutStale(everything())
			r := hostileRig(t, 31, h)
			r.config.topics = fmt.Sprintf("{name: %q, replication: 1%s}", r.prefix+".{source}.{collection}", topics)
			p := r.run()
			p.caughtUp(three...)
			first, last, changed := uint64(0), uint64(0), 0
			times := r.again(300, 32, 5, func(v verified) {
				for _, c := range v.Collections {
					if c.Unjudged > 0 {
						t.Errorf("nothing was compacted: %+v", c)
					}
					changed += c.Changed
				}
				if last = v.Collections[0].Seq; first == 0 {
					first = last
				}
			})
			if times < 5 || last < first+5 {
				t.Errorf("verified %d times between batches %d and %d", times, first, last)
			}
			r.unfenced(p)
			r.finish(three...)
			r.verifiesClean()
			t.Logf("verified %d times, between batches %d and %d; %d keys not judged", times, first, last, changed)
		})
	}
}

func TestVerifyFindsNothingAfterKills(t *testing.T) {
	t.Parallel()
	r := hostileRig(t, 33, withoutStale(everything()))
	r.seed()
	kills := 0
	r.again(300, 34, 3, func(verified) {
		kills++
		p := r.run()
		p.says(soon, `msg="lane acquired"`)
		time.Sleep(time.Second)
		p.kill()
	})
	if kills < 3 {
		t.Errorf("killed %d times", kills)
	}
	p := r.run()
	r.finish(three...)
	p.stop()
	r.verifiesClean()
	t.Logf("killed %d times", kills)
}
