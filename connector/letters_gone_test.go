package connector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// bad puts a record on the shelf that cannot be published.
func (s *swept) bad(id string, at Instant, value string) {
	s.shelf.rows = append(s.shelf.rows, Record{ID: id, Instant: at, Stamp: at.String(), Value: []byte(value), Bad: "odd"})
}

func (s *swept) receipts() string {
	var ids []string
	for key := range s.mem.Receipts {
		ids = append(ids, strings.TrimPrefix(key, "id:")[:min(5, len(strings.TrimPrefix(key, "id:")))])
	}
	return strings.Join(slices.Sorted(slices.Values(ids)), " ")
}

func TestTheReceiptOfARecordThatIsBuriedIsForgotten(t *testing.T) {
	s := sweeping(t, 10, func(set *Settings) { set.OnBadRecord = DeadLetterQueue })
	s.pull(2)
	s.remove("r3")
	s.bad("r3", s.shelf.date, "2") // it was good before
	s.pull(2)
	if got := s.receipts(); got != "r3" || s.buried() != "" {
		t.Fatalf("receipts %q, buried %q", got, s.buried())
	}
	s.remove("r3")
	s.pull(4)
	if got := s.receipts(); got != "" || s.buried() != "r3" {
		t.Errorf("receipts %q, buried %q", got, s.buried())
	}
}

// A record without an id leaves a receipt for each of its versions.
func TestAReceiptOfWhatIsNotReadAgainMakesRoom(t *testing.T) {
	s := sweeping(t, 3, func(set *Settings) { set.Sweeps.Every, set.OnBadRecord = 0, DeadLetterQueue })
	s.pull(1)
	for i := range maxReceipts {
		s.mem.Receipts[fmt.Sprint(withoutID, i)] = Receipt{Instant: 101 * sec}
	}
	s.bad("", s.shelf.date, "new")
	s.pull(3)
	if n := len(s.mem.Receipts); n >= maxReceipts || told(s.out) != ":new" {
		t.Errorf("%d receipts, letters %q", n, told(s.out))
	}
}
