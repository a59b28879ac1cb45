package main

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"tributary/connector/control"
	"tributary/connector/control/connect"
)

// connectListen decodes where Kafka Connect's REST API is. The control API has metrics beside
// it; this one is refused where it would answer nobody.
func (f *fileDecoder) connectListen(n *node) {
	c := &f.cfg
	switch c.ConnectListen = f.listen(n); {
	case c.ConnectListen == "": // was reported
	case c.ConnectListen == c.Listen:
		f.fail(n, "is the address of `listen`: Kafka Connect's API needs one of its own, as in 127.0.0.1:8083")
	case !onLoopback(c.ConnectListen) && c.Control.Token.Reveal() == "":
		f.fail(n, "is reached from other hosts, and `control.token` is not set, so that it would answer nobody: set it, or listen on 127.0.0.1")
	}
}

// connector refuses two collections that are one connector.
func (f *fileDecoder) connector(n *node, c *collectionDecoder) {
	if f.cfg.ConnectListen == "" {
		return
	}
	name := c.settings.Source + "." + c.settings.Collection
	if first, twice := f.connectors[name]; twice {
		f.fail(n, "is called %s, and so is the collection in %v: for `connect_listen` that is the name of a connector; rename a source", name, first)
		return
	}
	f.connectors[name] = n.pos
}

// newConnectServer returns the server of Kafka Connect's REST API over a plane.
func newConnectServer(cfg *Config, p control.Plane, log *slog.Logger) *http.Server {
	worker := cfg.ConnectListen
	if host, port, err := net.SplitHostPort(worker); err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		worker = net.JoinHostPort(cfg.Instance, port)
	}
	return &http.Server{
		Handler: connect.NewHandler(p, connect.Config{
			Guard: control.NewGuard(control.Config{
				Token: cfg.Control.Token.Reveal(), Hosts: slices.Clone(cfg.Control.Hosts), Loopback: onLoopback(cfg.ConnectListen),
				Certificate: cfg.Control.wantsCertificate(),
			}),
			Worker: worker, Log: log,
		}),
		MaxHeaderBytes: 16 << 10, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 90 * time.Second, IdleTimeout: 2 * time.Minute,
	}
}
