package offsets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// Sum is the multiset hash over what survives compaction of one collection: four
// words, the least significant first.
type Sum [4]uint64

// add counts a key and value in, sub out again. scratch is reused memory.
func (s *Sum) add(key, value []byte, scratch *[]byte) {
	d := digest(key, value, scratch)
	var c uint64
	for i := range s {
		s[i], c = bits.Add64(s[i], d[i], c)
	}
}

func (s *Sum) sub(key, value []byte, scratch *[]byte) {
	d := digest(key, value, scratch)
	var c uint64
	for i := range s {
		s[i], c = bits.Sub64(s[i], d[i], c)
	}
}

// digest hashes key and value, each behind its length, so that no two pairs have the
// same text.
func digest(key, value []byte, scratch *[]byte) Sum {
	b := binary.BigEndian.AppendUint32((*scratch)[:0], uint32(len(key)))
	b = append(b, key...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	b = append(b, value...)
	*scratch = b
	h := sha256.Sum256(b)
	var d Sum
	for i := range d {
		d[i] = binary.BigEndian.Uint64(h[24-8*i:])
	}
	return d
}

// String returns the sum as 64 hexadecimal digits, most significant first.
func (s Sum) String() string {
	var b [32]byte
	for i, w := range s {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
	return hex.EncodeToString(b[:])
}

func parseSum(text string) (Sum, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 {
		return Sum{}, fmt.Errorf("sum %.80q is not 64 hexadecimal digits", text)
	}
	var s Sum
	for i := range s {
		s[i] = binary.BigEndian.Uint64(b[24-8*i:])
	}
	return s, nil
}
