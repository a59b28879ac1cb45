package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"tributary/connector/rest/network"
)

// deadlineKey is for the instant until which a request may be written: a dial heeds
// no deadline of the request that it is for.
type deadlineKey struct{}

var errTooLate = errors.New("it was too late to send it")

// NewTransport returns what an Endpoint sends through: it makes a connection for each request, so that what is
// written to it belongs to one intent, and so that nothing is sent again by itself on
// another connection.
func NewTransport(config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: network.RefusedByProxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if d, ok := ctx.Value(deadlineKey{}).(time.Time); ok && err == nil {
				conn = &punctual{conn, d}
			}
			return conn, err
		},
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// A punctual connection writes nothing after its time. A process that is frozen, and goes
// on much later, would send before it has looked at its clock: timers fire a moment later
// than the code goes on that they are to stop.
type punctual struct {
	net.Conn
	until time.Time
}

func (c *punctual) Write(b []byte) (int, error) {
	if !time.Now().Before(c.until) {
		return 0, errTooLate
	}
	return c.Conn.Write(b)
}
