package sink

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pace keeps the next transaction from starting while the last one's markers are being
// written. EndTxn is answered before they are; a produce that comes meanwhile is held
// back by the broker for 20 ms (add.partitions.to.txn.retry.backoff.ms), where half a
// millisecond of patience would have been enough. How much is enough depends on
// replication, so the pause finds its own length: longer when a first produce was held
// back, and shorter again bit by bit.
type pace struct {
	mu    sync.Mutex
	pause time.Duration
	ended time.Time

	first atomic.Int64 // duration of the transaction's first produce request, ns
}

const (
	minPause = 500 * time.Microsecond
	maxPause = 16 * time.Millisecond
	// heldBack is what a produce takes that the broker held back.
	heldBack = 19 * time.Millisecond
)

// wait waits until the pause since the last transaction is over.
func (p *pace) wait() {
	p.mu.Lock()
	rest := max(p.pause, minPause) - time.Since(p.ended)
	first := p.ended.IsZero()
	p.mu.Unlock()
	p.first.Store(0)
	if !first && rest > 0 {
		time.Sleep(rest)
	}
}

// done notes that a transaction has ended, and learns from how its first produce went.
// The first produce is small talk only where it was small: a large one takes its time.
func (p *pace) done(began time.Time, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	soon := !p.ended.IsZero() && began.Sub(p.ended) < 4*maxPause
	first := time.Duration(p.first.Load())
	switch {
	case !soon || bytes > 256<<10:
	case first >= heldBack && first < 3*heldBack:
		p.pause = min(2*max(p.pause, minPause), maxPause)
	case first > 0 && p.pause > minPause:
		p.pause -= p.pause / 64
	}
	p.ended = time.Now()
}

// OnBrokerE2E is called by the client after every request.
func (p *pace) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	if key == 0 && e.Err() == nil { // Produce
		p.first.CompareAndSwap(0, int64(e.DurationE2E()))
	}
}

var _ kgo.HookBrokerE2E = (*pace)(nil)
