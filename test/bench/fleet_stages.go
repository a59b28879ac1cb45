//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

func (f *fleetRun) validate(ctx context.Context, _ options) error {
	return f.command(ctx, "validate")
}

// command runs a command of Tributary's beside the one that runs.
func (f *fleetRun) command(ctx context.Context, args ...string) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, f.tributary, append(args, "-c", f.config)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out[max(0, len(out)-2000):])
	}
	f.say("`"+strings.Join(args, " ")+"`", "%.1f s", time.Since(began).Seconds())
	return nil
}

func (f *fleetRun) firstStart(ctx context.Context, _ options) error {
	ready, all, err := f.start(ctx)
	if err != nil {
		return err
	}
	n := len(f.fleet.all)
	want := float64(n * fleetRecords)
	if err := f.published(ctx, want); err != nil {
		return err
	}
	f.say("first start, no topic there", "ready after %.1f s, every collection asked for after %.1f s (%.0f topics made a second)",
		ready.Seconds(), all.Seconds(), float64(n)/all.Seconds())
	return nil
}

// published waits until so many records were, since the process began.
func (f *fleetRun) published(ctx context.Context, want float64) error {
	return f.await(ctx, func() (bool, error) {
		v, err := f.scrape(ctx)
		if err == nil && v.published > want {
			err = fmt.Errorf("%.0f records were published, of %.0f", v.published, want)
		}
		return v.published == want, err
	})
}

// span returns what happened while it slept.
func (f *fleetRun) span(ctx context.Context, d time.Duration) (before, after figures, err error) {
	if before, err = f.scrape(ctx); err != nil {
		return before, after, err
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return before, after, ctx.Err()
	}
	after, err = f.scrape(ctx)
	return before, after, err
}

// idle lets it poll what does not change. A poll that writes is an error.
func (f *fleetRun) idle(ctx context.Context, o options) error {
	before, after, err := f.span(ctx, o.length)
	if err != nil {
		return err
	}
	polls, seconds := after.polls-before.polls, o.length.Seconds()
	switch {
	case polls == 0:
		return fmt.Errorf("nothing was polled in %v", o.length)
	case after.transactions != before.transactions:
		return fmt.Errorf("%.0f idle polls made %.0f transactions", polls, after.transactions-before.transactions)
	}
	cpu := after.cpu - before.cpu // the scrape's own as well
	f.say("idle", "%.0f polls/s, no transaction, %.3f CPU s/s (%.2f ms a poll, one scrape included), RSS %.0f MB",
		polls/seconds, cpu/seconds, 1000*cpu/polls, mb(int64(after.rss)))
	return nil
}

// looks is what those ask for who look at it.
func (f *fleetRun) looks(ctx context.Context, _ options) error {
	v, err := f.scrape(ctx)
	if err != nil {
		return err
	}
	f.say("/metrics", "%.1f s, %.0f MB, %d series", v.took.Seconds(), mb(int64(v.bytes)), v.series)
	for _, path := range []string{"/v1/collections?limit=50&sort=attention", "/v1/collections?limit=50&search=c0042", "/v1/sources", "/"} {
		body, took, err := f.get(ctx, path)
		if err != nil {
			return err
		}
		f.say(path, "%.0f ms, %.0f kB", 1000*took.Seconds(), float64(len(body))/1000)
	}
	return nil
}

// freshness measures one collection while all the others poll.
func (f *fleetRun) freshness(ctx context.Context, _ options) error {
	const n = 30
	c := f.fleet.all[f.quick]
	topic := f.fleet.source(f.quick) + "." + f.fleet.name(f.quick)
	r, err := newReader(f.broker.InternalAddr(), topic, fleetRecords+n)
	if err != nil {
		return err
	}
	defer r.close()
	var seen, whole []time.Duration
	r.arrived = func(i int, at time.Time) {
		if i -= fleetRecords; i >= 0 {
			seen = append(seen, at.Sub(c.shownAt(i)))
			whole = append(whole, at.Sub(c.visibleAt(i)))
		}
	}
	go publish(ctx, c.api, n, 530*time.Millisecond)
	if _, err := r.readAll(ctx); err != nil {
		return err
	}
	slices.Sort(seen)
	slices.Sort(whole)
	f.say("freshness, polled every second", "from shown by the API to a reader: p50 %.1f ms, max %.1f ms; from visible: p50 %.0f ms, max %.0f ms (%d records)",
		1000*seen[n/2].Seconds(), 1000*seen[n-1].Seconds(), 1000*whole[n/2].Seconds(), 1000*whole[n-1].Seconds(), n)
	if r.repeats > 0 {
		return fmt.Errorf("%d records came more than once", r.repeats)
	}
	return nil
}

