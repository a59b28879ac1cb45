package rest

import (
	"fmt"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// RecordParser reads single records as a page that holds them would be read: id,
// instant, deletion, hash. It is for one goroutine.
type RecordParser struct{ pages *pageDecoder }

// NewRecordParser returns a parser for the records of a collection. It refuses the
// config that New refuses.
func NewRecordParser(cfg Config) (*RecordParser, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &RecordParser{newPageDecoder(&cfg, cfg.stamps())}, nil
}

// CheckKey says what is wrong with a key that no record of the collection can have: one of
// more or fewer parts than its id has.
func (p *RecordParser) CheckKey(key string) error {
	if want := p.pages.fields.ids; want > 1 {
		if got := len(splitID(key)); got != want {
			return fmt.Errorf("it has %d of the %d parts of an id", got, want)
		}
	}
	return nil
}

// Parse reads one record, which the result aliases, and which was published under that key:
// of an id with a part of its parent's, only the key has that part. Its error says that the
// value is not a JSON document that a page could hold.
func (p *RecordParser) Parse(key string, value []byte) (connector.Record, error) {
	d := p.pages
	if k := d.fields.parentPart; k >= 0 {
		if parts := splitID(key); k < len(parts) {
			d.parent = parts[k]
		}
	}
	if err := canon.Check(value, d.depth); err != nil {
		return connector.Record{}, err
	}
	d.body, d.text, d.ends, d.records = value, d.text[:0], d.ends[:0], nil
	defer d.release()
	if _, err := d.addRecord(0, 0); err != nil {
		return connector.Record{}, err
	}
	d.setStamps()
	return d.records[0], nil
}
