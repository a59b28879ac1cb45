package offsets

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tributary/connector"
)

// NewBeside returns an empty one.
func NewBeside() Beside {
	return Beside{Handlers: map[string]*connector.HandlerState{}, Holds: map[Name]Hold{}}
}

type (
	handlerOfJSON struct {
		Source string `json:"source"`
		handlerJSON
	}
	holdOfJSON struct {
		Source     string `json:"source"`
		Collection string `json:"collection"`
		holdJSON
	}
)

// export writes the members that follow the collections.
func (s Beside) export(b *bufio.Writer) error {
	var lines []any
	flush := func(name string) error {
		for i, line := range lines {
			text, err := plainJSON(line)
			if err != nil {
				return err
			}
			if i == 0 {
				fmt.Fprintf(b, ",%q:[\n", name)
			} else {
				b.WriteString(",\n")
			}
			b.Write(text)
		}
		if len(lines) > 0 {
			b.WriteString("\n]")
		}
		lines = nil
		return nil
	}
	for _, source := range slices.Sorted(maps.Keys(s.Handlers)) {
		lines = append(lines, handlerOfJSON{source, toHandlerJSON(*s.Handlers[source], "")})
	}
	if err := flush("handlers"); err != nil {
		return err
	}
	names := slices.SortedFunc(maps.Keys(s.Holds), func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Collection, b.Collection))
	})
	for _, n := range names {
		lines = append(lines, holdOfJSON{n.Source, n.Collection, toHoldJSON(s.Holds[n])})
	}
	return flush("holds")
}

// plainJSON writes the JSON within v as the bytes that it is, but for white space.
func plainJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

func (d *importer) handler() error {
	var j handlerOfJSON
	if err := d.strict(&j); err != nil {
		return err
	}
	if _, twice := d.beside.Handlers[j.Source]; twice || j.Source == "" {
		return fmt.Errorf("handler %q is there twice, or has no source", j.Source)
	}
	h, err := j.handler()
	d.beside.Handlers[j.Source] = &h
	return err
}

func (d *importer) hold() error {
	var j holdOfJSON
	if err := d.strict(&j); err != nil {
		return err
	}
	name := Name{j.Source, j.Collection}
	if _, twice := d.beside.Holds[name]; twice || j.Source == "" || j.Collection == "" {
		return fmt.Errorf("the hold of %s is there twice, or of no collection", name)
	}
	h, err := j.hold()
	d.beside.Holds[name] = h
	return err
}

// strict reads the next value as one of the offsets topic is read.
func (d *importer) strict(into any) error {
	var raw json.RawMessage
	if err := d.dec.Decode(&raw); err != nil {
		return err
	}
	return strictJSON(raw, into)
}
