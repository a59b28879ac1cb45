package offsets

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// Hold says that an operator makes a collection rest, beyond restarts.
type Hold struct {
	// Hold is one of Holds.
	Hold string
	// Instance wrote it, At is its clock.
	Instance string
	At       connector.Instant
}

// Holds are the ways in which a collection may be held: one that is stopped may be reset.
var Holds = [...]string{"paused", "stopped"}

type holdJSON struct {
	V        int         `json:"v"`
	Hold     string      `json:"hold"`
	Instance string      `json:"instance"`
	At       instantText `json:"at"`
}

func encodeHold(h Hold) []byte { return mustJSON(toHoldJSON(h)) }

func toHoldJSON(h Hold) holdJSON {
	return holdJSON{V: 1, Hold: h.Hold, Instance: h.Instance, At: instantText(h.At)}
}

func decodeHold(v []byte) (Hold, error) {
	var j holdJSON
	if err := strictJSON(v, &j); err != nil {
		return Hold{}, err
	}
	return j.hold()
}

func (j *holdJSON) hold() (Hold, error) {
	if !slices.Contains(Holds[:], j.Hold) {
		return Hold{}, fmt.Errorf("hold %.40q is none that this program knows: use the program that wrote it, or a newer one", j.Hold)
	}
	return Hold{Hold: j.Hold, Instance: j.Instance, At: connector.Instant(j.At)}, nil
}

// HoldRecord returns the record that holds a collection, or lets it go on with nil.
func HoldRecord(topic string, partition int32, name Name, h *Hold) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Key: key(kindHold, name.Source, name.Collection)}
	if h != nil {
		r.Value = encodeHold(*h)
	}
	return r
}

func (t *Table) applyHold(name Name, value []byte) error {
	if value == nil {
		delete(t.Holds, name)
		return nil
	}
	h, err := decodeHold(value)
	if err != nil {
		return fmt.Errorf("hold of %s: %w", name, err)
	}
	t.Holds[name] = h
	return nil
}
