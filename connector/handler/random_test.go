package handler

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tributary/connector"
)

var schedules = flag.Int("schedules", 100, "random schedules of a handler to try")

// event is one of a log from which a handler tells: a version of a record, or its deletion.
type event struct {
	collection, id string
	version        int // 0: a deletion
}

func (e event) record() string {
	return fmt.Sprintf(`{"id":%q,"version":%d}`, e.id, e.version)
}

// diary is a handler that tells what happens to a few records, from a log. Its state is how
// much of the log it has told. It fails in all the ways that handlers fail.
type diary struct {
	rng     *rand.Rand
	log     []event
	version int
	// trouble is how likely a call fails.
	trouble float64
	failed  map[string]int
	calls   int
	still   bool // nothing more happens
}

var errTrouble = errors.New("trouble")

// happen has something happen.
func (d *diary) happen(n int) {
	for range n {
		e := event{collection: []string{"posts", "comments"}[d.rng.IntN(2)], id: fmt.Sprint(d.rng.IntN(6))}
		switch d.rng.IntN(6) {
		case 0: // perhaps of what is not there
		case 1: // once more what it is
			e.version = max(d.now()[[2]string{e.collection, e.id}], 1)
		default:
			d.version++
			e.version = d.version
		}
		d.log = append(d.log, e)
	}
}

// now is the version of each record that is there.
func (d *diary) now() map[[2]string]int {
	all := map[[2]string]int{}
	for _, e := range d.log {
		if e.version == 0 {
			delete(all, [2]string{e.collection, e.id})
		} else {
			all[[2]string{e.collection, e.id}] = e.version
		}
	}
	return all
}

// misbehave says in which way a call fails, empty: in none.
func (d *diary) misbehave(ctx context.Context) (how string, resp Response, err error) {
	d.calls++
	if d.rng.Float64() >= d.trouble {
		return "", resp, nil
	}
	ways := []string{"raises", "hangs", "panics", "unknown collection", "bad record", "no next_state", "stands still", "throttles"}
	how = ways[d.rng.IntN(len(ways))]
	d.failed[how]++
	junk := []Entry{entry("posts", `{"id":"junk"}`)}
	switch how {
	case "raises":
		err = errTrouble
	case "hangs":
		<-ctx.Done()
		err = ctx.Err()
	case "panics":
		panic("trouble")
	case "unknown collection":
		resp = Response{NextState: json.RawMessage(`"junk"`), NewOrUpdated: append(junk, entry("junk", `{"id":1}`))}
	case "bad record":
		resp = Response{NextState: json.RawMessage(`"junk"`), NewOrUpdated: append(junk, entry("posts", `{}`))}
	case "no next_state":
		resp = Response{More: true, NewOrUpdated: junk}
	case "stands still":
		resp = Response{More: true}
	case "throttles":
		err = &connector.RetryError{Reason: connector.RetryThrottled, After: time.Duration(d.rng.IntN(5)) * time.Second, Err: errTrouble}
	}
	return how, resp, err
}

func (d *diary) Delta(ctx context.Context, r Request) (Response, error) {
	if how, resp, err := d.misbehave(ctx); how != "" {
		if how == "stands still" {
			resp.NextState = r.PreviousState
		}
		return resp, err
	}
	var told int
	if err := json.Unmarshal(r.PreviousState, &told); err != nil {
		return Response{}, err
	}
	// A response has its deletions first, so one that follows an entry is for the next.
	resp := Response{}
	for most := 1 + d.rng.IntN(8); told < len(d.log) && most > 0; most-- {
		e := d.log[told]
		if e.version > 0 {
			resp.NewOrUpdated = append(resp.NewOrUpdated, entry(e.collection, e.record()))
		} else if len(resp.NewOrUpdated) > 0 {
			break
		} else {
			resp.Deleted = append(resp.Deleted, Deletion{e.collection, e.id})
		}
		told++
	}
	resp.More = told < len(d.log)
	resp.NextState = json.RawMessage(fmt.Sprint(told))
	if !d.still && d.rng.IntN(4) == 0 {
		d.happen(1)
	}
	return resp, nil
}

