package sink

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// dying is the network of a process that dies at one of its transaction's requests: from
// then on nothing of it arrives.
type dying struct {
	armed, dead atomic.Bool
	after       atomic.Int64
	arrives     bool // the last request does, and its answer does not
}

func (d *dying) dial(ctx context.Context, network, host string) (net.Conn, error) {
	if d.dead.Load() {
		return nil, errors.New("dead")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
	return &dyingConn{conn, d}, err
}

type dyingConn struct {
	net.Conn
	d *dying
}

func (c *dyingConn) Write(b []byte) (int, error) {
	if c.d.dead.Load() {
		c.Close()
		return 0, errors.New("dead")
	}
	key := kmsg.Key(-1)
	if len(b) > 8 {
		key = kmsg.Key(int16(b[4])<<8 | int16(b[5]))
	}
	if c.d.armed.Load() && (key == kmsg.Produce || key == kmsg.EndTxn) && c.d.after.Add(-1) == 0 {
		if c.d.arrives {
			c.Conn.Write(b)
			time.Sleep(20 * time.Millisecond)
		}
		c.d.dead.Store(true)
		c.Close()
		return 0, errors.New("dead")
	}
	return c.Conn.Write(b)
}

func (c *dyingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.d.dead.Load() {
		return 0, errors.New("dead")
	}
	return n, err
}
