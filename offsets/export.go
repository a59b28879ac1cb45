package offsets

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"tributary/connector"
)

// The exported form is one JSON document with a line for each entry:
//
//	{"tributary_state":1,"topic":"crm.offsets","collections":[
//	{"source":"salesloft","collection":"people","state":{…as in the topic…},"entries":[
//	{"id":"17","instant":"2026-01-31T12:00:00.000000Z","print":1,"hash":"0f…"},
//	{"id":"18","instant":"2026-01-31T12:00:01.000000Z","print":0,"mark":true}],
//	"doubts":[
//	{"id":"17","v":1,"since":…,"at":…,"absent":false,"twice":false}],
//	"receipts":[
//	{"key":"id:18","v":1,"instant":…,"print":1,"hash":"0f…"}]}
//	],"handlers":[
//	{"source":"crm",…as in the topic…}
//	],"holds":[
//	{"source":"crm","collection":"deals",…as in the topic…}
//	]}
//
// Handlers and holds are left out where there are none.
const exportVersion = 1

type (
	exportHead struct {
		Version int    `json:"tributary_state"`
		Topic   string `json:"topic"`
	}
	exportName struct {
		Source     string    `json:"source"`
		Collection string    `json:"collection"`
		State      stateJSON `json:"state"`
	}
	entryJSON struct {
		ID      string      `json:"id"`
		Instant instantText `json:"instant"`
		Print   uint16      `json:"print"`
		Hash    string      `json:"hash,omitempty"`
		Mark    bool        `json:"mark,omitempty"`
	}
	doubtOfJSON struct {
		ID string `json:"id"`
		doubtJSON
	}
)

// Beside is what a file of export holds beside collections.
type Beside struct {
	Handlers map[string]*connector.HandlerState // by source
	Holds    map[Name]Hold
}

// Export writes collections that have a state as JSON, with what stands beside them, to be
// read by people and by Import.
func Export(w io.Writer, topic string, collections []*Collection, beside Beside) error {
	b := bufio.NewWriterSize(w, 1<<16)
	put := func(text string) { b.WriteString(text) } // an error stays until Flush
	value := func(v any) { b.Write(mustJSON(v)) }
	// cut writes an object without its last brace: more members follow.
	cut := func(v any) {
		text := mustJSON(v)
		b.Write(text[:len(text)-1])
	}
	cut(exportHead{exportVersion, topic})
	put(`,"collections":[`)
	for i, c := range collections {
		if i > 0 {
			put(",")
		}
		put("\n")
		cut(exportName{c.Name.Source, c.Name.Collection, toStateJSON(c.stateRecord())})
		put(`,"entries":[`)
		first := true
		line := func(v any) {
			if !first {
				put(",")
			}
			first = false
			put("\n")
			value(v)
		}
		for id, e := range c.Memory.Ledger.All() {
			j := entryJSON{ID: id, Instant: instantText(e.Instant), Print: e.Print, Mark: e.Mark}
			if !e.Mark {
				j.Hash = e.Hash.String()
			}
			line(j)
		}
		put("],\n\"doubts\":[")
		first = true
		for id, d := range c.Memory.Doubts {
			line(doubtOfJSON{id, toDoubtJSON(d)})
		}
		put("],\n\"receipts\":[")
		first = true
		for key, r := range c.Memory.Receipts {
			line(receiptOfJSON{key, toReceiptJSON(r)})
		}
		put("]}")
	}
	put("\n]")
	if err := beside.export(b); err != nil {
		return err
	}
	put("}\n")
	return b.Flush()
}

func (c *Collection) stateRecord() State {
	return State{State: c.Memory.State, Identity: c.Identity, Instance: c.Instance, Sum: c.Sum}
}

// Import reads what Export wrote, hands over one collection at a time, and returns what
// stands beside them. It checks that each adds up to its sum: a file that was cut or
// changed is refused, with the place. Nothing is written.
func Import(r io.Reader, each func(*Collection) error) (Beside, error) {
	d := importer{dec: json.NewDecoder(bufio.NewReaderSize(r, 1<<16)), beside: NewBeside()}
	if err := d.document(each); err != nil {
		return NewBeside(), fmt.Errorf("at byte %d: %w", d.dec.InputOffset(), err)
	}
	return d.beside, nil
}

// An importer reads the exported form piece by piece: a ledger is larger than one would
// hold as JSON.
type importer struct {
	dec    *json.Decoder
	beside Beside
}

