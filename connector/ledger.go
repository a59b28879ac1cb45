package connector

import (
	"hash/maphash"
	"iter"
	"strconv"
)

// Entry is what the ledger holds of one record: of a live one its version, of a
// deleted one the mark.
type Entry struct {
	// Instant is the updated_at of the version published last, or of the deletion.
	Instant Instant
	// Hash is the version's; zero in a mark.
	Hash Hash
	// Print numbers the fingerprint that Hash was made with.
	Print uint16
	// Mark says that the record is dead since Instant. A mark is forgotten once no
	// replica can show the record any more.
	Mark bool
}

// MaxID is the longest id in bytes that a ledger takes.
const MaxID = 1<<16 - 1

// Ledger maps ids to entries. It is made for tens of millions of them: about 55
// bytes for an entry under a number, and the id's length more under a text. It is
// owned by one goroutine. The zero value is empty and ready to use.
type Ledger struct {
	slots  []uint32   // 1 + index of an entry, 0: empty; linear probing, a power of two
	chunks [][]record // but for those of the first, entries never move: growing copies only the slots
	free   []uint32   // indexes of dropped entries
	next   uint32     // first index never used
	marks  map[string]Instant
	live   int
	ids    arena
	seed   maphash.Seed
}

// record is an entry as it lies in memory: 40 bytes.
type record struct {
	instant Instant
	id      uint64 // the number itself, or where the text lies in the arena
	hash    Hash
	sum     uint32 // of the id, so that growing and dropping need not read ids
	length  uint16 // of the id's text; 0: id is a number
	print   uint16 // with the highest bits for used and mark
}

const (
	chunkSize = 1 << 12
	// firstChunk is how many the first chunk holds at first: it alone is doubled until it is
	// as large as the others. Of thousands of collections most hold a few records.
	firstChunk = 8
	usedBit    = 1 << 15
	markBit    = 1 << 14
	maxPrint   = markBit - 1
)

// Len returns the number of live records.
func (l *Ledger) Len() int { return l.live }

// Marks returns the marks with their instants. The map is the ledger's own.
func (l *Ledger) Marks() map[string]Instant { return l.marks }

// Get returns the entry of id.
func (l *Ledger) Get(id string) (Entry, bool) {
	if len(l.slots) == 0 {
		return Entry{}, false
	}
	n, number := parseNumber(id)
	r, _ := l.find(id, n, number, l.sum(id, n, number))
	if r == nil {
		return Entry{}, false
	}
	return r.entry(), true
}

// Put sets the entry of id, which is at most MaxID bytes long and not empty.
func (l *Ledger) Put(id string, e Entry) {
	if 4*(l.size()+1) > 3*len(l.slots) {
		l.grow()
	}
	n, number := parseNumber(id)
	sum := l.sum(id, n, number)
	r, slot := l.find(id, n, number, sum)
	if r == nil {
		var at uint32
		at, r = l.alloc()
		l.slots[slot] = at + 1
		r.sum = sum
		if number {
			r.id = n
		} else {
			r.id, r.length = l.ids.add(id), uint16(len(id))
		}
	} else {
		l.count(id, r.entry(), -1)
	}
	r.instant, r.hash, r.print = e.Instant, e.Hash, e.Print&maxPrint|usedBit
	if e.Mark {
		r.print |= markBit
	}
	l.count(id, e, +1)
}

// Drop forgets id.
func (l *Ledger) Drop(id string) {
	if len(l.slots) == 0 {
		return
	}
	n, number := parseNumber(id)
	r, slot := l.find(id, n, number, l.sum(id, n, number))
	if r == nil {
		return
	}
	l.count(id, r.entry(), -1)
	l.ids.drop(int(r.length))
	l.free = append(l.free, l.slots[slot]-1)
	*r = record{}
	l.unlink(slot)
	if l.ids.wasteful() {
		l.repack()
	}
}

// All yields every entry, marks too, in no order. The ledger may not be changed
// meanwhile.
func (l *Ledger) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for i := uint32(0); i < l.next; i++ {
			if r := l.at(i); r.used() && !yield(l.id(r), r.entry()) {
				return
			}
		}
	}
}

// Live returns the id of a live record other than those that skip names, searching
// from a place chosen by random (0 to 1).
func (l *Ledger) Live(random float64, skip func(id string) bool) (string, bool) {
	start := uint32(random * float64(l.next))
	for i := uint32(0); i < l.next; i++ {
		r := l.at((start + i) % l.next)
		if r.used() && r.print&markBit == 0 {
			if id := l.id(r); !skip(id) {
				return id, true
			}
		}
	}
	return "", false
}

func (l *Ledger) size() int { return l.live + len(l.marks) }

// count keeps the number of live records and the set of marks.
func (l *Ledger) count(id string, e Entry, by int) {
	switch {
	case !e.Mark:
		l.live += by
	case by < 0:
		delete(l.marks, id)
	default:
		if l.marks == nil {
			l.marks = map[string]Instant{}
		}
		l.marks[id] = e.Instant
	}
}

