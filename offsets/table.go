package offsets

import (
	"bytes"
	"fmt"

	"tributary/connector"
)

// Collection is what the offsets topic holds of one collection.
type Collection struct {
	Name   Name
	Memory *connector.Memory
	Identity
	Instance string
	Sum      Sum
	// Known says that there is a state record: the collection was committed before.
	// Partial names the command that was interrupted while it changed everything.
	Known   bool
	Partial string
}

// Table is a lane: the fold of one partition of the offsets topic.
type Table struct {
	Collections map[Name]*Collection
	// Auths are the OAuth2 tokens, by source.
	Auths map[string]*Auth
	// Handlers are the states of handlers, by source.
	Handlers map[string]*connector.HandlerState
	// Holds are the collections that an operator makes rest, whether or not they have a
	// state.
	Holds  map[Name]Hold
	Claim  *Claim
	Layout *Layout
	// Records counts those that were folded in.
	Records int

	// The collection of the entry before, by the part of the key before the id: its
	// neighbours are mostly of the same.
	prefix []byte
	last   *Collection
}

// NewTable returns an empty lane.
func NewTable() *Table {
	return &Table{Collections: map[Name]*Collection{}, Auths: map[string]*Auth{}, Handlers: map[string]*connector.HandlerState{}, Holds: map[Name]Hold{}}
}

// Collection returns what the lane holds of name, empty if it was never committed.
func (t *Table) Collection(name Name) *Collection {
	c := t.Collections[name]
	if c == nil {
		c = &Collection{Name: name, Memory: connector.NewMemory()}
		t.Collections[name] = c
	}
	return c
}

// FormatError is a record of the offsets topic that this program does not understand,
// and must not overlook.
type FormatError struct{ err error }

func (e *FormatError) Error() string { return e.err.Error() }

// Apply folds one committed record in. Its error is a *FormatError.
func (t *Table) Apply(key, value []byte) error {
	t.Records++
	if err := t.apply(key, value); err != nil {
		return &FormatError{err}
	}
	return nil
}

func (t *Table) apply(key, value []byte) error {
	if c, id, ok := t.plainEntry(key); ok {
		return c.applyEntry(id, value)
	}
	kind, rest, err := parseKey(key)
	if err != nil {
		return err
	}
	switch kind {
	case kindLayout, kindClaim:
		return t.applyLane(kind, value)
	case kindAuth:
		return t.applyAuth(rest[0], value)
	case kindHandler:
		return t.applyHandler(rest[0], value)
	case kindHold:
		return t.applyHold(Name{rest[0], rest[1]}, value)
	}
	c := t.Collection(Name{rest[0], rest[1]})
	switch kind {
	case kindState:
		return c.applyState(value)
	case kindReceipt:
		return c.applyReceipt(rest[2], value)
	case kindEntry:
		if i := bytes.LastIndex(key, []byte(`,"`)); i >= 0 && bytes.IndexByte(key, '\\') < 0 {
			t.prefix, t.last = append(t.prefix[:0], key[:i+2]...), c
		}
		return c.applyEntry(rest[2], value)
	default:
		return c.applyDoubt(rest[2], value)
	}
}

// plainEntry takes the key of an entry apart without decoding it, when it begins like
// the one before and holds no escape: then the text between the last quotes is the id.
func (t *Table) plainEntry(key []byte) (*Collection, string, bool) {
	n := len(t.prefix)
	if t.last == nil || len(key) < n+3 || !bytes.HasPrefix(key, t.prefix) {
		return nil, "", false
	}
	id := key[n : len(key)-2]
	if string(key[len(key)-2:]) != `"]` || bytes.IndexByte(id, '"') >= 0 || bytes.IndexByte(id, '\\') >= 0 {
		return nil, "", false
	}
	for _, b := range id {
		if b < 0x20 || b >= 0x7f {
			return nil, "", false
		}
	}
	return t.last, string(id), true
}

func (t *Table) applyLane(kind string, value []byte) error {
	if value == nil {
		return fmt.Errorf("the %s record of the lane was deleted", kind)
	}
	switch kind {
	case kindLayout:
		l, err := decodeLayout(value)
		t.Layout = &l
		return err
	default:
		c, err := decodeClaim(value)
		t.Claim = &c
		return err
	}
}

