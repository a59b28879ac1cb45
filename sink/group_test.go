package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/connector"
)

// A handler stages groups as one would: group v publishes version v of record "k" in each
// of its collections, and leads to the state v. It goes on from what was committed.
type handler struct {
	source      string
	collections []string
	m           sync.Map     // by collection
	next        atomic.Int64 // groups to publish: 1 … next
	opened      atomic.Int64
	stopped     chan error
	torn        chan string // what was committed of a group without the rest
}

func newHandler(collections ...string) *handler {
	return &handler{source: "h", collections: collections, stopped: make(chan error, 100), torn: make(chan string, 100)}
}

func (h *handler) topic(collection string) string { return h.source + "." + collection }

func (h *handler) open(ctx context.Context, l *Lane) (*Group, error) {
	var all []GroupCollection
	for _, c := range h.collections {
		m := l.cfg.Metrics.Collection(h.source, c)
		h.m.Store(c, m)
		all = append(all, GroupCollection{Name: c, Topic: h.topic(c), M: m})
	}
	return l.OpenGroup(ctx, h.source, all)
}

func (h *handler) run(ctx context.Context, l *Lane) error {
	g, err := h.open(ctx, l)
	if err != nil {
		h.stopped <- err
		return err
	}
	h.opened.Add(1)
	state := g.Handler()
	h.whole(g)
	for ctx.Err() == nil {
		if int64(state.Seq) >= h.next.Load() {
			if err := g.Flush(ctx); err != nil {
				h.stopped <- err
				return err
			}
			time.Sleep(2 * time.Millisecond)
			continue
		}
		if err := g.Stage(ctx, h.group(g, &state)); err != nil {
			h.stopped <- err
			return err
		}
	}
	return context.Cause(ctx)
}

// whole checks that the collections and the handler stand at the same group.
func (h *handler) whole(g *Group) {
	state := g.Handler()
	if want := fmt.Sprint(state.Seq); state.Seq > 0 && string(state.State) != want {
		h.torn <- fmt.Sprintf("handler %d has state %s", state.Seq, state.State)
	}
	for _, c := range h.collections {
		if s := g.Memory(c).State; s.Seq != state.Seq {
			h.torn <- fmt.Sprintf("the handler is at group %d and %s at %d", state.Seq, c, s.Seq)
		}
		if e, _ := g.Memory(c).Ledger.Get("k"); uint64(e.Instant) != state.Seq {
			h.torn <- fmt.Sprintf("the handler is at group %d and the entry of %s at %d", state.Seq, c, e.Instant)
		}
	}
}

func (h *handler) group(g *Group, state *connector.HandlerState) *connector.Group {
	f := feed{}
	group := &connector.Group{Batches: map[string]*connector.Batch{}}
	state.Seq++
	state.State = fmt.Append(nil, state.Seq)
	group.Handler = *state
	for _, c := range h.collections {
		b := f.batch(g.Memory(c), int64(state.Seq))
		b.State.Trailing = connector.Beginning // a handler's collections have none
		group.Batches[c] = b
	}
	return group
}

// ended checks what the topics hold after n groups.
func (h *handler) ended(k *kafka, n int64) {
	k.t.Helper()
	for _, c := range h.collections {
		k.check(h.topic(c), n)
	}
	for len(h.torn) > 0 {
		k.t.Errorf("a group was torn: %s", <-h.torn)
	}
}

func (h *handler) holds(k *kafka, n int64) func() bool {
	return func() bool {
		for _, c := range h.collections {
			if !k.holds(h.topic(c), n)() {
				return false
			}
		}
		return true
	}
}

func TestAGroupIsOneTransaction(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	var ended atomic.Int64
	k.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		ended.Add(1)
		return nil, nil, false
	})
	h := newHandler("b", "a", "c")
	l := k.live(k.config("a", "1"), h.run)
	await(t, "it runs", func() bool { return h.opened.Load() == 1 })
	claimed := ended.Load()
	for n := range int64(10) {
		h.next.Store(n + 1)
		await(t, "the group is there", h.holds(k, n+1))
	}
	if n := ended.Load() - claimed; n != 10 {
		t.Errorf("10 groups of three collections were committed in %d transactions", n)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	h.ended(k, 10)
}

func TestAGroupIsCommittedWholeWhereverItsProcessDies(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	h := newHandler("a", "b")
	want, deaths := int64(0), 0
	for after := 0; ; after++ {
		for _, arrives := range []bool{false, true} {
			d := &dying{}
			cfg := k.config("a", fmt.Sprint(after, arrives))
			cfg.Kafka = append(cfg.Kafka, kgo.Dialer(d.dial))
			opened := h.opened.Load()
			l := k.live(cfg, h.run)
			await(t, "it runs", func() bool { return h.opened.Load() > opened })
			d.after.Store(int64(after + 1))
			d.arrives = arrives
			d.armed.Store(true)
			want += 2
			h.next.Store(want)
			await(t, "it dies, or commits", func() bool { return d.dead.Load() || h.holds(k, want)() })
			if d.dead.Load() {
				deaths++
			}
			l.stop() // nothing of it reaches Kafka any more
			opened = h.opened.Load()
			next := k.live(k.config("a", fmt.Sprint("next", after, arrives)), h.run)
			await(t, "the next life has it", func() bool { return h.opened.Load() > opened && h.holds(k, want)() })
			if err := next.end(); err != nil {
				t.Fatal(err)
			}
			if !d.dead.Load() && arrives {
				t.Logf("%d deaths", deaths)
				if deaths < 4 { // one transaction has two requests at least, each of which arrives or not
					t.Error("it hardly died")
				}
				h.ended(k, want)
				return
			}
		}
	}
}

func TestAGroupOfWhichOneTopicRefusesIsHeldWholeAndOthersGoOn(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	h, good := newHandler("a", "b"), newFeed("good")
	h.next.Store(2)
	good.next.Store(2)
	l := k.live(k.config("a", "1"), func(ctx context.Context, l *Lane) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var wg sync.WaitGroup
		wg.Go(func() { cancel(h.run(ctx, l)) })
		wg.Go(func() { cancel(good.run(ctx, l)) })
		wg.Wait()
		return context.Cause(ctx)
	})
	await(t, "both run", func() bool { return h.holds(k, 2)() && k.holds(good.topic(), 2)() })
	f := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: h.topic("b"), Err: kerr.TopicAuthorizationFailed, Count: -1})
	quarantined := func() (n int) {
		h.m.Range(func(_, m any) bool {
			if m.(*connector.CollectionMetrics).State() == connector.StateQuarantined {
				n++
			}
			return true
		})
		return n
	}
	for n := int64(3); n <= 12; n++ {
		h.next.Store(n)
		good.next.Store(n)
		await(t, "the good one goes on", k.holds(good.topic(), n))
	}
	await(t, "all collections of the handler are quarantined", func() bool { return quarantined() == 2 })
	k.check(h.topic("a"), 2)
	k.check(h.topic("b"), 2)
	f.Remove()
	await(t, "the handler recovers", h.holds(k, 12))
	await(t, "the quarantine ends", func() bool { return quarantined() == 0 })
	if h.opened.Load() != 1 {
		t.Errorf("the lane was spent %d times though the refusal is clean", h.opened.Load()-1)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	h.ended(k, 12)
	k.check(good.topic(), 12)
}

func TestATopicThatIsGoneStopsItsWholeHandlerAndNobodyElse(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	h, good := newHandler("a", "b"), newFeed("good")
	h.next.Store(2)
	good.next.Store(2)
	l := k.live(k.config("a", "1"), func(ctx context.Context, l *Lane) error {
		var wg sync.WaitGroup
		wg.Go(func() { h.run(ctx, l) }) // as the engine does: a stop is not about the lane
		wg.Go(func() { good.run(ctx, l) })
		wg.Wait()
		return context.Cause(ctx)
	})
	await(t, "both run", func() bool { return h.holds(k, 2)() && k.holds(good.topic(), 2)() })
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	name := h.topic("b")
	topic.Topic = &name
	req.Topics, req.TopicNames = append(req.Topics, topic), []string{name}
	if resp, err := req.RequestWith(t.Context(), k.client()); err != nil || resp.Topics[0].ErrorCode != 0 {
		t.Fatal(err, resp)
	}
	h.next.Store(5)
	var stop *connector.StopError
	select {
	case err := <-h.stopped:
		if !errors.As(err, &stop) || !strings.Contains(stop.What, "topic h.b of h.b was deleted") {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it was not stopped")
	}
	good.next.Store(5)
	await(t, "the good one goes on", k.holds(good.topic(), 5))
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	k.check(h.topic("a"), 2)
}

func TestAHandlerStateThatDoesNotFitIsRefusedBeforeAnythingIsCommitted(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ state, says string }{
		"too large": {`"` + strings.Repeat("x", defaultMessageBytes) + `"`, "more than the offsets topic takes"},
		"no JSON":   {`{"a":`, "cannot be kept"},
	} {
		t.Run(what, func(t *testing.T) {
			k := newKafka(t)
			h := newHandler("a", "b")
			lane, l := k.acquired(k.config("a", "1"))
			g, err := h.open(t.Context(), lane)
			if err != nil {
				t.Fatal(err)
			}
			state := g.Handler()
			group := h.group(g, &state)
			group.Handler.State = []byte(c.state)
			var stop *connector.StopError
			if err := g.Stage(t.Context(), group); !errors.As(err, &stop) || !strings.Contains(stop.What, c.says) || !strings.Contains(stop.What, "handler h") {
				t.Errorf("it is refused with %v", err)
			}
			// The sum of its collections is that of what was refused: nothing can go on from it.
			if err := g.Stage(t.Context(), h.group(g, &state)); !errors.As(err, &stop) {
				t.Errorf("the next group is taken: %v", err)
			}
			if err := l.end(); err != nil {
				t.Fatal(err)
			}
			k.check(h.topic("a"), 0)
			k.check(h.topic("b"), 0)
		})
	}
}

func TestAGroupWithoutChangesMovesTheHandlerAlone(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	h := newHandler("a")
	cfg := k.config("a", "1")
	lane, l := k.acquired(cfg)
	g, err := h.open(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	want := connector.HandlerState{Seq: 1, State: []byte(`{"at":"<1>"}`), Dumped: 5, Pushes: []connector.Push{{ID: "p", Seq: 1}}}
	if err := errors.Join(g.Stage(t.Context(), &connector.Group{Handler: want}), g.Flush(t.Context()), l.end()); err != nil {
		t.Fatal(err)
	}
	lane, l = k.acquired(cfg)
	if g, err = h.open(t.Context(), lane); err != nil {
		t.Fatal(err)
	}
	if got := g.Handler(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("the next life has %+v, want %+v", got, want)
	}
	if positions, err := g.Readable(t.Context()); err != nil || len(positions) != 1 || positions[0] != (connector.Position{Topic: "h.a"}) {
		t.Errorf("%v %v", positions, err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
}

func TestAHandlerOneTopicOfWhichCannotBeOpenedYetIsOpenedLater(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	h := newHandler("a", "b")
	lane, l := k.acquired(k.config("a", "1"))
	refused := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: h.topic("b"), Err: kerr.TopicAuthorizationFailed, Count: -1})
	for range 2 {
		_, err := h.open(t.Context(), lane)
		var topic *TopicError
		if !errors.As(err, &topic) || topic.Topic != h.topic("b") {
			t.Fatalf("opened although b refuses: %v", err)
		}
	}
	refused.Remove()
	var g *Group
	await(t, "it is opened", func() bool {
		var err error
		var topic *TopicError
		if g, err = h.open(t.Context(), lane); err != nil && !errors.As(err, &topic) { // metadata is remembered for a moment
			t.Fatal(err)
		}
		return err == nil
	})
	state := g.Handler()
	if err := errors.Join(g.Stage(t.Context(), h.group(g, &state)), g.Flush(t.Context()), l.end()); err != nil {
		t.Fatal(err)
	}
	h.ended(k, 1)
}

func TestACollectionIsOpenedOnceInALanesLife(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	lane, l := k.acquired(k.config("a", "1"))
	w := k.writer(lane, "people")
	w.upserts(t, "1")
	_, err := lane.Open(t.Context(), "s", "people", "s.people", w.m)
	var stop *connector.StopError
	if err == nil || errors.As(err, &stop) || !strings.Contains(err.Error(), "acquired anew") {
		t.Errorf("opened again: %v", err)
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
}
