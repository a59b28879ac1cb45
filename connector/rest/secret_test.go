package rest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// A server that repeats what it was sent encodes it in its own way, with what stood beside
// it. What is left of it may be its ends, which say nothing.
func TestASecretIsHiddenInWhateverWayItIsWritten(t *testing.T) {
	t.Parallel()
	s := newScrubber(&Config{Auth: &Auth{Bearer: canary}})
	escapes := map[string]func(string) string{"as it is": func(s string) string { return s }, "escaped": url.QueryEscape}
	encodings := map[string]func(string) string{
		"in base64":          func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"in base64 of urls":  func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"in digits":          func(s string) string { return hex.EncodeToString([]byte(s)) },
		"in capital digits":  func(s string) string { return fmt.Sprintf("%X", s) },
		"in a query":         url.QueryEscape,
		"with escaped signs": func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
	}
	for escaped, escape := range escapes {
		for encoding, encode := range encodings {
			for _, beside := range []string{"", ":", "a:", "client:"} {
				plain := beside + escape(canary) + beside
				left := strings.ReplaceAll(s.text(encode(plain)), hidden, "")
				if most := len(encode(beside+beside)) + 12; len(left) > most {
					t.Errorf("%s, %s, beside %q: %q is left of %q", escaped, encoding, beside, left, encode(plain))
				}
			}
		}
	}
}
