package sink

import (
	"fmt"

	"tributary/connector"
	"tributary/offsets"
)

// HandlerState returns what is committed of a source's handler, as far as this lane has
// not staged groups of it: nil if nothing is, or if the source has none.
func (l *Lane) HandlerState(source string) *connector.HandlerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.Handlers[source]
}

// CommitHandler makes what a handler is resumed from h, in a transaction of its own, and
// returns as CommitAuth does. Its number goes on above the one that is there. It is for a
// command, beside which no group is staged.
func (l *Lane) CommitHandler(source string, h connector.HandlerState) error {
	if was := l.HandlerState(source); was != nil {
		h.Seq = max(h.Seq, was.Seq+1)
	}
	r, err := offsets.HandlerRecord(l.cfg.Topic, l.Number, source, l.cfg.Instance, &h)
	if err != nil {
		return fmt.Errorf("the state of handler %s cannot be kept: %w", source, err)
	}
	if err := l.fits(r, "the state of handler "+source); err != nil {
		return err
	}
	return l.commitAlone(r, func() { l.table.Handlers[source] = &h })
}

// forgetHandler makes a handler begin at its own beginning, unless it stands there. Its
// state is about all that it has said: what anybody else does to one of its collections,
// it does not know of, and would never say again. The pushes stay: what was applied is not
// to be applied again.
func (l *Lane) forgetHandler(source string) error {
	h := l.HandlerState(source)
	if h == nil || (h.State == nil && h.Dumped == 0) {
		return nil
	}
	return l.CommitHandler(source, connector.HandlerState{Pushes: h.Pushes})
}
