package canon

// memory remembers into which order the members of objects were brought, by their
// shape: the names as they were written, mixed into a number. The records of a page
// have few shapes, and putting members where they belong is cheaper than sorting
// them. It is a hint: the caller checks the order that it gives, for two shapes may
// have one number.
type memory struct {
	orders []order // a slot for each of a few shapes
	sorted []member
}

type order struct {
	shape  uint64
	places []uint16
}

const (
	slots     = 32
	maxPlaces = 512 // longer objects are rare, and would make the memory large
)

// mix adds the key of the next name to the number of a shape.
func mix(shape, key uint64) uint64 {
	shape = (shape ^ key) * 0x9e3779b97f4a7c15
	return shape ^ shape>>29
}

// recall returns the members in the order that is remembered, nil if none is.
func (m *memory) recall(shape uint64, ms []member) []member {
	if m.orders == nil {
		return nil
	}
	o := &m.orders[shape%slots]
	if o.shape != shape || len(o.places) != len(ms) {
		return nil
	}
	m.sorted = m.sorted[:0]
	for _, p := range o.places {
		m.sorted = append(m.sorted, ms[p])
	}
	return m.sorted
}

// learn remembers the order of members, in the place of another shape's.
func (m *memory) learn(shape uint64, ms []member) {
	if len(ms) > maxPlaces {
		return
	}
	if m.orders == nil {
		m.orders = make([]order, slots)
	}
	o := &m.orders[shape%slots]
	o.shape, o.places = shape, o.places[:0]
	for _, x := range ms {
		o.places = append(o.places, x.place)
	}
}
