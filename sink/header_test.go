package sink

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

func sampleRecords() []*kgo.Record {
	b := &connector.Batch{
		Changes: []connector.Change{
			{ID: "17", Instant: 1_000_001, Value: []byte(`{"id":17}`), Hash: connector.Hash{1, 2, 255}},
			{ID: "ä", Instant: -5},
		},
		State: connector.State{Seq: 1<<63 + 12, Prints: []connector.Numbered{{Number: 1}, {Number: 7}}},
	}
	return newHeaders("crm", "people").appendRecords(nil, "t", b)
}

func TestHeadersAreReadAsTheyAreWritten(t *testing.T) {
	r := NewHeaderReader("crm", "people")
	records := sampleRecords()
	up, err := r.Read(records[0])
	if err != nil || up.Seq != 1<<63+12 || up.I != 0 || up.N != 2 || !up.Hashed || up.Print != 7 || up.Hash != (connector.Hash{1, 2, 255}) || up.Time != 1_000_001 || up.Deleted || up.Digest == [16]byte{} {
		t.Errorf("%+v, %v", up, err)
	}
	gone, err := r.Read(records[1])
	if err != nil || gone.I != 1 || gone.N != 2 || gone.Hashed || gone.Time != -5 || !gone.Deleted {
		t.Errorf("%+v, %v", gone, err)
	}
}

// After a state was imported under another name, what was published before bears the old.
func TestARecordOfAnotherNameIsReadAsRenamed(t *testing.T) {
	r := NewHeaderReader("sales", "persons")
	for i, rec := range sampleRecords() {
		if h, err := r.Read(rec); err != nil || !h.Renamed || h.Deleted != (i == 1) {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if h, err := NewHeaderReader("crm", "people").Read(sampleRecords()[0]); err != nil || h.Renamed {
		t.Errorf("its own: %+v, %v", h, err)
	}
}

func TestHeadersThatAreWrongAreNamed(t *testing.T) {
	drop := func(name string) func(*kgo.Record) {
		return func(r *kgo.Record) {
			r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h kgo.RecordHeader) bool { return h.Key == name })
		}
	}
	set := func(name, value string) func(*kgo.Record) {
		return func(r *kgo.Record) {
			drop(name)(r)
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
	}
	cases := map[string]struct {
		do   func(*kgo.Record)
		says string
	}{
		"a type of another collection": {set("ce_type", "crm.accounts.upserted"), "ce_type"},
		"a deletion's type":            {set("ce_type", "crm.people.deleted"), "ce_type does not fit"},
		"another source":               {set("ce_source", "/crm/x"), "ce_source"},
		"another id":                   {set("ce_id", "1.1"), "tributary_batch says"},
		"no instant":                   {set("ce_time", "yesterday"), "ce_time"},
		"an instant elsewhere":         {set("ce_time", "2026-01-01T00:00:00+01:00"), "ce_time"},
		"an instant of no time":        {set("ce_time", "forever"), "ce_time"},
		"another subject":              {set("ce_subject", "18"), "ce_subject"},
		"place beyond the batch":       {set("tributary_batch", "3.2.2"), "tributary_batch"},
		"batch 0":                      {set("tributary_batch", "0.0.2"), "tributary_batch"},
		"a sign":                       {set("tributary_batch", "+3.0.2"), "tributary_batch"},
		"a zero before":                {set("tributary_batch", "03.0.2"), "tributary_batch"},
		"two parts":                    {set("tributary_batch", "3.0"), "tributary_batch"},
		"a short digest":               {set("tributary_digest", "abcd"), "tributary_digest"},
		"capitals":                     {set("tributary_digest", strings.Repeat("AB", 16)), "tributary_digest"},
		"a hash without print":         {set("tributary_hash", strings.Repeat("ab", 16)), "tributary_hash"},
		"a print too large":            {set("tributary_hash", "65536."+strings.Repeat("ab", 16)), "tributary_hash"},
		"twice": {func(r *kgo.Record) {
			r.Headers = append(slices.Clone(r.Headers), r.Headers[0])
		}, "ce_specversion stands there twice"},
		"a value that is gone": {func(r *kgo.Record) { r.Value = nil }, "on a deletion"},
	}
	for _, name := range headerNames {
		cases["no "+name] = struct {
			do   func(*kgo.Record)
			says string
		}{drop(name), "there is no " + name}
	}
	for name, c := range cases {
		r := sampleRecords()[0]
		c.do(r)
		if _, err := NewHeaderReader("crm", "people").Read(r); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := sampleRecords()[0]
	set("x-trace", "1")(r)
	if _, err := NewHeaderReader("crm", "people").Read(r); err != nil {
		t.Errorf("a header of another program: %v", err)
	}
}
