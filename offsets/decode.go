package offsets

import (
	"fmt"

	"tributary/connector"
)

// Said is what one record of the offsets topic says, taken by itself and not folded
// into a Table.
type Said struct {
	// Name is the collection that it is about; empty in what is about the lane or a source,
	// and in a hold, which is no part of a collection's state.
	Name Name
	// State is set by a state record that is there.
	State *State
	// ID is the record that an entry or a doubt is about, or the key of a receipt; Entry
	// is what an entry says.
	ID    string
	Entry connector.Entry
	// IsEntry, IsDoubt, IsReceipt and IsState say of which kind the record is; none of
	// them: it is about the lane, a source's token or handler, or a hold.
	IsEntry, IsDoubt, IsReceipt, IsState bool
	// Forgotten says that the record has a null value.
	Forgotten bool
}

// Decode takes a record apart. Its error is a *FormatError; Name and ID are set as far
// as the key could be read.
func Decode(key, value []byte) (Said, error) {
	s, err := decode(key, value)
	if err != nil {
		err = &FormatError{err}
	}
	return s, err
}

func decode(key, value []byte) (s Said, err error) {
	kind, rest, err := parseKey(key)
	if err != nil {
		return s, err
	}
	s.Forgotten = value == nil
	if len(rest) >= 2 && kind != kindHold {
		s.Name = Name{rest[0], rest[1]}
	}
	if len(rest) == 3 {
		s.ID = rest[2]
	}
	switch kind {
	case kindState:
		s.IsState = true
		if value != nil {
			var state State
			state, err = decodeState(value)
			s.State = &state
		}
	case kindEntry:
		s.IsEntry = true
		if s.ID == "" || len(s.ID) > connector.MaxID {
			return s, fmt.Errorf("an entry's id is %d bytes long", len(s.ID))
		}
		if value != nil {
			s.Entry, err = parseEntry(value)
		}
	case kindDoubt:
		s.IsDoubt = true
		if value != nil {
			_, err = decodeDoubt(value)
		}
	case kindReceipt:
		s.IsReceipt = true
		if value != nil {
			_, err = decodeReceipt(value)
		}
	case kindAuth:
		if value != nil {
			_, err = decodeAuth(value)
		}
	case kindHandler:
		if value != nil {
			_, err = decodeHandler(value)
		}
	case kindHold:
		if value != nil {
			_, err = decodeHold(value)
		}
	}
	return s, err
}
