package connect

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"tributary/connector/control"
)

// sourceOffsets are a connector's offsets (KIP-875), whose partition and offset each
// connector shapes as it likes. Ours is the cursor of the one collection.
type sourceOffsets struct {
	Offsets []sourceOffset `json:"offsets"`
}

type sourceOffset struct {
	Partition map[string]any `json:"partition"`
	Offset    map[string]any `json:"offset"`
}

type message struct {
	Message string `json:"message"`
}

func (h *handler) offsets(r *http.Request) (int, any, error) {
	c, err := h.find(r)
	if err != nil {
		return 0, nil, err
	}
	all := sourceOffsets{Offsets: []sourceOffset{}}
	if c.Cursor != nil {
		all.Offsets = append(all.Offsets, sourceOffset{
			Partition: map[string]any{"collection": c.Name.Collection},
			Offset:    map[string]any{"cursor": c.Cursor.UTC().Format(time.RFC3339Nano)},
		})
	}
	return http.StatusOK, all, nil
}

// resetOffsets sets the cursor to the beginning. The ledger stays, so that what is read
// again is not published again.
func (h *handler) resetOffsets(r *http.Request) (int, any, error) {
	c, err := h.findStopped(r)
	if err == nil {
		err = h.plane.Reset(r.Context(), c.Name, false)
	}
	return http.StatusOK, message{"The offsets for this connector have been reset successfully"}, err
}

// alterOffsets moves the cursor; an offset of null is that of a partition that was never
// read.
func (h *handler) alterOffsets(r *http.Request) (int, any, error) {
	var asked sourceOffsets
	if err := decode(r.Body, &asked); err != nil {
		return 0, nil, err
	}
	if len(asked.Offsets) == 0 {
		return 0, nil, &apiError{http.StatusBadRequest, "Partitions / offsets need to be provided for an alter offsets request"}
	}
	c, err := h.findStopped(r)
	if err != nil {
		return 0, nil, err
	}
	cursor, err := cursorOf(asked, c.Name.Collection)
	switch {
	case err != nil:
	case cursor == "":
		err = h.plane.Reset(r.Context(), c.Name, false)
	default:
		err = h.plane.SetCursor(r.Context(), c.Name, cursor)
	}
	return http.StatusOK, message{"The offsets for this connector have been altered successfully"}, err
}

// findStopped finds a collection that an operator has stopped.
func (h *handler) findStopped(r *http.Request) (control.Collection, error) {
	c, err := h.find(r)
	if err == nil && c.Hold != control.HoldStopped {
		err = &apiError{http.StatusBadRequest, "Connectors must be in the STOPPED state before their offsets can be modified. This can be done " +
			"for the specified connector by issuing a 'PUT' request to the '/connectors/" + c.Name.String() + "/stop' endpoint"}
	}
	return c, err
}

// cursorOf returns the cursor that is asked for, "" for none. There is one partition.
func cursorOf(asked sourceOffsets, collection string) (string, error) {
	if len(asked.Offsets) != 1 {
		return "", &apiError{http.StatusBadRequest, "there is one partition, {\"collection\": \"" + collection + "\"}, so that there can be one offset"}
	}
	o := asked.Offsets[0]
	if len(o.Partition) != 1 || o.Partition["collection"] != collection {
		return "", &apiError{http.StatusBadRequest, "the partition is not {\"collection\": \"" + collection + "\"}, which is the only one"}
	}
	if o.Offset == nil {
		return "", nil
	}
	cursor, ok := o.Offset["cursor"].(string)
	if !ok || cursor == "" || len(o.Offset) != 1 {
		return "", &apiError{http.StatusBadRequest, `the offset is not {"cursor": INSTANT}, an instant as in 2026-01-31T12:00:00Z, or "beginning"`}
	}
	return cursor, nil
}

// decode reads a body. Connect answers what it cannot read with 500; that says of us what
// is true of the request.
func decode(body io.Reader, v any) error {
	err := json.UnmarshalRead(body, v, json.RejectUnknownMembers(true))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return &apiError{http.StatusRequestEntityTooLarge, "the body is larger than a mebibyte"}
	}
	return &apiError{http.StatusBadRequest, "the body cannot be read: " + err.Error()}
}
