package offsets

import (
	"errors"
	"testing"

	"tributary/connector"
)

func TestDecodeSaysWhatARecordIsAbout(t *testing.T) {
	name := Name{"crm", `pe"ople`}
	entry := connector.Entry{Instant: 5, Print: 2, Hash: connector.Hash{7}}
	state := State{State: connector.NewState(), Identity: Identity{Topic: "t", Partitions: 3}}
	state.Seq = 9
	for what, c := range map[string]struct {
		key, value []byte
		fits       func(Said) bool
	}{
		"an entry":  {key(kindEntry, name.Source, name.Collection, "17"), appendEntry(nil, entry), func(s Said) bool { return s.IsEntry && s.ID == "17" && s.Entry == entry && !s.Forgotten }},
		"forgotten": {key(kindEntry, name.Source, name.Collection, "17"), nil, func(s Said) bool { return s.IsEntry && s.ID == "17" && s.Forgotten }},
		"a doubt": {key(kindDoubt, name.Source, name.Collection, "17"), encodeDoubt(connector.Doubt{}), func(s Said) bool {
			return s.IsDoubt && s.ID == "17" && !s.IsEntry
		}},
		"a receipt": {key(kindReceipt, name.Source, name.Collection, "id:17"), encodeReceipt(connector.Receipt{}), func(s Said) bool {
			return s.IsReceipt && s.ID == "id:17" && !s.IsEntry
		}},
		"a state":       {key(kindState, name.Source, name.Collection), encodeState(state), func(s Said) bool { return s.IsState && s.State.Seq == 9 && s.State.Partitions == 3 }},
		"no state more": {key(kindState, name.Source, name.Collection), nil, func(s Said) bool { return s.IsState && s.State == nil && s.Forgotten }},
		"a handler":     {key(kindHandler, name.Source), []byte(handlerText(connector.HandlerState{Seq: 3})), func(s Said) bool { return !s.IsState && !s.IsEntry && !s.Forgotten }},
		"a hold":        {key(kindHold, name.Source, name.Collection), nil, func(s Said) bool { return !s.IsState && !s.IsEntry && s.Forgotten }},
		"a claim":       {key(kindClaim), encodeClaim(Claim{}), func(s Said) bool { return s.Name == Name{} && !s.IsState && !s.IsEntry }},
	} {
		s, err := Decode(c.key, c.value)
		about := what != "a claim" && what != "a handler" && what != "a hold"
		if err != nil || !c.fits(s) || (s.Name == name) != about {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
	for _, c := range [][2]string{{"hello", "x"}, {`["v2","state","a","b"]`, "{}"}, {`["v1","entry","a","b","17"]`, "x"}, {`["v1","state","a","b"]`, "{}"}} {
		var format *FormatError
		if _, err := Decode([]byte(c[0]), []byte(c[1])); !errors.As(err, &format) {
			t.Errorf("%s=%s: %v", c[0], c[1], err)
		}
	}
}
