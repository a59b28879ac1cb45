//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// result is one run of one side.
type result struct {
	elapsed time.Duration // from the first request to the last record seen
	usage   usage
	repeats int // records that came more than once
}

// measure runs the process until it ends by itself, with a reader of the topic beside
// it that has to see each of the n records.
func (b *bench) measure(ctx context.Context, topic, name string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, err := newReader(b.broker.InternalAddr(), topic, b.records)
	if err != nil {
		return result{}, err
	}
	defer r.close()
	b.api.reset()
	// A side that has ended commits nothing more: what is still missing then is lost.
	onEnd := func(err error) {
		if err != nil {
			cancel()
		}
		time.AfterFunc(10*time.Second, cancel)
	}
	c, err := startChild(ctx, onEnd, name, args...)
	if err != nil {
		return result{}, err
	}
	all, readErr := r.readAll(ctx)
	if readErr != nil {
		cancel()
	}
	u, err := c.wait()
	if err := errors.Join(err, readErr); err != nil {
		return result{}, err
	}
	if err := r.readToEnd(ctx); err != nil {
		return result{}, err
	}
	return result{elapsed: all.Sub(*b.api.asked.Load()), usage: u, repeats: r.repeats}, nil
}

// backfill runs the sides in turn and prints each run, the medians and their ratio.
func (b *bench) backfill(ctx context.Context, w io.Writer, o options) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "side\tround\trecords/s\tseconds\tCPU s/M records\tmax RSS MB\trepeats")
	results := map[string][]result{}
	for round := 1 - o.warmup; round <= o.rounds; round++ {
		for _, side := range o.sides {
			r, err := b.backfillOnce(ctx, side, round)
			if err != nil {
				return fmt.Errorf("%s: %w", side, err)
			}
			label := fmt.Sprint(round)
			if round < 1 {
				label = "warm-up"
			} else {
				results[side] = append(results[side], r)
			}
			b.printRow(tw, side, label, r)
		}
	}
	for _, side := range o.sides {
		b.printRow(tw, side, "median", medians(results[side]))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(o.sides) == 2 {
		bare, trib := medians(results[sideBare]), medians(results[sideTributary])
		fmt.Fprintf(w, "\ntributary / bare, of medians: %.2f of the records/s, %.2f of the CPU, %.2f of the memory\n",
			bare.elapsed.Seconds()/trib.elapsed.Seconds(),
			trib.usage.cpu.Seconds()/bare.usage.cpu.Seconds(), float64(trib.usage.rss)/float64(bare.usage.rss))
	}
	return nil
}

func (b *bench) backfillOnce(ctx context.Context, side string, round int) (result, error) {
	topic, name, args, err := b.command(side, fmt.Sprintf("%s%d", side, round), 0)
	if err != nil {
		return result{}, err
	}
	if err := b.createTopics(ctx, side, topic); err != nil {
		return result{}, err
	}
	r, err := b.measure(ctx, topic, name, args...)
	if err != nil {
		return r, err
	}
	return r, b.deleteTopic(ctx, topic)
}

func (b *bench) printRow(w io.Writer, side, round string, r result) {
	n := float64(b.records)
	fmt.Fprintf(w, "%s\t%s\t%.0f\t%.2f\t%.1f\t%.0f\t%d\n", side, round, n/r.elapsed.Seconds(),
		r.elapsed.Seconds(), r.usage.cpu.Seconds()/n*1e6, mb(r.usage.rss), r.repeats)
}

// medians returns the median of each figure on its own; of repeats the sum, for there
// are to be none.
func medians(rs []result) result {
	var elapsed, cpu []time.Duration
	var rss []int64
	var m result
	for _, r := range rs {
		elapsed, cpu, rss = append(elapsed, r.elapsed), append(cpu, r.usage.cpu), append(rss, r.usage.rss)
		m.repeats += r.repeats
	}
	slices.Sort(elapsed)
	slices.Sort(cpu)
	slices.Sort(rss)
	mid := len(rs) / 2
	m.elapsed, m.usage = elapsed[mid], usage{cpu: cpu[mid], rss: rss[mid]}
	return m
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }
