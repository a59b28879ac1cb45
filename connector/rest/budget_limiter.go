package rest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"tributary/connector"
)

// least is the share of the points that each class gets as long as it waits for some,
// however many more urgent requests there are.
const least = 0.1

// A limiter lets the requests of a source through as its budget allows, the most urgent
// first. It is shared by the source's collections, and outlives their readers.
type limiter struct {
	began time.Time

	mu      sync.Mutex // guards all below
	m       *connector.SourceMetrics
	account *account
	costs   map[costKey]float64 // as answers stated them
	queues  [len(connector.Priorities)][]*turn
	waiting int
	// credit is what a class that waits is owed, because others were served.
	credit  [len(connector.Priorities)]float64
	timer   *time.Timer
	turns   uint64
	held    time.Duration // until when nothing is sent
	heldAt  uint64        // the last turn before it was
	strikes int           // answers 429 in a row, those of one hold counted once
	tries   bool          // one request is to try it first
	trial   *turn
}

// A turn is the right to send one request, now.
type turn struct {
	l        *limiter
	priority connector.Priority
	key      costKey
	cost     float64
	ready    chan struct{} // closed when it is granted; nil: it was at once
	granted  bool
	gone     bool

	number uint64
	minute int64
	sent   time.Duration
}

func newLimiter(b Budget) *limiter {
	now := time.Now()
	for _, name := range []*string{&b.Remaining, &b.Limit, &b.Reset, &b.Cost.Header} {
		*name = http.CanonicalHeaderKey(*name)
	}
	return &limiter{began: now, account: newAccount(b, time.Duration(now.UnixNano())), costs: map[costKey]float64{}}
}

// now is our own clock: nothing about records is decided by it.
func (l *limiter) now() time.Duration { return time.Since(l.began) }

// meter says where the limiter counts. Collections of a source share its metrics.
func (l *limiter) meter(m *connector.SourceMetrics) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil {
		l.m = m
		m.BudgetLimit.Set(l.account.b.ours())
	}
}

// wait waits until a request may be sent. The turn's done is to be called when it is
// answered, or was not.
func (l *limiter) wait(ctx context.Context, q connector.Query, kind requestKind) (*turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	t := l.join(q, kind)
	if t.ready == nil {
		return t, nil
	}
	var late <-chan time.Time
	if !q.By.IsZero() {
		timer := time.NewTimer(time.Until(q.By))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-t.ready:
		return t, nil
	case <-ctx.Done():
		l.leave(t)
		return nil, context.Cause(ctx)
	case <-late:
		l.leave(t)
		return nil, connector.ErrPutOff
	}
}

// join takes a place behind those that are as urgent, and the turn at once if it can.
func (l *limiter) join(q connector.Query, kind requestKind) *turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	key := l.account.b.Cost.costOf(q, kind)
	t := &turn{l: l, priority: min(q.Priority, connector.Dumping), key: key, cost: l.price(key), sent: now}
	l.queues[t.priority] = append(l.queues[t.priority], t)
	l.waiting++
	l.dispatch(now)
	if !t.granted {
		t.ready = make(chan struct{})
		l.gauge(t.priority, 1)
	}
	return t
}

// price is what a request is expected to cost.
func (l *limiter) price(key costKey) float64 {
	if cost, ok := l.costs[key]; ok {
		return cost
	}
	return l.account.b.Cost.of(key)
}

// leave gives a place up, or a turn that came a moment ago: its request was not sent.
func (l *limiter) leave(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !t.granted {
		t.gone = true
		l.waiting--
		l.gauge(t.priority, -1)
	} else {
		l.account.inflight -= t.cost
		l.account.correct(-t.cost, now)
		l.tried(t, false)
	}
	l.dispatch(now)
}

// dispatch grants what can be granted, and sets the timer for what cannot.
func (l *limiter) dispatch(now time.Duration) {
	l.account.pass(now)
	for l.waiting > 0 {
		t, owed := l.next()
		if wait := l.delay(t, owed, now); wait > 0 {
			l.arm(wait)
			return
		}
		l.grant(t, now)
	}
	if l.timer != nil {
		l.timer.Stop()
	}
}

// next returns whose turn it is: the most urgent one's, unless a class is owed one. Its
// place in the queue decides among those that are as urgent.
func (l *limiter) next() (t *turn, owed bool) {
	for p := range l.queues {
		for len(l.queues[p]) > 0 && l.queues[p][0].gone {
			l.queues[p] = l.queues[p][1:]
		}
		if len(l.queues[p]) == 0 {
			l.credit[p] = 0
			continue
		}
		head := l.queues[p][0]
		if t == nil {
			t = head
		} else if l.credit[p] >= head.cost {
			return head, true
		}
	}
	return t, false
}

// delay is how long t has to wait at the least. Who is owed a turn need not leave a reserve.
func (l *limiter) delay(t *turn, owed bool, now time.Duration) time.Duration {
	switch {
	case now < l.held:
		return l.held - now
	case l.trial != nil && now < l.trial.sent+trialMax:
		return l.trial.sent + trialMax - now
	case owed:
		return l.account.delay(connector.Live, t.cost, now)
	}
	return l.account.delay(t.priority, t.cost, now)
}

func (l *limiter) grant(t *turn, now time.Duration) {
	p := t.priority
	l.queues[p] = l.queues[p][1:]
	l.waiting--
	l.credit[p] = max(0, l.credit[p]-t.cost)
	for other := range l.queues {
		if other != int(p) && len(l.queues[other]) > 0 {
			l.credit[other] += least * t.cost
		}
	}
	waited := now - t.sent
	l.turns++
	t.granted, t.number, t.sent = true, l.turns, now
	l.account.grant(t.cost, now)
	t.minute = l.account.minute
	if l.tries {
		l.tries, l.trial = false, t
	}
	if t.ready != nil {
		l.gauge(p, -1)
		close(t.ready)
	}
	if l.m != nil {
		l.m.BudgetWait[p].Observe(waited.Seconds())
	}
}

// arm looks again after a while.
func (l *limiter) arm(wait time.Duration) {
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dispatch(l.now())
		})
		return
	}
	l.timer.Reset(wait)
}

func (l *limiter) gauge(p connector.Priority, by float64) {
	if l.m != nil {
		l.m.BudgetWaiting[p].Add(by)
	}
}
