package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// headers are those of one collection whose values never change.
type headers struct {
	upserted, deleted, source []byte
}

func newHeaders(source, collection string) headers {
	return headers{
		upserted: []byte(source + "." + collection + ".upserted"),
		deleted:  []byte(source + "." + collection + ".deleted"),
		source:   []byte("/" + source + "/" + collection),
	}
}

var (
	specVersion = []byte("1.0")
	contentType = []byte("application/json")
)

// perRecord is how many headers a record has at most.
const perRecord = 10

// overhead bounds what a record adds to its key, value and subject: its own framing,
// the batch's, and headers.
const overhead = 640

// appendRecords appends the data records of a batch to dst. All their headers and texts
// lie in a few large pieces: a backfill makes a million of them.
func (h headers) appendRecords(dst []*kgo.Record, topic string, b *connector.Batch) []*kgo.Record {
	n := len(b.Changes)
	if n == 0 {
		return dst
	}
	slab := make([]kgo.Record, n)
	head := make([]kgo.RecordHeader, 0, n*perRecord)
	text := make([]byte, 0, n*192)
	// cut appends a text and returns it; the memory behind it is never written again.
	cut := func(more func([]byte) []byte) []byte {
		from := len(text)
		text = more(text)
		return text[from:len(text):len(text)]
	}
	print := uint16(0) // of a state without any, whose batches only delete
	if last := len(b.State.Prints) - 1; last >= 0 {
		print = b.State.Prints[last].Number
	}
	for i := range b.Changes {
		c := &b.Changes[i]
		r := &slab[i]
		r.Topic, r.Value = topic, c.Value
		r.Key = cut(func(t []byte) []byte { return append(t, c.ID...) })
		batch := cut(func(t []byte) []byte {
			t = append(strconv.AppendUint(t, b.State.Seq, 10), '.')
			t = append(strconv.AppendInt(t, int64(i), 10), '.')
			return strconv.AppendInt(t, int64(n), 10)
		})
		id := batch[:len(batch)-1-digits(n)]
		time := cut(func(t []byte) []byte { return c.Instant.Time().AppendFormat(t, "2006-01-02T15:04:05.000000Z") })
		from := len(head)
		head = append(head,
			kgo.RecordHeader{Key: "ce_specversion", Value: specVersion},
			kgo.RecordHeader{Key: "ce_type", Value: h.upserted},
			kgo.RecordHeader{Key: "ce_source", Value: h.source},
			kgo.RecordHeader{Key: "ce_id", Value: id},
			kgo.RecordHeader{Key: "ce_time", Value: time},
			kgo.RecordHeader{Key: "ce_subject", Value: r.Key},
			kgo.RecordHeader{Key: "tributary_batch", Value: batch},
		)
		if c.Value == nil {
			head[from+1].Value = h.deleted
		} else {
			digest := sha256.Sum256(c.Value)
			head = append(head,
				kgo.RecordHeader{Key: "content-type", Value: contentType},
				kgo.RecordHeader{Key: "tributary_digest", Value: cut(func(t []byte) []byte { return hex.AppendEncode(t, digest[:16]) })},
				kgo.RecordHeader{Key: "tributary_hash", Value: cut(func(t []byte) []byte {
					t = append(strconv.AppendUint(t, uint64(print), 10), '.')
					return hex.AppendEncode(t, c.Hash[:])
				})},
			)
		}
		r.Headers = head[from:len(head):len(head)]
		dst = append(dst, r)
	}
	return dst
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}
