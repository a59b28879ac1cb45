package replica

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
)

// A token says behind which record a page begins: by what it is sorted by there, and its
// key. So a page is found however the records before it change.
type token struct {
	values []driver.Value
	key    string
}

// tokenJSON is a token's text before it is base64. Each value begins with a letter for its
// kind.
type tokenJSON struct {
	Sort   []byte   `json:"s"`
	Values [][]byte `json:"v"`
	Key    []byte   `json:"k"`
}

var errToken = errors.New("is not the \"next\" of an answer to this query: filter and sort are to stay the same from page to page")

// sortDigest tells sorts apart.
func sortDigest(sort []sortKey) []byte {
	h := sha256.New()
	for _, k := range sort {
		h.Write([]byte(strconv.Quote(k.field.key()) + strconv.FormatBool(k.descending)))
	}
	return h.Sum(nil)[:8]
}

func (t *token) text(sort []sortKey) string {
	j := tokenJSON{Sort: sortDigest(sort), Key: []byte(t.key)}
	for _, v := range t.values {
		j.Values = append(j.Values, packValue(v))
	}
	text, _ := json.Marshal(j) // bytes
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseToken(text string, sort []sortKey) (*token, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	var j tokenJSON
	if err != nil || json.Unmarshal(data, &j) != nil || string(j.Sort) != string(sortDigest(sort)) || len(j.Values) != len(sort) {
		return nil, errToken
	}
	t := &token{key: string(j.Key)}
	for _, packed := range j.Values {
		v, ok := unpackValue(packed)
		if !ok {
			return nil, errToken
		}
		t.values = append(t.values, v)
	}
	return t, nil
}

func packValue(v driver.Value) []byte {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt([]byte{'i'}, v, 10)
	case float64:
		return strconv.AppendUint([]byte{'f'}, math.Float64bits(v), 16)
	case string:
		return append([]byte{'t'}, v...)
	case []byte:
		return append([]byte{'b'}, v...)
	}
	return []byte{'n'}
}

func unpackValue(packed []byte) (driver.Value, bool) {
	if len(packed) == 0 {
		return nil, false
	}
	rest := packed[1:]
	switch packed[0] {
	case 'n':
		return nil, len(rest) == 0
	case 'i':
		i, err := strconv.ParseInt(string(rest), 10, 64)
		return i, err == nil
	case 'f':
		bits, err := strconv.ParseUint(string(rest), 16, 64)
		f := math.Float64frombits(bits)
		return f, err == nil && f == f
	case 't':
		return string(rest), true
	case 'b':
		return rest, len(rest) > 0
	}
	return nil, false
}

// anyValue scans a value as it is.
type anyValue struct{ into *driver.Value }

// Scan copies a value: that of a row is gone with the next.
func (v anyValue) Scan(from any) error {
	if b, ok := from.([]byte); ok {
		from = append([]byte{}, b...)
	}
	*v.into = from
	return nil
}
