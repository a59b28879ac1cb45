package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// listening starts the servers of a config.
type listening struct {
	reloader *tlsReloader // nil: plain HTTP
	log      *slog.Logger
	// optional says that a port that is taken is not an error: a job that ends by itself is
	// not watched by it.
	optional bool
}

// newListening reads the certificate that is served, if one is, and shows in reg until when it
// is valid.
func newListening(cfg *Config, log *slog.Logger, reg prometheus.Registerer, optional bool) (*listening, error) {
	s := &listening{log: log, optional: optional}
	cfg.warnOfPlainTokens(log)
	if cfg.Control.TLS == nil {
		return s, nil
	}
	var err error
	if s.reloader, err = newTLSReloader(cfg.Control.TLS, log); err != nil {
		return nil, &exitError{code: exitConfig, err: err} // the files were in order a moment ago
	}
	connector.RegisterCertificate(reg, s.reloader.valid)
	return s, nil
}

// start listens and serves until the function it returns is called.
func (s *listening) start(key, listen string, srv *http.Server) (func(), error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		if s.optional {
			return func() {}, nil
		}
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("listen on %s (`%s`): %w; does another tributary run here?", listen, key, err)}
	}
	srv.ErrorLog = stdlog.New(&serverLog{s.log.With("server", key)}, "", 0)
	if s.reloader != nil {
		l = tls.NewListener(l, s.reloader.server())
	}
	go srv.Serve(l) // ends with the listener
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		srv.Shutdown(ctx)
	}, nil
}

// A serverLog takes what net/http says of its own. Handshakes that fail are for who looks for
// them: whoever tries whether the port is open makes one. Anything else is a fault.
type serverLog struct{ log *slog.Logger }

func (l *serverLog) Write(line []byte) (int, error) {
	level := slog.LevelError
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "the HTTP server said something", "said", string(bytes.TrimSpace(line)))
	return len(line), nil
}
