package hostile

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is an API on a port of its own.
type Server struct {
	API *API
	// URL is the base that collections are relative to, "http://127.0.0.1:PORT/v2".
	URL string

	http *http.Server
	done sync.WaitGroup
}

// Start serves a new API on a free port of the loopback.
func Start(cfg Config) (*Server, error) { return Listen(cfg, "127.0.0.1:0") }

// Listen serves a new API on the given address.
func Listen(cfg Config, address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	s := &Server{API: New(cfg), URL: "http://" + l.Addr().String() + "/v2"}
	s.http = &http.Server{
		Handler:           s.API,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // it hangs up on clients by design
	}
	s.done.Go(func() { _ = s.http.Serve(l) }) // ends when Close closes the listener
	return s, nil
}

// Close ends all connections, hanging answers included.
func (s *Server) Close() error {
	err := s.http.Close()
	s.done.Wait()
	return err
}
