package rest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"tributary/connector"
)

// endless is a body that never ends, and counts what was taken of it.
type endless struct {
	of    []byte
	taken int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.of[(e.taken+int64(n))%int64(len(e.of)):])
	}
	e.taken += int64(n)
	return n, nil
}

func (e *endless) Close() error { return nil }

// bomb is gzip of so many zeros that a terabyte comes of it: members repeat.
func bomb() []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Close()
	return b.Bytes()
}

// TestABombIsRefusedBeforeItGoesOff: what is taken off the wire and what is held in
// memory are bounded by the limits and not by what the server sends.
func TestABombIsRefusedBeforeItGoesOff(t *testing.T) {
	for _, c := range []struct {
		name, encoding string
		status         int
		of             []byte
		reason         connector.RetryReason
		most           int64 // bytes taken off the wire
	}{
		{"that unpacks without end", "gzip", 200, bomb(), connector.RetryBody, 64 << 10},
		{"of plain text", "", 200, []byte(" "), connector.RetryBody, 1 << 20},
		{"of empty gzip members", "gzip", 200, zipped(""), connector.RetryBody, 1 << 20},
		{"in an error", "gzip", 500, bomb(), connector.RetryServer, 64 << 10},
		{"of plain text in an error", "", 400, []byte("x"), connector.RetryRefused, 64 << 10},
		{"of empty gzip members in an error", "gzip", 500, zipped(""), connector.RetryServer, 64 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := &endless{of: c.of}
			b := setup(t, plain, nil)
			b.http.Transport = transport(func(r *http.Request) (*http.Response, error) {
				h := http.Header{"Date": {date.Format(http.TimeFormat)}, "Content-Type": {"application/json"}}
				h.Set("Content-Encoding", c.encoding)
				return &http.Response{StatusCode: c.status, Header: h, Body: body, ContentLength: -1, Request: r}, nil
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.retry(c.reason)
			runtime.ReadMemStats(&after)
			if body.taken > c.most {
				t.Errorf("%d bytes were taken off the wire", body.taken)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
		})
	}
}

func FuzzABodyIsWholeOrRefused(f *testing.F) {
	for _, encoding := range []string{"", "gzip", "X-GZIP ", "identity", "br", "gzip, gzip"} {
		f.Add([]byte(`{"data":[]}`), encoding, "application/json", int64(-1))
		f.Add(zipped(`{"data":[]}`), encoding, "application/json", int64(11))
		f.Add(append(zipped("a"), zipped("b")...), encoding, "text/plain; charset=\"", int64(1<<40))
		f.Add(bomb()[:900], encoding, "text/html", int64(0))
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding, kind string, length int64) {
		resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: length}
		resp.Header.Set("Content-Encoding", encoding)
		resp.Header.Set("Content-Type", kind)
		b := bodyReader{maxBody: 2000, maxReceived: 1000}
		got, err := b.read(resp)
		if err != nil {
			if _, ok := err.(*refusal); !ok || got != nil {
				t.Fatalf("%v (%T) with %d bytes: a body that was all received is good or refused", err, err, len(got))
			}
			return
		}
		want := body
		if strings.Contains(strings.ToLower(encoding), "gzip") {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatalf("accepted, and it is no gzip: %v", err)
			}
			if want, err = io.ReadAll(z); err != nil {
				t.Fatalf("accepted, and its gzip is %v", err)
			}
		}
		if !bytes.Equal(got, want) || len(body) > 1000 || len(got) > 2000 {
			t.Fatalf("%d bytes became %d, want %d", len(body), len(got), len(want))
		}
	})
}

func FuzzAnErrorIsOneLineWithoutSecrets(f *testing.F) {
	f.Add(400, `{"title":"no","detail":"key `+canary+`"}`, "", "https://api.test/?k="+canary)
	f.Add(429, `{"error":{"message":["a"]}}`, "soon", "//x")
	f.Add(302, "<html>\u202e"+canary+"</html>", "9e9", "http://u:p@[::1]:x/\n")
	f.Add(503, string(zipped(canary)), "-1", "file:///")
	f.Fuzz(func(t *testing.T, status int, body, after, location string) {
		if strings.Contains(body, "ak+") && !strings.Contains(body, canary) || strings.Contains(location, "ak+") && !strings.Contains(location, canary) {
			return // a piece of the secret is nothing that can be known
		}
		b := &bundle{t: t}
		c := plain("https://api.test")
		s, err := New(c, NewClient("test", Budget{}, failing{io.EOF}), testMetrics)
		if err != nil {
			t.Fatal(err)
		}
		b.Source = s
		b.http.Transport = transport(func(r *http.Request) (*http.Response, error) {
			h := http.Header{"Retry-After": {after}, "Location": {location}, "Date": {date.Format(http.TimeFormat)}}
			return &http.Response{StatusCode: 100 + (status%500+500)%500, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}, nil
		})
		_, err = b.Fetch(t.Context(), everything)
		if err == nil {
			return // it was a page
		}
		if text := err.Error(); strings.Contains(text, canary) || len([]rune(text)) > 4*maxExcerpt || strings.ContainsAny(text, "\n\r\x00\u202e") {
			t.Fatalf("%d: %q", status, text)
		}
	})
}

// FuzzARedirectStaysOnItsOrigin follows what a server says, and looks at every request.
func FuzzARedirectStaysOnItsOrigin(f *testing.F) {
	for _, l := range []string{"/v3", "https://api.test:443/x", "//evil.test/", "https://api.test@evil.test", "https://api.test.evil.test", "http://api.test/", "\\\\evil.test", "https:evil.test", "?", "https://API.TEST/x?a=b"} {
		f.Add(l, 307)
	}
	f.Fuzz(func(t *testing.T, location string, status int) {
		s, err := New(plain("https://api.test/v2"), NewClient("test", Budget{}, failing{io.EOF}), testMetrics)
		if err != nil {
			t.Fatal(err)
		}
		hops := 0
		sending := s.http.Transport.(*sender)
		sending.next = transport(func(r *http.Request) (*http.Response, error) {
			hops++
			if host := strings.ToLower(strings.TrimSuffix(r.URL.Host, ":443")); r.URL.Scheme != "https" || host != "api.test" || r.URL.User != nil || hops > maxRedirects+1 || r.URL.Query().Get("api_key") != canary {
				t.Fatalf("hop %d: %q led to %s", hops, location, r.URL)
			}
			h := http.Header{"Location": {location}, "Date": {date.Format(http.TimeFormat)}}
			return &http.Response{StatusCode: 300 + (status%100+100)%100, Header: h, Body: http.NoBody, Request: r}, nil
		})
		if _, err := s.Fetch(t.Context(), everything); err == nil {
			t.Fatal("a redirect is no page")
		}
	})
}
