package hostile

// tree is an immutable treap over the visible versions of a collection, ordered by
// stamp and then by record. Every change makes a new root that shares all but one
// path with the old one, so the snapshot of any moment is a pointer, and a request
// walks it without a lock.
type tree struct {
	v           *Version
	priority    uint64
	size        int
	left, right *tree
}

func (t *tree) len() int {
	if t == nil {
		return 0
	}
	return t.size
}

func (t *tree) with(left, right *tree) *tree {
	return &tree{v: t.v, priority: t.priority, size: left.len() + right.len() + 1, left: left, right: right}
}

func less(a, b *Version) bool {
	if a.order != b.order {
		return a.order < b.order
	}
	return a.rec.num < b.rec.num
}

func (t *tree) insert(v *Version) *tree {
	return t.add(&tree{v: v, priority: mix(uint64(v.rec.num)<<20 ^ uint64(v.Ver)), size: 1})
}

func (t *tree) add(n *tree) *tree {
	switch {
	case t == nil:
		return n
	case n.priority > t.priority:
		left, right := t.split(n.v)
		return n.with(left, right)
	case less(n.v, t.v):
		return t.with(t.left.add(n), t.right)
	default:
		return t.with(t.left, t.right.add(n))
	}
}

// split parts the tree into what is before v and the rest.
func (t *tree) split(v *Version) (before, rest *tree) {
	if t == nil {
		return nil, nil
	}
	if less(t.v, v) {
		l, r := t.right.split(v)
		return t.with(t.left, l), r
	}
	l, r := t.left.split(v)
	return l, t.with(r, t.right)
}

func (t *tree) remove(v *Version) *tree {
	switch {
	case t == nil:
		return nil
	case t.v == v:
		return join(t.left, t.right)
	case less(v, t.v):
		return t.with(t.left.remove(v), t.right)
	default:
		return t.with(t.left, t.right.remove(v))
	}
}

func join(l, r *tree) *tree {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case l.priority > r.priority:
		return l.with(l.left, join(l.right, r))
	default:
		return r.with(join(l, r.left), r.right)
	}
}

// rank counts the versions whose stamp is before order.
func (t *tree) rank(order int64) int {
	n := 0
	for t != nil {
		if t.v.order < order {
			n += t.left.len() + 1
			t = t.right
		} else {
			t = t.left
		}
	}
	return n
}

// slice appends the versions from the i-th up to the j-th, not included, to out.
func (t *tree) slice(i, j int, out []*Version) []*Version {
	if t == nil || i >= j || i >= t.size || j <= 0 {
		return out
	}
	l := t.left.len()
	out = t.left.slice(i, min(j, l), out)
	if i <= l && l < j {
		out = append(out, t.v)
	}
	return t.right.slice(max(i-l-1, 0), j-l-1, out)
}

// mix is the finaliser of splitmix64: it turns numbers in a row into random ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
