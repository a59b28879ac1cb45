package rest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
)

// refusal is a body that is refused whole. Its reason is one of
// connector.RefusedReasons.
type refusal struct{ reason, text string }

func (r *refusal) Error() string { return r.text }

// bodyReader receives bodies, one after the other. It bounds what comes over the
// wire and what that unpacks to, for a kilobyte can unpack to a megabyte.
type bodyReader struct {
	maxBody, maxReceived int64
	words                wording

	last int // size of the last body: the next is often like it
}

// read returns the whole body, which is the caller's. An error that is no refusal is
// the connection's.
func (b *bodyReader) read(resp *http.Response) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && (t == "text/html" || t == "application/xhtml+xml") {
		return nil, &refusal{"html", "it is a web page and not JSON: a proxy, a login or a wrong url answers"}
	}
	if resp.ContentLength > b.maxReceived {
		return nil, b.tooLarge("received", b.maxReceived)
	}
	body, err := b.receive(resp)
	if err != nil {
		return nil, err
	}
	if begin := bytes.TrimLeft(body[:min(len(body), 64)], " \t\r\n"); len(begin) > 0 && begin[0] == '<' {
		return nil, &refusal{"html", "it begins like HTML or XML and not like JSON: a proxy, a login or a wrong url answers"}
	}
	b.last = len(body)
	return body, nil
}

func (b *bodyReader) tooLarge(what string, limit int64) error {
	return &refusal{"too_large", fmt.Sprintf("it has more than %d bytes as %s: %s", limit, what, b.words.tooLarge)}
}

func (b *bodyReader) receive(resp *http.Response) ([]byte, error) {
	received := &counter{r: resp.Body, left: b.maxReceived}
	decoded, done, err := b.decoder(resp, received)
	if err != nil {
		return nil, b.explain(err)
	}
	defer done()
	size := int64(b.last + b.last/8)
	if decoded == io.Reader(received) && resp.ContentLength > 0 {
		size = resp.ContentLength
	}
	// One byte over the limit shows that there is more. What a header claims is
	// believed up to a point only: memory is taken as the bytes come.
	buf := bytes.NewBuffer(make([]byte, 0, min(max(size, 4<<10), b.maxBody, 4<<20)+bytes.MinRead))
	_, err = buf.ReadFrom(io.LimitReader(decoded, b.maxBody+1))
	if int64(buf.Len()) > b.maxBody {
		return nil, b.tooLarge("unpacked", b.maxBody)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return buf.Bytes(), nil
}

// zips holds gzip readers: one is 40 KB, too much for each of thousands of
// collections.
var zips = sync.Pool{New: func() any { return new(gzip.Reader) }}

// decoder undoes the Content-Encoding of a body, until done.
func (b *bodyReader) decoder(resp *http.Response, received *counter) (r io.Reader, done func(), err error) {
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return received, func() {}, nil
	case "gzip", "x-gzip":
		z := zips.Get().(*gzip.Reader)
		if err := z.Reset(received); err != nil {
			return nil, nil, err
		}
		return z, func() { zips.Put(z) }, nil
	default:
		return nil, nil, &refusal{"encoding", "it has a Content-Encoding that was not asked for; only gzip is"}
	}
}

func (b *bodyReader) explain(err error) error {
	corrupt := flate.CorruptInputError(0)
	switch {
	case errors.Is(err, errReceived):
		return b.tooLarge("received", b.maxReceived)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &refusal{"truncated", "it was cut before its end"}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return &refusal{"encoding", "its gzip is corrupt"}
	}
	return err
}

var errReceived = errors.New("more was received than is allowed")

// counter fails when more than left bytes come.
type counter struct {
	r    io.Reader
	left int64
}

func (c *counter) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, errReceived
	}
	return n, err
}
