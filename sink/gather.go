package sink

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A gatherer asks Kafka in one request what many collections want to know, each of a topic
// of its own: those who ask while a request is on its way share the next one. Thousands of
// collections are opened by a handful of requests, one alone does not wait, and no answer
// is older than its question.
type gatherer[A any] struct {
	// ask returns an answer for each topic, or an error that is about all of them.
	ask func(ctx context.Context, topics []string) (map[string]A, error)
	// most is how many topics one request may name.
	most int

	mu      sync.Mutex
	waiting []*question[A]
	asking  bool
}

type question[A any] struct {
	topic  string
	answer A
	err    error
	done   chan struct{}
}

// of returns the answer about a topic. The contexts of those who share a request are to be
// of one life: it is sent with that of any of them.
func (g *gatherer[A]) of(ctx context.Context, topic string) (A, error) {
	q := &question[A]{topic: topic, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, q)
	if !g.asking {
		g.asking = true
		go g.run(ctx)
	}
	g.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.err
	case <-ctx.Done():
		var none A
		return none, context.Cause(ctx)
	}
}

// run asks until nobody waits.
func (g *gatherer[A]) run(ctx context.Context) {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), max(1, g.most))
		questions := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.asking = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		g.answer(ctx, questions)
		for _, q := range questions {
			close(q.done)
		}
	}
}

// answer answers the questions. What Kafka refuses of many is asked anew of either half: a
// right that is missing for one topic is no news about the others.
func (g *gatherer[A]) answer(ctx context.Context, questions []*question[A]) {
	topics := make([]string, len(questions))
	for i, q := range questions {
		topics[i] = q.topic
	}
	slices.Sort(topics)
	answers, err := g.ask(ctx, slices.Compact(topics))
	var refused *kerr.Error
	if half := len(questions) / 2; errors.As(err, &refused) && half > 0 {
		g.answer(ctx, questions[:half])
		g.answer(ctx, questions[half:])
		return
	}
	for _, q := range questions {
		q.answer, q.err = answers[q.topic], err
	}
}

// Topics that one request names at the most: Kafka refuses one that makes more than ten
// thousand partitions and settings, and answers nobody else meanwhile.
const (
	mostAsked = 500
	mostMade  = 100
	mostParts = 4000 // partitions that one request makes
)

// gather readies what a lane asks for its collections.
func (l *Lane) gather() {
	l.details = gatherer[kadm.TopicDetail]{most: mostAsked, ask: func(ctx context.Context, topics []string) (map[string]kadm.TopicDetail, error) {
		details, err := kadm.NewClient(l.cl).ListTopics(ctx, topics...)
		return details, err
	}}
	l.sizes = gatherer[int32]{most: mostAsked, ask: func(ctx context.Context, topics []string) (map[string]int32, error) {
		return messageBytes(ctx, l.cl, topics)
	}}
	l.making = gatherer[error]{most: min(mostMade, mostParts/int(max(1, l.cfg.Data.Partitions))), ask: l.createAll}
}
