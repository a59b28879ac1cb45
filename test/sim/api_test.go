package sim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// A caller sends the requests of one process to the API without a socket.
type caller struct {
	api  http.Handler
	link *link
}

func (c caller) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := c.link.pass(req.Context()); err != nil {
		return nil, err
	}
	a := answer{header: http.Header{}, status: http.StatusOK}
	broken := a.serve(c.api, req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if err := c.link.pass(req.Context()); err != nil {
		return nil, err
	}
	if broken && a.body.Len() == 0 {
		return nil, errors.New("connection reset by peer")
	}
	body := io.Reader(&a.body)
	if broken {
		body = io.MultiReader(body, cutShort{})
	}
	resp := &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(body), ContentLength: -1, Request: req,
	}
	if n, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = n
	}
	return resp, nil
}

// cutShort is a body that ends before its length.
type cutShort struct{}

func (cutShort) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// An answer is what a handler wrote.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// serve runs the handler, and says whether it broke the connection.
func (a *answer) serve(h http.Handler, req *http.Request) (broken bool) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case http.ErrAbortHandler:
			broken = true
		default:
			panic(r)
		}
	}()
	h.ServeHTTP(a, req)
	return false
}
