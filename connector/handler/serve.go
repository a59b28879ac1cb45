package handler

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"tributary/connector"
)

// maxRequest bounds the body of a request: the largest part of it is the state.
const maxRequest = 16 << 20

// Serve returns a server of the contract over HTTP in front of a handler in Go, for one
// that runs in a process of its own. Calls may come at the same time where several
// connectors call it.
func Serve(h Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /delta", func(w http.ResponseWriter, r *http.Request) { serve(w, r, h.Delta) })
	mux.HandleFunc("POST /dump", func(w http.ResponseWriter, r *http.Request) { serve(w, r, h.Dump) })
	return mux
}

func serve(w http.ResponseWriter, r *http.Request, method method) {
	var req Request
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if err != nil {
		problem(w, http.StatusBadRequest, err)
		return
	}
	resp, err := method(r.Context(), req)
	var anew *connector.AnewError
	var again *connector.RetryError
	switch {
	case errors.As(err, &anew):
		problem(w, http.StatusGone, err)
	case errors.As(err, &again) && again.After > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int((again.After+time.Second-1)/time.Second)))
		problem(w, http.StatusServiceUnavailable, err)
	case err != nil:
		problem(w, http.StatusInternalServerError, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(resp) // whoever asked is gone
	}
}

// problem answers an error as RFC 9457 has it.
func problem(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()})
}
