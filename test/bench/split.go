//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// page is one answer of the API with the records in it, which alias its body.
type page struct {
	body    []byte
	records []record
	reader  bytes.Buffer
	decoder jsontext.Decoder
}

// record is what the bare loop needs of one.
type record struct{ id, stamp, value []byte }

// split finds the records of the body, in one pass over its tokens.
func (p *page) split() error {
	p.records = p.records[:0]
	p.reader = *bytes.NewBuffer(p.body)
	p.decoder.Reset(&p.reader)
	return p.object(func(name []byte) error {
		if string(name) != "data" {
			return p.decoder.SkipValue()
		}
		if _, err := p.decoder.ReadToken(); err != nil {
			return err
		}
		for p.decoder.PeekKind() != ']' {
			if err := p.record(); err != nil {
				return err
			}
		}
		_, err := p.decoder.ReadToken()
		return err
	})
}

func (p *page) record() error {
	var r record
	err := p.object(func(name []byte) error {
		id, stamp := string(name) == "id", string(name) == "updated_at"
		if !id && !stamp {
			return p.decoder.SkipValue()
		}
		v, err := p.decoder.ReadValue()
		if err != nil {
			return err
		}
		// A value is only good until the next call, its place in the body stays.
		end := int(p.decoder.InputOffset())
		text := p.body[end-len(v) : end]
		if id {
			r.id = text
		} else {
			r.stamp = bytes.Trim(text, `"`)
		}
		return nil
	}, func(start, end int) { r.value = p.body[start:end] })
	if err == nil && (r.id == nil || r.stamp == nil) {
		err = errors.New("record without id or updated_at")
	}
	p.records = append(p.records, r)
	return err
}

// object reads an object and calls member at the value of each of its members, then
// the others with the place of the whole.
func (p *page) object(member func(name []byte) error, whole ...func(start, end int)) error {
	tok, err := p.decoder.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() != '{' {
		return fmt.Errorf("%s where an object should be", tok.Kind())
	}
	start := int(p.decoder.InputOffset()) - 1
	for p.decoder.PeekKind() != '}' {
		name, err := p.decoder.ReadValue()
		if err != nil {
			return err
		}
		// The names that matter have no escapes.
		if err := member(bytes.Trim(name, `"`)); err != nil {
			return err
		}
	}
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	for _, f := range whole {
		f(start, int(p.decoder.InputOffset()))
	}
	return nil
}
