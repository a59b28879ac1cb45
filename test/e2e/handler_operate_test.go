//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"tributary/connector"
	"tributary/connector/handler"
)

// shelf is a handler that lists posts in a dump, and tells in a delta what it was last told
// to say.
type shelf struct {
	mu     sync.Mutex
	posts  []int
	fails  bool
	deltas int
	dumps  int
	states []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var req handler.Request
	_ = json.NewDecoder(r.Body).Decode(&req)
	var rows []string
	if r.URL.Path == "/dump" {
		s.dumps++
		for _, id := range s.posts {
			rows = append(rows, fmt.Sprintf(`{"collection":"posts","record":{"id":%d}}`, id))
		}
		fmt.Fprintf(w, `{"more":false,"new_or_updated":[%s],"next_delta_state":"dumped"}`, strings.Join(rows, ","))
		return
	}
	s.deltas++
	s.states = append(s.states, string(req.PreviousState))
	if s.fails {
		http.Error(w, "the database is away", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, `{"more":false,"new_or_updated":[{"collection":"posts","record":{"id":"delta","n":%d}}]}`, s.deltas)
}

func (s *shelf) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// asked is a rig whose handler is called when somebody asks.
func asked(t *testing.T, more string) (*shelf, *rig, *process) {
	t.Helper()
	s := &shelf{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	r := newHandlerRig(t, server.URL, more, "posts")
	r.config.sources[0].raw = strings.Replace(r.config.sources[0].raw, "interval: 100ms", "interval: none", 1)
	p := r.run()
	p.says(soon, "caught up")
	return s, r, p
}

// upTo returns the records of a topic that lie below the positions.
func (r *rig) upTo(positions []connector.Position) (keys []string) {
	r.t.Helper()
	for _, at := range positions {
		for _, rec := range r.records(at.Topic) {
			if rec.Partition == at.Partition && rec.Offset < at.Offset {
				keys = append(keys, string(rec.Key))
			}
		}
	}
	return keys
}

func TestWhatIsPushedIsReadableAndAppliedOnce(t *testing.T) {
	t.Parallel()
	s, r, p := asked(t, "")
	const push = "/v1/sources/blog/push"
	for n := range 20 {
		id := fmt.Sprintf("p%d", n)
		body := map[string]any{"id": id, "next_state": map[string]any{"n": n}, "new_or_updated": []any{map[string]any{"collection": "posts", "record": map[string]any{"id": id}}}}
		var first handler.PushResponse
		for again := range 2 {
			code, text := p.post(push, body)
			if code != http.StatusOK {
				t.Fatalf("push %s: code %d: %s", id, code, text)
			}
			got := decode[handler.PushResponse](t, text)
			if again == 0 {
				first = got
			}
			if got.ID != id || got.Sequence != first.Sequence || got.Repeated != (again > 0) || !slices.Contains(r.upTo(got.Positions), id) {
				t.Fatalf("push %s, time %d: %+v", id, again, got)
			}
		}
	}
	code, text := p.post(push, map[string]any{"id": "stale", "based_on": 1, "new_or_updated": []any{map[string]any{"collection": "posts", "record": map[string]any{"id": "stale"}}}})
	if code != http.StatusConflict || !strings.Contains(text, "based on sequence 1") {
		t.Errorf("a push from an old state: code %d: %s", code, text)
	}
	code, text = p.post(push, map[string]any{"id": "bad", "new_or_updated": []any{map[string]any{"collection": "pots", "record": map[string]any{"id": 1}}}})
	if code != http.StatusBadRequest && code != http.StatusUnprocessableEntity || !strings.Contains(text, "which the config does not have") {
		t.Errorf("a push of what nobody knows: code %d: %s", code, text)
	}
	// Whoever died meanwhile: the push is known to the next.
	p.kill()
	p = r.run()
	p.says(soon, "caught up")
	code, text = p.post(push, map[string]any{"id": "p7"})
	if code != http.StatusOK || !decode[handler.PushResponse](t, text).Repeated {
		t.Errorf("a push of the life before: code %d: %s", code, text)
	}
	s.do(func() {
		if got := s.states[len(s.states)-1]; got != `{"n":19}` {
			t.Errorf("the next delta was called with %s", got)
		}
	})
	for id, values := range r.published("posts") {
		if strings.HasPrefix(id, "p") && len(values) != 1 || id == "stale" {
			t.Errorf("%s was published as %q", id, values)
		}
	}
	r.ok("verify")
}

func TestAHandlerIsPulledHeldAndDumped(t *testing.T) {
	t.Parallel()
	s, r, p := asked(t, "    dump: {}\n")
	const posts = "/v1/sources/blog/collections/posts"
	pull := func() (int, string) {
		return p.post(posts+"/pull?timeout=20s", map[string]any{"reason": "after-update"})
	}
	code, text := pull()
	var pulled struct{ Positions []connector.Position }
	if code == http.StatusOK {
		pulled = decode[struct{ Positions []connector.Position }](t, text)
	}
	if !slices.Contains(r.upTo(pulled.Positions), "delta") {
		t.Fatalf("pull: code %d: %s", code, text)
	}
	s.do(func() { s.fails = true })
	if code, text := pull(); code != http.StatusBadGateway || !strings.Contains(text, "the database is away") {
		t.Errorf("pull of a handler that fails: code %d: %s", code, text)
	}
	s.do(func() { s.fails = false })
	if code, text := p.post(posts+"/restart", nil); code >= 300 {
		t.Errorf("restart: code %d: %s", code, text)
	}
	eventually(t, soon, "it runs again", func() bool {
		return p.metric("tributary_collection_state", "state", "running") == 1
	})
	if code, text := p.post(posts+"/pause", nil); code >= 300 {
		t.Fatalf("pause: code %d: %s", code, text)
	}
	if code, text := pull(); code != http.StatusConflict {
		t.Errorf("pull of what is paused: code %d: %s", code, text)
	}
	if got := p.metric("tributary_collection_state", "state", "paused"); got != 1 {
		t.Errorf("paused is %v", got)
	}
	if code, text := p.post(posts+"/resume", nil); code >= 300 {
		t.Fatalf("resume: code %d: %s", code, text)
	}
	if code, text := pull(); code != http.StatusOK {
		t.Errorf("pull of what goes on: code %d: %s", code, text)
	}
	// A dump that is asked for, once over the API and once by the command: the first is not
	// believed, the second is told to be.
	for n := range 30 {
		s.do(func() { s.posts = append(s.posts, n) })
	}
	dumps := func() (n int) { s.do(func() { n = s.dumps }); return n }
	before := dumps()
	if code, text := p.post(posts+"/sweep", map[string]any{"approve": true}); code >= 300 {
		t.Fatalf("sweep: code %d: %s", code, text)
	}
	eventually(t, soon, "a dump", func() bool { return dumps() > before })
	r.hasLive(30, "posts")
	s.do(func() { s.posts = s.posts[:10] })
	if code, text := p.post(posts+"/sweep", nil); code >= 300 {
		t.Fatalf("sweep: code %d: %s", code, text)
	}
	p.says(soon, "dump not believed", "max_ratio")
	r.ok("sweep", "blog.posts", "--approve")
	r.hasLive(10, "posts")
	// Back to the beginning: everything is told again, and known.
	n := len(r.records(r.topic("posts")))
	r.ok("state", "reset", "blog.posts")
	before = dumps()
	eventually(t, soon, "a dump after the reset", func() bool { return dumps() > before })
	p.says(soon, "dump ended")
	if more := len(r.records(r.topic("posts"))) - n; more > 3 { // deltas tell something new each time
		t.Errorf("%d records were published after a reset that forgets nothing", more)
	}
	r.ok("verify")
}

// hasLive waits until so many records are live, beside that of the deltas.
func (r *rig) hasLive(n int, collection string) {
	r.t.Helper()
	eventually(r.t, soon, fmt.Sprintf("%d live records of %s", n, collection), func() bool {
		live := 0
		for id, values := range r.published(collection) {
			if id != "delta" && values[len(values)-1] != "-" {
				live++
			}
		}
		return live == n
	})
}
