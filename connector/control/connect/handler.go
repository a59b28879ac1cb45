package connect

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"tributary/connector/control"
)

// Config says how a handler answers.
type Config struct {
	// Guard decides who is answered; nil: nobody is. Clients send the token as the
	// password of Basic, with any name.
	Guard *control.Guard
	// Worker is the worker_id that every connector and task is said to be on, HOST:PORT
	// in Connect; empty: the name of the instance.
	Worker string
	Log    *slog.Logger // nil: nothing is logged
}

// Bounds on a request.
const (
	maxBody     = 1 << 20
	operateTime = time.Minute
)

// A handler answers over a plane.
type handler struct {
	plane control.Plane
	cfg   Config
	mux   *http.ServeMux
}

// An operation answers with a status and what is encoded as JSON; nil: no body.
type operation func(*http.Request) (int, any, error)

// NewHandler returns Kafka Connect's REST API of a plane.
func NewHandler(p control.Plane, cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Guard == nil {
		cfg.Guard = control.NewGuard(control.Config{})
	}
	if cfg.Worker == "" {
		cfg.Worker = p.Info().Instance
	}
	h := &handler{plane: p, cfg: cfg, mux: http.NewServeMux()}
	for path, operations := range h.routes() {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, operations) })
	}
	return h
}

// routes are the operations of each path by their method.
func (h *handler) routes() map[string]map[string]operation {
	const one = "/connectors/{connector}"
	return map[string]map[string]operation{
		"/{$}":       {"GET": h.root},
		"/health":    {"GET": h.health},
		"/{unknown}": {},
		"/connectors": {
			"GET": h.list, "POST": fileManaged,
		},
		one:                                      {"GET": h.info, "DELETE": fileManaged},
		one + "/config":                          {"GET": h.config, "PUT": fileManaged, "PATCH": fileManaged},
		one + "/status":                          {"GET": h.status},
		one + "/tasks":                           {"GET": h.tasks},
		one + "/tasks/{task}/status":             {"GET": h.taskStatus},
		one + "/tasks/{task}/restart":            {"POST": h.restartTask},
		one + "/restart":                         {"POST": h.restart},
		one + "/pause":                           {"PUT": h.hold(control.HoldPaused, http.StatusAccepted)},
		one + "/resume":                          {"PUT": h.hold(control.HoldNone, http.StatusAccepted)},
		one + "/stop":                            {"PUT": h.hold(control.HoldStopped, http.StatusNoContent)},
		one + "/topics":                          {"GET": h.topics},
		one + "/topics/reset":                    {"PUT": h.resetTopics},
		one + "/offsets":                         {"GET": h.offsets, "PATCH": h.alterOffsets, "DELETE": h.resetOffsets},
		"/connector-plugins":                     {"GET": h.plugins},
		"/connector-plugins/{p}/config":          {"GET": h.pluginConfig},
		"/connector-plugins/{p}/config/validate": {"PUT": h.validate},
		"/admin/loggers":                         {"GET": h.loggers},
		"/admin/loggers/{logger}":                {"GET": h.logger, "PUT": h.setLogger},
	}
}

// ServeHTTP answers one request. Connect knows every path with a slash behind it too, and
// kcctl asks for some of them so.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := h.cfg.Guard.Refuse(r); p != nil {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.logAsked(r, slog.LevelWarn, p.Status)
		}
		if p.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="tributary", charset="UTF-8"`)
		}
		write(w, p.Status, &apiError{p.Status, p.Detail + "; " + p.Remedy})
		return
	}
	if len(r.URL.Path) > 1 && strings.HasSuffix(r.URL.Path, "/") {
		u := *r.URL
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
		r = r.Clone(r.Context())
		r.URL = &u
	}
	if _, pattern := h.mux.Handler(r); pattern == "" {
		h.serve(w, r, nil)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// serve does what a path has for the request's method, within bounds.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, operations map[string]operation) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do := operations[method]
	switch {
	case len(operations) == 0:
		do = refuse(http.StatusNotFound, "HTTP 404 Not Found")
	case do == nil:
		do = refuse(http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	ctx, cancel := context.WithTimeout(r.Context(), operateTime)
	defer cancel()
	status, body, err := do(r.WithContext(ctx))
	if err != nil {
		e := h.refusal(r, err)
		status, body = e.Code, e
	}
	if method != http.MethodGet {
		level := slog.LevelInfo
		if status >= 400 {
			level = slog.LevelWarn
		}
		h.logAsked(r, level, status)
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", allowed(operations))
	}
	write(w, status, body)
}

// logAsked says who asked for what that changes something, and how it ended.
func (h *handler) logAsked(r *http.Request, level slog.Level, status int) {
	h.cfg.Log.Log(r.Context(), level, "asked over Kafka Connect's API", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr, "status", status)
}

// allowed lists the methods that do something.
func allowed(operations map[string]operation) string {
	var methods []string
	for m := range operations {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // a client that has gone is nobody's error
}

// apiError is every error of Connect's.
type apiError struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

func refuse(code int, message string) operation {
	return func(*http.Request) (int, any, error) { return 0, nil, &apiError{code, message} }
}

// fileManaged answers whoever would write a config. Redpanda Console shows the text.
func fileManaged(*http.Request) (int, any, error) {
	return 0, nil, &apiError{http.StatusMethodNotAllowed, "the configuration is file-managed: collections are added, changed and removed in " +
		"Tributary's config file, which is read when it starts; here they can be paused, resumed, stopped and restarted, and their offsets be set"}
}

// refusal turns an error into what Connect would answer. 409 is what Connect says while it
// is not ready, and its clients try again; so it is for nothing that would stay so.
func (h *handler) refusal(r *http.Request, err error) *apiError {
	var ours *apiError
	if errors.As(err, &ours) {
		return ours
	}
	code := http.StatusInternalServerError
	var e *control.Error
	switch {
	case errors.As(err, &e):
		switch e.Kind {
		case control.Unknown:
			code = http.StatusNotFound
		case control.Invalid, control.Conflict:
			code = http.StatusBadRequest
		case control.Unavailable:
			code = http.StatusConflict
		}
		return &apiError{code, e.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &apiError{code, "Request timed out: what was begun goes on"}
	}
	h.cfg.Log.Error("Kafka Connect's API met an error of no kind", "method", r.Method, "path", r.URL.Path, "err", err)
	return &apiError{code, "the request met a fault of the connector, whose log says more"}
}
