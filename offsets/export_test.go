package offsets

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/connector"
)

// exported is a collection with something of everything.
func exported(name Name, n int) *Collection {
	c := &Collection{Name: name, Memory: connector.NewMemory(), Known: true, Instance: "host"}
	c.Identity = Identity{Topic: "s." + name.Collection, ID: [16]byte{1, 2, 3}, Partitions: 3}
	c.Memory.State = connector.State{
		Cursor:   connector.Cursor{Text: "2026-01-31T12:00:00+01:00", Instant: 1_790_000_000_000_000},
		Trailing: 1_780_000_000_000_000, Floor: connector.Beginning, Lookback: 5 * time.Minute, Seq: 42, Sweep: swept,
		Prints: []connector.Numbered{{Number: 3, Fingerprint: connector.Fingerprint{HashVersion: 1, Exclude: []string{"seen_at"}, ID: "id", Instant: "updated_at"}}},
	}
	for i := range n {
		c.Memory.Ledger.Put(fmt.Sprint(i), connector.Entry{Instant: connector.Instant(i), Print: 3, Hash: connector.Hash{byte(i), 7}})
	}
	c.Memory.Ledger.Put("ünï\"\\\n", connector.Entry{Instant: -5, Print: 3, Hash: connector.Hash{1}})
	c.Memory.Ledger.Put("dead", connector.Entry{Instant: 5, Mark: true})
	c.Memory.Ledger.Put("again", connector.Entry{Instant: connector.Beginning})
	c.Memory.Doubts["1"] = connector.Doubt{Since: 9, At: 3, Absent: true}
	c.Memory.Receipts["id:b"] = connector.Receipt{Instant: 7, Print: 3, Hash: connector.Hash{9}}
	c.Adopt()
	return c
}

