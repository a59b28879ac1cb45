package handler

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tributary/connector/rest"
)

// The JSON of what handlers and pushers send. Members are matched as they are written, and
// one that is not known is a mistake: it would be lost in silence.
type (
	responseJSON struct {
		More           *bool          `json:"more"`
		NextState      jsontext.Value `json:"next_state"`
		NextDeltaState jsontext.Value `json:"next_delta_state"`
		changesJSON    `json:",inline"`
	}
	pushJSON struct {
		ID          *string        `json:"id"`
		BasedOn     *uint64        `json:"based_on"`
		NextState   jsontext.Value `json:"next_state"`
		changesJSON `json:",inline"`
	}
	changesJSON struct {
		NewOrUpdated []entryJSON    `json:"new_or_updated"`
		Deleted      []deletionJSON `json:"deleted"`
	}
	entryJSON struct {
		Collection *string        `json:"collection"`
		Record     jsontext.Value `json:"record"`
	}
	deletionJSON struct {
		Collection *string        `json:"collection"`
		ID         jsontext.Value `json:"id"`
	}
)

// strictly decodes a document that has passed canon.Check. Lone surrogates are legal in
// records, and are refused where names and ids hold them.
func strictly(body []byte, into any) error {
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true), jsontext.AllowInvalidUTF8(true))
	var wrong *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && errors.Is(err, json.ErrUnknownName):
		return fmt.Errorf("it has a member that the contract does not know, at %s", place(wrong.JSONPointer))
	case errors.As(err, &wrong):
		return fmt.Errorf("%s is %s, which is not what belongs there", place(wrong.JSONPointer), kindName(wrong.JSONKind))
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return fmt.Errorf("it has a member twice, at %s", place(syntax.JSONPointer))
	}
	return errors.New("it cannot be decoded")
}

// maxPlace bounds what is repeated of a path, whose names are the other side's.
const maxPlace = 200

func place(p jsontext.Pointer) string {
	if p == "" {
		return "the response"
	}
	return fmt.Sprintf("%.*q", maxPlace, string(p))
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a truth value"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "something"
}

// ParseResponse reads the response of a handler over HTTP, which is one JSON document. Its
// error says what breaks the contract. The result aliases body.
func ParseResponse(body []byte) (Response, error) {
	var j responseJSON
	if err := strictly(body, &j); err != nil {
		return Response{}, err
	}
	if j.More == nil {
		return Response{}, errors.New(`it has no "more": true or false, whether the handler is to be called again at once`)
	}
	r := Response{More: *j.More, NextState: []byte(j.NextState), NextDeltaState: []byte(j.NextDeltaState)}
	var err error
	r.NewOrUpdated, r.Deleted, err = j.changesJSON.read()
	return r, err
}

func (c changesJSON) read() (entries []Entry, deleted []Deletion, err error) {
	for i, e := range c.NewOrUpdated {
		if e.Collection == nil || e.Record == nil {
			return nil, nil, fmt.Errorf(`new_or_updated[%d] needs a "collection" and a "record"`, i)
		}
		entries = append(entries, Entry{Collection: *e.Collection, Record: []byte(e.Record)})
	}
	for i, d := range c.Deleted {
		if d.Collection == nil || d.ID == nil {
			return nil, nil, fmt.Errorf(`deleted[%d] needs a "collection" and an "id"`, i)
		}
		id, err := readID(d.ID)
		if err != nil {
			return nil, nil, fmt.Errorf("deleted[%d]: %w", i, err)
		}
		deleted = append(deleted, Deletion{Collection: *d.Collection, ID: id})
	}
	return entries, deleted, nil
}

// readID reads the id of a deletion: a text, a number, or the list of its parts.
func readID(v jsontext.Value) (string, error) {
	if v.Kind() != '[' {
		return rest.IDText(v)
	}
	var values []jsontext.Value
	if err := json.Unmarshal(v, &values, jsontext.AllowInvalidUTF8(true)); err != nil || len(values) == 0 {
		return "", errors.New("its id is a list without a part")
	}
	var parts []string
	for _, part := range values {
		text, err := rest.IDText(part)
		if err != nil {
			return "", fmt.Errorf("%w (a part of it)", err)
		}
		parts = append(parts, text)
	}
	return Key(parts...), nil
}

// Key makes the key of a record whose id has several parts, as its record would have it.
func Key(parts ...string) string { return rest.JoinID(parts) }