func (r *record) used() bool { return r.print&usedBit != 0 }

func (r *record) entry() Entry {
	return Entry{Instant: r.instant, Hash: r.hash, Print: r.print & maxPrint, Mark: r.print&markBit != 0}
}

func (l *Ledger) at(i uint32) *record { return &l.chunks[i/chunkSize][i%chunkSize] }

func (l *Ledger) id(r *record) string {
	if r.length == 0 {
		return strconv.FormatUint(r.id, 10)
	}
	return string(l.ids.get(r.id, int(r.length)))
}

// sum hashes an id. Ids come from outside: the seed keeps anybody from choosing
// them so that they collide.
func (l *Ledger) sum(id string, n uint64, number bool) uint32 {
	if number {
		return uint32(maphash.Comparable(l.seed, n))
	}
	return uint32(maphash.String(l.seed, id))
}

// find returns the record of an id, or nil and the slot where it belongs.
func (l *Ledger) find(id string, n uint64, number bool, sum uint32) (*record, uint32) {
	mask := uint32(len(l.slots) - 1)
	for slot := sum & mask; ; slot = (slot + 1) & mask {
		at := l.slots[slot]
		if at == 0 {
			return nil, slot
		}
		r := l.at(at - 1)
		switch {
		case r.sum != sum:
		case number:
			if r.length == 0 && r.id == n {
				return r, slot
			}
		case int(r.length) == len(id) && string(l.ids.get(r.id, len(id))) == id:
			return r, slot
		}
	}
}

func (l *Ledger) alloc() (uint32, *record) {
	if n := len(l.free); n > 0 {
		i := l.free[n-1]
		l.free = l.free[:n-1]
		return i, l.at(i)
	}
	switch n := len(l.chunks); {
	case n == 0:
		l.chunks = [][]record{make([]record, firstChunk)}
	case int(l.next) == n*chunkSize:
		l.chunks = append(l.chunks, make([]record, chunkSize))
	case int(l.next) == len(l.chunks[0]):
		l.chunks[0] = append(make([]record, 0, 2*len(l.chunks[0])), l.chunks[0]...)
		l.chunks[0] = l.chunks[0][:cap(l.chunks[0])]
	}
	l.next++
	return l.next - 1, l.at(l.next - 1)
}

func (l *Ledger) grow() {
	if len(l.slots) == 0 {
		l.seed = maphash.MakeSeed()
	}
	l.slots = make([]uint32, max(16, 2*len(l.slots)))
	mask := uint32(len(l.slots) - 1)
	for i := uint32(0); i < l.next; i++ {
		r := l.at(i)
		if !r.used() {
			continue
		}
		slot := r.sum & mask
		for l.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		l.slots[slot] = i + 1
	}
}

// unlink empties a slot and moves those behind it up, so that no search ends at the
// gap before it has found what was put behind.
func (l *Ledger) unlink(slot uint32) {
	mask := uint32(len(l.slots) - 1)
	gap := slot
	for i := (slot + 1) & mask; l.slots[i] != 0; i = (i + 1) & mask {
		home := l.at(l.slots[i]-1).sum & mask
		if (i-home)&mask >= (i-gap)&mask {
			l.slots[gap] = l.slots[i]
			gap = i
		}
	}
	l.slots[gap] = 0
}

// repack copies the ids still in use into a new arena.
func (l *Ledger) repack() {
	var fresh arena
	for i := uint32(0); i < l.next; i++ {
		if r := l.at(i); r.used() && r.length > 0 {
			r.id = fresh.add(string(l.ids.get(r.id, int(r.length))))
		}
	}
	l.ids = fresh
}

// parseNumber reads an id that is a number in the one form that FormatUint gives
// back: most APIs number their records, and a number needs no text.
func parseNumber(id string) (uint64, bool) {
	if len(id) == 0 || len(id) > 19 || (id[0] == '0' && len(id) > 1) {
		return 0, false
	}
	var n uint64
	for i := 0; i < len(id); i++ {
		c := id[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, true
}

// arena holds ids that are texts, one behind the other.
type arena struct {
	blocks       [][]byte
	used, wasted int
}

const blockSize = 1 << 20

func (a *arena) add(id string) uint64 {
	last := len(a.blocks) - 1
	if last < 0 || len(a.blocks[last])+len(id) > cap(a.blocks[last]) {
		// Blocks begin small: of thousands of collections most hold a few ids.
		size := 256
		if last >= 0 {
			size = min(blockSize, 2*cap(a.blocks[last]))
		}
		a.blocks = append(a.blocks, make([]byte, 0, max(size, len(id))))
		last++
	}
	at := uint64(last)*blockSize + uint64(len(a.blocks[last]))
	a.blocks[last] = append(a.blocks[last], id...)
	a.used += len(id)
	return at
}

func (a *arena) get(at uint64, n int) []byte {
	return a.blocks[at/blockSize][at%blockSize:][:n]
}

func (a *arena) drop(n int) { a.wasted += n }

func (a *arena) wasteful() bool { return a.wasted > blockSize && 2*a.wasted > a.used }
