package offsets

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// Encoder turns the batches of one collection into records of the offsets topic, in
// their order: it carries the sum from each to the next.
type Encoder struct {
	topic     string
	partition int32
	name      Name
	identity  Identity
	instance  string
	sum       Sum

	keys     keyBuffer
	stateKey []byte
	scratch  []byte
}

// NewEncoder goes on from what was loaded of a collection. Its records are for that
// partition of topic; identity is the data topic's.
func NewEncoder(topic string, partition int32, c *Collection, identity Identity, instance string) *Encoder {
	e := &Encoder{topic: topic, partition: partition, name: c.Name, identity: identity, instance: instance, sum: c.Sum}
	e.keys.name(c.Name)
	e.stateKey = key(kindState, c.Name.Source, c.Name.Collection)
	return e
}

// Records appends a batch's records to dst, the state last, and returns with them how
// many bytes of keys and values they hold.
func (e *Encoder) Records(dst []*kgo.Record, b *connector.Batch) ([]*kgo.Record, int) {
	n := len(b.Entries) + len(b.Doubts) + len(b.Receipts) + 1
	slab := make([]kgo.Record, 0, n)
	buf := make([]byte, 0, len(b.Entries)*(len(e.keys.entry)+16+entrySize))
	size := 0
	add := func(key, value []byte) {
		slab = append(slab, kgo.Record{Topic: e.topic, Partition: e.partition, Key: key, Value: value})
		dst = append(dst, &slab[len(slab)-1])
		size += len(key) + len(value)
	}
	for _, c := range b.Entries {
		from := len(buf)
		buf = e.keys.append(buf, kindEntry, c.ID)
		k := buf[from:len(buf):len(buf)]
		if c.Had {
			// The old value lies behind the key for a moment only.
			e.sum.sub(k, appendEntry(buf, c.Old)[len(buf):], &e.scratch)
		}
		var v []byte
		if !c.Drop {
			from = len(buf)
			buf = appendEntry(buf, c.New)
			v = buf[from:len(buf):len(buf)]
			e.sum.add(k, v, &e.scratch)
		}
		add(k, v)
	}
	for _, c := range b.Doubts {
		k := append([]byte(nil), e.keys.of(kindDoubt, c.ID)...)
		if c.Had {
			e.sum.sub(k, encodeDoubt(c.Old), &e.scratch)
		}
		var v []byte
		if !c.Drop {
			v = encodeDoubt(c.New)
			e.sum.add(k, v, &e.scratch)
		}
		add(k, v)
	}
	for _, c := range b.Receipts {
		k := append([]byte(nil), e.keys.of(kindReceipt, c.Key)...)
		if c.Had {
			e.sum.sub(k, encodeReceipt(c.Old), &e.scratch)
		}
		var v []byte
		if !c.Drop {
			v = encodeReceipt(c.New)
			e.sum.add(k, v, &e.scratch)
		}
		add(k, v)
	}
	add(e.stateKey, encodeState(State{State: b.State, Identity: e.identity, Instance: e.instance, Sum: e.sum, Partial: b.Partial}))
	return dst, size
}

// ClaimRecord returns the record by which an instance claims a lane.
func ClaimRecord(topic string, partition int32, c Claim) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Key: key(kindClaim), Value: encodeClaim(c)}
}

// LayoutRecord returns the record that says how sources map to lanes.
func LayoutRecord(topic string, partition int32, l Layout) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Key: key(kindLayout), Value: encodeLayout(l)}
}
