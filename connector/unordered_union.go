package connector

// union counts what all walks together have shown, and which of it two of them have: or
// one, of what is too young to be meant.
func (c *circuit) union() (shown, shownTwice int) {
	count := func(m byte) {
		if m&(ever|asLate) != 0 {
			shown++
		}
		if m&(twice|asLate) != 0 {
			shownTwice++
		}
	}
	for _, m := range c.marks {
		count(m)
	}
	for _, m := range c.strange {
		count(m)
	}
	return shown, shownTwice
}

// anew forgets, for what all walks together have shown, what those before this one did: one
// that has gone since would stand for another that none has shown.
func (c *circuit) anew() {
	renew := func(m byte) byte {
		if m&inThis == 0 && m != 0 {
			return bygone
		}
		return m &^ twice
	}
	for i, m := range c.marks {
		c.marks[i] = renew(m)
	}
	for id, m := range c.strange {
		c.strange[id] = renew(m)
	}
}
