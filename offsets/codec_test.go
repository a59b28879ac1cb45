package offsets

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

var (
	sample = State{
		State: connector.State{
			Cursor:   connector.Cursor{Text: "2026-01-02T03:04:05.678901-05:00", Instant: 1767341045678901},
			Trailing: 1767340745678901, Lookback: 5 * time.Minute, Floor: connector.Beginning,
			Prints: []connector.Numbered{{Number: 1, Fingerprint: connector.Fingerprint{
				HashVersion: 1, Exclude: []string{"updated_at"}, ID: "id", Instant: "updated_at", Deletions: "deleted_at"}}},
			Seq: 12,
		},
		Identity: Identity{Topic: "salesloft.people", ID: [16]byte{0xab, 1}, Partitions: 3},
		Instance: "host-1",
		Sum:      Sum{4, 3, 2, 1},
	}
	pulled = func() State {
		s := sample
		s.Reasons, s.Ran = "schedule,manual", sample.Cursor.Instant
		return s
	}()
	swept = connector.Sweep{
		Running: true, Position: connector.Beginning, Started: 1767340745000000, Ended: 1767340740000000, Passed: 1767340740000000,
		Guard: "2 of 3", Listing: "a1", Trusted: "a0", Asked: true, Approved: true,
	}
	people = Name{"salesloft", "people"}
)

// The bytes of the format are a promise to every topic that is out there: a change of
// any of these is a change of version.
func TestTheFormatIsWhatDocSays(t *testing.T) {
	entry := connector.Entry{Instant: 0x0102030405060708, Print: 0x0a0b, Hash: connector.Hash{0xc0, 0xff}}
	for _, c := range []struct{ what, got, want string }{
		{"state key", string(key(kindState, "salesloft", "people")), `["v1","state","salesloft","people"]`},
		{"entry key", string(key(kindEntry, "s", "c", `a"b\c<é`)), `["v1","entry","s","c","a\"b\\c<é"]`},
		{"entry", fmt.Sprintf("%x", appendEntry(nil, entry)), "01000a0b0102030405060708c0ff0000000000000000000000000000"},
		{"mark", fmt.Sprintf("%x", appendEntry(nil, connector.Entry{Instant: -1, Mark: true, Print: 2})), "01010002ffffffffffffffff" + strings.Repeat("0", 32)},
		{"layout", string(encodeLayout(Layout{4, LaneHash})), `{"v":1,"lanes":4,"hash":"fnv1a-64"}`},
		{"claim", string(encodeClaim(Claim{Instance: "h", Run: "9f", At: 0})),
			`{"v":1,"instance":"h","run":"9f","at":"1970-01-01T00:00:00.000000Z","visit":false,"released":false}`},
		{"doubt", string(encodeDoubt(connector.Doubt{Since: 1, At: 2, Absent: true})),
			`{"v":1,"since":"1970-01-01T00:00:00.000001Z","at":"1970-01-01T00:00:00.000002Z","absent":true,"twice":false}`},
		{"receipt", string(encodeReceipt(connector.Receipt{Instant: connector.Beginning, Print: 2, Hash: connector.Hash{0xab, 15: 1}})),
			`{"v":1,"instant":"beginning","print":2,"hash":"ab000000000000000000000000000001"}`},
		{"state", string(encodeState(sample)), `{"v":1,"cursor":"2026-01-02T03:04:05.678901-05:00","cursor_at":"2026-01-02T08:04:05.678901Z",` +
			`"trailing":"2026-01-02T07:59:05.678901Z","lookback":"5m0s","floor":"beginning","prints":[{"number":1,"hash_version":1,"exclude":["updated_at"],` +
			`"id":"id","instant":"updated_at","deletions":"deleted_at"}],"topic":"salesloft.people","topic_id":"ab010000000000000000000000000000","partitions":3,` +
			`"instance":"host-1","seq":12,"sum":"0000000000000001000000000000000200000000000000030000000000000004"}`},
		{"state of a pull", string(encodeState(pulled)[len(encodeState(sample))-1:]), `,"reasons":"schedule,manual","ran":"2026-01-02T08:04:05.678901Z"}`},
		{"handler key", string(key(kindHandler, "crm")), `["v1","handler","crm"]`},
		{"handler", handlerText(connector.HandlerState{Seq: 7, State: []byte(`{ "at" : "<é\u2028>", "at":1e400 }`), Dumped: 1, Pushes: []connector.Push{{ID: "a&1", Seq: 6}}}),
			`{"v":1,"seq":7,"state":{"at":"<é\u2028>","at":1e400},"dumped":"1970-01-01T00:00:00.000001Z","pushes":[{"id":"a&1","seq":6}],"instance":"host"}`},
		{"handler before its first", handlerText(connector.HandlerState{}), `{"v":1,"seq":0,"state":null,"instance":"host"}`},
		{"hold key", string(key(kindHold, "crm", "people")), `["v1","hold","crm","people"]`},
		{"hold", string(encodeHold(Hold{Hold: "paused", Instance: "host", At: 1})), `{"v":1,"hold":"paused","instance":"host","at":"1970-01-01T00:00:00.000001Z"}`},
		{"sweep", string(mustJSON(toSweepJSON(swept))), `{"position":"beginning","started":"2026-01-02T07:59:05.000000Z","ended":"2026-01-02T07:59:00.000000Z",` +
			`"passed":"2026-01-02T07:59:00.000000Z","guard":"2 of 3","listing":"a1","trusted":"a0","asked":true,"approved":true}`},
		{"sweep that never was", string(mustJSON(toSweepJSON(connector.Sweep{}))), `{}`},
		{"lane of salesloft", fmt.Sprint(LaneOf("salesloft", 4)), "0"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, c.got, c.want)
		}
	}
}

func TestASweepIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []connector.Sweep{{}, swept, {Ended: 5}, {Running: true, Position: 7, Started: 6}, {Guard: "x", Approved: true}} {
		s := sample
		s.Sweep = want
		if want.Running {
			s.Feed = connector.Track{Cursor: connector.Cursor{Text: "5.5", Instant: 5_500_000}, Trailing: connector.Beginning}
		}
		got, err := decodeState(encodeState(s))
		if err != nil || got.Sweep != want || got.Feed != s.Feed {
			t.Errorf("got %+v (%v), want %+v", got.Sweep, err, want)
		}
	}
	// A program of before there were sweeps refuses such a state, and this one takes its.
	if old := encodeState(sample); bytes.Contains(old, []byte("sweep")) {
		t.Errorf("%s", old)
	}
}

func TestWhyTheLastBatchWasReadIsReadAsItWasWritten(t *testing.T) {
	got, err := decodeState(encodeState(pulled))
	if err != nil || got.Reasons != pulled.Reasons || got.Ran != pulled.Ran {
		t.Errorf("got %q %v (%v)", got.Reasons, got.Ran, err)
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	entry := appendEntry(nil, connector.Entry{Instant: 1})
	for name, c := range map[string]struct{ key, value, want string }{
		"a key that is no JSON":             {"people", "x", "not a JSON array"},
		"a key of another version":          {`["v2","state","s","c"]`, "{}", `version "v2"`},
		"a kind of a newer program":         {`["v1","lease","s"]`, "{}", "kind that this program does not know"},
		"a key with too many elements":      {`["v1","state","s","c","d"]`, "{}", "5 elements instead of 4"},
		"an empty key":                      {"", "x", "not a JSON array"},
		"an entry of another version":       {`["v1","entry","s","c","1"]`, "\x02" + string(entry[1:]), "version 2"},
		"an entry that is cut":              {`["v1","entry","s","c","1"]`, string(entry[:20]), "20 bytes long"},
		"an entry with unknown flags":       {`["v1","entry","s","c","1"]`, "\x01\x04" + string(entry[2:]), "flags 0x4"},
		"an entry without an id":            {`["v1","entry","s","c",""]`, string(entry), "0 bytes long"},
		"a mark with a hash":                {`["v1","entry","s","c","1"]`, "\x01\x01" + string(entry[2:27]) + "\x01", "mark with a hash"},
		"an empty entry that is not null":   {`["v1","entry","s","c","1"]`, "", "empty"},
		"a state of another version":        {`["v1","state","s","c"]`, `{"v":2}`, "version 2"},
		"a state with an unknown member":    {`["v1","state","s","c"]`, `{"v":1,"lease":1}`, "lease"},
		"a state that is cut":               {`["v1","state","s","c"]`, `{"v":1,`, "not a JSON object"},
		"a state with a bad sum":            {`["v1","state","s","c"]`, strings.Replace(string(encodeState(sample)), `"sum":"00`, `"sum":"zz`, 1), "64 hexadecimal"},
		"a state with a bad instant":        {`["v1","state","s","c"]`, strings.Replace(string(encodeState(sample)), `"floor":"beginning"`, `"floor":"soon"`, 1), "RFC 3339"},
		"a state with a second document":    {`["v1","state","s","c"]`, string(encodeState(sample)) + "{}", "not a JSON object"},
		"a claim that was deleted":          {`["v1","claim"]`, "\x00", "claim record of the lane was deleted"},
		"a doubt that is something else":    {`["v1","doubt","s","c","1"]`, "[]", "not a JSON object"},
		"a receipt that is something else":  {`["v1","receipt","s","c","id:1"]`, "[]", "not a JSON object"},
		"a receipt with half a hash":        {`["v1","receipt","s","c","id:1"]`, `{"v":1,"instant":"beginning","hash":"ab"}`, "32 hexadecimal"},
		"a handler without a version":       {`["v1","handler","s"]`, `{"seq":1}`, "version 0"},
		"a handler with an unknown member":  {`["v1","handler","s"]`, `{"v":1,"seq":1,"state":{},"lease":1}`, "lease"},
		"a handler with a nameless push":    {`["v1","handler","s"]`, `{"v":1,"seq":1,"state":{},"pushes":[{"id":"","seq":1}]}`, "no id"},
		"a handler that is cut":             {`["v1","handler","s"]`, `{"v":1,"seq":1,"state":{`, "source \"s\""},
		"a handler of a collection":         {`["v1","handler","s","c"]`, `{"v":1}`, "4 elements instead of 3"},
		"a hold of a newer program":         {`["v1","hold","s","c"]`, `{"v":1,"hold":"asleep"}`, "asleep"},
		"a hold of a source":                {`["v1","hold","s"]`, `{"v":1,"hold":"paused"}`, "3 elements instead of 4"},
		"a topic id that is too long":       {`["v1","state","s","c"]`, strings.Replace(string(encodeState(sample)), `"topic_id":"ab`, `"topic_id":"abab`, 1), "32 hexadecimal"},
		"a lookback that is not a duration": {`["v1","state","s","c"]`, strings.Replace(string(encodeState(sample)), `"5m0s"`, `"long"`, 1), "lookback"},
	} {
		t.Run(name, func(t *testing.T) {
			value := []byte(c.value)
			if c.value == "\x00" {
				value = nil
			}
			err := NewTable().Apply([]byte(c.key), value)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want something about %q", err, c.want)
			}
		})
	}
}

