package offsets

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// A Ring holds the keys by which secrets are sealed in the offsets topic, with AES-256-GCM:
// the first seals, all of them open. It formats as the names of its keys alone.
type Ring struct {
	ids   []string
	aeads []cipher.AEAD
}

// Sealed is a text that only a holder of the key can read, or make.
type Sealed struct {
	// Key names the key of the ring.
	Key string
	// Text is a random nonce of 12 bytes, the ciphertext, and its tag of 16 bytes.
	Text []byte
}

// SealKeySize is the size of a key in bytes.
const SealKeySize = 32

// ParseSealKey reads a key of 32 bytes as 64 hexadecimal digits or in base64, of either
// alphabet, with or without padding. Its error does not repeat any of the text.
func ParseSealKey(text string) ([]byte, error) {
	key, err := hex.DecodeString(text)
	if len(text) != 2*SealKeySize || err != nil {
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		// Strict refuses bits that belong to no byte: a key that lost a character shows.
		key, err = base64.RawStdEncoding.Strict().DecodeString(plain)
	}
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("is neither %d hexadecimal digits nor base64", 2*SealKeySize)
	}
	if len(key) != SealKeySize {
		return nil, fmt.Errorf("is %d bytes long instead of %d: `openssl rand -hex %d` makes one", len(key), SealKeySize, SealKeySize)
	}
	if slices.Max(key) == slices.Min(key) {
		return nil, errors.New("is one byte again and again: that is no key")
	}
	return key, nil
}

// NewRing returns an empty ring.
func NewRing() *Ring { return &Ring{} }

// Add adds a key of 32 bytes, after those that are there.
func (r *Ring) Add(id string, key []byte) error {
	if id == "" || slices.Contains(r.ids, id) {
		return fmt.Errorf("key id %q is empty, or there twice", id)
	}
	if len(key) != SealKeySize {
		return fmt.Errorf("key %q is %d bytes long instead of %d", id, len(key), SealKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	r.ids, r.aeads = append(r.ids, id), append(r.aeads, aead)
	return nil
}

// First names the key that seals, "" for a ring without keys.
func (r *Ring) First() string {
	if r == nil || len(r.ids) == 0 {
		return ""
	}
	return r.ids[0]
}

// Seal seals a text by the first key. What it is bound to is not kept in it, and opening
// it wants the same: a record that was copied elsewhere opens nothing there.
func (r *Ring) Seal(plain []byte, boundTo ...string) (Sealed, error) {
	if r.First() == "" {
		return Sealed{}, errors.New("the config has no `seal` key")
	}
	s := Sealed{Key: r.ids[0]}
	s.Text = r.aeads[0].Seal(nil, nil, plain, bound(s.Key, boundTo))
	return s, nil
}

// A KeyError is a sealed text that the ring cannot open.
type KeyError struct {
	Key string
	// Unknown says that the ring has no key of that name; else it has one, and the text
	// is not of it, or is bound to something else.
	Unknown bool
}

func (e *KeyError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("it is sealed by key %q, which is not under `seal.keys`: put it there and start again", e.Key)
	}
	return fmt.Sprintf("it cannot be opened by key %q: the key is another one than it was sealed by, or the record was altered, or is of another offsets topic or source", e.Key)
}

// Open returns the text that was sealed, bound to the same. Its error is a *KeyError.
func (r *Ring) Open(s Sealed, boundTo ...string) ([]byte, error) {
	i := -1
	if r != nil {
		i = slices.Index(r.ids, s.Key)
	}
	if i < 0 {
		return nil, &KeyError{Key: s.Key, Unknown: true}
	}
	plain, err := r.aeads[i].Open(nil, nil, s.Text, bound(s.Key, boundTo))
	if err != nil {
		return nil, &KeyError{Key: s.Key}
	}
	return plain, nil
}

// bound is the additional data of a sealed text, as a key of the topic is written: JSON
// keeps the parts apart whatever they hold.
func bound(id string, to []string) []byte { return key(append([]string{"sealed", id}, to...)...) }

// String names the keys.
func (r *Ring) String() string {
	if r == nil {
		return "no keys"
	}
	return "keys " + strings.Join(r.ids, ", ")
}

// Format writes String whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// LogValue returns String.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }
