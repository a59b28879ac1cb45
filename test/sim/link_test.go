package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fate is what happens to one request to Kafka.
type fate int

const (
	arrives  fate = iota
	dropped       // the connection breaks before the request is sent
	unheard       // the broker answers, and the connection breaks before that is read
	diesAt        // the process dies before the request is sent
	diesWith      // the process dies when the broker has answered it
	blackout      // dropped, and then nothing gets through for longer than a transaction lasts
	outage        // unheard, and then likewise
)

// A link is all the network that one process has. The client speaks to one end of a pipe,
// and what arrives at the other is passed on request by request.
type link struct {
	dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// decide says what happens to the next request of a key; die ends the process.
	decide func(key int16) fate
	die    func()
	// fenced is told the epoch that a fence has got.
	fenced func(epoch int16)

	mu    sync.Mutex
	rng   *rand.Rand
	slow  time.Duration // a request takes up to this
	dead  bool
	thaw  chan struct{} // open while the link is frozen
	wires map[*wire]struct{}
}

var errDead = errors.New("the process is dead")

// pass waits while the link is frozen. Nothing passes a dead one.
func (l *link) pass(ctx context.Context) error {
	for {
		l.mu.Lock()
		dead, thaw := l.dead, l.thaw
		l.mu.Unlock()
		switch {
		case dead:
			return errDead
		case thaw == nil:
			return nil
		}
		select {
		case <-thaw:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeze stops everything on its way, wake lets it go on: a request that was sent while
// the link was frozen arrives then, whether its sender still waits for it or not.
func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw == nil && !l.dead {
		l.thaw = make(chan struct{})
	}
}

func (l *link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw != nil {
		close(l.thaw)
		l.thaw = nil
	}
}

func (l *link) frozen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.thaw != nil
}

func (l *link) setSlow(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = d
}

// kill cuts everything for good.
func (l *link) kill() {
	l.mu.Lock()
	l.dead = true
	wires := l.wires
	l.wires = map[*wire]struct{}{}
	l.mu.Unlock()
	l.wake()
	for w := range wires {
		w.cut()
	}
}

// cutAll breaks the connections there are.
func (l *link) cutAll() {
	l.mu.Lock()
	wires := l.wires
	l.wires = map[*wire]struct{}{}
	l.mu.Unlock()
	for w := range wires {
		w.cut()
	}
}

func (l *link) latency() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slow <= 0 {
		return 0
	}
	return time.Duration(l.rng.Int64N(int64(l.slow)))
}

func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := l.pass(ctx); err != nil {
		return nil, err
	}
	far, err := l.dialer(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	w := &wire{link: l, near: near, far: far, sent: make(chan sent, 1024)}
	l.mu.Lock()
	dead := l.dead
	if !dead {
		l.wires[w] = struct{}{}
	}
	l.mu.Unlock()
	if dead {
		client.Close()
		w.cut()
		return nil, errDead
	}
	go w.requests()
	go w.replies()
	return client, nil
}

// A wire is one connection. Replies come in the order of the requests.
type wire struct {
	link      *link
	near, far net.Conn
	sent      chan sent
}

// sent is a request that is on its way.
type sent struct {
	fate
	key, version int16
}

func (w *wire) cut() {
	w.near.Close()
	w.far.Close()
}

func (w *wire) forget() {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	delete(w.link.wires, w)
}

func (w *wire) requests() {
	defer w.forget()
	defer close(w.sent)
	// Only when all that was sent has arrived; the replies are then of no use.
	defer w.far.Close()
	for {
		frame, err := readFrame(w.near)
		if err != nil {
			return
		}
		if d := w.link.latency(); d > 0 {
			time.Sleep(d)
		}
		if w.link.pass(context.Background()) != nil {
			return
		}
		s := sent{key: int16(binary.BigEndian.Uint16(frame[4:])), version: int16(binary.BigEndian.Uint16(frame[6:]))}
		s.fate = w.link.decide(s.key)
		switch s.fate {
		case diesAt:
			w.link.die()
			return
		case dropped:
			w.cut()
			return
		}
		w.sent <- s
		if _, err := w.far.Write(frame); err != nil {
			return
		}
	}
}

func (w *wire) replies() {
	defer w.near.Close()
	for {
		frame, err := readFrame(w.far)
		if err != nil {
			return
		}
		s := <-w.sent
		if s.key == int16(kmsg.InitProducerID) {
			w.link.noteFence(s.version, frame)
		}
		if w.link.pass(context.Background()) != nil {
			return
		}
		switch s.fate {
		case diesWith:
			w.link.die()
			return
		case unheard:
			w.cut()
			return
		}
		if _, err := w.near.Write(frame); err != nil {
			return
		}
	}
}

// noteFence reads the answer to an InitProducerID, of a flexible version: behind its size
// and number its header has a byte of tags.
func (l *link) noteFence(version int16, frame []byte) {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.SetVersion(version)
	if version >= 2 && len(frame) > 9 && resp.ReadFrom(frame[9:]) == nil && resp.ErrorCode == 0 {
		l.fenced(resp.ProducerEpoch)
	}
}

// readFrame reads one request or reply: four bytes of size, and as many.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}
