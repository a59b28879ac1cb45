//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	servers "tributary/test/child"
)

// A fleetRun is one Tributary with thousands of collections, over several lives.
//
//	fleet (this process) ──► tributary (a process of its own) ──► Kafka ──► reader (this process)
type fleetRun struct {
	*bench
	fleet  *fleet
	w      *tabwriter.Writer
	url    string // of its control API
	config string
	quick  int // the collection of which the freshness is measured

	cmd   *exec.Cmd
	ended chan error
}

// measureFleet lives with n collections through what happens to them in production, and
// prints what it costs. What must not happen is an error.
func (b *bench) measureFleet(ctx context.Context, out io.Writer, o options) error {
	ports, err := servers.FreePorts(1)
	if err != nil {
		return err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", ports[0])
	f := &fleetRun{bench: b, fleet: newFleet(o.collections, 5), w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0),
		url: "http://" + listen, config: filepath.Join(b.dir, "fleet.yaml")}
	defer f.w.Flush()
	if err := b.serveHandler(f.fleet); err != nil {
		return err
	}
	text := f.fleet.config(b.broker.Addr(), strings.TrimSuffix(b.apiURL, "/v2"), listen, f.quick)
	if err := os.WriteFile(f.config, []byte(text), 0o600); err != nil {
		return err
	}
	defer f.kill()
	type stage struct {
		name string
		run  func(context.Context, options) error
	}
	stages := []stage{
		{"validate", f.validate}, {"first start", f.firstStart}, {"idle", f.idle}, {"looks", f.looks},
		{"freshness", f.freshness}, {"one in a hundred", f.changes}, {"an API that is down", f.outage},
		{"restart", f.restarts}, {"commands", f.commands},
	}
	if o.stay > 0 {
		stages = []stage{{"first start", f.firstStart}, {"stay", f.stay}}
	}
	for _, stage := range stages {
		if err := stage.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", stage.name, err)
		}
		f.w.Flush()
	}
	return nil
}

// say prints one figure.
func (f *fleetRun) say(what, format string, args ...any) {
	fmt.Fprintf(f.w, "%s\t%s\n", what, fmt.Sprintf(format, args...))
}

// start starts it and returns when every collection has been asked for once since.
func (f *fleetRun) start(ctx context.Context) (ready, all time.Duration, err error) {
	f.fleet.forget()
	log, err := os.OpenFile(filepath.Join(f.dir, "fleet.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer log.Close() // the child has its own descriptor
	f.cmd = exec.Command(f.tributary, "run", "-c", f.config)
	f.cmd.Stdout, f.cmd.Stderr = log, log
	began := time.Now()
	if err := f.cmd.Start(); err != nil {
		f.cmd = nil
		return 0, 0, err
	}
	ended, cmd := make(chan error, 1), f.cmd
	f.ended = ended
	go func() { ended <- cmd.Wait() }()
	err = f.await(ctx, func() (bool, error) {
		resp, err := http.Get(f.url + "/readyz")
		if err != nil {
			return false, nil // it does not listen yet
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
	ready = time.Since(began)
	if err == nil {
		err = f.await(ctx, func() (bool, error) { return f.fleet.asked() == len(f.fleet.all), nil })
	}
	return ready, time.Since(began), err
}

// await asks again and again until it is so, the process ends, or the run takes too long.
func (f *fleetRun) await(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		select {
		case err := <-f.ended:
			f.ended <- err
			return fmt.Errorf("tributary has ended: %w; the end of its log: %s", err, f.logTail())
		case <-ctx.Done():
			return fmt.Errorf("it takes too long (%d of %d collections were asked for); the end of its log: %s", f.fleet.asked(), len(f.fleet.all), f.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop sends a signal and waits for the end.
func (f *fleetRun) stop(sig syscall.Signal) (time.Duration, error) {
	began := time.Now()
	if err := f.cmd.Process.Signal(sig); err != nil {
		return 0, err
	}
	err := <-f.ended
	f.cmd = nil
	if sig == syscall.SIGKILL {
		err = nil
	}
	return time.Since(began), err
}

func (f *fleetRun) kill() {
	if f.cmd != nil {
		f.stop(syscall.SIGKILL)
	}
}

func (f *fleetRun) logTail() string {
	data, err := os.ReadFile(filepath.Join(f.dir, "fleet.log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

func (f *fleetRun) logLines() int {
	data, _ := os.ReadFile(filepath.Join(f.dir, "fleet.log"))
	return bytes.Count(data, []byte("\n"))
}

// get fetches a page of the control API.
func (f *fleetRun) get(ctx context.Context, path string) (body []byte, took time.Duration, err error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+path, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return body, time.Since(began), err
}

// figures are what its metrics say, summed up.
type figures struct {
	polls, published, transactions, failures, cpu, rss float64
	series, bytes                                      int
	took                                               time.Duration
}

func (f *fleetRun) scrape(ctx context.Context) (v figures, err error) {
	body, took, err := f.get(ctx, "/metrics")
	if err != nil {
		return v, err
	}
	v.bytes, v.took = len(body), took
	sums := map[string]*float64{
		"tributary_polls_total": &v.polls, "tributary_records_published_total": &v.published,
		"tributary_transactions_total": &v.transactions, "tributary_source_retries_total": &v.failures,
		"process_cpu_seconds_total": &v.cpu, "process_resident_memory_bytes": &v.rss,
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		v.series++
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if sum := sums[name]; sum != nil {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return v, errors.New(line)
			}
			*sum += n
		}
	}
	return v, lines.Err()
}
