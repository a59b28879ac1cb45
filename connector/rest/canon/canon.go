package canon

import (
	"crypto/sha256"
	"errors"

	"tributary/connector"
)

// ErrNoArray is a document without an array where its records should be.
var ErrNoArray = errors.New("there is no array of records")

// Hasher makes the digests of records and finds fields in them. It is for one
// goroutine.
type Hasher struct{ w walker }

// NewHasher returns a Hasher of the fields at the paths include, or of all but those
// at exclude, that finds the values at the paths find and goes maxDepth deep.
func NewHasher(include, exclude, find []string, maxDepth int) *Hasher {
	return &Hasher{walker{root: tree(include, exclude, find), limit: maxDepth, within: indexes(find)}}
}

// Sum returns the digest of the value at src[i], which is depth deep in its
// document (1: the document itself), and the index behind it. src has passed Check.
func (h *Hasher) Sum(src []byte, i, depth int) (sum connector.Hash, end int, err error) {
	h.w.begin(src)
	if end = h.w.value(i, depth, h.w.root); end < 0 {
		return sum, end, h.w.err
	}
	digest := sha256.Sum256(h.w.out)
	return connector.Hash(digest[:len(sum)]), end, nil
}

// Found returns the text of the value at the k-th path in the value summed last, nil
// if it has none. It is a piece of src.
func (h *Hasher) Found(k int) []byte { return h.w.at(k) }

// Release forgets the text of the value summed last, which would otherwise stay in
// memory until the next.
func (h *Hasher) Release() { h.w.release() }

// Envelope finds the values around an array of records. It is for one goroutine.
type Envelope struct{ w walker }

// NewEnvelope returns an Envelope around the array at the path records, with the
// values at the paths find, maxDepth deep.
func NewEnvelope(records string, find []string, maxDepth int) *Envelope {
	t := tree(nil, nil, find)
	t.at(records).each = true
	t.settle(true)
	return &Envelope{walker{root: t, limit: maxDepth, within: indexes(find)}}
}

// Walk goes through a whole document that has passed Check, and calls each with the
// index of every record and its depth. It returns the index behind the record.
func (e *Envelope) Walk(src []byte, each func(at, depth int) (end int, err error)) error {
	e.w.begin(src)
	e.w.each = each
	e.w.visited = false
	if e.w.value(space(src, 0), 1, e.w.root) < 0 {
		return e.w.err
	}
	if !e.w.visited {
		return ErrNoArray
	}
	return nil
}

// Found returns the text of the value at the k-th path in the document walked last,
// nil if it has none. It is a piece of src.
func (e *Envelope) Found(k int) []byte { return e.w.at(k) }

// Release forgets the document walked last.
func (e *Envelope) Release() { e.w.release() }
