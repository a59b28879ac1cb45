//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// settleIn is the time from whose records no latency is taken: the side starts, and
// the broker's code is compiled.
const settleIn = 3 * time.Second

// latency runs each side against an API that publishes one record after the other and
// prints how long a record takes from there to the reader.
func (b *bench) latency(ctx context.Context, w io.Writer, o options) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "side\tpoll interval\trecord every\tsamples\tp50\tp99\tmax\trepeats\tCPU s/s\tmax RSS MB")
	for _, side := range o.sides {
		// An API of its own: the other side's records are no news.
		if err := b.serve(&api{}); err != nil {
			return err
		}
		took, r, err := b.latencyOf(ctx, side, o)
		if err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
		ms := func(p float64) float64 {
			return float64(took[int(p*float64(len(took)-1))].Microseconds()) / 1000
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%.1f ms\t%.1f ms\t%.1f ms\t%d\t%.3f\t%.0f\n", side, o.interval, o.every,
			len(took), ms(0.5), ms(0.99), ms(1), r.repeats, r.usage.cpu.Seconds()/r.elapsed.Seconds(), mb(r.usage.rss))
	}
	return tw.Flush()
}

// latencyOf returns the latencies of one side, ascending. Publisher and reader are in
// this process and read its monotonic clock, so each latency is exact.
func (b *bench) latencyOf(ctx context.Context, side string, o options) ([]time.Duration, result, error) {
	n := int(o.length / o.every)
	topic, name, args, err := b.command(side, "latency-"+side, o.interval)
	if err != nil {
		return nil, result{}, err
	}
	if err := b.createTopics(ctx, side, topic); err != nil {
		return nil, result{}, err
	}
	r, err := newReader(b.broker.InternalAddr(), topic, n)
	if err != nil {
		return nil, result{}, err
	}
	defer r.close()

	start := time.Now()
	var took []time.Duration
	r.arrived = func(i int, at time.Time) {
		if v := b.api.visibleAt(i); v.Sub(start) > settleIn {
			took = append(took, at.Sub(v))
		}
	}
	// Twice the length: a side that lags shows it in its latencies, one that hangs fails.
	ctx, cancel := context.WithTimeout(ctx, 2*o.length+30*time.Second)
	defer cancel()
	c, err := startChild(ctx, func(error) { cancel() }, name, args...)
	if err != nil {
		return nil, result{}, err
	}
	var wg sync.WaitGroup
	wg.Go(func() { publish(ctx, b.api, n, o.every) })
	_, readErr := r.readAll(ctx)
	elapsed := time.Since(start)
	cancel()
	wg.Wait()
	u, err := c.wait()
	// Its end by SIGTERM is ours.
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err := errors.Join(readErr, err); err != nil {
		return nil, result{}, err
	}
	if len(took) == 0 {
		return nil, result{}, errors.New("no record after the time to settle in: let it run longer")
	}
	slices.Sort(took)
	return took, result{elapsed: elapsed, usage: u, repeats: r.repeats}, nil
}

func publish(ctx context.Context, a *api, n int, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for range n {
		select {
		case <-tick.C:
			a.publish()
		case <-ctx.Done():
			return
		}
	}
}
