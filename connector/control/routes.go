package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A route is one operation of the API.
type route struct {
	pattern string
	// body bounds the request's body in bytes; 0: it has none.
	body int64
	// waits bounds those that wait for what may take minutes; until when, they say
	// themselves. nil: it does not.
	waits places
	// few bounds those that cost much at once. nil: it does not.
	few places
	// do answers with a status and what is encoded as JSON.
	do func(*http.Request) (int, any, error)
	// raw answers by itself.
	raw http.HandlerFunc
}

// Bounds of bodies. A push holds the records of a response of a handler, so that few are
// taken at once.
const (
	maxBody   = 1 << 20
	maxPush   = 32 << 20
	maxPushes = 4
	maxLooks  = 8 // each has a client of Kafka's, which reads a part of a topic
)

// Bounds of time. A request that waits for nothing is done within plainTime; a body comes
// within bodyTime.
const (
	plainTime = 20 * time.Second
	bodyTime  = 30 * time.Second
	grace     = 10 * time.Second // to write the answer after all
)

func (h *Handler) routes() []route {
	const collection = "/v1/sources/{source}/collections/{collection}"
	return []route{
		{pattern: "GET /v1/info", do: h.info},
		{pattern: "GET /v1/sources", do: h.sources},
		{pattern: "GET /v1/sources/{source}", do: h.source},
		{pattern: "POST /v1/sources/{source}/pull", do: h.pullSource, body: maxBody, waits: h.waiting},
		{pattern: "POST /v1/sources/{source}/push", do: h.push, body: maxPush, waits: h.pushes},
		{pattern: "GET /v1/collections", do: h.collections},
		{pattern: "GET " + collection, do: h.collection},
		{pattern: "POST " + collection + "/pull", do: h.pull, body: maxBody, waits: h.waiting},
		{pattern: "POST " + collection + "/pause", do: h.hold(HoldPaused), body: maxBody},
		{pattern: "POST " + collection + "/resume", do: h.hold(HoldNone), body: maxBody},
		{pattern: "POST " + collection + "/stop", do: h.hold(HoldStopped), body: maxBody},
		{pattern: "POST " + collection + "/sweep", do: h.sweep, body: maxBody, waits: h.waiting},
		{pattern: "POST " + collection + "/restart", do: h.restart, body: maxBody, waits: h.waiting},
		{pattern: "POST " + collection + "/reset", do: h.reset, body: maxBody, waits: h.waiting},
		{pattern: "PUT " + collection + "/cursor", do: h.cursor, body: maxBody, waits: h.waiting},
		{pattern: "GET " + collection + "/changes", do: h.changes, few: h.looks},
		{pattern: "POST " + collection + "/list", do: h.query(h.plane.List), body: maxBody, waits: h.waiting},
		{pattern: "POST " + collection + "/aggregate", do: h.query(h.plane.Aggregate), body: maxBody, waits: h.waiting},
		{pattern: "GET /v1/log-level", do: h.level},
		{pattern: "PUT /v1/log-level", do: h.setLevel, body: maxBody},
		{pattern: "GET /v1/events", raw: h.events},
		{pattern: "GET /v1/openapi.yaml", raw: serveYAML},
		{pattern: "GET /v1/openapi.json", raw: serveJSON},
	}
}

// serve bounds a route and writes its answer.
func (h *Handler) serve(r route) http.Handler {
	if r.raw != nil {
		return r.raw
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		waits := r.waits != nil
		if waits { // before its body is, which takes memory
			if !r.waits.take() {
				tooMany("requests that wait", cap(r.waits)).write(w)
				return
			}
			defer r.waits.leave()
			// The server's own deadline is for answers that come at once.
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bodyTime + maxTimeout + grace))
		}
		if r.few != nil {
			if !r.few.take() {
				tooMany("requests like it", cap(r.few)).write(w)
				return
			}
			defer r.few.leave()
		}
		if p := takeBody(w, req, r.body, h.bodies); p != nil {
			p.write(w)
			return
		}
		ctx, cancel := h.until(req.Context(), waits)
		defer cancel()
		status, v, err := r.do(req.WithContext(ctx))
		if err != nil {
			h.problem(ctx, err).write(w)
			return
		}
		writeJSON(w, "application/json", status, v)
	})
}

// until returns a context that ends with Close too, and with the time that a request has
// that does not say so itself.
func (h *Handler) until(ctx context.Context, waits bool) (context.Context, context.CancelFunc) {
	limit := plainTime
	if waits {
		limit = maxTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// encode writes what is shown. Records are shown as they are, and JSON's grammar allows two
// members of one name and half a character; in texts of others what is no UTF-8 is replaced.
func encode(v any) ([]byte, error) {
	return jsonv2.Marshal(v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true))
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	body, isJSON := v.(json.RawMessage)
	if !isJSON {
		var err error
		if body, err = encode(v); err != nil {
			contentType, status = problemType, http.StatusInternalServerError
			body, _ = jsonv2.Marshal(internal()) // of texts alone
		}
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // who has gone is nobody's error
}
