package handler

import (
	"context"
	"errors"
	"sync"
)

// inbox is what others want of a Runner, for its own goroutine to do.
type inbox struct {
	mu     sync.Mutex
	jobs   []*job
	wake   func() // of a runner that sleeps
	closed bool
}

// A job is done by the runner's goroutine, unless who wants it has gone before it begins.
type job struct {
	ctx  context.Context
	do   func(context.Context) error
	done chan error
}

// ErrEnded is a runner that has ended: its lane is being acquired again, or its source has
// stopped.
var ErrEnded = errors.New("the source is not running now")

// errArrived ends a sleep.
var errArrived = errors.New("somebody came")

// ask has the runner do something, and returns how that went. Do gets the runner's context;
// its own error goes to who asked, and one of the committer ends the runner too.
func (b *inbox) ask(ctx context.Context, do func(context.Context) error) error {
	j := &job{ctx, do, make(chan error, 1)}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrEnded
	}
	b.jobs = append(b.jobs, j)
	if b.wake != nil {
		b.wake()
	}
	b.mu.Unlock()
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// onArrival has f called as soon as there is a job; nil takes that back.
func (b *inbox) onArrival(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wake = f; f != nil && len(b.jobs) > 0 {
		f()
	}
}

func (b *inbox) take() []*job {
	b.mu.Lock()
	defer b.mu.Unlock()
	jobs := b.jobs
	b.jobs = nil
	return jobs
}

// close ends it. Who still waits is told so.
func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	jobs := b.jobs
	b.jobs = nil
	b.mu.Unlock()
	for _, j := range jobs {
		j.done <- ErrEnded
	}
}

// A fault is an error of the committer: after it the runner is worthless.
type fault struct{ error }

func (f *fault) Unwrap() error { return f.error }

// serveInbox does what is wanted. Its error ends the runner.
func (r *Runner) serveInbox(ctx context.Context) error {
	var ended error
	for _, j := range r.inbox.take() {
		switch {
		case ended != nil:
			j.done <- ErrEnded
		case j.ctx.Err() != nil: // he has gone
		default:
			err := j.do(ctx)
			j.done <- err
			if f := (*fault)(nil); errors.As(err, &f) {
				ended = f.error
			}
		}
	}
	return ended
}
