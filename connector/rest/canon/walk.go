package canon

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// walker goes through one value and writes its canonical text.
type walker struct {
	root   *field
	limit  int        // of the depth
	within [][]string // of each path to be found, what lies within what the walk finds
	each   func(at, depth int) (int, error)
	// visited says that the array whose elements go to each was there.
	visited bool

	src     []byte
	out     []byte
	members []member // of all objects that are open
	memory  memory
	found   [][]byte
	arrays  int    // that are open
	edits   []edit // in order and apart; nil: nothing is edited
	err     error
}

// member is one `"name":value` in the canonical text.
type member struct {
	key        uint64 // the first eight bytes of the name
	start, end uint32
	name       uint32 // where the name ends; it begins behind the quotation mark
	place      uint16 // among its object's members, as they were written
	drop, cut  bool   // left out of the digest, and of what is published
}

// keep is the most memory that a walker holds on to between two values.
const keep = 1 << 20

// begin makes ready for the value of src that begins at or behind i.
func (w *walker) begin(src []byte) {
	if cap(w.out) > keep || cap(w.members) > keep/32 {
		w.out, w.members, w.memory.sorted = nil, nil, nil
	}
	if w.found == nil {
		w.found = make([][]byte, len(w.within))
	}
	clear(w.found)
	w.src, w.out, w.members, w.arrays, w.err = src, w.out[:0], w.members[:0], 0, nil
	w.edits = w.edits[:0]
}

// at returns what was found at the k-th path.
func (w *walker) at(k int) []byte {
	if len(w.within[k]) == 0 || w.found[k] == nil {
		return w.found[k]
	}
	return Lookup(w.found[k], w.within[k])
}

func (w *walker) release() {
	w.src, w.each = nil, nil
	clear(w.found)
}

// value walks the value at i and returns the index behind it, or -1 after an error.
// The field f is nil where nothing below is of interest and all is kept.
func (w *walker) value(i, depth int, f *field) int {
	start, out, edits := i, len(w.out), len(w.edits)
	switch w.src[i] {
	case '"':
		i = w.str(i)
	case '{', '[':
		if depth > w.limit {
			return w.fail(ErrDeep)
		}
		if w.src[i] == '{' {
			i = w.object(i, depth, f)
		} else {
			i = w.array(i, depth, f)
		}
	default:
		i = scalarEnd(w.src, i)
		w.out = append(w.out, w.src[start:i]...)
	}
	if f == nil || i < 0 {
		return i
	}
	if w.arrays == 0 {
		for _, k := range f.finds {
			w.found[k] = w.src[start:i]
		}
	}
	if f.mask {
		w.masked(start, i, out, edits)
	}
	return i
}

func (w *walker) fail(err error) int {
	w.err = err
	return -1
}