func (c *Collection) applyState(value []byte) error {
	if value == nil {
		c.Known, c.Memory.State, c.Identity = false, connector.NewState(), Identity{}
		c.Sum, c.Partial = Sum{}, ""
		return nil
	}
	s, err := decodeState(value)
	if err != nil {
		return err
	}
	c.Known, c.Memory.State, c.Identity, c.Instance, c.Sum, c.Partial = true, s.State, s.Identity, s.Instance, s.Sum, s.Partial
	return nil
}

func (c *Collection) applyEntry(id string, value []byte) error {
	if id == "" || len(id) > connector.MaxID {
		return fmt.Errorf("an entry's id is %d bytes long", len(id))
	}
	if value == nil {
		c.Memory.Ledger.Drop(id)
		return nil
	}
	e, err := parseEntry(value)
	if err != nil {
		return fmt.Errorf("entry of %q: %w", id, err)
	}
	c.Memory.Ledger.Put(id, e)
	return nil
}

func (c *Collection) applyDoubt(id string, value []byte) error {
	if value == nil {
		delete(c.Memory.Doubts, id)
		return nil
	}
	d, err := decodeDoubt(value)
	if err != nil {
		return fmt.Errorf("doubt of %q: %w", id, err)
	}
	c.Memory.Doubts[id] = d
	return nil
}

// Verify compares the sum that the state record holds with what was read: a record
// that was lost, altered or added by somebody else shows.
func (c *Collection) Verify() error {
	if sum := c.total(); sum != c.Sum {
		return fmt.Errorf("the ledger of %s (%d entries, %d doubts, %d receipts) adds up to %s and not to %s as its state says: records of the offsets topic were lost, altered or added",
			c.Name, c.Memory.Ledger.Len()+len(c.Memory.Ledger.Marks()), len(c.Memory.Doubts), len(c.Memory.Receipts), sum, c.Sum)
	}
	return nil
}

// Left is how many records the topic holds of the collection beside its state.
func (c *Collection) Left() int {
	return c.Memory.Ledger.Len() + len(c.Memory.Ledger.Marks()) + len(c.Memory.Doubts) + len(c.Memory.Receipts)
}

// Adopt takes what was read for the truth, whatever the state record said.
func (c *Collection) Adopt() { c.Sum = c.total() }

func (c *Collection) total() (sum Sum) {
	var keys keyBuffer
	var value, scratch []byte
	keys.name(c.Name)
	for id, e := range c.Memory.Ledger.All() {
		value = appendEntry(value[:0], e)
		sum.add(keys.of(kindEntry, id), value, &scratch)
	}
	for id, d := range c.Memory.Doubts {
		sum.add(keys.of(kindDoubt, id), encodeDoubt(d), &scratch)
	}
	for key, r := range c.Memory.Receipts {
		sum.add(keys.of(kindReceipt, key), encodeReceipt(r), &scratch)
	}
	return sum
}

// keyBuffer makes keys of one collection, one after another in the same memory.
type keyBuffer struct {
	entry, doubt, receipt []byte // up to the id
	buf                   []byte
}

func (k *keyBuffer) name(n Name) {
	cut := func(b []byte) []byte { return append(b[:len(b)-1], ',') }
	k.entry = cut(key(kindEntry, n.Source, n.Collection))
	k.doubt = cut(key(kindDoubt, n.Source, n.Collection))
	k.receipt = cut(key(kindReceipt, n.Source, n.Collection))
}

// of returns the key of an entry, a doubt or a receipt; the next call overwrites it.
func (k *keyBuffer) of(kind, id string) []byte {
	k.buf = k.append(k.buf[:0], kind, id)
	return k.buf
}

func (k *keyBuffer) append(b []byte, kind, id string) []byte {
	switch kind {
	case kindEntry:
		b = append(b, k.entry...)
	case kindDoubt:
		b = append(b, k.doubt...)
	default:
		b = append(b, k.receipt...)
	}
	return append(appendQuoted(b, id), ']')
}
