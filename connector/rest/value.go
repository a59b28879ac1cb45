package rest

import (
	"slices"
	"strings"

	"tributary/connector/rest/canon"
)

// published returns what is published of the record at body[at:end], which was summed
// last: the bytes themselves, or an edited copy. Whatever is told of a record is told of
// this, and the hash is that of this: no reader, log or ledger learns of the rest.
func (d *pageDecoder) published(at, end int) []byte {
	if !d.record.Edited() {
		return d.body[at:end:end]
	}
	if d.edited == nil {
		d.edited = make([]byte, 0, max(d.editedSize, end-at)) // the next page is often like the last
	}
	from := len(d.edited)
	d.edited = d.record.AppendEdited(d.edited, at, end)
	d.editedSize = len(d.edited)
	return d.edited[from:len(d.edited):len(d.edited)]
}

// unread is what is published of an item in which no record can be found: where nothing can
// be found, nothing can be left out either.
func (d *pageDecoder) unread(item []byte) []byte {
	if d.edits {
		return []byte(canon.Mask)
	}
	return item
}

const hiddenBody = hidden + ": value.drop and value.mask cannot be told apart in it"

// HideValues returns the body of a page as it may be shown: each record as it would be
// published. One in which records cannot be told is hidden whole.
func (c *Config) HideValues(body string) string {
	if len(c.Drop)+len(c.Mask) == 0 || body == "" {
		return body
	}
	d := newPageDecoder(c, c.stamps())
	d.body = []byte(body)
	if canon.Check(d.body, d.depth) != nil {
		return hiddenBody
	}
	var out []byte
	shown := 0
	err := d.envelope.Walk(d.body, func(at, depth int) (int, error) {
		end, err := d.add(at, depth)
		if err == nil {
			out = append(append(out, d.body[shown:at]...), d.records[len(d.records)-1].Value...)
			shown = end
		}
		return end, err
	})
	if err != nil {
		return hiddenBody
	}
	return string(append(out, d.body[shown:]...))
}

// validateValue checks the paths of what is not published. Id and instant are on every
// record, as its key and its ce_time, and state rebuild reads them from the value.
func (c *Config) validateValue(bad func(bool, string, ...any), path func(what, p string)) {
	for _, v := range []struct {
		key   string
		paths []string
	}{{"value.drop", c.Drop}, {"value.mask", c.Mask}} {
		for _, p := range v.paths {
			bad(p == "", "%s has an empty path", v.key)
			path(v.key, p)
			bad(hasIndex(p), "%s has %q with an index: it goes through arrays, into every element (leave the index out; a member of that name is written with dots)", v.key, p)
			for _, id := range append([]string{c.ID}, c.IDMore...) {
				bad(covers(p, id), "%s takes %q, where the id lies (%s): it is the key of every record, which shows it", v.key, p, id)
			}
			for _, at := range append([]string{c.Instant}, c.InstantElse...) {
				bad(covers(p, at), "%s takes %q, where the instant lies (%s): every record shows it as its ce_time", v.key, p, at)
			}
		}
	}
	for _, d := range c.Drop {
		bad(slices.Contains(c.Mask, d), "value.drop and value.mask both have %q: what is dropped needs no mask", d)
		for _, p := range c.Include {
			bad(covers(d, p), "hash.include has %q, which value.drop takes away with %q: the hash is that of what is published", p, d)
		}
	}
}

// hasIndex says whether a path is a JSON Pointer that may mean one element of an array.
func hasIndex(path string) bool {
	names, _ := canon.SplitPath(path)
	return strings.HasPrefix(path, "/") && slices.ContainsFunc(names, canon.IsIndex)
}

// covers says whether a value at path lies at or below the path p, which looks through
// arrays.
func covers(p, path string) bool {
	over, err := canon.SplitPath(p)
	under, _ := canon.SplitPath(path)
	if err != nil {
		return false // reported
	}
	if strings.HasPrefix(path, "/") {
		through := slices.DeleteFunc(slices.Clone(under), canon.IsIndex)
		if len(over) <= len(through) && slices.Equal(over, through[:len(over)]) {
			return true
		}
	}
	return len(over) <= len(under) && slices.Equal(over, under[:len(over)])
}
