//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/connector/handler"
	"tributary/test/kafkatest"
)

// newHandlerRig writes a config for a handler at url, with the collections of it.
func newHandlerRig(t *testing.T, url, more string, collections ...string) *rig {
	t.Helper()
	b := kafkatest.Shared(t)
	r := &rig{t: t, broker: b, prefix: strings.TrimRight(b.Prefix(t), "-._")}
	r.config = config{
		group: r.prefix, instance: "first", kafka: fmt.Sprintf("{brokers: [%q]}", b.Addr()),
		offsets: "{lanes: 1, replication: 1}",
		topics:  fmt.Sprintf("{name: %q, replication: 1}", r.prefix+".{source}.{collection}"),
		sources: []source{{name: "blog", raw: fmt.Sprintf("  - name: blog\n    type: handler\n    handler: {url: %q, timeout: 30s}\n    interval: 100ms\n%s    collections: [%s]\n",
			url, more, strings.Join(collections, ", "))}},
	}
	return r
}

// published are the values of each key of a topic in their order, "-" for a deletion.
func (r *rig) published(collection string) map[string][]string {
	all := map[string][]string{}
	for _, rec := range r.records(r.topic(collection)) {
		value := "-"
		if rec.Value != nil {
			value = string(rec.Value)
		}
		all[string(rec.Key)] = append(all[string(rec.Key)], value)
	}
	return all
}

// chronicler is a handler that tells from a log, some of it in each response. What it has
// noted is what is to be published: nothing else, in that order, once.
type chronicler struct {
	mu   sync.Mutex
	rng  *rand.Rand
	log  []string // "id version", version 0 for a deletion
	live map[string]int
	// served is how many calls it has answered; each takes a moment.
	served int
	more   bool // what the last answer said
}

func (c *chronicler) note(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		id := strconv.Itoa(c.rng.IntN(40))
		if _, there := c.live[id]; there && c.rng.IntN(6) == 0 {
			delete(c.live, id)
			c.log = append(c.log, id+" 0")
			continue
		}
		c.live[id] = len(c.log) + 1
		c.log = append(c.log, fmt.Sprintf("%s %d", id, len(c.log)+1))
	}
}

func (c *chronicler) Delta(_ context.Context, r handler.Request) (handler.Response, error) {
	time.Sleep(2 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served++
	var at int
	if err := json.Unmarshal(r.PreviousState, &at); err != nil {
		return handler.Response{}, err
	}
	var resp handler.Response
	for most := 5; at < len(c.log) && most > 0; most-- {
		id, version, _ := strings.Cut(c.log[at], " ")
		if version != "0" {
			resp.NewOrUpdated = append(resp.NewOrUpdated, handler.Entry{Collection: "posts", Record: json.RawMessage(fmt.Sprintf(`{"id":%s,"version":%s}`, id, version))})
		} else if len(resp.NewOrUpdated) > 0 {
			break // a response has its deletions first
		} else {
			resp.Deleted = append(resp.Deleted, handler.Deletion{Collection: "posts", ID: id})
		}
		at++
	}
	resp.More = at < len(c.log)
	c.more = resp.More
	resp.NextState = json.RawMessage(strconv.Itoa(at))
	return resp, nil
}

func (c *chronicler) Dump(context.Context, handler.Request) (handler.Response, error) {
	return handler.Response{}, nil
}

func (c *chronicler) want() map[string][]string {
	all := map[string][]string{}
	for _, line := range c.log {
		id, version, _ := strings.Cut(line, " ")
		value := fmt.Sprintf(`{"id":%s,"version":%s}`, id, version)
		if version == "0" {
			value = "-"
		}
		all[id] = append(all[id], value)
	}
	return all
}

// The connector is killed among the responses of a pull, again and again: what the handler
// has told is published once and in its order, for its state is committed with it.
func TestAKillDuringMoreLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	c := &chronicler{rng: rand.New(rand.NewPCG(7, 7)), live: map[string]int{}}
	server := httptest.NewServer(handler.Serve(c))
	t.Cleanup(server.Close)
	r := newHandlerRig(t, server.URL, "", "posts")
	kills, among := 6, 0
	if *long {
		kills = 40
	}
	c.note(500)
	for n := range kills {
		c.note(400) // more than it is asked for until it is killed
		before := c.calls()
		p := r.run()
		eventually(t, soon, "the handler is called", func() bool { return c.calls() > before+3+n })
		time.Sleep(time.Duration(c.draw(150)) * time.Millisecond)
		p.kill()
		if c.amid() {
			among++
		}
	}
	if code := r.run("--until-caught-up").wait(soon); code != 0 {
		t.Fatalf("ended with code %d", code)
	}
	got, want := r.published("posts"), c.want()
	for id := range want {
		if !slices.Equal(got[id], want[id]) {
			t.Errorf("post %s was published as %.400q, and was %.400q", id, got[id], want[id])
		}
	}
	if len(got) != len(want) || among == 0 {
		t.Errorf("%d of %d posts; %d of %d kills came among the responses of a pull", len(got), len(want), among, kills)
	}
	t.Logf("%d events in %d calls, %d of %d kills among the responses of a pull", len(c.log), c.calls(), among, kills)
	r.ok("verify")
}

func (c *chronicler) calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.served
}

func (c *chronicler) draw(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// amid says that the last response had more to come.
func (c *chronicler) amid() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.more
}

// moody answers as its mood is, and what is right otherwise.
type moody struct {
	mu   sync.Mutex
	mood string
}

func (m *moody) set(mood string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mood = mood
}

const junk = `"new_or_updated":[{"collection":"posts","record":{"id":"junk"}}]`

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	mood := m.mood
	m.mu.Unlock()
	var req handler.Request
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &req)
	state := string(req.PreviousState)
	switch mood {
	case "raises":
		http.Error(w, `{"detail":"division by zero"}`, 500)
	case "hangs":
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	case "answers garbage":
		fmt.Fprint(w, "\x00\xff\x00")
	case "answers a web page":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>sign in</html>")
	case "breaks off":
		fmt.Fprint(w, `{"more":false,"next_state":"junk",`+junk)
	case "forgets more":
		fmt.Fprint(w, `{"next_state":"junk",`+junk+`}`)
	case "repeats its state":
		fmt.Fprintf(w, `{"more":true,"next_state":%s}`, state)
	case "goes in a circle":
		fmt.Fprintf(w, `{"more":true,"next_state":%q}`, map[string]string{`"a"`: "b", `"b"`: "a"}[state]+"a")
	case "tells of what nobody knows":
		fmt.Fprint(w, `{"more":false,"next_state":"junk",`+junk+`,"deleted":[{"collection":"pots","id":1}]}`)
	case "leaves ids out":
		fmt.Fprint(w, `{"more":false,"next_state":"junk","new_or_updated":[{"collection":"posts","record":{"id":"junk"}},{"collection":"posts","record":{}}]}`)
	case "sends 100 MB":
		fmt.Fprint(w, `{"more":false,"next_state":"junk",`+junk+`,"deleted":[`)
		piece := []byte(strings.Repeat(`{"collection":"posts","id":"x"},`, 4096))
		for sent := 0; sent < 100<<20; sent += len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	case "deletes what is not there":
		fmt.Fprint(w, `{"more":false,"deleted":[{"collection":"posts","id":"nobody"}]}`)
	default:
		fmt.Fprintf(w, `{"more":false,"next_state":%q,"new_or_updated":[{"collection":"posts","record":{"id":%q}}]}`, mood, mood)
	}
}

// Whatever a handler does wrong is named, and nothing of it is committed. When it does right
// again everything goes on.
func TestWhatAHandlerDoesWrongIsNamedAndCommitsNothing(t *testing.T) {
	t.Parallel()
	m := &moody{mood: "begins"}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	r := newHandlerRig(t, server.URL, "", "posts")
	// Longer than even a busy machine takes to read 64 MiB.
	r.config.sources[0].raw = strings.Replace(r.config.sources[0].raw, "timeout: 30s", "timeout: 5s", 1)
	p := r.run()
	want := []string{"begins"}
	is := func() bool { return len(r.published("posts")) == len(want) }
	eventually(t, soon, "the first record", func() bool {
		return strings.Contains(p.log.String(), "caught up") && is()
	})
	for _, c := range []struct {
		mood, says string
		slowly     bool
	}{
		{"raises", "the handler answered 500 Internal Server Error (division by zero)", false},
		{"hangs", "no response within 5s", false},
		{"answers garbage", "it is not UTF-8", false},
		{"answers a web page", "it is a web page", false},
		{"breaks off", "it ends in the middle", false},
		{"forgets more", `it has no "more"`, false},
		{"repeats its state", "forgets to advance next_state", true},
		{"tells of what nobody knows", `of a collection "pots", which the config does not have`, false},
		{"leaves ids out", "cannot be published: it has no id", false},
		{"sends 100 MB", "it has more than 67108864 bytes", false},
	} {
		before := r.state()
		m.set(c.mood)
		p.says(soon, c.says)
		eventually(t, soon, c.mood+": its state is backoff", func() bool { // which is said before it is so
			return p.metric("tributary_collection_state", "state", "backoff") == 1
		})
		if after := r.state(); after.Collections[0].Seq != before.Collections[0].Seq {
			t.Errorf("%s: something was committed: %+v, before %+v", c.mood, after, before)
		}
		good := "after " + c.mood
		m.set(good)
		if c.slowly {
			p.kill() // a start asks at once
			p = r.run()
		}
		want = append(want, good)
		eventually(t, soon, good, is)
	}
	m.set("goes in a circle")
	p.says(soon, "it goes in a circle")
	p.kill()
	m.set("deletes what is not there")
	p = r.run()
	eventually(t, soon, "a deletion of what is not there is counted", func() bool {
		return strings.Contains(p.log.String(), "caught up") && p.metric("tributary_records_skipped_total", "reason", "deleted_unpublished") > 0
	})
	p.stop()
	got := r.published("posts")
	for _, id := range want {
		if !slices.Equal(got[id], []string{fmt.Sprintf(`{"id":%q}`, id)}) {
			t.Errorf("%q was published as %q", id, got[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("published are %q", got)
	}
	r.ok("verify")
}