func TestWhatIsExportedIsImportedAsItWas(t *testing.T) {
	names := []Name{{"s", "people"}, {"s", "acc\"ounts"}}
	beside := Beside{
		Handlers: map[string]*connector.HandlerState{"s": {Seq: 3, State: []byte(`{"at":"<é>","n":1e400}`), Dumped: 4, Pushes: []connector.Push{{ID: "a", Seq: 2}}}, "t": {Seq: 1}},
		Holds:    map[Name]Hold{names[1]: {Hold: "paused", Instance: "h", At: 9}, {"t", "x"}: {Hold: "stopped"}},
	}
	var out bytes.Buffer
	if err := Export(&out, "crm.offsets", []*Collection{exported(names[0], 3), exported(names[1], 0)}, beside); err != nil {
		t.Fatal(err)
	}
	var got []*Collection
	also, err := Import(bytes.NewReader(out.Bytes()), func(c *Collection) error { got = append(got, c); return nil })
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !reflect.DeepEqual(also, beside) {
		t.Errorf("beside them stands %+v, want %+v", also, beside)
	}
	if len(got) != 2 {
		t.Fatalf("%d collections", len(got))
	}
	for i, c := range got {
		want := exported(names[i], 3-3*i)
		if c.Name != want.Name || c.Identity != want.Identity || c.Sum != want.Sum || fmt.Sprint(c.Memory.State) != fmt.Sprint(want.Memory.State) {
			t.Errorf("got %+v %+v, want %+v %+v", c.Name, c.Memory.State, want.Name, want.Memory.State)
		}
		for id, e := range want.Memory.Ledger.All() {
			if g, ok := c.Memory.Ledger.Get(id); !ok || g != e {
				t.Errorf("entry %q is %+v, want %+v", id, g, e)
			}
		}
		if len(c.Memory.Doubts) != 1 || c.Memory.Doubts["1"] != want.Memory.Doubts["1"] {
			t.Errorf("doubts %+v", c.Memory.Doubts)
		}
		if len(c.Memory.Receipts) != 1 || c.Memory.Receipts["id:b"] != want.Memory.Receipts["id:b"] {
			t.Errorf("receipts %+v", c.Memory.Receipts)
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines < 10 {
		t.Errorf("the file has %d lines: one for each entry is what a person can read", lines)
	}
}

func TestAFileThatIsNotWhatExportWroteIsRefused(t *testing.T) {
	var out bytes.Buffer
	if err := Export(&out, "crm.offsets", []*Collection{exported(Name{"s", "people"}, 3)}, Beside{}); err != nil {
		t.Fatal(err)
	}
	good := out.String()
	for name, c := range map[string]struct{ file, says string }{
		"empty":             {"", "unexpected EOF"},
		"not JSON":          {"hello", "invalid character"},
		"another document":  {`{"a":1}`, `member "a" is not known`},
		"no version":        {`{"collections":[]}`, "was not written by state export"},
		"nothing in it":     {`{"tributary_state":1}`, "was not written by state export"},
		"newer":             {strings.Replace(good, `"tributary_state":1`, `"tributary_state":2`, 1), "the file has version 2"},
		"cut":               {good[:len(good)/2], "EOF"},
		"two documents":     {good + good, "something follows"},
		"an entry less":     {strings.Replace(good, `{"id":"1","instant":"1970-01-01T00:00:00.000001Z","print":3,"hash":"01070000000000000000000000000000"},`, "", 1), "add up to"},
		"an entry changed":  {strings.Replace(good, `"hash":"0107`, `"hash":"0108`, 1), "add up to"},
		"an entry twice":    {strings.Replace(good, `{"id":"2"`, `{"id":"1"`, 1), "twice"},
		"a hash cut":        {strings.Replace(good, `"hash":"0107`, `"hash":"07`, 1), "hexadecimal digits"},
		"an unknown member": {strings.Replace(good, `"print":3,"hash":"0107`, `"prints":3,"hash":"0107`, 1), "unknown field"},
		"a bad instant":     {strings.Replace(good, `"instant":"1970-01-01T00:00:00.000001Z"`, `"instant":"yesterday"`, 1), "RFC 3339"},
		"no handler":        {strings.Replace(good, "\n]}", "\n],\"handlers\":[{\"v\":1,\"seq\":1}]}", 1), "no source"},
		"a newer handler":   {strings.Replace(good, "\n]}", "\n],\"handlers\":[{\"source\":\"s\",\"v\":2}]}", 1), "version 2"},
		"an unknown hold":   {strings.Replace(good, "\n]}", "\n],\"holds\":[{\"source\":\"s\",\"collection\":\"c\",\"v\":1,\"hold\":\"asleep\"}]}", 1), "asleep"},
		"a hold of nothing": {strings.Replace(good, "\n]}", "\n],\"holds\":[{\"source\":\"s\",\"v\":1,\"hold\":\"paused\"}]}", 1), "no collection"},
		"no state":          {strings.Replace(good, `"state":`, `"stat":`, 1), "is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.file == good {
				t.Fatal("the file was not changed")
			}
			handed := 0
			_, err := Import(strings.NewReader(c.file), func(*Collection) error { handed++; return nil })
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q in it", err, c.says)
			}
			behind := map[string]bool{"two documents": true, "no handler": true, "a newer handler": true, "an unknown hold": true, "a hold of nothing": true}
			if handed > 0 && !behind[name] {
				t.Error("a collection was handed over all the same")
			}
		})
	}
}

func FuzzImport(f *testing.F) {
	var out bytes.Buffer
	if err := Export(&out, "crm.offsets", []*Collection{exported(Name{"s", "people"}, 2)}, Beside{Holds: map[Name]Hold{{"s", "x"}: {Hold: "paused"}}, Handlers: map[string]*connector.HandlerState{"s": {Seq: 1, State: []byte(`[1]`)}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		// What is taken can be written again, and is then the same.
		var all []*Collection
		beside, err := Import(bytes.NewReader(file), func(c *Collection) error { all = append(all, c); return nil })
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := Export(&again, "t", all, beside); err != nil {
			t.Fatal(err)
		}
		n := 0
		also, err := Import(&again, func(c *Collection) error {
			if c.Sum != all[n].Sum || c.Name != all[n].Name {
				t.Errorf("%v %v, want %v %v", c.Name, c.Sum, all[n].Name, all[n].Sum)
			}
			n++
			return nil
		})
		if err != nil || n != len(all) {
			t.Errorf("%d of %d collections come back: %v", n, len(all), err)
		}
		if len(also.Handlers) != len(beside.Handlers) || fmt.Sprint(also.Holds) != fmt.Sprint(beside.Holds) {
			t.Errorf("beside them comes back %+v, want %+v", also, beside)
		}
	})
}
