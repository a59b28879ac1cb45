package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
	"tributary/connector/control"
	"tributary/connector/handler"
	"tributary/sink"
)

// TestAPushToAQuarantinedTopicIsToldAtOnce: also the one that finds it out, and each of them is
// applied once, when it is sent again.
func TestAPushToAQuarantinedTopicIsToldAtOnce(t *testing.T) {
	r := runningOf(t, func(api string) string {
		return "  - {name: shop, type: handler, handler: {url: '" + api + "'}, interval: 1h, collections: [people]}\n"
	})
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"next_state": null}`)
	})
	const atOnce, inTime = 20 * time.Second, 30 * time.Second // on a busy machine too
	push := func(id string, within time.Duration) (resp handler.PushResponse, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		answer, err := r.Push(ctx, "shop", json.RawMessage(fmt.Sprintf(`{"id": %q, "new_or_updated": [{"collection": "people", "record": {"id": %q}}]}`, id, id)))
		if err == nil {
			err = json.Unmarshal(answer, &resp)
		}
		return resp, err
	}
	if _, err := push("one", time.Minute); err != nil {
		t.Fatal(err)
	}
	fault := r.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "shop.people", Err: kerr.TopicAuthorizationFailed, Count: -1})
	for _, id := range []string{"two", "three"} {
		began := time.Now()
		_, err := push(id, inTime)
		var e *control.Error
		if !errors.As(err, &e) || e.Kind != control.Failed || !strings.Contains(e.Detail, "TOPIC_AUTHORIZATION_FAILED") || !strings.Contains(e.Remedy, "same id") || time.Since(began) > atOnce {
			t.Fatalf("%s: told %v after %s", id, err, time.Since(began))
		}
	}
	fault.Remove()
	sequence := uint64(1)
	for _, id := range []string{"two", "three"} {
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			resp, err := push(id, inTime)
			if err == nil {
				if sequence++; resp.Sequence != sequence {
					t.Errorf("%s was applied as %+v, want sequence %d", id, resp, sequence)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatalf("once the topic takes records: %s: %v", id, err)
			}
		}
	}
}

// TestAQuarantinedTopicIsTriedForWhoAsks: for who pulls, and for who pushes.
func TestAQuarantinedTopicIsTriedForWhoAsks(t *testing.T) {
	p, posts, comments := toldOf(t)
	var tried []string
	p.e.lanes[posts.lane] = &ownedLane{hasten: func(source, collection string) { tried = append(tried, source+"."+collection) }}
	ask := func() {
		p.Pull(t.Context(), posts.name(), connector.Reason{Name: connector.ReasonManual})
		p.Push(t.Context(), "blog", json.RawMessage(`{"id": "one"}`))
	}
	posts.setHold(control.HoldNone)
	comments.setHold(control.HoldNone)
	comments.pulls.Stuck(&sink.TopicError{Topic: "blog.comments", Err: kerr.TopicAuthorizationFailed})
	ask()
	if got := strings.Join(tried, " "); got != "blog.posts blog.comments blog.posts blog.comments" {
		t.Errorf("tried %s", got)
	}
	tried = nil
	comments.pulls.Stuck(nil)
	comments.pulls.Refuse(&connector.StopError{What: "another thing"})
	posts.stop(&connector.StopError{What: "another thing"})
	if ask(); tried != nil {
		t.Errorf("tried %v, and the topic is well", tried)
	}
}
