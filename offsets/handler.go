package offsets

import (
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

type (
	handlerJSON struct {
		V        int             `json:"v"`
		Seq      uint64          `json:"seq"`
		State    json.RawMessage `json:"state"`
		Dumped   instantText     `json:"dumped,omitzero"`
		Pushes   []pushJSON      `json:"pushes,omitempty"`
		Instance string          `json:"instance"`
	}
	pushJSON struct {
		ID  string `json:"id"`
		Seq uint64 `json:"seq"`
	}
)

// encodeHandler writes the handler's own JSON as the bytes that it sent, but for white
// space. What could not be read back, which nobody could go on from, is its error: no
// JSON, or one that is nested too deep.
func encodeHandler(h connector.HandlerState, instance string) ([]byte, error) {
	text, err := plainJSON(toHandlerJSON(h, instance))
	if err != nil {
		return nil, err
	}
	_, err = decodeHandler(text)
	return text, err
}

func toHandlerJSON(h connector.HandlerState, instance string) handlerJSON {
	j := handlerJSON{V: 1, Seq: h.Seq, State: h.State, Dumped: instantText(h.Dumped), Instance: instance}
	for _, p := range h.Pushes {
		j.Pushes = append(j.Pushes, pushJSON(p))
	}
	return j
}

func decodeHandler(v []byte) (connector.HandlerState, error) {
	var j handlerJSON
	if err := strictJSON(v, &j); err != nil {
		return connector.HandlerState{}, err
	}
	return j.handler()
}

func (j *handlerJSON) handler() (connector.HandlerState, error) {
	h := connector.HandlerState{Seq: j.Seq, State: j.State, Dumped: connector.Instant(j.Dumped)}
	if string(h.State) == "null" {
		h.State = nil
	}
	for _, p := range j.Pushes {
		if p.ID == "" {
			return h, fmt.Errorf("a push has no id")
		}
		h.Pushes = append(h.Pushes, connector.Push(p))
	}
	return h, nil
}

// HandlerRecord returns the record that holds a handler's state, or forgets it with nil.
// Its error is that the handler's own JSON cannot be kept.
func HandlerRecord(topic string, partition int32, source, instance string, h *connector.HandlerState) (r *kgo.Record, err error) {
	r = &kgo.Record{Topic: topic, Partition: partition, Key: key(kindHandler, source)}
	if h != nil {
		r.Value, err = encodeHandler(*h, instance)
	}
	return r, err
}

func (t *Table) applyHandler(source string, value []byte) error {
	if value == nil {
		delete(t.Handlers, source)
		return nil
	}
	h, err := decodeHandler(value)
	if err != nil {
		return fmt.Errorf("state of the handler of source %q: %w", source, err)
	}
	t.Handlers[source] = &h
	return nil
}
