package canon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Why a text is refused.
var (
	ErrEncoding  = errors.New("it is not UTF-8")
	ErrTruncated = errors.New("it ends in the middle")
	ErrSyntax    = errors.New("it is not JSON")
	ErrTrailing  = errors.New("something follows the JSON document")
	ErrDeep      = errors.New("it is nested too deep")
	ErrDuplicate = errors.New("an object has two members of one name")
)

// Check says whether src is exactly one JSON document in UTF-8 (RFC 8259), with
// what is wrong and where. Lone surrogates in escapes are accepted. Duplicate names
// are left to the walk, which sorts them anyway.
func Check(src []byte, maxDepth int) error {
	// The decoder below is told to let invalid UTF-8 pass, for only so does it let
	// lone surrogates pass: the raw bytes are checked here.
	if !utf8.Valid(src) {
		return ErrEncoding
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(src), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	_, err := d.ReadValue()
	switch {
	case err == nil:
	case tooDeep(src, d.InputOffset(), maxDepth):
		return ErrDeep
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	default:
		at := d.InputOffset()
		if s := (*jsontext.SyntacticError)(nil); errors.As(err, &s) {
			at = s.ByteOffset // and not its text, which quotes the document
		}
		return fmt.Errorf("%w (byte %d)", ErrSyntax, at)
	}
	if rest := bytes.TrimLeft(src[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("%w (byte %d)", ErrTrailing, len(src)-len(rest))
	}
	return nil
}

// tooDeep says whether a text that the decoder refused is nested deeper than max:
// the decoder has a limit of its own, and no name for that error.
func tooDeep(src []byte, from int64, limit int) bool {
	depth, quoted := 0, false
	for i := int(from); i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > limit {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// space returns the index of the first byte from i on that is not white space, in a
// text that has passed Check.
func space(src []byte, i int) int {
	for i < len(src) && src[i] <= ' ' {
		i++
	}
	return i
}
