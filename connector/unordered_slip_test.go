package connector

import "testing"

// hiding is an API that takes no upper bound and whose order changes with each request: so
// many walks show one row twice, and in its place the record with that id not at all.
type hiding struct {
	*newestFirst
	id, instead string
	walks       int
	walked      int
}

func hidingOf(t *testing.T, id, instead string, change func(*Settings)) *hiding {
	a := &hiding{newestFirst: newestFirstOf(t, 23, change), id: id, instead: instead}
	answer := a.swept.page
	a.swept.page = func(q Query) Page {
		q.To = Forever
		if len(q.IDs) > 0 || q.From > a.row(id).Instant {
			return answer(q)
		}
		if q.Page == 1 {
			a.walked++
		}
		p := answer(q)
		for i, rec := range p.Records {
			if rec.ID == id && a.walked <= a.walks {
				p.Records[i] = a.row(instead)
			}
		}
		return p
	}
	return a
}

func (a *hiding) row(id string) Record {
	for _, rec := range a.shelf.rows {
		if rec.ID == id {
			return rec
		}
	}
	a.t.Fatalf("there is no %s", id)
	return Record{}
}

// found fails if the record was passed for good.
func (a *hiding) found(pulls int) {
	a.t.Helper()
	a.pull(pulls)
	if _, ok := a.mem.Ledger.Get(a.id); !ok || a.mem.State.Cursor.Instant == Beginning || a.walked <= a.walks {
		a.t.Errorf("%s is known: %v; the cursor is at %s after %d walks", a.id, ok, a.mem.State.Cursor.Instant, a.walked)
	}
}

// Of what is older than the first pull, no trailing pass reads anything.
func TestABackfillIsNotAtItsEndBecauseAWalkHasNoNews(t *testing.T) {
	a := hidingOf(t, "r3", "r9", nil)
	a.walks = 1 << 30
	a.pull(1)
	if c := a.mem.State.Cursor.Instant; c != Beginning || a.mem.Ledger.Len() != 22 {
		t.Fatalf("the cursor is at %s, %d records are known", c, a.mem.Ledger.Len())
	}
	a.walks, a.walked = 1, 0
	a.found(3)
}

func TestARowThatIsTooYoungToBeMeantTellsWhatSlipped(t *testing.T) {
	a := hidingOf(t, "r3", "young", nil)
	a.shelf.rows = append(a.shelf.rows, row("young", a.shelf.date+400*sec, 1))
	a.walks = 3
	a.found(3)
}

func TestARecordThatTurnsBadBetweenTwoWalksIsOne(t *testing.T) {
	a := hidingOf(t, "r3", "r9", func(set *Settings) { set.OnBadRecord = SkipBadRecord })
	a.walks = 8
	a.before = func(q Query) {
		if q.Page == 1 && a.walked == 3 {
			a.shelf.rows[5].Bad = "spoilt"
		}
	}
	a.found(3)
}

// What the walks of a doubt show beside its tick takes up places too.
func TestARowOutOfTheRangeTellsWhatSlipped(t *testing.T) {
	a := hidingOf(t, "r3", "r9", func(set *Settings) { set.Probe = 0 })
	a.pull(2)
	a.mem.Doubts["r3"] = Doubt{Since: a.shelf.date, At: 60 * sec}
	a.shelf.rows[3] = row("r3", 60*sec, 7)
	a.walks, a.walked = 2, 0
	a.pull(2)
	if e, _ := a.mem.Ledger.Get("r3"); e.Hash != (Hash{7}) || len(a.mem.Doubts) != 0 || a.walked <= a.walks {
		t.Errorf("r3 is %+v, doubts %v, %d walks", e, a.mem.Doubts, a.walked)
	}
}
