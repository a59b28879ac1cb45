//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// maxTransaction bounds the records of one transaction of the bare loop. Above it
	// transactions are no longer what costs.
	maxTransaction = 20_000
	// markerPause is left between the end of a transaction and the next: a produce that
	// arrives while the markers of the last one are being written is held back by the
	// broker for 20 ms.
	markerPause = 500 * time.Microsecond
)

// bareConfig is what the bare loop is told.
type bareConfig struct {
	api, brokers, topic, offsets string
	// interval is the pause after a page that was empty; 0 ends the loop there.
	interval time.Duration
}

// bareMain runs the bare loop: the least that a program must do to bring a collection
// into Kafka by transactions, and so the limit for one that does it right. It keeps no
// ledger, reads nothing twice, and cannot recover.
func bareMain(ctx context.Context, args []string) error {
	var c bareConfig
	fs := flag.NewFlagSet("bare", flag.ContinueOnError)
	fs.StringVar(&c.api, "api", "", "address of the collection")
	fs.StringVar(&c.brokers, "brokers", "", "seed brokers")
	fs.StringVar(&c.topic, "topic", "", "topic of the records")
	fs.StringVar(&c.offsets, "offsets", "", "topic of the cursor")
	fs.DurationVar(&c.interval, "interval", 0, "poll on at this interval; 0: until caught up")
	if err := fs.Parse(args); err != nil {
		return err
	}
	return c.run(ctx)
}

func (c bareConfig) run(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers), kgo.TransactionalID(c.topic),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(2*maxTransaction))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan *page, 64)
	var fetched error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(pages)
		fetched = c.fetchAll(ctx, pages)
	})
	committed := c.commitAll(ctx, cl, pages)
	cancel()
	wg.Wait()
	if err := errors.Join(fetched, committed); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// buffers are those of pages whose records are committed.
var buffers = sync.Pool{New: func() any { return new(page) }}

// fetchAll sends the pages of the collection, in order, until one is empty or ctx ends.
func (c bareConfig) fetchAll(ctx context.Context, pages chan<- *page) error {
	// One connection, as is; the answers are not compressed.
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, ReadBufferSize: 64 << 10}}
	defer client.CloseIdleConnections()
	cursor := ""
	for {
		p := buffers.Get().(*page)
		if err := p.fetch(ctx, client, c.api, cursor); err != nil {
			return err
		}
		if len(p.records) == 0 {
			if c.interval == 0 {
				return nil
			}
			select {
			case <-time.After(c.interval):
			case <-ctx.Done():
				return nil
			}
			continue
		}
		cursor = string(p.records[len(p.records)-1].stamp)
		select {
		case pages <- p:
		case <-ctx.Done():
			return nil
		}
	}
}

// fetch reads the page after the cursor into p, whose buffers it uses again.
func (p *page) fetch(ctx context.Context, client *http.Client, api, cursor string) error {
	q := url.Values{"sort_by": {"updated_at"}, "sort_direction": {"ASC"}, "per_page": {"100"}}
	if cursor != "" {
		q.Set("updated_at[gt]", cursor)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", req.URL, resp.Status)
	}
	// The API says the length, so that the buffer is made once.
	n := max(0, int(resp.ContentLength))
	if cap(p.body) < n {
		p.body = make([]byte, n)
	}
	p.body = p.body[:n]
	if _, err := io.ReadFull(resp.Body, p.body); err != nil {
		return err
	}
	return p.split()
}

// commitAll commits what is there, as soon as the commit before is done: alone a page
// goes at once, under load transactions grow.
func (c bareConfig) commitAll(ctx context.Context, cl *kgo.Client, pages <-chan *page) error {
	var batch []*page
	for first := range pages {
		batch = append(batch[:0], first)
		for n := len(first.records); n < maxTransaction && len(pages) > 0; {
			p := <-pages
			batch = append(batch, p)
			n += len(p.records)
		}
		if err := c.commit(ctx, cl, batch); err != nil {
			return err
		}
		for _, p := range batch {
			buffers.Put(p)
		}
		time.Sleep(markerPause)
	}
	return nil
}

func (c bareConfig) commit(ctx context.Context, cl *kgo.Client, batch []*page) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	var failed kgo.FirstErrPromise
	var last []byte
	for _, p := range batch {
		for i := range p.records {
			r := &p.records[i]
			last = r.stamp
			cl.Produce(ctx, &kgo.Record{Topic: c.topic, Key: r.id, Value: r.value}, failed.Promise())
		}
	}
	cl.Produce(ctx, &kgo.Record{Topic: c.offsets, Key: []byte("cursor"), Value: bytes.Clone(last)}, failed.Promise())
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Err(); err != nil {
		return err
	}
	// Until it knows of a topic that it has just begun to produce to, the client aborts instead.
	for _, topic := range []string{c.topic, c.offsets} {
		for {
			if leader, _, _ := cl.PartitionLeader(topic, 0); leader != -1 || ctx.Err() != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return cl.EndTransaction(ctx, kgo.TryCommit)
}

// bareArgs are the arguments with which this program runs the bare loop.
func (c bareConfig) bareArgs() []string {
	return strings.Fields(fmt.Sprintf("bare -api %s -brokers %s -topic %s -offsets %s -interval %s",
		c.api, c.brokers, c.topic, c.offsets, c.interval))
}
