package rest

import (
	"fmt"
	"slices"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// foundID is where the hasher finds the first part of a record's id.
const foundID = 0

// recordFields are where the hasher finds what of a record.
type recordFields struct {
	ids                 int // parts of the id, from foundID on
	parentPart          int // which of them is the parent's, -1: none
	instantAt, instants int // the instant, and what stands in for it
	deletedAt           int
	deleted             func(value []byte) bool // nil: deletions are not announced
	always              bool                    // nothing but deletions is listed
}

// newRecordFields returns them with the paths that the hasher is to find.
func newRecordFields(c *Config) (f recordFields, paths []string) {
	paths = append([]string{c.ID}, c.IDMore...)
	f.always = c.AlwaysDeleted
	if f.parentPart = slices.Index(paths, ParentPart); f.parentPart >= 0 {
		paths[f.parentPart] = "" // the whole: in no record
	}
	f.ids, f.instantAt = len(paths), len(paths)
	if c.Instant != "" {
		f.instants = 1 + len(c.InstantElse)
		paths = append(append(paths, c.Instant), c.InstantElse...)
	}
	if c.Deleted != "" {
		f.deletedAt, f.deleted = len(paths), isSet
		if c.DeletedEquals != "" {
			f.deleted = equals(c.DeletedEquals)
		}
		paths = append(paths, c.Deleted)
	}
	return f, paths
}

// equals returns whether a value is that JSON scalar. Texts are compared as they read,
// numbers as they are written.
func equals(want string) func(value []byte) bool {
	text := string(unquoted([]byte(want)))
	isText := want[0] == '"'
	return func(value []byte) bool {
		return len(value) > 0 && (value[0] == '"') == isText && string(unquoted(value)) == text
	}
}

// add reads the item at body[at], which is a record or holds one, and returns the index
// behind it.
func (d *pageDecoder) add(at, depth int) (int, error) {
	if d.unwrap == nil {
		return d.addRecord(at, depth)
	}
	_, end, err := d.unwrap.Sum(d.body, at, depth)
	if err != nil {
		return end, err
	}
	inner := d.unwrap.Found(0)
	if inner == nil {
		d.append(connector.Record{Value: d.unread(d.body[at:end:end]), Bad: "there is no record at the path of unwrap"})
		return end, nil
	}
	// A piece of the body ends where the body's memory does: that says where it begins.
	_, err = d.addRecord(cap(d.body)-cap(inner), depth+d.unwrapDeep)
	return end, err
}

func (d *pageDecoder) append(r connector.Record) {
	d.records = append(d.records, r)
	d.ends = append(d.ends, len(d.text))
}

// addRecord reads the record at body[at].
func (d *pageDecoder) addRecord(at, depth int) (int, error) {
	hash, end, err := d.record.Sum(d.body, at, depth)
	if err != nil {
		return end, err
	}
	r := connector.Record{Hash: hash, Value: d.published(at, end)}
	if d.body[at] != '{' {
		r = connector.Record{Value: d.unread(r.Value), Bad: "it is not an object"}
	} else {
		d.setID(&r)
		d.setInstant(&r)
		r.Deleted = d.fields.always || d.fields.deleted != nil && d.fields.deleted(d.record.Found(d.fields.deletedAt))
	}
	d.append(r)
	return end, nil
}

func (d *pageDecoder) setID(r *connector.Record) {
	if d.fields.ids == 1 {
		d.scratch, r.Bad = idText(d.scratch[:0], d.record.Found(foundID))
		r.ID = string(d.scratch)
		return
	}
	var id, part []byte
	for k := range d.fields.ids {
		var bad string
		if k == d.fields.parentPart {
			part = append(part[:0], d.parent...)
		} else if part, bad = idText(part[:0], d.record.Found(foundID+k)); bad != "" {
			r.Bad = bad + fmt.Sprintf(" (part %d of it)", k+1)
			return
		}
		id = appendIDPart(id, string(part))
	}
	r.ID = string(id)
}

// appendIDPart adds a part to an id that is composed of several: with / between two, and
// as in a JSON Pointer ~1 for a slash and ~0 for a tilde within a part, so that different
// parts never make the same id.
func appendIDPart(id []byte, part string) []byte {
	if len(id) > 0 {
		id = append(id, '/')
	}
	for i := 0; i < len(part); i++ {
		switch part[i] {
		case '~':
			id = append(id, "~0"...)
		case '/':
			id = append(id, "~1"...)
		default:
			id = append(id, part[i])
		}
	}
	return id
}

// idText appends the text of an id, with what is wrong with it.
func idText(dst, value []byte) (text []byte, bad string) {
	switch {
	case value == nil:
		return dst, "it has no id"
	case value[0] == '"':
		dst, isText := canon.Unquote(dst, value)
		switch {
		case !isText:
			return dst, "its id has half a character (a lone surrogate)"
		case len(dst) == 0:
			return dst, "its id is empty"
		}
		return dst, ""
	case isNumber(value):
		return append(dst, value...), ""
	case string(value) == "null":
		return dst, "its id is null"
	}
	return dst, "its id is neither a text nor a number"
}

// maxBadStamp is how much is kept of a stamp that is no instant.
const maxBadStamp = 100

func (d *pageDecoder) setInstant(r *connector.Record) {
	if d.fields.instants == 0 {
		return // of a parent, which needs none
	}
	value := d.record.Found(d.fields.instantAt)
	for k := 1; k < d.fields.instants && !isThere(value); k++ {
		value = d.record.Found(d.fields.instantAt + k)
	}
	bad := ""
	switch {
	case value == nil:
		bad = "it has no instant"
	case string(value) == "null":
		bad = "its instant is null"
	case value[0] == '"' || isNumber(value):
		text, ok := value, true
		if value[0] == '"' {
			d.scratch, _ = canon.Unquote(d.scratch[:0], value)
			text = d.scratch
		}
		if r.Instant, ok = d.stamps.parse(text, value[0] != '"'); !ok {
			r.Instant, text = 0, text[:min(len(text), maxBadStamp)]
			bad = "its instant cannot be read (cursor.zone is for stamps without an offset)"
		}
		d.text = append(d.text, text...)
	default:
		bad = "its instant is neither a text nor a number"
	}
	switch {
	case r.Bad == "":
		r.Bad = bad
	case bad != "":
		r.Bad += ", and " + bad
	}
}

func isThere(value []byte) bool { return value != nil && string(value) != "null" }

// setStamps makes the stamps of a page one string and gives each record its piece:
// one allocation for all. Of a page one stamp at most is kept for long.
func (d *pageDecoder) setStamps() {
	text, from := string(d.text), 0
	for i, end := range d.ends {
		d.records[i].Stamp = text[from:end]
		from = end
	}
}
