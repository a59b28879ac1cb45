package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// headers are those of a data record, as far as they could be read.
type headers struct {
	seq, i, n         int64 // all 0 if there is no good tributary_batch
	digest            string
	fingerprint, hash string
	time              time.Time
}

var (
	digestForm = regexp.MustCompile(`^[0-9a-f]{32}$`)
	hashForm   = regexp.MustCompile(`^(\d+)\.([0-9a-f]{32})$`)
)

// digest is what tributary_digest must say of a value.
func digest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:16])
}

// parseHeaders reads a record's headers and says what is wrong with them.
func parseHeaders(r *kgo.Record) (h headers, problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	text := make(map[string]string, len(r.Headers))
	for _, header := range r.Headers {
		if _, again := text[header.Key]; again {
			complain("%s stands there twice", header.Key)
		}
		text[header.Key] = string(header.Value)
	}
	for _, name := range []string{"ce_id", "ce_type", "ce_source", "ce_subject"} {
		if text[name] == "" {
			complain("no %s", name)
		}
	}
	if v := text["ce_specversion"]; v != "1.0" {
		complain("ce_specversion %q", v)
	}
	var err error
	if h.time, err = time.Parse(time.RFC3339Nano, text["ce_time"]); err != nil {
		complain("ce_time %q", text["ce_time"])
	}
	var ok bool
	if h.seq, h.i, h.n, ok = parseBatch(text["tributary_batch"]); !ok {
		complain("tributary_batch %q", text["tributary_batch"])
	}
	if r.Value == nil {
		for _, name := range []string{"tributary_digest", "tributary_hash"} {
			if v, there := text[name]; there {
				complain("%s %q on a tombstone", name, v)
			}
		}
		return h, problems
	}
	if text["content-type"] == "" {
		complain("no content-type")
	}
	if h.digest = text["tributary_digest"]; !digestForm.MatchString(h.digest) {
		complain("tributary_digest %q", h.digest)
	}
	if m := hashForm.FindStringSubmatch(text["tributary_hash"]); m != nil {
		h.fingerprint, h.hash = m[1], m[2]
	} else {
		complain("tributary_hash %q", text["tributary_hash"])
	}
	return h, problems
}

// parseBatch reads "<seq>.<i>.<n>".
func parseBatch(text string) (seq, i, n int64, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return 0, 0, 0, false
	}
	var numbers [3]int64
	for k, part := range parts {
		v, err := strconv.ParseInt(part, 10, 64)
		if err != nil || strconv.FormatInt(v, 10) != part {
			return 0, 0, 0, false
		}
		numbers[k] = v
	}
	seq, i, n = numbers[0], numbers[1], numbers[2]
	if seq < 1 || i < 0 || i >= n {
		return 0, 0, 0, false
	}
	return seq, i, n, true
}
