//go:build unix

// Package child runs the servers of tests as child processes that do not outlive the
// test process, however that ends (on Linux; elsewhere a killed test process leaves them
// behind), and fetches what they are made of once for all test processes of a machine.
package child

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is one run of a server. Its methods may be called after it has ended.
type Process struct {
	pid  int
	done chan struct{} // closed once it has ended and been waited for
}

// Start starts the command in a process group of its own, with its output in the file.
//
// The goroutine that starts it waits for it as well, and keeps its thread: the death
// signal is bound to the thread that forked, so on a thread that Go lets go of the
// server would be killed in the middle of a test.
func Start(cmd *exec.Cmd, output *os.File) (*Process, error) {
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = ownGroup()
	p := &Process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			// How it ended is in its log; only that it ended matters here.
			_ = cmd.Wait()
		}
	}()
	return p, <-started
}

// Ended says whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends sig to the whole process group.
func (p *Process) Signal(sig syscall.Signal) error {
	if p.Ended() {
		return errors.New("the process is not running")
	}
	return syscall.Kill(-p.pid, sig)
}

// Stop asks the process to end, and kills it when it has not after the grace time or
// is paused and so cannot.
func (p *Process) Stop(grace time.Duration) {
	if p.Ended() {
		return
	}
	_ = p.Signal(syscall.SIGTERM)
	_ = p.Signal(syscall.SIGCONT)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Kill ends the process as a power cut does.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}
