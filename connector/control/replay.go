package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
	"time"
)

// Bounds of what is remembered of requests with an Idempotency-Key.
const (
	replayTime = 10 * time.Minute
	maxReplays = 4096
	maxKey     = 255
)

// replays are the requests that came with an Idempotency-Key: those that run, and those
// whose answers are given again. The zero value is ready.
type replays struct {
	mu  sync.Mutex
	all map[string]*replay
}

// A replay is one request, and everybody who waits for its answer.
type replay struct {
	body [sha256.Size]byte
	done chan struct{}

	status int
	answer any
	err    error
	until  time.Time // of what is remembered; zero while it runs
}

// replay does a request that has an Idempotency-Key once: who sends it again waits for the
// first one or gets its answer. A failure is not remembered, since nothing was done that
// must not be done twice, and whoever tries again means to.
func (h *Handler) replay(r *http.Request, do func(*http.Request) (int, any, error)) (int, any, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return do(r)
	}
	key := keys[0]
	if len(keys) > 1 || key == "" || len(key) > maxKey {
		return 0, nil, malformed("it stands once and has 1 to 255 characters", "the Idempotency-Key cannot be used")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, err
	}
	run, first, p := h.seen.join(r.URL.Path+"\x00"+key, sha256.Sum256(body))
	if p != nil {
		return 0, nil, p
	}
	if first {
		h.run(r, body, run, do)
	}
	select {
	case <-run.done:
		return run.status, run.answer, run.err
	case <-r.Context().Done():
		return 0, nil, r.Context().Err()
	}
}

// run does it apart from the request, whose client may go while others wait.
func (h *Handler) run(r *http.Request, body []byte, run *replay, do func(*http.Request) (int, any, error)) {
	ctx, cancel := h.until(context.WithoutCancel(r.Context()), true)
	again := r.WithContext(ctx)
	again.Body = io.NopCloser(bytes.NewReader(body))
	h.runs.Go(func() {
		defer cancel()
		defer func() { h.seen.end(run) }()
		defer h.contain(&run.err)
		run.status, run.answer, run.err = do(again)
	})
}

// join returns the request with that key, and whether it is a new one.
func (s *replays) join(key string, body [sha256.Size]byte) (run *replay, first bool, p *Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if run := s.all[key]; run != nil && run.alive(now) {
		if run.body != body {
			return nil, false, newProblem(http.StatusUnprocessableEntity, "other-request", "a request with this Idempotency-Key had another body", "use another key for another request")
		}
		return run, false, nil
	}
	if len(s.all) >= maxReplays {
		for k, run := range s.all {
			if !run.alive(now) {
				delete(s.all, k)
			}
		}
	}
	if len(s.all) >= maxReplays {
		return nil, false, tooMany("keys of requests are remembered", maxReplays)
	}
	if s.all == nil {
		s.all = map[string]*replay{}
	}
	run = &replay{body: body, done: make(chan struct{})}
	s.all[key] = run
	return run, true, nil
}

// alive says whether a request runs, or has an answer that is given again.
func (r *replay) alive(now time.Time) bool { return r.until.IsZero() || now.Before(r.until) }

// end lets everybody go who waits.
func (s *replays) end(run *replay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run.until = time.Now()
	if run.err == nil {
		run.until = run.until.Add(replayTime)
	}
	close(run.done)
}
