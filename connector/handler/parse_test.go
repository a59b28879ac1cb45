package handler

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"tributary/connector/rest/canon"
)

func TestAResponseIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want Response
	}{
		"the least":       {`{"more":false}`, Response{}},
		"nulls":           {`{"more":true,"next_state":null,"new_or_updated":null,"deleted":null}`, Response{More: true, NextState: json.RawMessage("null")}},
		"entries":         {`{"more":false,"new_or_updated":[{"collection":"posts","record":{"id":1, "a":"\ud800"}}]}`, Response{NewOrUpdated: []Entry{entry("posts", `{"id":1, "a":"\ud800"}`)}}},
		"ids":             {`{"more":false,"deleted":[{"collection":"a","id":12345678901234567890},{"collection":"a","id":"é"},{"collection":"b","id":["x/y",1]}]}`, Response{Deleted: []Deletion{{"a", "12345678901234567890"}, {"a", "é"}, {"b", "x~1y/1"}}}},
		"a state":         {`{"more":false,"next_state":{"at":1.0}}`, Response{NextState: json.RawMessage(`{"at":1.0}`)}},
		"a dump's":        {`{"more":false,"next_delta_state":[1]}`, Response{NextDeltaState: json.RawMessage(`[1]`)}},
		"a record as is":  {`{"more":false,"new_or_updated":[{"record":{"x" : 1e2},"collection":"posts"}]}`, Response{NewOrUpdated: []Entry{entry("posts", `{"x" : 1e2}`)}}},
		"a name of a key": {`{"more":false,"new_or_updated":[{"collection":"posts","record":{"more":1,"deleted":2}}]}`, Response{NewOrUpdated: []Entry{entry("posts", `{"more":1,"deleted":2}`)}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseResponse([]byte(c.body))
			if err != nil || !reflect.DeepEqual(normal(got), normal(c.want)) {
				t.Errorf("read as %+v, %v", got, err)
			}
		})
	}
}

// normal makes no list and an empty one the same.
func normal(r Response) Response {
	if len(r.NextState) == 0 {
		r.NextState = nil
	}
	if len(r.NextDeltaState) == 0 {
		r.NextDeltaState = nil
	}
	return r
}

func TestAResponseThatBreaksTheContractIsNamed(t *testing.T) {
	for body, says := range map[string]string{
		`{}`:                                 `it has no "more"`,
		`{"more":null}`:                      `it has no "more"`,
		`[]`:                                 `the response is a list`,
		`"x"`:                                `the response is a text`,
		`{"more":"true"}`:                    `"/more" is a text`,
		`{"More":true}`:                      `a member that the contract does not know, at "/More"`,
		`{"more":false,"state":{}}`:          `a member that the contract does not know, at "/state"`,
		`{"more":false,"more":true}`:         `a member twice, at "/more"`,
		`{"more":false,"new_or_updated":{}}`: `"/new_or_updated" is an object`,
		`{"more":false,"new_or_updated":[{"record":{}}]}`:                             `new_or_updated[0] needs a "collection" and a "record"`,
		`{"more":false,"new_or_updated":[{"collection":"a","record":{},"op":"x"}]}`:   `"/new_or_updated/0/op"`,
		`{"more":false,"new_or_updated":[{"collection":7,"record":{}}]}`:              `"/new_or_updated/0/collection" is a number`,
		`{"more":false,"deleted":[{"collection":"a"}]}`:                               `deleted[0] needs a "collection" and an "id"`,
		`{"more":false,"deleted":[{"collection":"a","id":null}]}`:                     `deleted[0]: its id is null`,
		`{"more":false,"deleted":[{"collection":"a","id":{}}]}`:                       `deleted[0]: its id is neither a text nor a number`,
		`{"more":false,"deleted":[{"collection":"a","id":[]}]}`:                       `deleted[0]: its id is a list without a part`,
		`{"more":false,"deleted":[{"collection":"a","id":["x",null]}]}`:               `deleted[0]: its id is null (a part of it)`,
		`{"more":false,"deleted":[{"collection":"a","id":"\ud800"}]}`:                 `half a character`,
		`{"more":false,"deleted":[{"collection":"a","record":{"id":1}}]}`:             `"/deleted/0/record"`,
		`{"more":false,"` + strings.Repeat("x", 5000) + `":1}`:                        `a member that the contract does not know`,
		`{"more":false,"new_or_updated":[{"collection":"a","record":{"x":1,"x":2}}]}`: `a member twice`,
	} {
		_, err := ParseResponse([]byte(body))
		if err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 400 {
			t.Errorf("%.80s: %v, want %q in it", body, err, says)
		}
	}
}

func TestAPushIsRead(t *testing.T) {
	p, err := ParsePush([]byte(`{"id":"a","based_on":3,"next_state":{},"new_or_updated":[{"collection":"c","record":{"id":1}}],"deleted":[{"collection":"c","id":2}]}`))
	if err != nil || p.ID != "a" || *p.BasedOn != 3 || string(p.NextState) != "{}" || len(p.NewOrUpdated) != 1 || p.Deleted[0].ID != "2" {
		t.Errorf("read as %+v, %v", p, err)
	}
	for _, body := range []string{``, `{`, `{}`, `{"id":1}`, `{"id":"a","more":false}`, `{"id":"a","based_on":-1}`, `{"id":"a"} {}`} {
		if _, err := ParsePush([]byte(body)); err == nil {
			t.Errorf("%s is taken", body)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		`{"more":true,"next_state":{"a":[1,2]},"new_or_updated":[{"collection":"posts","record":{"id":1}}],"deleted":[{"collection":"posts","id":["a",1]}]}`,
		`{"more":false,"next_delta_state":null}`, `{"more":0}`, `{"more":false,"deleted":[{"collection":"\ud800","id":"\ud83d\ude00"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if canon.Check(body, maxDepth) != nil {
			return // as the client refuses it
		}
		resp, err := ParseResponse(body)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		// What is taken is what the contract's own writer would have written of it.
		text, err := json.Marshal(resp)
		if err != nil {
			t.Fatal(err)
		}
		if canon.Check(text, maxDepth) != nil {
			t.Fatalf("%s is not JSON", text)
		}
		for _, e := range resp.NewOrUpdated {
			if err := canon.Check(e.Record, maxDepth); err != nil {
				t.Errorf("record %q: %v", e.Record, err)
			}
		}
		for _, d := range resp.Deleted {
			if d.ID == "" {
				t.Errorf("a deletion without id in %s", body)
			}
		}
	})
}
