package replica

import (
	"bytes"
	"database/sql/driver"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tributary/connector/rest/canon"
)

// A value of a record is one of SQLite's: missing and null are NULL, numbers INTEGER or
// REAL, texts TEXT, and what else there is is a BLOB with its JSON: true, false, an array,
// an object. No two kinds are ever equal, and they sort in this order.
//
// A whole number between -2^63 and 2^63-1 is exact, any other number the nearest binary64.

var (
	jsonTrue, jsonFalse     = []byte("true"), []byte("false")
	emptyArray, emptyObject = []byte("[]"), []byte("{}")
)

// valueOf returns the value that a JSON text says. nil is a value that is missing. Arrays
// and objects alias it.
func valueOf(raw []byte) driver.Value {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 {
		return nil
	}
	switch raw[0] {
	case 'n':
		return nil
	case 't':
		return jsonTrue
	case 'f':
		return jsonFalse
	case '"':
		text, _ := canon.Unquote(nil, raw) // half a character stays an escape
		return string(text)
	case '[':
		if bytes.TrimLeft(raw[1:], " \t\r\n")[0] == ']' {
			return emptyArray
		}
		return raw
	case '{':
		if bytes.TrimLeft(raw[1:], " \t\r\n")[0] == '}' {
			return emptyObject
		}
		return raw
	}
	return numberOf(string(raw))
}

func numberOf(text string) driver.Value {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	f, _ := strconv.ParseFloat(text, 64) // beyond all bounds it is infinite
	return f
}

// appendValue writes a value as JSON.
func appendValue(dst []byte, v driver.Value) []byte {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloat(dst, v)
	case string:
		dst, _ = jsontext.AppendQuote(dst, v) // of what is no UTF-8 something is written all the same
		return dst
	case []byte:
		return append(dst, v...)
	}
	return append(dst, "null"...)
}

// appendFloat writes a number as JSON has it, and one that JSON has not as null.
func appendFloat(dst []byte, f float64) []byte {
	if f != f || f > 1.7976931348623157e308 || f < -1.7976931348623157e308 {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// sameValue says whether two values are equal, as SQLite does.
func sameValue(a, b driver.Value) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		b, ok := b.(string)
		return ok && a == b
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case int64:
		switch b := b.(type) {
		case int64:
			return a == b
		case float64:
			return sameNumber(a, b)
		}
	case float64:
		switch b := b.(type) {
		case int64:
			return sameNumber(b, a)
		case float64:
			return a == b
		}
	}
	return false
}

// sameNumber compares without a digit lost.
func sameNumber(i int64, f float64) bool {
	return f >= -1<<63 && f < 1<<63 && int64(f) == i && float64(int64(f)) == f
}

// includes says whether an array has an element of that value.
func includes(array []byte, want driver.Value) (bool, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(array), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return false, err
	}
	for d.PeekKind() != ']' {
		raw, err := d.ReadValue()
		if err != nil {
			return false, err
		}
		if sameValue(valueOf(raw), want) {
			return true, nil
		}
	}
	return false, nil
}