func (d *diary) Dump(ctx context.Context, r Request) (Response, error) {
	if how, resp, err := d.misbehave(ctx); how == "raises" || how == "hangs" || how == "bad record" {
		return resp, err
	}
	at := struct {
		Last [2]string
		Log  int
	}{Log: len(d.log)}
	if string(r.PreviousState) != "null" {
		if err := json.Unmarshal(r.PreviousState, &at); err != nil {
			return Response{}, err
		}
	}
	// As things are when the page is asked for, by keyset; the log from the dump's beginning on
	// is told by the delta after it.
	now := d.now()
	var keys [][2]string
	for k := range now {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	keys = slices.DeleteFunc(keys, func(k [2]string) bool { return slices.Compare(k[:], at.Last[:]) <= 0 })
	resp := Response{}
	for _, k := range keys[:min(4, len(keys))] {
		resp.NewOrUpdated = append(resp.NewOrUpdated, entry(k[0], event{k[0], k[1], now[k]}.record()))
		at.Last = k
	}
	if resp.More = len(keys) > 4; resp.More {
		resp.NextState, _ = json.Marshal(at)
	} else {
		resp.NextDeltaState = json.RawMessage(fmt.Sprint(at.Log))
	}
	if !d.still && d.rng.IntN(4) == 0 {
		d.happen(1)
	}
	return resp, nil
}

// want are the versions of a record that are to be published, as the log has them.
func (d *diary) want(collection, id string) (out []string) {
	last := ""
	for _, e := range d.log {
		if e.collection != collection || e.id != id {
			continue
		}
		now := "-"
		if e.version > 0 {
			now = e.record()
		}
		if now != last && (now != "-" || last != "") {
			out = append(out, now)
		}
		last = now
		if now == "-" {
			last = "-"
		}
	}
	if len(out) > 0 && out[0] == "-" {
		out = out[1:]
	}
	return out
}

// TestWhateverHappensEachVersionIsPublishedOnceAndInOrder lets a handler fail in every way,
// crashes at commits (lost, or taken with its answer lost), pushes beside it, and compares
// what each record was with what was published of it.
func TestWhateverHappensEachVersionIsPublishedOnceAndInOrder(t *testing.T) {
	seen := map[string]int{}
	crashes := 0
	for seed := range uint64(*schedules) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			d := &diary{rng: rng, trouble: 0.4 * rng.Float64(), failed: seen}
			b := newBundle(t, d)
			b.env.Random = rng.Float64
			b.k.handler.State = json.RawMessage("0")
			b.k.refuse = func(int) (bool, bool) {
				lost := rng.IntN(12) == 0
				if lost {
					crashes++
				}
				return lost, rng.IntN(2) == 0
			}
			for range 4 + rng.IntN(6) {
				d.happen(rng.IntN(20))
				if err := b.run(time.Duration(rng.IntN(300)) * time.Second); err != nil && !errors.Is(err, errLost) {
					t.Fatal(err)
				}
			}
			d.trouble, d.still, b.k.refuse = 0, true, nil
			if err := b.run(10 * time.Minute); err != nil {
				t.Fatal(err)
			}
			for _, c := range []string{"posts", "comments"} {
				for id := range 6 {
					if got, want := b.k.versions(c, fmt.Sprint(id)), d.want(c, fmt.Sprint(id)); !slices.Equal(got, want) {
						t.Fatalf("seed %d: %s %d was published as %q, and was %q", seed, c, id, got, want)
					}
				}
				if got := b.k.versions(c, "junk"); got != nil {
					t.Fatalf("seed %d: what a bad response said was published: %q", seed, got)
				}
			}
			if got := string(b.k.handler.State); got != fmt.Sprint(len(d.log)) {
				t.Fatalf("seed %d: the state is %s of %d", seed, got, len(d.log))
			}
		})
		if t.Failed() {
			return
		}
	}
	if len(seen) < 8 || crashes < *schedules/4 {
		t.Errorf("only %v and %d crashes were provoked", seen, crashes)
	}
}

// TestWhateverHappensADumpLeavesWhatThereIs has dumps between, which do not tell what a
// record was meanwhile: what is published is a part of what it was, in order, without a
// repeat, and ends with what it is.
func TestWhateverHappensADumpLeavesWhatThereIs(t *testing.T) {
	dumps := 0
	for seed := range uint64(*schedules) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 13))
			d := &diary{rng: rng, trouble: 0.3 * rng.Float64(), failed: map[string]int{}}
			b := newBundle(t, d)
			b.k.handler.State = json.RawMessage("0")
			b.cfg.Dump = &Dump{Ended: func() { dumps++ }, Cron: []connector.Cron{{Next: func(at time.Time) time.Time { return at.Add(7 * time.Minute) }}}}
			for i := range b.cfg.Collections {
				b.cfg.Collections[i].Settings.Sweeps = connector.Sweeps{MaxRatio: 1, MaxCount: 1000}
			}
			b.k.refuse = func(int) (bool, bool) { return rng.IntN(15) == 0, rng.IntN(2) == 0 }
			for range 4 + rng.IntN(6) {
				d.happen(rng.IntN(20))
				if err := b.run(time.Duration(rng.IntN(900)) * time.Second); err != nil && !errors.Is(err, errLost) {
					t.Fatal(err)
				}
			}
			d.happen(1)
			d.trouble, d.still, b.k.refuse = 0, true, nil
			if err := b.run(30 * time.Minute); err != nil {
				t.Fatal(err)
			}
			now := d.now()
			for _, c := range []string{"posts", "comments"} {
				for id := range 6 {
					key := fmt.Sprint(id)
					got, was := b.k.versions(c, key), d.want(c, key)
					for i := 1; i < len(got); i++ {
						if got[i] == got[i-1] {
							t.Fatalf("seed %d: %s %s was published as %q: twice the same", seed, c, key, got)
						}
					}
					last := ""
					if len(got) > 0 {
						last = got[len(got)-1]
					}
					is := ""
					if v := now[[2]string{c, key}]; v > 0 {
						is = event{c, key, v}.record()
					} else if len(got) > 0 {
						is = "-"
					}
					if last != is && !b.guarded(c) {
						t.Fatalf("seed %d: %s %s is %q, and was published as %q (it was %q)", seed, c, key, is, got, was)
					}
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	if dumps < *schedules {
		t.Errorf("%d dumps came to their end", dumps)
	}
}

// guarded says whether the last dump of a collection was not believed.
func (b *bundle) guarded(collection string) bool {
	return b.k.memory[collection].State.Sweep.Guard != ""
}