// changes changes one collection in a hundred.
func (f *fleetRun) changes(ctx context.Context, _ options) error {
	before, err := f.scrape(ctx)
	if err != nil {
		return err
	}
	changed := 0
	for i := 1; i < len(f.fleet.all); i += 100 {
		f.fleet.all[i].publish()
		changed++
	}
	began := time.Now()
	if err := f.published(ctx, before.published+float64(changed)); err != nil {
		return err
	}
	after, err := f.scrape(ctx)
	f.say("one collection in 100 changes", "%d records published within %.0f s by %.0f transactions, beside %.0f polls",
		changed, time.Since(began).Seconds(), after.transactions-before.transactions, after.polls-before.polls)
	return err
}

// outage has the API answer with 503 until most collections have failed.
func (f *fleetRun) outage(ctx context.Context, o options) error {
	f.fleet.failing.Store(true)
	err := f.await(ctx, func() (bool, error) {
		states, err := f.states(ctx)
		return states["backoff"] >= 9*len(f.fleet.all)/10, err
	})
	if err != nil {
		return err
	}
	lines, asked := f.logLines(), f.fleet.requests.Load()
	if _, _, err := f.span(ctx, o.length); err != nil {
		return err
	}
	seconds := o.length.Seconds()
	f.say("its API is down", "%.0f requests/s, %.1f log lines/s", float64(f.fleet.requests.Load()-asked)/seconds, float64(f.logLines()-lines)/seconds)
	f.fleet.failing.Store(false)
	began := time.Now()
	err = f.await(ctx, func() (bool, error) {
		states, err := f.states(ctx)
		return states["running"] == len(f.fleet.all), err
	})
	f.say("… and is there again", "all run after %.0f s", time.Since(began).Seconds())
	return err
}

// states is how many collections are in each state.
func (f *fleetRun) states(ctx context.Context) (map[string]int, error) {
	body, _, err := f.get(ctx, "/v1/collections?limit=1")
	if err != nil {
		return nil, err
	}
	var page struct{ States map[string]int }
	return page.States, json.Unmarshal(body, &page)
}

// restarts ends it both ways. What it publishes then was published twice.
func (f *fleetRun) restarts(ctx context.Context, _ options) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		took, err := f.stop(sig)
		if err != nil {
			return fmt.Errorf("by %v: %w", sig, err)
		}
		ready, all, err := f.start(ctx)
		if err != nil {
			return err
		}
		err = f.await(ctx, func() (bool, error) {
			states, err := f.states(ctx)
			return states["running"] == len(f.fleet.all), err
		})
		if err != nil {
			return err
		}
		v, err := f.scrape(ctx)
		if err == nil && v.published > 0 {
			err = fmt.Errorf("%.0f records were published once more", v.published)
		}
		if err != nil {
			return err
		}
		f.say("restart after "+sig.String(), "ended after %.1f s, ready after %.1f s, every collection asked for after %.1f s (at most %d at once), RSS %.0f MB",
			took.Seconds(), ready.Seconds(), all.Seconds(), f.fleet.most.Load(), mb(int64(v.rss)))
	}
	return nil
}

func (f *fleetRun) commands(ctx context.Context, _ options) error {
	for _, args := range [][]string{{"status"}, {"check"}, {"verify"}} {
		if err := f.command(ctx, args...); err != nil {
			return err
		}
	}
	_, err := f.stop(syscall.SIGTERM)
	return err
}
