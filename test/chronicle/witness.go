package chronicle

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Witness is a proxy before a server. It notes every record of every whole answer, and,
// while Faulty, spoils some answers on their way.
type Witness struct {
	// URL is the proxy's, to be used in the place of the server's.
	URL string

	c        *Chronicle
	upstream string
	rows     func(body []byte) ([][]byte, error)
	faulty   atomic.Bool
	answers  atomic.Int64
	http     *http.Server
}

// Witness starts a witness before the server at upstream. rows finds the records in the
// body of an answer with status 200.
func (c *Chronicle) Witness(upstream string, rows func(body []byte) ([][]byte, error)) (*Witness, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Witness{URL: "http://" + l.Addr().String(), c: c, upstream: upstream, rows: rows}
	w.http = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = w.http.Serve(l) }() // ends when Close closes the listener
	return w, nil
}

// Close ends it.
func (w *Witness) Close() { _ = w.http.Close() }

// Faulty says whether answers are spoiled: one in 23 is a 503, one in 29 is cut.
func (w *Witness) Faulty(on bool) { w.faulty.Store(on) }

// Answers counts the answers so far.
func (w *Witness) Answers() int { return int(w.answers.Load()) }

func (w *Witness) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	n := w.answers.Add(1)
	faulty := w.faulty.Load()
	if faulty && n%23 == 0 {
		w.c.count("503", 1)
		http.Error(out, "unavailable", http.StatusServiceUnavailable)
		return
	}
	resp, body, err := w.ask(in)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadGateway)
		return
	}
	for name, values := range resp.Header {
		if name != "Content-Length" {
			out.Header()[name] = values
		}
	}
	out.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if faulty && n%29 == 0 {
		w.c.count("cut", 1)
		out.WriteHeader(resp.StatusCode)
		_, _ = out.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	if resp.StatusCode == http.StatusOK {
		w.note(body)
	}
	out.WriteHeader(resp.StatusCode)
	_, _ = out.Write(body) // a reader that hangs up has been shown nothing that counts
}

func (w *Witness) ask(in *http.Request) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(in.Context(), in.Method, w.upstream+in.URL.RequestURI(), in.Body)
	if err != nil {
		return nil, nil, err
	}
	req.Header = in.Header.Clone()
	req.Header.Del("Accept-Encoding") // the transport's own, which it also takes away
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// note notes the records before the reader can have them.
func (w *Witness) note(body []byte) {
	rows, err := w.rows(body)
	if err != nil {
		w.c.mu.Lock()
		w.c.odd = append(w.c.odd, fmt.Sprintf("an answer without records: %v: %.200q", err, body))
		w.c.mu.Unlock()
	}
	for _, row := range rows {
		w.c.show(row)
	}
}
