//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// usage is what one run of a process cost.
type usage struct {
	cpu time.Duration
	rss int64 // most memory at one time, in bytes
}

// child is a process under test.
type child struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	usage  usage
	wg     sync.WaitGroup
	err    error
}

// startChild starts the process under test. It ends when ctx does, cleanly if it can;
// onEnd is called when it has ended, however it did.
func startChild(ctx context.Context, onEnd func(error), name string, args ...string) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, name, args...)}
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = 10 * time.Second
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	c.wg.Go(func() {
		c.err = c.cmd.Wait()
		close(ended)
		onEnd(c.err)
	})
	c.wg.Go(func() { c.usage.rss = watchMemory(c.cmd.Process.Pid, ended) })
	return c, nil
}

// wait returns what the process cost, and its error with the end of its output.
func (c *child) wait() (usage, error) {
	c.wg.Wait()
	s := c.cmd.ProcessState
	if s == nil {
		return c.usage, c.err
	}
	c.usage.cpu = s.UserTime() + s.SystemTime()
	if r, ok := s.SysUsage().(*syscall.Rusage); ok && c.usage.rss == 0 {
		c.usage.rss = r.Maxrss << 10
	}
	if c.err != nil {
		out := strings.TrimSpace(c.output.String())
		return c.usage, fmt.Errorf("%s: %w: %s", c.cmd.Path, c.err, out[max(0, len(out)-2000):])
	}
	return c.usage, nil
}

// watchMemory returns the high-water mark of the process's memory as last seen before
// it ended, 0 where the system has no /proc. The maximum that wait4 reports would not
// do: Linux carries that of the parent over, and this one holds the API's records.
func watchMemory(pid int, ended <-chan struct{}) (rss int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return rss
		case <-tick.C:
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, after, ok := strings.Cut(string(status), "VmHWM:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		if err == nil {
			rss = kb << 10
		}
	}
}
