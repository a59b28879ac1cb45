package canon

// Mask is what a masked value is replaced by, as JSON. It is one text for all: a
// consumer sees that there is a value, and nothing of it.
const Mask = `"***"`

// An edit is a piece of the source that is left out of what is published, or is
// replaced by the mask.
type edit struct {
	start, end int
	mask       bool
}

// Edit makes the hasher take the members at the paths drop out of what it sums, and
// put the mask in the place of the values at the paths mask. Paths look through arrays
// at any depth, as filters do. A mask goes into each element of an array, takes an
// object as one value, and leaves null, which has nothing to hide.
func (h *Hasher) Edit(drop, mask []string) {
	root := h.w.root
	for _, p := range drop {
		f := root.at(p)
		f.drop, f.cut = true, true
	}
	for _, p := range mask {
		root.at(p).mask = true
	}
	root.settle(!root.strictly)
	h.w.edits = make([]edit, 0, 8)
}

// Edited says whether the value summed last is published otherwise than it was sent.
func (h *Hasher) Edited() bool { return len(h.w.edits) > 0 }

// AppendEdited appends what is published of the value summed last, which lies at
// src[i:end]: the bytes as they were sent, but for the edits. The digest is that of
// exactly this.
func (h *Hasher) AppendEdited(dst []byte, i, end int) []byte {
	for _, e := range h.w.edits {
		dst = append(dst, h.w.src[i:e.start]...)
		if e.mask {
			dst = append(dst, Mask...)
		}
		i = e.end
	}
	return append(dst, h.w.src[i:end]...)
}

// masked puts the mask in the place of the value at src[start:end], whose text begins at
// out and whose own edits at edits.
func (w *walker) masked(start, end, out, edits int) {
	if c := w.src[start]; c == '[' || c == 'n' {
		return // its elements have theirs
	}
	w.out = append(w.out[:out], Mask...)
	w.edits = append(w.edits[:edits], edit{start, end, true})
}

// A cut is a run of neighbours among the members of one object that are left out.
type cut struct {
	run  int // 1 + the index of the open run among the edits, 0: there is none
	kept int // where the last member that stays ends, 0: there is none
}

// member takes in the member at src[start:end], whose own edits begin at edits. A run
// that another member follows goes with the comma behind it.
func (c *cut) member(w *walker, start, end, edits int, gone bool) {
	switch {
	case !gone:
		if c.run > 0 {
			w.edits[c.run-1].end = start
			c.run = 0
		}
		c.kept = end
	case c.run > 0:
		w.edits = w.edits[:edits]
		w.edits[c.run-1].end = end
	default:
		w.edits = append(w.edits[:edits], edit{start: start, end: end})
		c.run = len(w.edits)
	}
}

// close ends the object: a run that nothing follows goes with the comma before it.
func (c *cut) close(w *walker) {
	if c.run > 0 && c.kept > 0 {
		w.edits[c.run-1].start = c.kept
	}
}
