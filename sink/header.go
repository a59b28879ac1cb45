package sink

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// Header is what the headers of a data record say. It is what appendRecords writes, read
// back.
type Header struct {
	// Seq is the number of the batch, I the record's place in it and N how many records
	// the batch has. N is 0 where tributary_batch is missing or malformed.
	Seq  uint64
	I, N uint32
	// Digest is that of the value. Hashed says that tributary_hash could be read; Print
	// and Hash are what it says.
	Digest [16]byte
	Hashed bool
	Print  uint16
	Hash   connector.Hash
	// Time is the record's instant.
	Time connector.Instant
	// Deleted says that ce_type names a deletion.
	Deleted bool
	// Renamed says that it was published under another name of its source or collection:
	// a state may have been imported under a new one.
	Renamed bool
}

// HeaderReader reads the headers of one collection's records.
type HeaderReader struct {
	headers
	other   map[string]*headers // by ce_source
	scratch []byte
}

// NewHeaderReader returns a reader for the records of a collection.
func NewHeaderReader(source, collection string) *HeaderReader {
	return &HeaderReader{headers: newHeaders(source, collection), other: map[string]*headers{}}
}

// named returns what the headers of a collection hold whose ce_source is given, nil if it
// names none.
func (h *HeaderReader) named(ceSource []byte) *headers {
	if bytes.Equal(ceSource, h.source) {
		return &h.headers
	}
	if o := h.other[string(ceSource)]; o != nil {
		return o
	}
	source, collection, ok := strings.Cut(strings.TrimPrefix(string(ceSource), "/"), "/")
	if !ok || source == "" || collection == "" || ceSource[0] != '/' || len(h.other) > 100 {
		return nil
	}
	o := newHeaders(source, collection)
	h.other[string(ceSource)] = &o
	return &o
}

// Read reads the headers of a record. Its error says what is missing, malformed, or at
// odds with the record's key and value; what could be read is returned all the same. It
// does not compare the digest with the value.
func (h *HeaderReader) Read(r *kgo.Record) (out Header, err error) {
	var seen [kinds]bool
	wrong := func(format string, args ...any) {
		if err == nil {
			err = fmt.Errorf(format, args...)
		}
	}
	var ceID, ceType, ceSource []byte
	for i := range r.Headers {
		name, v := r.Headers[i].Key, r.Headers[i].Value
		kind, ok := headerKinds[name]
		if !ok {
			continue // another program's
		}
		if seen[kind] {
			wrong("%s stands there twice", name)
		}
		seen[kind] = true
		switch kind {
		case kindSpec:
			ok = bytes.Equal(v, specVersion)
		case kindType:
			ceType = v
		case kindSource:
			ceSource = v
		case kindID:
			ceID = v
		case kindTime:
			var bad error
			out.Time, bad = connector.ParseInstant(string(v))
			ok = bad == nil && len(v) > 0 && v[len(v)-1] == 'Z'
		case kindSubject:
			ok = bytes.Equal(v, r.Key)
		case kindBatch:
			ok = out.parseBatch(v)
		case kindContent:
			ok = bytes.Equal(v, contentType)
		case kindDigest:
			ok = parseHex(out.Digest[:], v)
		case kindHash:
			ok = out.parseHash(v)
		}
		if !ok {
			wrong("%s is %.80q", name, v)
		}
	}
	if seen[kindType] && seen[kindSource] {
		switch named := h.named(ceSource); {
		case named == nil:
			wrong("ce_source is %.80q", ceSource)
		case !bytes.Equal(ceType, named.upserted) && !bytes.Equal(ceType, named.deleted):
			wrong("ce_type is %.80q and ce_source %.80q", ceType, ceSource)
		default:
			out.Deleted, out.Renamed = bytes.Equal(ceType, named.deleted), named != &h.headers
		}
	}
	h.complete(r, &seen, &out, wrong)
	if out.N > 0 {
		h.scratch = append(strconv.AppendUint(h.scratch[:0], out.Seq, 10), '.')
		h.scratch = strconv.AppendUint(h.scratch, uint64(out.I), 10)
		if seen[kindID] && !bytes.Equal(ceID, h.scratch) {
			wrong("ce_id is %.80q and tributary_batch says %s", ceID, h.scratch)
		}
	}
	return out, err
}

// complete checks that there are the headers that a record of its kind has, and no other
// ones.
func (h *HeaderReader) complete(r *kgo.Record, seen *[kinds]bool, out *Header, wrong func(string, ...any)) {
	for kind, name := range headerNames {
		live := kind == kindContent || kind == kindDigest || kind == kindHash // not on deletions
		switch {
		case !seen[kind] && (!live || r.Value != nil):
			wrong("there is no %s", name)
		case seen[kind] && live && r.Value == nil:
			wrong("there is a %s on a deletion", name)
		}
	}
	if seen[kindType] && out.Deleted != (r.Value == nil) {
		wrong("ce_type does not fit the value: one of them is a deletion's")
	}
}

// The headers, in the order in which they are written.
const (
	kindSpec = iota
	kindType
	kindSource
	kindID
	kindTime
	kindSubject
	kindBatch
	kindContent
	kindDigest
	kindHash
	kinds
)

var headerNames = [kinds]string{
	"ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "ce_subject",
	"tributary_batch", "content-type", "tributary_digest", "tributary_hash",
}

var headerKinds = func() map[string]int {
	m := map[string]int{}
	for i, name := range headerNames {
		m[name] = i
	}
	return m
}()

// parseBatch reads SEQ.I.N.
func (h *Header) parseBatch(v []byte) bool {
	seq, rest, ok1 := bytes.Cut(v, dot)
	i, n, ok2 := bytes.Cut(rest, dot)
	if !ok1 || !ok2 {
		return false
	}
	a, ok1 := parseNumber(seq)
	b, ok2 := parseNumber(i)
	c, ok3 := parseNumber(n)
	if !ok1 || !ok2 || !ok3 || a == 0 || b >= c || c >= 1<<32 {
		return false
	}
	h.Seq, h.I, h.N = a, uint32(b), uint32(c)
	return true
}

var dot = []byte(".")

// parseHash reads P.HEX.
func (h *Header) parseHash(v []byte) bool {
	print, hash, ok := bytes.Cut(v, dot)
	n, number := parseNumber(print)
	if !ok || !number || n >= 1<<16 || !parseHex(h.Hash[:], hash) {
		return false
	}
	h.Print, h.Hashed = uint16(n), true
	return true
}

// parseNumber reads a number in the one form in which it is written: digits, and no zero
// before them.
func parseNumber(v []byte) (n uint64, ok bool) {
	if len(v) == 0 || len(v) > 20 || (v[0] == '0' && len(v) > 1) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v), 10, 64)
	return n, err == nil && v[0] >= '0' // not a sign
}

// parseHex reads lower-case hexadecimal digits of exactly into's length.
func parseHex(into, v []byte) bool {
	if len(v) != hex.EncodedLen(len(into)) || bytes.ContainsAny(v, "ABCDEF") {
		return false
	}
	_, err := hex.Decode(into, v)
	return err == nil
}
