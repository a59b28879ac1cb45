//go:build unix

package kafkatest

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one run of the broker. Its methods may be called after it has ended.
type process struct {
	pid  int
	done chan struct{} // closed once it has ended and been waited for
}

// startProcess starts the command in a process group of its own, with its output in
// the file.
//
// The goroutine that starts it waits for it as well, and keeps its thread: the death
// signal is bound to the thread that forked, so on a thread that Go lets go of the
// broker would be killed in the middle of a test.
func startProcess(cmd *exec.Cmd, output *os.File) (*process, error) {
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = ownGroup()
	p := &process{done: make(chan struct{})}
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

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends sig to the whole process group.
func (p *process) signal(sig syscall.Signal) error {
	if p.ended() {
		return errors.New("kafkatest: broker is not running")
	}
	return syscall.Kill(-p.pid, sig)
}

// stop asks the process to end, and kills it when it has not after the grace time or
// is paused and so cannot.
func (p *process) stop(grace time.Duration) {
	if p.ended() {
		return
	}
	_ = p.signal(syscall.SIGTERM)
	_ = p.signal(syscall.SIGCONT)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.kill()
	}
}

func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL)
	<-p.done
}
