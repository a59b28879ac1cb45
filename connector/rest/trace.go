package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// An Exchange is a request and its answer as they went over the wire, with everything
// masked that is known as secret or named like it.
type Exchange struct {
	Began       time.Time
	Method, URL string
	// Sent are the header fields as they were written, those of the connection among them.
	Sent        http.Header
	RequestBody string
	// Proto is that of the answer, "HTTP/2.0". Status is 0 and Err says why where there
	// was none.
	Proto  string
	Status int
	Header http.Header
	Err    string
	// Body is the answer's, unpacked, up to maxTraced bytes; Received is how much came
	// over the wire, Decoded what that unpacked to, and Cut says that there was more.
	Body              string
	Received, Decoded int64
	Cut               bool
	// Remote is the address of the other end, a proxy's if there is one; Reused says
	// that the connection had carried a request before.
	Remote  string
	Reused  bool
	Timings Timings
}

// Timings are where the time of an exchange went; what did not happen is 0.
type Timings struct {
	// Blocked is the wait for a connection that was free. TLS is not part of Connect.
	Blocked, DNS, Connect, TLS, Send, Wait, Receive time.Duration
}

// Total is their sum.
func (t Timings) Total() time.Duration {
	return t.Blocked + t.DNS + t.Connect + t.TLS + t.Send + t.Wait + t.Receive
}

// maxTraced bounds what is kept of a body.
const maxTraced = 1 << 20

type traceKey struct{}

// WithTrace returns a context whose requests are told to f, redirects each by itself,
// when their bodies have been read.
func WithTrace(ctx context.Context, f func(Exchange)) context.Context {
	return context.WithValue(ctx, traceKey{}, f)
}

// A tracer follows one exchange. The transport tells it from goroutines of its own.
type tracer struct {
	tell  func(Exchange)
	scrub scrubber

	mu   sync.Mutex
	x    Exchange
	at   map[string]time.Time
	body bytes.Buffer // as received
	done bool
}

// traced sends a request, and follows it if its context asks for that.
func (s *sender) traced(req *http.Request) (*http.Response, error) {
	tell, ok := req.Context().Value(traceKey{}).(func(Exchange))
	if !ok {
		return s.next.RoundTrip(req)
	}
	t := &tracer{tell: tell, scrub: s.scrub, at: map[string]time.Time{}}
	t.x = Exchange{Began: time.Now(), Method: req.Method, URL: req.URL.String(), Sent: http.Header{}}
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(io.LimitReader(body, maxTraced)) // it is in memory
			t.x.RequestBody = string(text)
			body.Close()
		}
	}
	resp, err := s.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), t.hooks())))
	if err != nil {
		t.end(err)
		return nil, err
	}
	t.mu.Lock()
	t.x.Proto, t.x.Status, t.x.Header = resp.Proto, resp.StatusCode, resp.Header
	t.mu.Unlock()
	resp.Body = &tracedBody{resp.Body, t}
	return resp, nil
}

func (t *tracer) mark(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, twice := t.at[what]; !twice { // of addresses that are dialled at once, the first
		t.at[what] = time.Now()
	}
}

func (t *tracer) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(string) { t.mark("get") },
		DNSStart:             func(httptrace.DNSStartInfo) { t.mark("dns") },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.mark("dns done") },
		ConnectStart:         func(string, string) { t.mark("connect") },
		ConnectDone:          func(_, _ string, err error) { t.mark("connect done") },
		TLSHandshakeStart:    func() { t.mark("tls") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.mark("tls done") },
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.mark("sent") },
		GotFirstResponseByte: func() { t.mark("first byte") },
		GotConn: func(c httptrace.GotConnInfo) {
			t.mark("got")
			t.mu.Lock()
			defer t.mu.Unlock()
			t.x.Remote, t.x.Reused = c.Conn.RemoteAddr().String(), c.Reused
		},
		WroteHeaderField: func(name string, values []string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			name = http.CanonicalHeaderKey(name)
			t.x.Sent[name] = append(t.x.Sent[name], values...)
		},
	}
}

// tracedBody keeps what is read of a body.
type tracedBody struct {
	io.ReadCloser
	t *tracer
}

func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.t.mu.Lock()
	defer b.t.mu.Unlock()
	b.t.x.Received += int64(n)
	b.t.body.Write(p[:min(n, maxTraced-b.t.body.Len())])
	return n, err
}

func (b *tracedBody) Close() error {
	b.t.end(nil)
	return b.ReadCloser.Close()
}

// end tells the exchange, once.
func (t *tracer) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return
	}
	t.done = true
	if err != nil {
		t.x.Err = t.scrub.excerpt(unwrapURL(err).Error(), false, maxExcerpt)
	}
	t.x.Timings = t.timings(time.Now())
	t.x.Cut = t.x.Received > int64(t.body.Len())
	body := t.body.Bytes()
	if e := t.x.Header.Get("Content-Encoding"); strings.HasSuffix(strings.ToLower(e), "gzip") {
		body = t.unzip(body)
	}
	t.x.Decoded = int64(len(body))
	if t.x.Cut {
		body = body[:max(0, len(body)-max(t.scrub.longest, t.scrub.now().longest))] // it may end with half a secret
	}
	t.x.Body = string(body)
	t.x.mask(t.scrub)
	t.tell(t.x)
}

func (t *tracer) unzip(body []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return body
	}
	text, err := io.ReadAll(io.LimitReader(z, maxTraced+1))
	t.x.Cut = t.x.Cut || err != nil || len(text) > maxTraced
	return text[:min(len(text), maxTraced)]
}

func (t *tracer) timings(end time.Time) Timings {
	between := func(from, to string) time.Duration {
		a, began := t.at[from]
		b, ended := t.at[to]
		if !ended && began && t.x.Status == 0 {
			b = end // it failed here
		}
		if !began || b.Before(a) {
			return 0
		}
		return b.Sub(a)
	}
	ready := "got"
	for _, first := range []string{"connect", "dns"} {
		if _, ok := t.at[first]; ok {
			ready = first
		}
	}
	r := Timings{
		Blocked: between("get", ready), DNS: between("dns", "dns done"), Connect: between("connect", "connect done"),
		TLS: between("tls", "tls done"), Send: between("got", "sent"), Wait: between("sent", "first byte"),
	}
	if first, ok := t.at["first byte"]; ok {
		r.Receive = end.Sub(first)
	}
	return r
}