// batches returns random batches of a collection, and the memory they lead to.
func batches(r *rand.Rand, n int) ([]*connector.Batch, *connector.Memory) {
	m := connector.NewMemory()
	ids := []string{"1", "2", "18446744073709551615", "18446744073709551616", "007", `a"b`, "é", `x,"y`, "sent_email-722488662", strings.Repeat("k", 300), "\x01"}
	var all []*connector.Batch
	for seq := range n {
		b := &connector.Batch{State: sample.State}
		b.State.Seq = uint64(seq + 1)
		if seq%2 == 0 {
			b.State.Sweep = swept
		}
		for range r.IntN(6) {
			id := ids[r.IntN(len(ids))]
			c := connector.EntryChange{ID: id, Drop: r.IntN(4) == 0}
			c.Old, c.Had = m.Ledger.Get(id)
			if c.Drop && !c.Had {
				continue
			}
			c.New = connector.Entry{Instant: connector.Instant(r.Int64()), Print: uint16(r.IntN(3)), Mark: r.IntN(3) == 0}
			if !c.New.Mark {
				c.New.Hash[r.IntN(16)] = byte(1 + r.IntN(255))
			}
			b.Entries = append(b.Entries, c)
			m.Apply(&connector.Batch{Entries: []connector.EntryChange{c}})
		}
		for range r.IntN(3) {
			id := ids[r.IntN(len(ids))]
			c := connector.DoubtChange{ID: id, New: connector.Doubt{Since: connector.Instant(r.Int32()), Absent: r.IntN(2) == 0}}
			c.Old, c.Had = m.Doubts[id]
			c.Drop = c.Had && r.IntN(2) == 0
			b.Doubts = append(b.Doubts, c)
			m.Apply(&connector.Batch{Doubts: []connector.DoubtChange{c}})
		}
		for range r.IntN(3) {
			key := "id:" + ids[r.IntN(len(ids))]
			c := connector.ReceiptChange{Key: key, New: connector.Receipt{Instant: connector.Instant(r.Int32()), Print: uint16(r.IntN(3)), Hash: connector.Hash{byte(r.IntN(256))}}}
			c.Old, c.Had = m.Receipts[key]
			c.Drop = c.Had && r.IntN(2) == 0
			b.Receipts = append(b.Receipts, c)
			m.Apply(&connector.Batch{Receipts: []connector.ReceiptChange{c}})
		}
		m.State = b.State
		all = append(all, b)
	}
	return all, m
}

