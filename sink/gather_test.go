package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A slowKafka answers each question after a second with the topic itself, and refuses to
// answer where it is asked about a topic of refused.
type slowKafka struct {
	mu      sync.Mutex
	asked   [][]string
	refused string
	err     error
}

func (k *slowKafka) ask(_ context.Context, topics []string) (map[string]string, error) {
	time.Sleep(time.Second)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, topics)
	if slices.Contains(topics, k.refused) {
		return nil, k.err
	}
	answers := map[string]string{}
	for _, t := range topics {
		answers[t] = "about " + t
	}
	return answers, nil
}

// askAll asks about n topics at once, and returns the errors by topic.
func askAll(t *testing.T, g *gatherer[string], n int) map[string]error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	failed := map[string]error{}
	for i := range n {
		wg.Go(func() {
			topic := fmt.Sprintf("t%03d", i)
			answer, err := g.of(t.Context(), topic)
			mu.Lock()
			defer mu.Unlock()
			if failed[topic] = err; err == nil && answer != "about "+topic {
				t.Errorf("%s: got the answer %q", topic, answer)
			}
		})
	}
	wg.Wait()
	return failed
}

func TestThoseWhoAskWhileARequestIsOnItsWayShareTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &slowKafka{}
		g := &gatherer[string]{ask: k.ask, most: 40}
		for topic, err := range askAll(t, g, 100) {
			if err != nil {
				t.Errorf("%s: %v", topic, err)
			}
		}
		total := 0
		for _, topics := range k.asked {
			if total += len(topics); len(topics) > 40 {
				t.Errorf("one request named %d topics", len(topics))
			}
		}
		// The first may have gone before the others had asked.
		if len(k.asked) > 4 || total != 100 {
			t.Errorf("100 topics took %d requests about %d", len(k.asked), total)
		}
	})
}

func TestAnAnswerIsNeverOlderThanItsQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &slowKafka{}
		g := &gatherer[string]{ask: k.ask, most: 40}
		go g.of(t.Context(), "t")
		time.Sleep(500 * time.Millisecond) // the request is on its way
		began := time.Now()
		if _, err := g.of(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 1500*time.Millisecond {
			t.Errorf("it was answered after %v: not by a request that was sent since", took)
		}
	})
}

func TestWhatKafkaRefusesOfOneTopicIsNoNewsAboutTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &slowKafka{refused: "t013", err: fmt.Errorf("look up: %w", kerr.TopicAuthorizationFailed)}
		g := &gatherer[string]{ask: k.ask, most: 1000}
		for topic, err := range askAll(t, g, 50) {
			if refused := errors.Is(err, kerr.TopicAuthorizationFailed); refused != (topic == "t013") {
				t.Errorf("%s: %v", topic, err)
			}
		}
	})
}

func TestAFailureOfARequestIsToldToAllWhoShareItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &slowKafka{refused: "t013", err: errors.New("no broker answers")}
		g := &gatherer[string]{ask: k.ask, most: 1000}
		began := time.Now()
		failed := 0
		for _, err := range askAll(t, g, 50) {
			if err != nil {
				failed++
			}
		}
		if failed < 49 || time.Since(began) > 2*time.Second {
			t.Errorf("%d of 50 were told, after %v", failed, time.Since(began))
		}
	})
}

func TestWhoHasGoneDoesNotWaitForAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gatherer[string]{ask: (&slowKafka{}).ask, most: 1}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("gone"))
		defer cancel()
		if _, err := g.of(ctx, "t"); err == nil || err.Error() != "gone" {
			t.Errorf("got %v", err)
		}
		time.Sleep(2 * time.Second) // the request that nobody waits for comes to its end
	})
}

func TestHundredsOfCollectionsAreOpenedByAHandfulOfRequests(t *testing.T) {
	const collections = 300
	k := newKafka(t)
	counts := map[kmsg.Key]int{}
	var mu sync.Mutex
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.CreateTopics, kmsg.DescribeConfigs} {
		k.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			time.Sleep(20 * time.Millisecond) // all who open ask meanwhile
			mu.Lock()
			defer mu.Unlock()
			counts[key]++
			return nil, nil, false
		})
	}
	cfg := k.config("a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Own(ctx, cfg, 0, func(ctx context.Context, l *Lane) error {
		var wg sync.WaitGroup
		for i := range collections {
			wg.Go(func() {
				name := fmt.Sprintf("c%d", i)
				w, err := l.Open(ctx, "s", name, "s."+name, cfg.Metrics.Collection("s", name))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if w.identity.Topic != "s."+name || w.identity.Partitions != 1 {
					t.Errorf("%s was opened on %v", name, w.identity)
				}
			})
		}
		wg.Wait()
		cancel()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	t.Log(counts)
	if n := counts[kmsg.CreateTopics]; n < 2 || n > 20 { // that of the offsets topic is one
		t.Errorf("%d topics were made by %d requests", collections, n)
	}
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.DescribeConfigs} {
		if n := counts[key]; n == 0 || n > collections/4 {
			t.Errorf("%d collections took %d requests of %s", collections, n, key.Name())
		}
	}
}
