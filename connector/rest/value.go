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
