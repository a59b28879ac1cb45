package sink

import (
	"fmt"
	"slices"
	"time"

	"tributary/connector"
	"tributary/offsets"
)

// Hold returns how an operator makes a collection rest, "" where none does: "paused" or
// "stopped".
func (l *Lane) Hold(source, collection string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.Holds[offsets.Name{Source: source, Collection: collection}].Hold
}

// CommitHold commits that an operator makes a collection rest, or with "" that it goes on,
// in a transaction of its own, as the lane's next one. The collection need not be open, nor
// have a state. It returns when that is committed, or the error by which the lane is spent:
// then it may be committed or not, and the lane's next life tells. It heeds no context, for
// the outcome has to be known.
func (l *Lane) CommitHold(source, collection, hold string) error {
	name := offsets.Name{Source: source, Collection: collection}
	if hold == "" {
		return l.commitAlone(offsets.HoldRecord(l.cfg.Topic, l.Number, name, nil), func() { delete(l.table.Holds, name) })
	}
	if !slices.Contains(offsets.Holds[:], hold) {
		return fmt.Errorf("%s cannot be %q: a hold is one of %v", name, hold, offsets.Holds)
	}
	h := offsets.Hold{Hold: hold, Instance: l.cfg.Instance, At: connector.InstantOf(time.Now())}
	return l.commitAlone(offsets.HoldRecord(l.cfg.Topic, l.Number, name, &h), func() { l.table.Holds[name] = h })
}
