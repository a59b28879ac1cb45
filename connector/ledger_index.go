package connector

// Slots returns how many places for entries the ledger has: every Index is below it.
// Whoever keeps a bit an entry keeps them in a slice of this length and needs no
// second map of the ids.
func (l *Ledger) Slots() int { return int(l.next) }

// Index returns the place of id and its entry. It stays the same until the id is
// dropped.
func (l *Ledger) Index(id string) (int, Entry, bool) {
	if len(l.slots) == 0 {
		return 0, Entry{}, false
	}
	n, number := parseNumber(id)
	r, slot := l.find(id, n, number, l.sum(id, n, number))
	if r == nil {
		return 0, Entry{}, false
	}
	return int(l.slots[slot] - 1), r.entry(), true
}

// At returns the id and the entry at a place, and false where there is none.
func (l *Ledger) At(index int) (string, Entry, bool) {
	r := l.at(uint32(index))
	if !r.used() {
		return "", Entry{}, false
	}
	return l.id(r), r.entry(), true
}
