package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

// TestABodyThatDoesNotComeHoldsNoConnection of somebody without a token: the server reads
// the body of a request that is refused too, before it answers.
func TestABodyThatDoesNotComeHoldsNoConnection(t *testing.T) {
	api := control.NewHandler(controltest.New(controltest.Collection("eu", "people")), control.Config{Token: "0123456789abcdef"})
	defer api.Close()
	srv := newServer(prometheus.NewRegistry(), &health{ready: map[int32]bool{}}, api, false)
	connect := newConnectServer(&Config{ConnectListen: "127.0.0.1:0"}, controltest.New(), slog.New(slog.DiscardHandler))
	for _, request := range []string{"POST /v1/sources/eu/pull", "GET /livez", "POST /metrics", "PUT /connectors/a.b/pause"} {
		s := srv
		if request[0:3] == "PUT" {
			s = connect
		}
		if s.ReadTimeout <= 0 || s.ReadTimeout > time.Minute {
			t.Fatalf("%s: a request may take %v to come", request, s.ReadTimeout)
		}
		s.ReadTimeout = 100 * time.Millisecond
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go s.Serve(l) // ends with the listener
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", request)
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", request)
		}
		c.Close()
		l.Close()
	}
}