func scalarEnd(src []byte, i int) int {
	for i < len(src) {
		switch src[i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

func (w *walker) str(i int) int {
	end, plain := quote(w.src, i+1)
	w.out = append(w.out, '"')
	start := len(w.out)
	if plain {
		w.out = append(w.out, w.src[i+1:end]...)
	} else {
		w.out = appendText(w.out, w.src[i+1:end])
	}
	w.out = append(normalTime(w.out, start), '"')
	return end + 1
}

func (w *walker) array(i, depth int, f *field) int {
	if f != nil && f.each && w.arrays == 0 {
		return w.elements(i, depth)
	}
	w.arrays++
	w.out = append(w.out, '[')
	for i = space(w.src, i+1); w.src[i] != ']'; {
		if i = w.value(i, depth+1, f); i < 0 {
			return i
		}
		if i = space(w.src, i); w.src[i] == ',' {
			w.out = append(w.out, ',')
			i = space(w.src, i+1)
		}
	}
	w.out = append(w.out, ']')
	w.arrays--
	return i + 1
}

// elements hands the elements of the array at i to each.
func (w *walker) elements(i, depth int) int {
	w.visited = true
	for i = space(w.src, i+1); w.src[i] != ']'; {
		end, err := w.each(i, depth+1)
		if err != nil {
			return w.fail(err)
		}
		if i = space(w.src, end); w.src[i] == ',' {
			i = space(w.src, i+1)
		}
	}
	return i + 1
}

func (w *walker) object(i, depth int, f *field) int {
	w.out = append(w.out, '{')
	base, start := len(w.members), len(w.out)
	asWritten := true // in order, and nothing dropped
	var shape uint64
	var gone cut
	for i = space(w.src, i+1); w.src[i] != '}'; {
		if len(w.out) > start {
			w.out = append(w.out, ',')
		}
		var m member
		at, edits := i, len(w.edits)
		if i, m = w.member(i, depth, f); i < 0 {
			return i
		}
		if w.edits != nil {
			gone.member(w, at, i, edits, m.cut)
		}
		if m.drop || asWritten && len(w.members) > base && w.compare(w.members[len(w.members)-1], m) >= 0 {
			asWritten = false
		}
		m.place = uint16(len(w.members) - base)
		shape = mix(shape, m.key)
		w.members = append(w.members, m)
		if i = space(w.src, i); w.src[i] == ',' {
			i = space(w.src, i+1)
		}
	}
	gone.close(w)
	if !asWritten && !w.rewrite(w.members[base:], start, shape) {
		return w.fail(ErrDuplicate)
	}
	w.members = w.members[:base]
	w.out = append(w.out, '}')
	return i + 1
}

// member writes the member at i. One that is dropped leaves its name, for names are
// compared with all others.
func (w *walker) member(i, depth int, f *field) (int, member) {
	m := member{start: uint32(len(w.out))}
	end, plain := quote(w.src, i+1)
	if plain {
		m.key = prefix(w.src, i+1, end)
		w.out = append(w.out, w.src[i:end]...)
	} else {
		w.out = append(w.out, '"')
		w.out = appendText(w.out, w.src[i+1:end])
		m.key = prefix(w.out, int(m.start)+1, len(w.out))
	}
	m.name = uint32(len(w.out))
	var c *field
	if f != nil {
		c = f.child(w.out[m.start+1 : m.name])
		m.drop, m.cut = f.drops(c), c != nil && c.cut
	}
	w.out = append(w.out, '"', ':')
	i = space(w.src, end+1)                    // to the colon
	i = w.value(space(w.src, i+1), depth+1, c) // dropped or not: its names are checked, its fields found
	if m.drop {
		w.out = w.out[:m.name]
	}
	m.end = uint32(len(w.out))
	return i, m
}

// prefix returns the first eight bytes of b[i:end] as a number that sorts like them.
func prefix(b []byte, i, end int) (k uint64) {
	n := end - i
	if n >= 8 {
		return binary.BigEndian.Uint64(b[i:])
	}
	if n > 0 && i+8 <= len(b) {
		return binary.BigEndian.Uint64(b[i:]) >> (64 - 8*n) << (64 - 8*n)
	}
	for ; i < end; i++ {
		k = k<<8 | uint64(b[i])
	}
	return k << (64 - 8*n) // 0 for an empty name: a shift by 64 clears
}

// compare orders members by the canonical text of their names. That has no byte of
// zero, so shorter names are not taken for longer ones.
func (w *walker) compare(a, b member) int {
	if a.key != b.key {
		if a.key < b.key {
			return -1
		}
		return 1
	}
	return bytes.Compare(w.out[a.start+1:a.name], w.out[b.start+1:b.name])
}

// rewrite brings the members of the object whose text begins at start into order and
// leaves out what is dropped. It is false where two have one name.
func (w *walker) rewrite(ms []member, start int, shape uint64) bool {
	if sorted := w.memory.recall(shape, ms); w.strict(sorted) {
		ms = sorted
	} else {
		slices.SortFunc(ms, w.compare)
		if !w.strict(ms) {
			return false
		}
		w.memory.learn(shape, ms)
	}
	// Written behind the old text and moved down over it: nested objects would
	// otherwise pile up one copy for each level.
	tail := len(w.out)
	for _, m := range ms {
		if m.drop {
			continue
		}
		if len(w.out) > tail {
			w.out = append(w.out, ',')
		}
		w.out = append(w.out, w.out[m.start:m.end]...)
	}
	n := copy(w.out[start:], w.out[tail:])
	w.out = w.out[:start+n]
	return true
}

// strict says whether members are in order and no two have one name; of nothing, not.
func (w *walker) strict(ms []member) bool {
	for k := 1; k < len(ms); k++ {
		if w.compare(ms[k-1], ms[k]) >= 0 {
			return false
		}
	}
	return len(ms) > 0
}