func TestWhatIsLoadedIsTheFoldOfWhatWasCommitted(t *testing.T) {
	for seed := range uint64(200) {
		all, want := batches(rand.New(rand.NewPCG(seed, 1)), 20)
		loaded := load(t, all, nil)
		if err := same(loaded.Memory, want); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := loaded.Verify(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if loaded.Identity != sample.Identity || !loaded.Known {
			t.Fatalf("seed %d: identity %+v", seed, loaded.Identity)
		}
	}
}

// load encodes batches, lets alter change the records, and folds them.
func load(t *testing.T, all []*connector.Batch, alter func([]*kgo.Record) []*kgo.Record) *Collection {
	t.Helper()
	var records []*kgo.Record
	enc := NewEncoder("crm.offsets", 0, &Collection{Name: people}, sample.Identity, "host-1")
	for _, b := range all {
		records, _ = enc.Records(records, b)
	}
	if alter != nil {
		records = alter(records)
	}
	table := NewTable()
	for _, r := range records {
		if err := table.Apply(r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
	return table.Collection(people)
}

func same(a, b *connector.Memory) error {
	if fmt.Sprint(a.State) != fmt.Sprint(b.State) {
		return fmt.Errorf("state %+v\nwant  %+v", a.State, b.State)
	}
	if a.Ledger.Len() != b.Ledger.Len() || len(a.Ledger.Marks()) != len(b.Ledger.Marks()) || fmt.Sprint(a.Doubts) != fmt.Sprint(b.Doubts) {
		return fmt.Errorf("%d entries, marks %v, doubts %v; want %d, %v, %v", a.Ledger.Len(), a.Ledger.Marks(), a.Doubts, b.Ledger.Len(), b.Ledger.Marks(), b.Doubts)
	}
	if fmt.Sprint(a.Receipts) != fmt.Sprint(b.Receipts) {
		return fmt.Errorf("receipts %v, want %v", a.Receipts, b.Receipts)
	}
	for id, e := range b.Ledger.All() {
		if got, ok := a.Ledger.Get(id); !ok || got != e {
			return fmt.Errorf("entry of %q is %+v, want %+v", id, got, e)
		}
	}
	return nil
}

func TestTheSumShowsEveryChangeOfTheLedger(t *testing.T) {
	all, _ := batches(rand.New(rand.NewPCG(5, 1)), 30)
	last := func(records []*kgo.Record) int { // the newest live entry
		seen := map[string]bool{}
		for i := len(records) - 1; i >= 0; i-- {
			if k := string(records[i].Key); bytes.Contains(records[i].Key, []byte("entry")) && !seen[k] {
				if seen[k] = true; records[i].Value != nil {
					return i
				}
			}
		}
		t.Fatal("no entry")
		return 0
	}
	for name, alter := range map[string]func([]*kgo.Record) []*kgo.Record{
		"an entry forgotten": func(r []*kgo.Record) []*kgo.Record {
			return append(r, &kgo.Record{Key: r[last(r)].Key})
		},
		"an entry altered": func(r []*kgo.Record) []*kgo.Record {
			v := bytes.Clone(r[last(r)].Value)
			v[11]++
			return append(r, &kgo.Record{Key: r[last(r)].Key, Value: v})
		},
		"an entry added": func(r []*kgo.Record) []*kgo.Record {
			return append(r, &kgo.Record{Key: key(kindEntry, "salesloft", "people", "new"), Value: appendEntry(nil, connector.Entry{})})
		},
		"a receipt added": func(r []*kgo.Record) []*kgo.Record {
			return append(r, &kgo.Record{Key: key(kindReceipt, "salesloft", "people", "id:new"), Value: encodeReceipt(connector.Receipt{})})
		},
		"a doubt added": func(r []*kgo.Record) []*kgo.Record {
			return append(r, &kgo.Record{Key: key(kindDoubt, "salesloft", "people", "new"), Value: encodeDoubt(connector.Doubt{})})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := load(t, all, alter).Verify(); err == nil {
				t.Error("the sum did not show it")
			}
		})
	}
}

func TestALaneKeepsItsCollectionsApart(t *testing.T) {
	table := NewTable()
	value := appendEntry(nil, connector.Entry{Instant: 7})
	for _, k := range [][]byte{
		key(kindEntry, "s", "a", "1"), key(kindEntry, "s", "b", "1"), key(kindEntry, "s", "a", "2"),
		key(kindEntry, "s", "a", "1"), key(kindEntry, "s", `a","1`, "1"),
	} {
		if err := table.Apply(k, value); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"a": 2, "b": 1, `a","1`: 1} {
		if got := table.Collection(Name{"s", name}).Memory.Ledger.Len(); got != want {
			t.Errorf("collection %s has %d entries, want %d", name, got, want)
		}
	}
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(`["v1","entry","s","c","1"]`), appendEntry(nil, connector.Entry{}))
	f.Add([]byte(`["v1","state","s","c"]`), encodeState(sample))
	f.Add([]byte(`["v1","claim"]`), encodeClaim(Claim{}))
	f.Add([]byte(`["v1","doubt","s","c","x"]`), encodeDoubt(connector.Doubt{}))
	f.Add([]byte(`["v1","receipt","s","c","id:x"]`), encodeReceipt(connector.Receipt{}))
	f.Add([]byte(`["v1","handler","s"]`), []byte(handlerText(connector.HandlerState{State: []byte(`{"a":[1,"b"]}`), Pushes: []connector.Push{{ID: "p", Seq: 1}}})))
	f.Add([]byte(`["v1","hold","s","c"]`), encodeHold(Hold{Hold: "stopped"}))
	f.Fuzz(func(t *testing.T, k, v []byte) {
		table := NewTable()
		if table.Apply(key(kindEntry, "s", "c", "1"), appendEntry(nil, connector.Entry{})) != nil {
			t.Fatal("a good entry was refused")
		}
		if table.Apply(k, v) != nil {
			return
		}
		for _, c := range table.Collections {
			_ = c.Verify() // whatever was taken can be added up
		}
		// So is a handler's state, which is given back as it was.
		for source, h := range table.Handlers {
			text, err := encodeHandler(*h, "")
			again, err2 := decodeHandler(text)
			if err != nil || err2 != nil || !sameHandler(again, *h) {
				t.Fatalf("the handler of %q, %s, became %s (%v, %v)", source, v, text, err, err2)
			}
		}
		kind, rest, err := parseKey(k)
		if err != nil {
			t.Fatalf("key %q was taken and cannot be parsed: %v", k, err)
		}
		// What is taken means the same when written by us.
		again, restAgain, err := parseKey(key(append([]string{kind}, rest...)...))
		if err != nil || again != kind || fmt.Sprint(rest) != fmt.Sprint(restAgain) {
			t.Fatalf("key %q became %s %q: %v", k, again, restAgain, err)
		}
	})
}

func BenchmarkRestore(b *testing.B) {
	table := NewTable()
	var keys keyBuffer
	keys.name(people)
	value := appendEntry(nil, connector.Entry{Instant: 7, Print: 1})
	b.ReportAllocs()
	for i := range b.N {
		if err := table.Apply(keys.of(kindEntry, fmt.Sprint(1000000+i)), value); err != nil {
			b.Fatal(err)
		}
	}
}
