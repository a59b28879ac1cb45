//go:build unix

package lane

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"tributary/connector"
	"tributary/sink"
)

// A handler publishes version n of a record in both of its collections by its nth group.
type handler struct {
	*life
	g     *sink.Group
	m     map[string]*connector.CollectionMetrics
	state connector.HandlerState
}

func (l *life) handler() *handler {
	l.t.Helper()
	h := &handler{life: l, m: map[string]*connector.CollectionMetrics{}}
	var all []sink.GroupCollection
	for _, c := range []string{"a", "b"} {
		h.m[c] = l.metrics("h", c)
		h.m[c].SetState(connector.StateRunning)
		all = append(all, sink.GroupCollection{Name: c, Topic: l.prefix + c, M: h.m[c]})
	}
	var err error
	h.g, err = l.lane.OpenGroup(l.t.Context(), "h", all)
	must(l.t, err)
	h.state = h.g.Handler()
	return h
}

func (h *handler) next() error {
	h.state.Seq++
	h.state.State = fmt.Append(nil, h.state.Seq)
	g := &connector.Group{Handler: h.state, Batches: map[string]*connector.Batch{}}
	for c := range h.m {
		g.Batches[c] = version(h.g.Memory(c), "k", int64(h.state.Seq), fmt.Sprint("v", h.state.Seq))
	}
	return h.g.Stage(h.t.Context(), g)
}

func (h *handler) check(n int) {
	h.t.Helper()
	for c := range h.m {
		if got, want := h.read(h.prefix+c), numbered(n); !slices.Equal(got, want) {
			h.t.Errorf("%s holds %v, want %d versions, each once and in order", c, got, n)
		}
	}
}

func (l *life) setMessageBytes(topic string, n int) {
	l.t.Helper()
	text := fmt.Sprint(n)
	_, err := kadm.NewClient(l.broker.Client(l.t)).AlterTopicConfigs(l.t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &text}}, topic)
	must(l.t, err)
	// The broker answers before its own logs know: until then it takes what is larger.
	adm := kadm.NewClient(l.broker.Client(l.t))
	await(l.t, "the topic has its new setting", func() bool {
		configs, err := adm.DescribeTopicConfigs(l.t.Context(), topic)
		must(l.t, err)
		for _, c := range configs[0].Configs {
			if c.Key == "max.message.bytes" {
				return c.MaybeValue() == text
			}
		}
		return false
	})
	time.Sleep(200 * time.Millisecond)
}

func TestAGroupThatATopicRefusesWaitsWholeAndOthersGoOn(t *testing.T) {
	l := begin(t, 1)
	h := l.handler()
	good, err := l.lane.Open(t.Context(), "s", "good", l.prefix+"good", l.metrics("s", "good"))
	must(t, err)
	must(t, h.next(), h.g.Flush(t.Context()))
	l.setMessageBytes(l.prefix+"b", 100) // of which the lane cannot know
	for range 5 {
		must(t, h.next())
	}
	quarantined := func() bool {
		return h.m["a"].State() == connector.StateQuarantined && h.m["b"].State() == connector.StateQuarantined
	}
	await(t, "both collections are quarantined", quarantined)
	for n := range 5 {
		must(t, good.Stage(t.Context(), version(good.Memory(), "k", int64(n+1), fmt.Sprint("v", n+1))), good.Flush(t.Context()))
	}
	if !quarantined() {
		t.Error("the quarantine ended by itself")
	}
	positions, err := h.g.Readable(t.Context())
	must(t, err)
	if len(positions) != 2 || positions[0].Offset != 1 || positions[1].Offset != 1 {
		t.Errorf("what is held is said to be readable: %v", positions)
	}
	h.check(1)
	l.setMessageBytes(l.prefix+"b", 1<<20)
	must(t, h.g.Flush(t.Context()))
	positions, err = h.g.Readable(t.Context(), "b")
	must(t, err)
	c := l.consumer(l.prefix+"b", 1)
	for _, p := range positions {
		c.come(t, p)
	}
	if !c.seen["k=v6"] {
		t.Errorf("who has read up to %v has not seen the last version", positions)
	}
	if h.m["a"].State() != connector.StateRunning {
		t.Errorf("a is %s", h.m["a"].State())
	}
	l.end()
	h.check(6)
	if got := l.read(l.prefix + "good"); !slices.Equal(got, numbered(5)) {
		t.Errorf("the good one holds %v", got)
	}
	l.again()
	if next := l.handler(); next.state.Seq != 6 || string(next.state.State) != "6" {
		t.Errorf("the next life has %+v", next.state)
	}
	l.end()
}

func TestATopicThatIsDeletedStopsItsHandlerWhole(t *testing.T) {
	l := begin(t, 1)
	h := l.handler()
	must(t, h.next(), h.g.Flush(t.Context()))
	_, err := kadm.NewClient(l.broker.Client(t)).DeleteTopics(t.Context(), l.prefix+"b")
	must(t, err)
	var stop *connector.StopError
	taken := 1
	await(t, "the handler is stopped", func() bool {
		err := errors.Join(h.next(), h.g.Flush(t.Context()))
		if err == nil {
			taken++ // b was still there: it is answered before it is gone
		}
		if err != nil && !errors.As(err, &stop) {
			t.Fatal(err)
		}
		return stop != nil
	})
	if !strings.Contains(stop.What, l.prefix+"b of h.b was deleted") {
		t.Error(stop)
	}
	// The lane goes on for others.
	good, err := l.lane.Open(t.Context(), "s", "good", l.prefix+"good", l.metrics("s", "good"))
	must(t, err, good.Stage(t.Context(), version(good.Memory(), "k", 1, "v1")), good.Flush(t.Context()))
	l.end()
	if got := l.read(l.prefix + "a"); !slices.Equal(got, numbered(taken)) {
		t.Errorf("a holds %v, b took %d, and of what b did not take nothing is to be there", got, taken)
	}
}

func TestAHoldOutlivesItsLane(t *testing.T) {
	l := begin(t, 1)
	must(t, l.lane.CommitHold("s", "people", "paused"), l.lane.CommitHold("s", "notes", "stopped"), l.lane.CommitHold("s", "notes", ""))
	l.end()
	began := time.Now()
	l.again()
	if p, n := l.lane.Hold("s", "people"), l.lane.Hold("s", "notes"); p != "paused" || n != "" {
		t.Errorf("people is held as %q and notes as %q (%s)", p, n, time.Since(began))
	}
	l.end()
}
