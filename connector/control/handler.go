package control

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config says who may ask, and bounds what they may ask for. Zero values are the defaults.
type Config struct {
	// Token is asked of everybody, as Bearer or as the password of Basic. Without one,
	// only who comes by a name of the loopback, or by one of Hosts, is answered, and
	// nobody unless Loopback is set.
	Token string
	// Hosts are further names by which the connector may be asked, each with a port or
	// for any. Beside a Token they are the only ones, if there are any.
	Hosts []string
	// Loopback says that the address that is listened on is reached from this host alone.
	Loopback bool
	// Certificate says that whoever asks must have shown a certificate (Certified), beside
	// a Token if there is one.
	Certificate bool
	// Page answers what is not below /v1; nil: there is no page.
	Page http.Handler
	Log  *slog.Logger

	// Streams are how many listen to events at once (64), Waiting how many requests wait
	// at once for a pull or a replica (1024).
	Streams, Waiting int
	// Heartbeat is how long a stream of events is silent (15 s).
	Heartbeat time.Duration
}

// Handler is the control API. Close ends what goes on in it.
type Handler struct {
	cfg   Config
	plane Plane
	api   *http.ServeMux
	guard *Guard
	seen  replays
	slow  time.Duration // how long a client may take to read an event
	// bodies is how long a body may take to come.
	bodies time.Duration

	ctx     context.Context // until Close
	cancel  context.CancelFunc
	runs    sync.WaitGroup
	streams places
	waiting places
	pushes  places
	looks   places
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns the control API of a plane: everything below /v1, and the page.
func NewHandler(p Plane, cfg Config) *Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Streams == 0 {
		cfg.Streams = 64
	}
	if cfg.Waiting == 0 {
		cfg.Waiting = 1024
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	h := &Handler{
		cfg: cfg, plane: p, slow: writeTime, bodies: bodyTime, api: http.NewServeMux(), guard: NewGuard(cfg),
		streams: make(places, cfg.Streams), waiting: make(places, cfg.Waiting), pushes: make(places, maxPushes), looks: make(places, maxLooks),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for _, r := range h.routes() {
		h.api.Handle(r.pattern, h.serve(r))
	}
	return h
}

// Close ends the streams of events and whatever waits, which is told so, and returns when
// nothing runs any more that outlives its request.
func (h *Handler) Close() {
	h.cancel()
	h.runs.Wait()
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &recorder{ResponseWriter: rw}
	if !safe(r.Method) {
		began := time.Now()
		defer func() { h.logRequest(r, w.status, time.Since(began)) }()
	}
	defer h.recover(w, r)
	isAPI := r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/")
	setHeaders(w.Header(), isAPI)
	if p := h.guard.Refuse(r); p != nil {
		p.write(w)
		return
	}
	switch {
	case !isAPI && h.cfg.Page != nil:
		h.cfg.Page.ServeHTTP(w, r)
	case !isAPI:
		h.unknownRoute().write(w)
	default:
		h.serveAPI(w, r)
	}
}

// serveAPI answers also what no route fits, which the mux would answer with text.
func (h *Handler) serveAPI(w http.ResponseWriter, r *http.Request) {
	answer, pattern := h.api.Handler(r)
	if pattern != "" {
		h.api.ServeHTTP(w, r) // which sets the values of the path
		return
	}
	said := &recorder{ResponseWriter: discard{http.Header{}}}
	answer.ServeHTTP(said, r)
	if allow := said.Header().Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		wrongMethod(r.Method, allow).write(w)
		return
	}
	h.unknownRoute().write(w)
}

// recover answers for a panic, which is a fault of ours; the server logs those of its own.
func (h *Handler) recover(w *recorder, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler || w.status != 0 {
		panic(p)
	}
	h.cfg.Log.Error("control API panicked", "method", r.Method, "path", r.URL.Path, "panic", p)
	internal().write(w)
}

// contain does the same for what runs beside its request, where a panic would be the end of
// the process.
func (h *Handler) contain(err *error) {
	if p := recover(); p != nil {
		h.cfg.Log.Error("control API panicked", "panic", p)
		*err = internal()
	}
}

func (h *Handler) logRequest(r *http.Request, status int, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case status >= 400:
		level = slog.LevelWarn
	case strings.HasSuffix(r.URL.Path, "/list"), strings.HasSuffix(r.URL.Path, "/aggregate"):
		level = slog.LevelDebug // a POST for its body's sake, that only reads
	}
	h.cfg.Log.Log(r.Context(), level, "control request", "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path,
		"status", status, "took", took.Round(time.Millisecond))
}

// safe says whether a method changes nothing (RFC 9110, section 9.2.1).
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// A recorder remembers with what status a request was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what it controls.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// discard takes an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// places bounds how many do something at once.
type places chan struct{}

// take takes a place, if there is one.
func (p places) take() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() { <-p }
