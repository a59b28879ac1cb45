//go:build unix

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stay keeps a fleet that changes for somebody who looks at it, until the run is ended: so
// many records a second turn up, each in a collection by chance. A SIGUSR1 takes its API
// down, the next one up again.
func (f *fleetRun) stay(ctx context.Context, o options) error {
	f.say("it stays", "%s, process %d, %g records a second", f.url, f.cmd.Process.Pid, o.stay)
	f.w.Flush()
	tick := time.NewTicker(time.Duration(float64(time.Second) / o.stay))
	defer tick.Stop()
	toggle := make(chan os.Signal, 1)
	signal.Notify(toggle, syscall.SIGUSR1)
	defer signal.Stop(toggle)
	for {
		select {
		case <-tick.C:
			f.fleet.all[rand.IntN(len(f.fleet.all))].publish()
		case <-toggle:
			f.fleet.failing.Store(!f.fleet.failing.Load())
		case err := <-f.ended:
			f.ended <- err
			return err
		case <-ctx.Done():
			_, err := f.stop(syscall.SIGTERM)
			return err
		}
	}
}