func (d *importer) document(each func(*Collection) error) error {
	version, ended := 0, false
	err := d.object(func(name string) error {
		switch name {
		case "tributary_state":
			if err := d.dec.Decode(&version); err != nil {
				return err
			}
			if version != exportVersion {
				return fmt.Errorf("the file has version %d, this program knows %d: use the program that wrote it, or a newer one", version, exportVersion)
			}
			return nil
		case "topic":
			var topic string
			return d.dec.Decode(&topic)
		case "collections":
			if version == 0 {
				return fmt.Errorf(`it does not begin with "tributary_state": it was not written by state export`)
			}
			ended = true
			return d.array(func() error {
				c, err := d.collection()
				if err != nil {
					return err
				}
				return each(c)
			})
		case "handlers":
			return d.array(d.handler)
		case "holds":
			return d.array(d.hold)
		}
		return fmt.Errorf("member %q is not known", name)
	})
	if err == nil && !ended {
		err = fmt.Errorf(`it has no "collections": it was not written by state export`)
	}
	if err != nil {
		return err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows the end of the document")
	}
	return nil
}

func (d *importer) collection() (*Collection, error) {
	c := &Collection{Memory: connector.NewMemory()}
	err := d.object(func(name string) error {
		switch name {
		case "source":
			return d.dec.Decode(&c.Name.Source)
		case "collection":
			return d.dec.Decode(&c.Name.Collection)
		case "state":
			return d.state(c)
		case "entries":
			return d.array(func() error { return d.entry(c) })
		case "doubts":
			return d.array(func() error { return d.doubt(c) })
		case "receipts":
			return d.array(func() error { return d.receipt(c) })
		}
		return fmt.Errorf("member %q of a collection is not known", name)
	})
	switch {
	case err != nil && c.Name.Collection != "":
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	case err != nil:
		return nil, err
	case c.Name.Source == "" || c.Name.Collection == "" || !c.Known:
		return nil, fmt.Errorf(`a collection lacks "source", "collection" or "state"`)
	}
	if sum := c.total(); sum != c.Sum {
		return nil, fmt.Errorf("%s: %d entries, %d doubts and %d receipts add up to %s and not to the sum of its state, %s: the file was cut or changed",
			c.Name, c.Memory.Ledger.Len()+len(c.Memory.Ledger.Marks()), len(c.Memory.Doubts), len(c.Memory.Receipts), sum, c.Sum)
	}
	return c, nil
}

func (d *importer) state(c *Collection) error {
	var raw json.RawMessage
	if err := d.dec.Decode(&raw); err != nil {
		return err
	}
	return c.applyState(raw)
}

func (d *importer) entry(c *Collection) error {
	var j entryJSON
	d.dec.DisallowUnknownFields()
	if err := d.dec.Decode(&j); err != nil {
		return err
	}
	e := connector.Entry{Instant: connector.Instant(j.Instant), Print: j.Print, Mark: j.Mark}
	hash, err := hex.DecodeString(j.Hash)
	switch {
	case err != nil || (len(hash) != len(e.Hash) && !(j.Mark && j.Hash == "")):
		return fmt.Errorf("entry %q: hash %.80q is not %d hexadecimal digits", j.ID, j.Hash, 2*len(e.Hash))
	case j.ID == "" || len(j.ID) > connector.MaxID:
		return fmt.Errorf("an entry's id is %d bytes long", len(j.ID))
	}
	copy(e.Hash[:], hash)
	if _, twice := c.Memory.Ledger.Get(j.ID); twice {
		return fmt.Errorf("entry %q is there twice", j.ID)
	}
	c.Memory.Ledger.Put(j.ID, e)
	return nil
}

func (d *importer) doubt(c *Collection) error {
	var j doubtOfJSON
	d.dec.DisallowUnknownFields()
	if err := d.dec.Decode(&j); err != nil {
		return err
	}
	if _, twice := c.Memory.Doubts[j.ID]; twice || j.ID == "" {
		return fmt.Errorf("doubt %q is there twice, or has no id", j.ID)
	}
	c.Memory.Doubts[j.ID] = fromDoubtJSON(j.doubtJSON)
	return nil
}

// object calls member for each name, which reads the value.
func (d *importer) object(member func(name string) error) error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for d.dec.More() {
		name, err := d.dec.Token()
		if err != nil {
			return err
		}
		text, _ := name.(string) // a name is always a text
		if err := member(text); err != nil {
			return err
		}
	}
	return d.delim('}')
}

func (d *importer) array(element func() error) error {
	if err := d.delim('['); err != nil {
		return err
	}
	for d.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return d.delim(']')
}

func (d *importer) delim(want json.Delim) error {
	t, err := d.dec.Token()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("found %v where %v was expected", t, want)
	}
	return nil
}
