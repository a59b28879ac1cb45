package offsets

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"tributary/connector"
)

func handlerText(h connector.HandlerState) string {
	text, err := encodeHandler(h, "host")
	if err != nil {
		panic(err)
	}
	return string(text)
}

func sameHandler(a, b connector.HandlerState) bool {
	var x, y any
	if len(a.State)+len(b.State) > 0 && (json.Unmarshal(a.State, &x) != nil || json.Unmarshal(b.State, &y) != nil) {
		// A number that Go cannot hold: the text is the same but for white space.
		x, y = strings.Join(strings.Fields(string(a.State)), ""), strings.Join(strings.Fields(string(b.State)), "")
	}
	return a.Seq == b.Seq && a.Dumped == b.Dumped && reflect.DeepEqual(a.Pushes, b.Pushes) && reflect.DeepEqual(x, y)
}

func TestAHandlersStateIsGivenBackAsItWas(t *testing.T) {
	for _, state := range []string{
		``, `{}`, `"text"`, `0`, `false`, `[]`, `{"a":{"a":[1.0,1e3,18446744073709551616,-0]}}`, `{"a":1,"a":2}`,
		`"\ud800 \u003c <&> \u2028"`, `{"":"` + "\u2028" + `"}`,
	} {
		want := connector.HandlerState{Seq: rand.Uint64(), State: json.RawMessage(state), Pushes: []connector.Push{{ID: state + "x", Seq: 1}}, Dumped: connector.Instant(len(state))}
		if state == "" {
			want = connector.HandlerState{Seq: 1}
		}
		record, err := HandlerRecord("crm.offsets", 3, "crm", "host", &want)
		if err != nil {
			t.Fatal(err)
		}
		table := NewTable()
		if err := table.Apply(record.Key, record.Value); err != nil {
			t.Fatal(err)
		}
		got := table.Handlers["crm"]
		if got == nil || string(got.State) != string(want.State) || got.Seq != want.Seq || got.Dumped != want.Dumped || !reflect.DeepEqual(got.Pushes, want.Pushes) {
			t.Errorf("%q: got %+v, want %+v", state, got, want)
		}
		if len(table.Collections) != 0 {
			t.Error("a handler's state makes a collection")
		}
		gone, _ := HandlerRecord("crm.offsets", 3, "crm", "host", nil)
		if err := table.Apply(gone.Key, gone.Value); err != nil || len(table.Handlers) != 0 {
			t.Errorf("a handler that was forgotten is still there (%v)", err)
		}
	}
	for what, state := range map[string]string{"half of a document": `{"a":`, "two documents": `{} {}`, "too deep": strings.Repeat("[", 10000) + strings.Repeat("]", 10000)} {
		if _, err := HandlerRecord("t", 0, "crm", "host", &connector.HandlerState{State: json.RawMessage(state)}); err == nil {
			t.Errorf("%s is taken, and could not be read back", what)
		}
	}
}

func TestAHoldIsNoPartOfACollectionsState(t *testing.T) {
	table := NewTable()
	want := Hold{Hold: "stopped", Instance: "host", At: 5}
	r := HoldRecord("crm.offsets", 3, people, &want)
	if err := table.Apply(r.Key, r.Value); err != nil || table.Holds[people] != want || len(table.Collections) != 0 {
		t.Errorf("got %+v and %d collections (%v)", table.Holds, len(table.Collections), err)
	}
	r = HoldRecord("crm.offsets", 3, people, nil)
	if err := table.Apply(r.Key, r.Value); err != nil || len(table.Holds) != 0 {
		t.Errorf("got %+v (%v)", table.Holds, err)
	}
}
