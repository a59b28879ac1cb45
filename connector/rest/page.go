package rest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"tributary/connector"
	"tributary/connector/rest/canon"
)

// reasons names, for a metric's label, why a document is refused.
var reasons = []struct {
	err    error
	reason string
}{
	{canon.ErrEncoding, "encoding"},
	{canon.ErrTruncated, "truncated"},
	{canon.ErrSyntax, "not_json"},
	{canon.ErrTrailing, "trailing_data"},
	{canon.ErrDeep, "too_deep"},
	{canon.ErrDuplicate, "duplicate_name"},
	{canon.ErrNoArray, "no_records"},
}

// pageDecoder turns bodies into pages, one after the other. It is pure: what it
// returns depends on the body alone.
type pageDecoder struct {
	stamps stamps
	depth  int
	at     string // the path of the records
	fields recordFields
	parent string // the id of the parent of what is decoded

	record *canon.Hasher
	// unwrap finds the record within an item, nil: the item is it; unwrapDeep is how many
	// levels it lies below.
	unwrap     *canon.Hasher
	unwrapDeep int
	envelope   *canon.Envelope
	// Where the envelope finds what, -1: it is not asked for.
	next, nextParent, end, token, total, echoFrom int
	echoOrder                                     map[string]int

	body    []byte
	records []connector.Record
	rows    int    // of the last page: the next is often like it
	text    []byte // the stamps of a page, one behind the other
	ends    []int  // where each of them ends
	scratch []byte
	// edited is what is published of this page's records where that is not the body's
	// own bytes.
	edited     []byte
	editedSize int
	edits      bool
}

func newPageDecoder(c *Config, s stamps) *pageDecoder {
	d := &pageDecoder{stamps: s, depth: c.MaxDepth, at: c.Records, nextParent: -1, echoOrder: map[string]int{}}
	var find []string
	want := func(path string) int {
		if path == "" {
			return -1
		}
		find = append(find, path)
		return len(find) - 1
	}
	if d.next = want(c.Next); d.next >= 0 {
		find = append(find, canon.ParentPath(c.Next)) // empty: the whole
		d.nextParent = len(find) - 1
	}
	d.end = want(c.End)
	d.token = want(c.Token + c.NextURL) // there is but one of them
	d.total, d.echoFrom = want(c.Total), want(c.EchoFrom)
	for p := range c.EchoOrder {
		d.echoOrder[p] = want(p)
	}
	d.envelope = canon.NewEnvelope(c.Records, find, c.MaxDepth)
	var paths []string
	d.fields, paths = newRecordFields(c)
	d.record = canon.NewHasher(c.Include, c.Exclude, paths, c.MaxDepth)
	if d.edits = len(c.Drop)+len(c.Mask) > 0; d.edits {
		d.record.Edit(c.Drop, c.Mask)
	}
	if c.Unwrap != "" {
		// No name is included: what is around the record is checked, and not summed.
		d.unwrap = canon.NewHasher([]string{"/\x00"}, nil, []string{c.Unwrap}, c.MaxDepth)
		names, _ := canon.SplitPath(c.Unwrap)
		d.unwrapDeep = len(names)
	}
	return d
}

// decode reads a body. The records' values are pieces of it, or edited copies. The page's
// Date is the caller's to set.
func (d *pageDecoder) decode(body []byte) (connector.Page, error) {
	err := canon.Check(body, d.depth)
	if err == nil {
		d.begin(body)
		err = d.envelope.Walk(body, d.add)
	}
	if err != nil {
		return connector.Page{}, d.refusal(err)
	}
	d.setStamps()
	d.rows = len(d.records)
	p := connector.Page{Records: d.records, Total: -1}
	p.Last = d.last()
	if total := d.value(d.total); total != nil {
		if n, err := strconv.Atoi(string(total)); err == nil && n >= 0 {
			p.Total = n
		}
	}
	return p, nil
}

// begin makes ready for the records of a body.
func (d *pageDecoder) begin(body []byte) {
	d.body, d.text, d.ends = body, d.text[:0], d.ends[:0]
	d.records = make([]connector.Record, 0, d.rows)
}

// release forgets the body: thousands of collections wait for their next page, and
// none needs the last.
func (d *pageDecoder) release() {
	d.body, d.records, d.edited = nil, nil, nil
	d.record.Release()
	if d.unwrap != nil {
		d.unwrap.Release()
	}
	d.envelope.Release()
}

func (d *pageDecoder) refusal(err error) error {
	for _, r := range reasons {
		if !errors.Is(err, r.err) {
			continue
		}
		if r.err == canon.ErrDeep {
			return &refusal{r.reason, fmt.Sprintf("%s: more than %d levels, which is `request.max_depth`", err, d.depth)}
		}
		if r.err == canon.ErrNoArray {
			return &refusal{r.reason, fmt.Sprintf("%s where `records: %q` says", err, d.at)}
		}
		return &refusal{r.reason, err.Error()}
	}
	return err
}

// value returns the text that the envelope found at k, nil: none.
func (d *pageDecoder) value(k int) []byte {
	if k < 0 {
		return nil
	}
	return d.envelope.Found(k)
}

// last says whether the API said that nothing follows. Where the object that would
// say so is missing, it said nothing.
func (d *pageDecoder) last() bool {
	if d.end >= 0 {
		return isSet(d.value(d.end))
	}
	parent := d.value(d.nextParent)
	return len(parent) > 0 && parent[0] == '{' && !isSet(d.value(d.next))
}

// isSet says that a value is there and says something: null, false, 0 and the empty text
// are how APIs write that a record is not deleted, and that no page follows.
func isSet(value []byte) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`:
		return false
	}
	return true
}

func isNumber(value []byte) bool { return value[0] == '-' || value[0]-'0' <= 9 }

// unquoted returns the text of a JSON string, or a scalar as it is.
func unquoted(value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return value
	}
	text, _ := canon.Unquote(nil, value)
	return text
}

// orderPaths returns the paths of the order's echoes, always in one order.
func (d *pageDecoder) orderPaths() []string {
	paths := make([]string, 0, len(d.echoOrder))
	for p := range d.echoOrder {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// hasFold says whether text begins with prefix, upper and lower case alike.
func hasFold(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && bytes.EqualFold(text[:len(prefix)], []byte(prefix))
}
