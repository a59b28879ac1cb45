package canon

// field is a node in the tree of the paths one cares about.
type field struct {
	name     string // canonical text
	children []*field

	finds    []int // the paths to be found that end here
	each     bool  // the array whose elements are visited
	include  bool
	drop     bool // excluded
	cut      bool // left out of what is published
	mask     bool // replaced in what is published
	holds    bool // what is included lies here, above or below
	strictly bool // only members whose field holds are kept
}

// at returns the node of path, making it; the empty path is the whole.
func (f *field) at(path string) *field { return f.below(names(path)) }

func (f *field) below(names []string) *field {
	for _, n := range names {
		name := string(appendEscaped(nil, n))
		c := f.child([]byte(name))
		if c == nil {
			c = &field{name: name}
			f.children = append(f.children, c)
		}
		f = c
	}
	return f
}

func (f *field) child(name []byte) *field {
	for _, c := range f.children {
		if c.name == string(name) {
			return c
		}
	}
	return nil
}

// settle works out what is kept, from the top (inside: a field above is included)
// down.
func (f *field) settle(inside bool) {
	inside = inside || f.include
	f.strictly, f.holds = !inside, inside
	for _, c := range f.children {
		c.settle(inside)
		f.holds = f.holds || c.holds
	}
}

// drops says whether the member of f with node c (nil: none) is left out.
func (f *field) drops(c *field) bool {
	if c == nil {
		return f.strictly
	}
	return c.drop || f.strictly && !c.holds
}

// indexes returns for each path the names from the first index on, nil: it has none.
func indexes(find []string) [][]string {
	out := make([][]string, len(find))
	for i, p := range find {
		_, out[i] = cutIndex(p)
	}
	return out
}

func tree(include, exclude, find []string) *field {
	root := &field{}
	for _, p := range include {
		root.at(p).include = true
	}
	for _, p := range exclude {
		root.at(p).drop = true
	}
	for i, p := range find {
		walked, _ := cutIndex(p)
		f := root.below(walked)
		f.finds = append(f.finds, i)
	}
	root.settle(len(include) == 0)
	return root
}
