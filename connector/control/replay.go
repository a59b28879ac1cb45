package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered of requests with an Idempotency-Key. Beyond them the oldest
// answers are forgotten before their time: who sends such a request again pulls again, which
// does no harm.
const (
	replayTime     = 10 * time.Minute
	maxReplays     = 4096
	maxReplayBytes = 16 << 20
	maxKey         = 255
)

// replays are the requests that came with an Idempotency-Key: those that run, and those
// whose answers are given again. The zero value is ready.
type replays struct {
	mu    sync.Mutex
	all   map[string]*replay
	kept  []*replay // those that have ended, in the order in which they did
	bytes int       // of their answers and keys
}

// A replay is one request, and everybody who waits for its answer.
type replay struct {
	key  string
	body [sha256.Size]byte
	done chan struct{}

	status int
	answer any
	err    error
	until  time.Time // for how long it is remembered; zero while it runs
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
		if run.err == nil {
			run.answer, run.err = frozen(run.answer)
		}
	})
}

// frozen is an answer as it is kept, of a length that is known, and which nobody can append to.
func frozen(answer any) (json.RawMessage, error) {
	raw, err := encode(answer)
	return slices.Clip(raw), err
}

// join returns the request with that key, and whether it is a new one.
func (s *replays) join(key string, body [sha256.Size]byte) (run *replay, first bool, p *Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now(), maxReplays)
	if run := s.all[key]; run != nil {
		if run.body != body {
			return nil, false, newProblem(http.StatusUnprocessableEntity, "other-request", "a request with this Idempotency-Key had another body", "use another key for another request")
		}
		return run, false, nil
	}
	s.forget(time.Now(), maxReplays-1)
	if len(s.all) >= maxReplays {
		return nil, false, tooMany("requests with a key run", maxReplays)
	}
	if s.all == nil {
		s.all = map[string]*replay{}
	}
	run = &replay{key: key, body: body, done: make(chan struct{})}
	s.all[key] = run
	return run, true, nil
}

// forget forgets the answers whose time is over, and the oldest beyond the bounds. The mutex
// is held.
func (s *replays) forget(now time.Time, most int) {
	for len(s.kept) > 0 && (!now.Before(s.kept[0].until) || s.bytes > maxReplayBytes || len(s.all) > most) {
		delete(s.all, s.kept[0].key)
		s.bytes -= s.kept[0].size()
		s.kept[0] = nil
		s.kept = s.kept[1:]
	}
}

// size is about how many bytes of memory an answer takes.
func (r *replay) size() int {
	raw, _ := r.answer.(json.RawMessage)
	return len(raw) + len(r.key)
}

// end lets everybody go who waits, and keeps the answer unless it is a failure.
func (s *replays) end(run *replay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(run.done)
	if run.err != nil {
		delete(s.all, run.key)
		return
	}
	run.until = time.Now().Add(replayTime)
	s.kept = append(s.kept, run)
	s.bytes += run.size()
	s.forget(time.Now(), maxReplays)
}
